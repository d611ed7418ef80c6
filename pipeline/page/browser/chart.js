// A chart of numbers over time as SVG: stacked bars or lines, with axes, a legend that hides and shows, and what the
// pointer or the arrow keys are at. `sightline.chart(place)` gives a function that draws.
sightline.chart = place => {
  const {clock, day, draw, make} = sightline;
  const HEIGHT = 270, LEFT = 46, RIGHT = 10, TOP = 12, BOTTOM = 46;  // pixels
  const hidden = new Set();
  let shown = null, at = null;  // what is drawn; number of the bucket that is pointed at

  const legend = make('div', {className: 'sl-legend'});
  const box = make('div', {className: 'sl-plot'});
  const tip = make('div', {className: 'sl-tip', hidden: true});
  place.replaceChildren(legend, box);

  // Steps of 1, 2 or 5 so that about `count` of them reach `most`.
  const nice = (most, count) => {
    const raw = Math.max(most / count, 1e-9), power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].find(one => one * power >= raw) * power;
    return shown.whole ? Math.max(Math.round(step), 1) : step;
  };

  const TIMES = [5, 10, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 2 * 86400, 7 * 86400, 28 * 86400];
  const marks = width => {
    const {from, to} = shown, seconds = (to - from) / 1e6;
    const step = TIMES.find(one => seconds / one <= Math.max(width / 64, 2)) ?? TIMES.at(-1) * Math.ceil(seconds / TIMES.at(-1) / 8);
    const offset = new Date(from / 1000).getTimezoneOffset() * 60;  // days begin at local midnight
    const first = Math.ceil((from / 1e6 - offset) / step) * step + offset;
    const found = [];
    for (let time = first; time * 1e6 <= to; time += step) found.push(time * 1e6);
    return {times: found, said: us => step >= 86400 ? day(us) : clock(us).slice(0, step < 60 ? 8 : 5)};
  };

  const span = bucket => {
    const begin = shown.from + bucket * shown.bucket * 1e6, end = Math.min(begin + shown.bucket * 1e6, shown.to);
    const long = shown.to - shown.from > 86400e6;
    const text = us => `${long ? `${day(us)} ` : ''}${clock(us).slice(0, shown.bucket < 60 ? 8 : 5)}`;
    return `${text(begin)} to ${text(end)}`;
  };

  const point = bucket => {
    at = bucket;
    const mark = box.querySelector('.mark');
    if (!mark) return;
    tip.hidden = bucket === null;
    mark.toggleAttribute('hidden', bucket === null);
    if (bucket === null) return;
    const width = box.clientWidth, slot = (width - LEFT - RIGHT) / count();
    mark.setAttribute('x', LEFT + bucket * slot);
    mark.setAttribute('width', Math.max(slot, 1));
    const rows = series().filter(one => one.values[bucket]).reverse().map(one => make('span', {},
      make('i', {style: `background:${one.colour}`}), `${one.name} `, make('b', {textContent: shown.said(one.values[bucket])})));
    tip.replaceChildren(make('small', {textContent: span(bucket)}), ...(rows.length ? rows : ['nothing']));
    const centre = LEFT + (bucket + .5) * slot, half = tip.offsetWidth / 2;
    tip.style.left = `${Math.min(Math.max(centre, half + 2), width - half - 2)}px`;
  };

  const count = () => Math.max(Math.ceil((shown.to - shown.from) / 1e6 / shown.bucket), 1);
  const series = () => shown.series.filter(one => !hidden.has(one.name));

  const plot = () => {
    const width = Math.max(box.clientWidth, 200), high = HEIGHT - TOP - BOTTOM, wide = width - LEFT - RIGHT;
    const buckets = count(), slot = wide / buckets, lines = shown.kind === 'lines';
    const sums = Array.from({length: buckets}, (_, bucket) => lines
      ? Math.max(0, ...series().map(one => one.values[bucket] ?? 0))
      : series().reduce((sum, one) => sum + (one.values[bucket] ?? 0), 0));
    const step = nice(Math.max(...sums, shown.whole ? 4 : 1e-6), 4);
    const most = Math.max(Math.ceil(Math.max(...sums, 0) / step), 1) * step;
    const y = value => TOP + high - high * value / most;
    const parts = [];
    for (let value = 0; value <= most + step / 2; value += step) {
      parts.push(draw('line', {class: 'grid', x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value)}),
        draw('text', {class: 'tick', x: LEFT - 7, y: y(value) + 4, 'text-anchor': 'end'}, shown.said(value)));
    }
    const {times, said} = marks(wide);
    for (const time of times) {
      const x = LEFT + wide * (time - shown.from) / (shown.to - shown.from);
      parts.push(draw('line', {class: 'grid', x1: x, x2: x, y1: TOP + high, y2: TOP + high + 5}),
        draw('text', {class: 'tick', x: Math.min(Math.max(x, LEFT + 14), width - 2 - 3.4 * said(time).length), y: TOP + high + 19, 'text-anchor': 'middle'}, said(time)));
    }
    parts.push(
      draw('text', {class: 'title', x: LEFT + wide / 2, y: HEIGHT - 6, 'text-anchor': 'middle'}, shown.across),
      draw('text', {class: 'title', x: -(TOP + high / 2), y: 12, transform: 'rotate(-90)', 'text-anchor': 'middle'}, shown.up),
      draw('rect', {class: 'mark', y: TOP, height: high, hidden: ''}));
    if (lines) {
      for (const one of series()) {
        const path = Array.from({length: buckets}, (_, bucket) => {
          const up = y(one.values[bucket] ?? 0);
          return `${bucket ? 'L' : 'M'}${(LEFT + bucket * slot).toFixed(1)},${up.toFixed(1)}H${(LEFT + (bucket + 1) * slot).toFixed(1)}`;
        }).join('');
        parts.push(draw('path', {class: 'line', d: path, stroke: one.colour}));
      }
    } else {
      const gap = slot > 8 ? 2 : slot > 4 ? 1 : 0, floor = new Array(buckets).fill(0);
      for (const one of series()) {
        for (let bucket = 0; bucket < buckets; bucket += 1) {
          const value = one.values[bucket] ?? 0;
          if (!value) continue;
          const top = y(floor[bucket] + value);
          parts.push(draw('rect', {x: LEFT + bucket * slot + gap / 2, width: Math.max(slot - gap, 1), y: top,
            height: Math.max(y(floor[bucket]) - top, 1), fill: one.colour, rx: slot > 10 ? 2 : 0}));
          floor[bucket] += value;
        }
      }
    }
    const picture = draw('svg', {width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', tabindex: 0, 'aria-label': shown.label}, ...parts);
    const focused = box.contains(document.activeElement);
    box.replaceChildren(picture, tip);
    if (focused) picture.focus();
    point(at !== null && at < buckets ? at : null);
  };

  const explain = () => {
    legend.replaceChildren(...shown.series.map(one => {
      const button = make('button', {type: 'button', className: 'sl-key', title: 'Show or hide', onclick: () => {
        if (!hidden.delete(one.name)) hidden.add(one.name);
        button.setAttribute('aria-pressed', String(!hidden.has(one.name)));
        plot();
      }}, make('i', {style: `background:${one.colour}`}), one.name);
      button.setAttribute('aria-pressed', String(!hidden.has(one.name)));
      return button;
    }));
  };

  box.addEventListener('pointermove', event => {
    if (!shown) return;
    const share = (event.clientX - box.getBoundingClientRect().left - LEFT) / (box.clientWidth - LEFT - RIGHT);
    point(share < 0 || share > 1 ? null : Math.min(Math.floor(share * count()), count() - 1));
  });
  box.addEventListener('pointerleave', () => point(null));
  box.addEventListener('keydown', event => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!step || !shown) return;
    event.preventDefault();
    point(Math.min(Math.max((at ?? (step > 0 ? -1 : count())) + step, 0), count() - 1));
  });
  box.addEventListener('focusout', () => point(null));
  let wide = 0;
  new ResizeObserver(() => { if (shown && box.clientWidth && box.clientWidth !== wide) { wide = box.clientWidth; plot(); } }).observe(box);

  // `wanted`: {from, to (microseconds), bucket (seconds), series: [{name, colour, values}], kind: bars | lines,
  // whole: only whole numbers, across, up: titles of the axes, label, said: number -> text}.
  return wanted => {
    const same = shown && JSON.stringify([wanted.series.map(one => one.name)]) === JSON.stringify([shown.series.map(one => one.name)]);
    shown = wanted;
    if (!same) explain();
    if (box.clientWidth) { wide = box.clientWidth; plot(); }
  };
};
