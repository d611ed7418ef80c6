// What happened at the zones and lines of a camera or video: counts over time, totals, the newest events.
const {api, chart, clock, day, duration, follow, make, recording, write} = sightline;
const SECONDS = 5;  // between two looks at what may still change
const COLOURS = ['#14b8a6', '#f59e0b', '#3b82f6', '#f43f5e', '#8b5cf6', '#22c55e', '#06b6d4', '#64748b'];
const STEPS = [1, 10, 60, 300, 900, 1800, 3600, 10800, 86400, 7 * 86400];  // seconds of a bucket, chosen by itself
const LENGTHS = {hour: 3600, day: 86400, week: 7 * 86400};  // seconds
const MOST = 1500;  // buckets that can be told apart
const GROUPS = {
  crossings: {said: 'Crossings', kinds: ['cross'], up: 'crossings'},
  visits: {said: 'Visits', kinds: ['enter', 'leave'], up: 'visits'},
  inside: {said: 'Inside', kinds: ['enter', 'leave'], up: 'inside at once'},
  alarms: {said: 'Alarms', kinds: ['dwell', 'loiter', 'count', 'speed'], up: 'events'},
};
const part = name => element.querySelector(`[data-f="${name}"]`);
const fields = () => element.querySelector('.sl-ask').elements;

let sources = [], source = null;
let range = 'day', group = null, counts = [], span = null, before = new Map();
let events = [], next = null, recorded = [], looked = 0, filmed = 0;

// What went wrong stays until the same thing goes well: what was asked for, or what is looked up now and then.
const troubles = new Map();
const complain = (error, topic = 'asked') => {
  if (error) troubles.set(topic, error.message); else troubles.delete(topic);
  write(part('trouble'), [...troubles.values()].at(-1) ?? '');
  part('trouble').hidden = !troubles.size;
};
const guarded = (act, topic) => async (...values) => {
  try { await act(...values); complain(null, topic); } catch (error) { complain(error, topic); }
};

const isCamera = () => source?.kind === 'camera';
const query = (more = {}) => {
  const asked = new URLSearchParams({source: source.id, ...more});
  if (fields().run.value && !isCamera()) asked.set('run', fields().run.value);
  return asked;
};

// ---- What is asked for ----

const offerSources = async () => {
  const found = [];
  let page;
  do {
    page = await api(`/api/sources?limit=500&offset=${found.length}`);
    found.push(...page.items);
  } while (page.items.length && found.length < page.total);
  if (JSON.stringify(found) === JSON.stringify(sources)) return;
  sources = found;
  const options = kind => found.filter(one => (one.kind === 'camera') === kind).map(one => make('option', {value: one.id, textContent: one.name}));
  const group_ = (label, children) => children.length ? [make('optgroup', {label}, ...children)] : [];
  const chosen = fields().source.value;
  fields().source.replaceChildren(...group_('Cameras', options(true)), ...group_('Videos', options(false)));
  if (found.some(one => one.id === chosen)) fields().source.value = chosen;
};

const choose = async id => {
  source = sources.find(one => one.id === id) ?? null;
  if (!source) return;
  fields().source.value = id;
  const {runs: all, picture} = await api(`/api/sources/${id}`), runs = all.filter(one => one.kind !== 'follow');
  fields().run.replaceChildren(...runs.map(run => make('option', {value: run.id, textContent: `${day(run.created.us)}, ${clock(run.created.us)} (${run.status})`})));
  part('runs').hidden = isCamera() || runs.length < 2;
  setRange(isCamera() ? 'day' : 'all');
  [group, looked, filmed, events] = [null, 0, Date.now(), []];
  part('recording').hidden = !isCamera();
  await Promise.all([zones.show(source, {runs, picture}), refresh(), film.show(isCamera() ? id : null)]);
};

const setRange = wanted => {
  range = wanted;
  for (const button of element.querySelectorAll('[data-range]')) button.setAttribute('aria-pressed', String(button.dataset.range === range));
  part('custom').hidden = range !== 'custom';
};

