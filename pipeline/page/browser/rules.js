// Zones and lines of a camera or video: listed, drawn over its picture and removed; its heat map lies over it, too.
// `sightline.rules(place, {guarded, heat})`, where `heat()` is the address of the map; gives {show, look, warm, some}.
sightline.rules = (place, {guarded, heat}) => {
  const {api, ask, make, sketch, write} = sightline;
  const HOW = {
    zone: ['Click the corners of the zone, three or more. Drag a corner to move it.', 'Arrow keys move, Enter sets a corner, Delete takes one away.'],
    line: ['Click the two ends of the line. Drag an end to move it.', 'The arrow shows the first way across.'],
  };
  const part = name => place.querySelector(`[data-f="${name}"]`);
  const form = part('rule');
  let source = null, picture = null, rules = [];
  let drawn = null;  // {kind, corners} of what is being drawn
  const board = sketch(part('sketch'), draft => { drawn = draft; });

  const warm = () => board.warm(source && place.querySelector('[name="heat"]').checked ? heat() : null);

  // The newest picture.
  const look = async () => {
    if (!picture) ({picture} = await api(`/api/sources/${source.id}`));
    board.look(picture && `${picture}?v=${Date.now()}`);
    warm();
  };

  // What is special about a zone or line.
  const told = rule => {
    const {definition: is} = rule, found = [];
    if (is.classes) found.push([is.classes].flat().join(', '));
    if (rule.kind === 'line') found.push((is.directions ?? ['in', 'out']).join(' / '));
    if (is.dwell_seconds) found.push(`staying ${is.dwell_seconds} s`);
    if (is.loiter_seconds) found.push(`standing about ${is.loiter_seconds} s`);
    if (is.count_above) found.push(`more than ${is.count_above}`);
    if (is.speed_above) found.push(`faster than ${is.speed_above} m/s`);
    if (rule.origin === 'settings') found.push('from the settings file');
    return found.join(' · ');
  };

  const row = rule => make('li', {onpointerenter: () => board.choose(rule.name), onpointerleave: () => board.choose(null)},
    make('i', {className: rule.kind}), make('span', {}, make('b', {textContent: rule.name}), make('small', {textContent: `${rule.kind}${told(rule) && ` · ${told(rule)}`}`})),
    ...(rule.origin === 'drawn' ? [make('button', {type: 'button', className: 'sl-button danger', textContent: 'Remove', ariaLabel: `Remove ${rule.name}`, onclick: guarded(() => remove(rule))})] : []));

  const load = async () => {
    const mine = source, {items} = await api(`/api/sources/${mine.id}/rules`);
    if (mine !== source) return;  // another one is wanted by now
    rules = items;
    board.rules(rules);
    part('rules').replaceChildren(...rules.map(row), ...(rules.length ? [] : [make('li', {className: 'sl-quiet', textContent: 'No zone or line yet.'})]));
  };

  const remove = async rule => {
    const sure = await ask({title: `Remove ${rule.name}?`, ok: 'Remove', danger: true, text: 'It is watched no longer. The events it has had stay.'});
    if (sure === null) return;
    await api(`/api/sources/${source.id}/rules/${rule.id}`, {method: 'DELETE'});
    await load();
  };

  const said = (text, trouble = false) => {
    const line = form.querySelector('.sl-said');
    write(line, text);
    line.classList.toggle('sl-trouble', trouble);
  };

  const begin = kind => {
    form.hidden = false;
    part('start').hidden = true;
    form.reset();
    for (const name of ['zone', 'line']) for (const one of form.querySelectorAll(`.${name}`)) one.hidden = kind !== name;
    const taken = new Set(rules.map(rule => rule.name));
    for (let number = 1; ; number += 1) if (!taken.has(`${kind} ${number}`)) { form.elements.name.value = `${kind} ${number}`; break; }
    said('');
    write(part('how'), HOW[kind].join(' '));
    board.begin(kind);
  };

  const end = () => {
    board.end();
    form.hidden = true;
    part('start').hidden = false;
    write(part('how'), '');
  };

  const offerClasses = guarded(async runs => {
    const list = form.querySelector('datalist');
    list.replaceChildren();
    if (!runs.length) return;
    const {models} = await api(`/api/runs/${runs[0].id}`);
    list.replaceChildren(...(models.find(one => one.task === 'detect')?.classes ?? []).map(value => make('option', {value})));
  }, 'classes');

  const directions = () => [form.elements.first.value.trim() || 'in', form.elements.second.value.trim() || 'out'];

  const save = async () => {
    const {elements} = form, name = elements.name.value.trim();
    if (!name) { elements.name.focus(); return said('Give it a name first.', true); }
    const least = drawn.kind === 'zone' ? 3 : 2;
    if (drawn.corners.length < least) return said(drawn.kind === 'zone' ? 'A zone needs three corners or more: click them on the picture.' : 'A line needs two ends: click them on the picture.', true);
    const classes = elements.classes.value.split(',').map(one => one.trim()).filter(Boolean);
    const definition = {anchor: elements.anchor.value, ...(classes.length ? {classes} : {})};
    if (drawn.kind === 'zone') {
      definition.polygon = drawn.corners;
      for (const key of ['dwell_seconds', 'loiter_seconds', 'count_above', 'speed_above']) if (elements[key].value !== '') definition[key] = Number(elements[key].value);
    } else {
      Object.assign(definition, {start: drawn.corners[0], end: drawn.corners[1], directions: directions()});
    }
    said('Saving …');
    try {
      await api(`/api/sources/${source.id}/rules`, {method: 'POST', body: {name, kind: drawn.kind, definition}});
    } catch (error) {
      return said(error.message, true);
    }
    end();
    write(part('how'), source.kind === 'camera' ? `${name} is watched from now on.` : `${name} is counted once the video is processed or tracked again.`);
    await load();
  };

  place.addEventListener('click', event => {
    switch (event.target.closest('[data-do]')?.dataset.do) {
      case 'zone': return begin('zone');
      case 'line': return begin('line');
      case 'look': return void guarded(look)();
      case 'turn': return board.turn();
      case 'cancel': return end();
    }
  });
  place.addEventListener('change', event => { if (event.target.name === 'heat') warm(); });
  place.addEventListener('input', event => { if (['first', 'second'].includes(event.target.name)) board.directions(directions()); });
  form.addEventListener('submit', event => { event.preventDefault(); guarded(save)(); });
  place.addEventListener('keydown', event => {
    if (event.key !== 'Escape' || form.hidden) return;
    event.stopPropagation();
    end();
  });

  return {
    // Those of another source. `runs`: over it, the newest first. `address`: of its picture, null for none yet.
    show: async (wanted, {runs: all, picture: address}) => {
      const runs = all.filter(one => one.kind !== 'follow');
      [source, picture] = [wanted, address];
      end();
      offerClasses(runs);
      await load();
    },
    look,
    warm,
    some: () => rules.length > 0,
  };
};
