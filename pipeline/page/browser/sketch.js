// Zones and lines over a picture, and the drawing of new ones, of a box, too: by pointer, by touch, or with the keys.
// Corners are shares of the picture; of a box two that face each other. `sightline.sketch(place, told)`; `told` hears of
// every change of the draft.
sightline.sketch = (place, told) => {
  const {draw, make} = sightline;
  const picture = make('img', {alt: 'Picture of the source', hidden: true});
  const heat = make('img', {alt: '', className: 'sl-heat', hidden: true});
  const none = make('span', {className: 'sl-none', textContent: 'no picture of this source yet'});
  const surface = draw('svg', {class: 'sl-over', role: 'group', 'aria-label': 'Zones and lines'});
  const frame = make('div', {className: 'sl-frame'}, picture, none, heat, surface);
  place.replaceChildren(frame);
  let rules = [], draft = null, chosen = null, dragged = null, cross = null;  // cross: where the keys are

  const size = () => [frame.clientWidth || 1, frame.clientHeight || 1];
  const spot = ([x, y]) => { const [width, height] = size(); return [x * width, y * height]; };
  const inside = value => Math.min(Math.max(value, 0), 1);
  const points = corners => corners.map(one => spot(one).map(value => value.toFixed(1)).join(',')).join(' ');

  const label = (text, [x, y], anchor = 'middle') => {
    const [width, height] = size(), half = text.length * 3.7 + 6;
    return draw('text', {x: Math.min(Math.max(x, half), Math.max(width - half, half)), y: Math.min(Math.max(y, 14), height - 5), 'text-anchor': anchor}, text);
  };

  // An arrow across a line: the way that is called by the first of its two directions, from its right to its left.
  const arrow = (start, end, [first]) => {
    const [ax, ay] = spot(start), [bx, by] = spot(end);
    const long = Math.hypot(bx - ax, by - ay) || 1, [lx, ly] = [(by - ay) / long, -(bx - ax) / long];
    const [mx, my] = [(ax + bx) / 2, (ay + by) / 2], [tx, ty] = [mx + 20 * lx, my + 20 * ly];
    const wing = side => `${tx - 8 * lx + side * 5 * ly},${ty - 8 * ly - side * 5 * lx}`;
    return [draw('path', {class: 'way', d: `M${mx - 14 * lx},${my - 14 * ly}L${tx},${ty}M${wing(1)}L${tx},${ty}L${wing(-1)}`}),
      label(first, [tx + 14 * lx, ty + 14 * ly + 4])];
  };

  const shape = (rule, kind) => {
    const {definition} = rule;
    if (rule.kind === 'zone') {
      const corners = definition.polygon, top = Math.min(...corners.map(([, y]) => y));
      const upper = corners.filter(([, y]) => y < top + .05), x = upper.reduce((sum, [one]) => sum + one, 0) / upper.length;
      return draw('g', {class: kind}, draw(corners.length > 2 ? 'polygon' : 'polyline', {points: points(corners)}), ...(rule.name ? [label(rule.name, [spot([x, top])[0], spot([x, top])[1] + 18])] : []));
    }
    const [from, to] = rule.kind === 'box' ? definition.corners : [definition.start, definition.end];
    if (rule.kind === 'box' && to) return draw('g', {class: kind}, draw('polygon', {points: points([from, [to[0], from[1]], to, [from[0], to[1]]])}));
    if (!to) return draw('g', {class: kind});
    const [x, y] = spot(from[1] < to[1] ? from : to);
    return draw('g', {class: kind}, draw('polyline', {points: points([from, to])}), ...arrow(from, to, definition.directions ?? ['in', 'out']),
      ...(rule.name ? [label(rule.name, [x, y - 8])] : []));
  };

  const unfinished = () => draft.kind === 'box' ? {kind: 'box', name: '', definition: {corners: draft.corners}} : draft.kind === 'zone' ? {kind: 'zone', name: '', definition: {polygon: draft.corners}}
    : {kind: 'line', name: '', definition: {start: draft.corners[0], end: draft.corners[1], directions: draft.directions}};

  const show = () => {
    const [width, height] = size();
    surface.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const parts = rules.map(rule => shape(rule, `rule ${rule.kind}${rule.name === chosen ? ' chosen' : ''}`));
    if (draft) {
      if (draft.corners.length) parts.push(shape(unfinished(), `draft ${draft.kind}`));
      draft.corners.forEach((corner, index) => {
        const [x, y] = spot(corner);
        parts.push(draw('circle', {class: 'corner', cx: x, cy: y, r: 7, tabindex: 0, role: 'button', 'data-corner': index,
          'aria-label': `Corner ${index + 1}; arrow keys move it, Delete takes it away`}));
      });
      if (cross) {
        const [x, y] = spot(cross);
        parts.push(draw('path', {class: 'cross', d: `M${x - 12},${y}H${x + 12}M${x},${y - 12}V${y + 12}`}));
      }
    }
    const focused = document.activeElement?.dataset?.corner;
    surface.replaceChildren(...parts);
    if (focused !== undefined && surface.contains(document.activeElement) === false) surface.querySelector(`[data-corner="${focused}"]`)?.focus();
    frame.classList.toggle('drawing', Boolean(draft));
  };

  const changed = () => { show(); told(draft && {kind: draft.kind, corners: draft.corners}); };
  const most = () => draft.kind === 'zone' ? 50 : 2;
  const add = corner => {
    if (draft.corners.length >= most()) return;
    draft.corners.push(corner.map(value => Number(inside(value).toFixed(4))));
    changed();
  };
  const take = index => { draft.corners.splice(index, 1); changed(); };

  const at = event => {
    const box = frame.getBoundingClientRect();
    return [inside((event.clientX - box.left) / box.width), inside((event.clientY - box.top) / box.height)];
  };

  surface.addEventListener('pointerdown', event => {
    if (!draft || event.button) return;
    event.preventDefault();
    cross = null;
    const corner = event.target.closest('[data-corner]');
    if (!corner && draft.kind === 'box') {  // another box, from here to where the pointer is let go
      draft.corners = [];
      add(at(event));
    }
    if (!corner) add(at(event));
    const index = corner ? Number(corner.dataset.corner) : draft.corners.length - 1;
    if (corner || draft.corners.length < most() || draft.kind !== 'zone') dragged = index;
    surface.setPointerCapture(event.pointerId);
    surface.querySelector(`[data-corner="${index}"]`)?.focus();
  });
  surface.addEventListener('pointermove', event => {
    if (!draft || dragged === null) return;
    draft.corners[dragged] = at(event).map(value => Number(value.toFixed(4)));
    changed();
  });
  const flat = ([from, to]) => !to || Math.abs(from[0] - to[0]) < .002 || Math.abs(from[1] - to[1]) < .002;
  for (const end of ['pointerup', 'pointercancel']) surface.addEventListener(end, () => {
    if (dragged !== null && draft?.kind === 'box' && flat(draft.corners)) { draft.corners = []; changed(); }  // a mere click
    dragged = null;
  });

  // Keys: arrows move the corner that has the focus, or a cross; Enter puts a corner there; Delete takes one away.
  frame.addEventListener('keydown', event => {
    if (!draft) return;
    const step = (event.shiftKey ? 10 : 1) / 100;
    const way = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step]}[event.key];
    const corner = event.target.dataset.corner;
    const moved = ([x, y]) => [inside(x + way[0]), inside(y + way[1])].map(value => Number(value.toFixed(4)));
    if (way && corner !== undefined) draft.corners[corner] = moved(draft.corners[corner]);
    else if (way) cross = moved(cross ?? [.5, .5]);
    else if (event.key === 'Enter') { add(cross ?? [.5, .5]); }
    else if (event.key === 'Delete' || event.key === 'Backspace') { if (draft.corners.length) take(corner === undefined ? draft.corners.length - 1 : Number(corner)); }
    else return;
    event.preventDefault();
    event.stopPropagation();
    changed();
  });

  picture.addEventListener('load', () => {
    picture.hidden = false;
    none.hidden = true;
    frame.style.maxWidth = `calc(72vh * ${picture.naturalWidth / picture.naturalHeight})`;  // all of it is to be seen
    show();
  });
  picture.addEventListener('error', () => { picture.hidden = true; none.hidden = false; heat.hidden = true; show(); });
  heat.addEventListener('load', () => { heat.hidden = picture.hidden; });
  heat.addEventListener('error', () => { heat.hidden = true; });
  new ResizeObserver(show).observe(frame);

  return {
    // The picture below all; null where there is none.
    look: address => {
      if (address) { picture.src = address; return; }
      picture.removeAttribute('src');
      picture.hidden = true;
      none.hidden = false;
    },
    warm: address => { if (address) heat.src = address; else { heat.removeAttribute('src'); heat.hidden = true; } },
    rules: wanted => { rules = wanted; show(); },
    choose: name => { chosen = name; show(); },
    begin: kind => { draft = {kind, corners: [], directions: ['in', 'out']}; cross = null; surface.setAttribute('tabindex', '0'); surface.focus({preventScroll: true}); frame.scrollIntoView({block: 'nearest'}); changed(); },
    // The box that is drawn from now on, by nobody so far or with these corners; the focus stays where it is.
    box: (corners = []) => { draft = {kind: 'box', corners, directions: []}; cross = null; surface.setAttribute('tabindex', '0'); surface.setAttribute('aria-label', 'Box around the target: drag it, or set two corners with the arrow keys and Enter'); changed(); },
    directions: names => { if (draft) { draft.directions = names; show(); } },
    turn: () => { draft?.corners.reverse(); if (draft) changed(); },
    end: () => { draft = null; cross = null; dragged = null; surface.removeAttribute('tabindex'); changed(); },
  };
};