const localTime = us => {
  const at = new Date(us / 1000 - new Date(us / 1000).getTimezoneOffset() * 60000);
  return at.toISOString().slice(0, 19);
};

// From when to when, microseconds; null where that is not known yet.
const wantedSpan = async () => {
  const now = Date.now() * 1000;
  if (LENGTHS[range]) return [now - LENGTHS[range] * 1e6, now];
  if (range === 'custom') {
    const [from, to] = [fields().from.value, fields().to.value].map(text => text ? new Date(text).getTime() * 1000 : null);
    if (from === null || to === null) return null;
    if (from >= to) throw new Error('The time would end before it begins; change From or To.');
    return [from, to];
  }
  const days = (await api(`/api/events/counts?${query({bucket: 86400})}`)).items;
  if (!days.length) return [now - 3600e6, now];
  const first = (await api(`/api/events/counts?${query({bucket: 1, from: days[0].start.us, to: days[0].start.us + 86400e6})}`)).items[0].start.us;
  const newest = (await api(`/api/events?${query({limit: 1})}`)).items[0].time.us;
  return [first - 1e6, newest + 1e6];
};

const bucketOf = seconds => {
  const wanted = Number(fields().bucket.value);
  if (wanted && seconds / wanted <= MOST) return wanted;
  return STEPS.find(step => seconds / step <= 60) ?? 28 * 86400;
};

// ---- What is found ----

const nameOf = one => one.kind === 'cross' ? `${one.rule}: ${one.direction}` : `${one.rule}: ${{enter: 'came', leave: 'left', dwell: 'stayed long', loiter: 'loitered', count: 'too many', speed: 'too fast'}[one.kind]}`;

const refresh = async () => {
  if (!source) return;
  const found = await wantedSpan();
  if (!found) return;
  const bucket = bucketOf((found[1] - found[0]) / 1e6), whole = bucket * 1e6;
  const [from, to] = [Math.floor(found[0] / whole) * whole, Math.ceil(found[1] / whole) * whole];
  const mine = source;
  const [told, page, earlier] = await Promise.all([
    api(`/api/events/counts?${query({bucket, from, to})}`),
    api(`/api/events?${query({limit: 20, from, to})}`),
    range === 'all' ? {items: []} : api(`/api/events/counts?${query({bucket: 10 ** 10, from: from - 86400e6, to: from})}&kind=enter&kind=leave`),
  ]);
  if (mine !== source) return;
  counts = told.items;
  span = {from, to, bucket};
  before = new Map();
  for (const one of earlier.items) before.set(one.rule, (before.get(one.rule) ?? 0) + (one.kind === 'enter' ? one.count : -one.count));
  if (events.length <= 20 || !page.items.length) [events, next] = [page.items, page.next];
  else events = [...page.items.filter(one => !events.some(other => other.id === one.id)), ...events];
  if (isCamera() && events.length) {
    const at = events.map(one => one.time.us);
    recorded = (await api(`/api/recordings?source=${source.id}&from=${Math.min(...at)}&to=${Math.max(...at) + 1}&limit=2000`)).items;
  }
  showGroups();
  showChart();
  showTotals();
  showEvents();
  if (Date.now() - looked > 30000) { looked = Date.now(); await zones.look(); }
};

const showGroups = () => {
  const there = Object.keys(GROUPS).filter(name => counts.some(one => GROUPS[name].kinds.includes(one.kind)));
  if (!there.includes(group)) group = there[0] ?? null;
  if (part('groups').dataset.there !== there.join()) {
    part('groups').dataset.there = there.join();
    part('groups').replaceChildren(...there.map(name => make('button', {type: 'button', textContent: GROUPS[name].said, onclick: () => { group = name; showGroups(); showChart(); }})));
  }
  [...part('groups').children].forEach((button, index) => button.setAttribute('aria-pressed', String(there[index] === group)));
};

const seriesOf = length => {
  const slot = one => Math.floor((one.start.us - span.from) / 1e6 / span.bucket);
  const found = new Map();
  for (const one of counts.filter(one => GROUPS[group].kinds.includes(one.kind))) {
    const name = group === 'inside' ? one.rule : nameOf(one);
    if (!found.has(name)) found.set(name, new Array(length).fill(0));
    found.get(name)[slot(one)] += group === 'inside' && one.kind === 'leave' ? -one.count : one.count;
  }
  const names = [...found.keys()].sort();
  if (group === 'inside') for (const name of names) {
    let inside = Math.max(before.get(name) ?? 0, 0);
    const values = found.get(name).map(change => { inside += change; return inside; });
    const lowest = Math.min(0, ...values);  // somebody was inside before all that is known
    found.set(name, values.map(value => value - lowest));
  }
  return names.map((name, index) => ({name, values: found.get(name), colour: COLOURS[index % COLOURS.length]}));
};

const showChart = () => {
  const length = Math.max(Math.round((span.to - span.from) / 1e6 / span.bucket), 1);
  const series = group ? seriesOf(length) : [];
  part('chart').hidden = !series.length;
  part('quiet').hidden = Boolean(series.length);
  write(part('quiet'), zones.some() ? 'Nothing happened at the zones and lines at this time.' : 'Draw a zone or a line below: what happens there is counted.');
  if (!series.length) return;
  const by = span.bucket < 60 ? `${span.bucket} s` : span.bucket < 3600 ? `${span.bucket / 60} min` : span.bucket < 86400 ? `${span.bucket / 3600} h` : `${span.bucket / 86400} d`;
  const {up} = GROUPS[group];
  plot({...span, series, kind: group === 'inside' ? 'lines' : 'bars', whole: true, said: value => value.toLocaleString('en-GB'),
    across: span.to - span.from > 2 * 86400e6 ? 'day' : 'time of day', up: group === 'inside' ? up : `${up} every ${by}`, label: `${GROUPS[group].said} over time; the arrow keys read it`});
};

const showTotals = () => {
  const sums = new Map();
  for (const one of counts) {
    const of = sums.get(one.rule) ?? new Map(), name = one.kind === 'cross' ? one.direction : nameOf(one).slice(one.rule.length + 2);
    sums.set(one.rule, of.set(name, (of.get(name) ?? 0) + one.count));
  }
  const cards = [...sums].sort().map(([rule, of]) => make('article', {className: 'sl-total'}, make('h4', {textContent: rule}),
    make('dl', {}, ...[...of].sort().map(([name, count]) => make('div', {}, make('dd', {textContent: count.toLocaleString('en-GB')}), make('dt', {textContent: name}))))));
  const told = JSON.stringify([...sums].map(([rule, of]) => [rule, ...of]));
  if (part('totals').dataset.told !== told) part('totals').replaceChildren(...cards);
  part('totals').dataset.told = told;
};

const sentence = one => {
  const value = one.value === null ? '' : one.value;
  switch (one.kind) {
    case 'cross': return ['crossed ', one.rule, one.direction ? `: ${one.direction}` : ''];
    case 'enter': return ['came into ', one.rule, ''];
    case 'leave': return ['left ', one.rule, value === '' ? '' : ` after ${duration(value)}`];
    case 'dwell': return ['has been in ', one.rule, ` for ${duration(value)}`];
    case 'loiter': return ['stands about in ', one.rule, ` for ${duration(value)}`];
    case 'count': return [`${value} at once in `, one.rule, ''];
    default: return [`${Number(value).toFixed(1)} m/s (${(3.6 * value).toFixed(0)} km/h) in `, one.rule, ''];
  }
};

const playable = one => isCamera() ? recorded.some(segment => segment.begins.us <= one.time.us && one.time.us < segment.ends.us) : Boolean(one.object);

const row = one => {
  const [head, name, tail] = sentence(one);
  const who = one.object ? make('button', {type: 'button', className: 'sl-link', textContent: one.object_name ?? 'track', title: 'Open its track', onclick: () => trigger('open', {track: one.object})})
    : make('span', {textContent: one.kind === 'count' ? '' : one.class_name ?? 'somebody'});
  const made = make('li', {}, make('time', {textContent: `${day(one.time.us)}, ${clock(one.time.us)}`, title: one.time.iso}),
    make('span', {className: 'sl-what'}, who, ' ', head, make('b', {textContent: name}), tail),
    ...(playable(one) ? [make('button', {type: 'button', className: 'sl-button', textContent: '▶ Play', onclick: guarded(() => play(one))})] : []));
  made.dataset.event = one.id;
  return made;
};

const showEvents = () => {
  const list = part('events'), wanted = events.map(one => `${one.id}${playable(one)}${one.object_name}`).join();
  part('no-events').hidden = events.length > 0;
  element.querySelector('[data-do="more"]').hidden = next === null;
  if (list.dataset.shown === wanted) return;
  list.dataset.shown = wanted;
  list.replaceChildren(...events.map(row));
};

// Where it happened, as it was recorded; of a video, a clip of who did it.
const play = async one => {
  if (isCamera()) return film.play(one.time.us);
  const video = make('video', {controls: true, muted: true, autoplay: true, playsInline: true,
    src: `/objects/${one.object}/clip.mp4?from=${one.time.us - 3e6}&to=${one.time.us + 4e6}`});
  const dialog = make('dialog', {className: 'sl-dialog sl-film'}, video, make('p', {textContent: `${one.object_name} ${sentence(one).join('')}`}),
    make('menu', {}, make('button', {type: 'button', className: 'sl-button primary', textContent: 'Close', onclick: () => dialog.close()})));
  video.addEventListener('error', () => write(dialog.querySelector('p'), 'The clip cannot be shown; the track says why.'));
  dialog.addEventListener('close', () => dialog.remove());
  document.querySelector('.gradio-container').append(dialog);
  dialog.showModal();
};

const more = async () => {
  const page = await api(`/api/events?${query({limit: 50, after: next, from: span.from, to: span.to})}`);
  events = [...events, ...page.items];
  next = page.next;
  if (isCamera() && page.items.length) {
    const at = page.items.map(one => one.time.us);
    recorded = [...recorded, ...(await api(`/api/recordings?source=${source.id}&from=${Math.min(...at)}&to=${Math.max(...at) + 1}&limit=2000`)).items];
  }
  showEvents();
};

// ---- Wiring ----

const plot = chart(part('chart'));
const zones = sightline.rules(element.querySelector('.sl-place'), {
  guarded,
  heat: () => span && `/api/sources/${source.id}/heat.png?${query({from: span.from, to: span.to})}`.replace(`source=${source.id}&`, ''),
});
const film = recording(part('recording'), complain);

element.addEventListener('click', event => {
  const wanted = event.target.closest('[data-range]')?.dataset.range;
  if (wanted) {
    setRange(wanted);
    if (wanted === 'custom' && !fields().from.value && span) [fields().from.value, fields().to.value] = [localTime(span.from), localTime(span.to)];
    events = [];
    return void guarded(refresh)().then(zones.warm);
  }
  if (event.target.closest('[data-do="more"]')) guarded(more)();
});
element.addEventListener('change', event => {
  const {name, value} = event.target;
  if (name === 'source') guarded(choose)(value);
  if (['run', 'bucket', 'from', 'to'].includes(name)) { events = []; guarded(refresh)().then(zones.warm); }
});
element.addEventListener('submit', event => event.preventDefault());

follow(element, SECONDS, guarded(async () => {
  await offerSources();
  element.firstElementChild.removeAttribute('aria-busy');
  part('none').hidden = sources.length > 0;
  part('found').hidden = !sources.length;
  element.querySelector('.sl-ask').hidden = !sources.length;
  if (!sources.length) return;
  const wanted = sightline.wanted;  // another tab asks for a source
  sightline.wanted = null;
  if (wanted && sources.some(one => one.id === wanted) && wanted !== source?.id) return choose(wanted);
  if (!source) return choose(fields().source.value);
  if (range !== 'custom') await refresh();
  if (isCamera() && Date.now() - filmed > 15000) { filmed = Date.now(); await film.load(); }
}, 'now'));
