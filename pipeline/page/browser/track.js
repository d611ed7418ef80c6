// One track: its clip and its timeline move together; what is done with it becomes an event.
const page = () => element.querySelector('.sl-track');
const video = () => element.querySelector('.sl-clip video');
const STEP = 0.04;  // seconds: how far an arrow key steps; about a frame

// The clips of the track as [from, to] in microseconds UTC (exact in a double), and the one that the player holds.
const clips = () => JSON.parse(page().dataset.clips);
const clipFrom = () => Number(new URL(video().src).searchParams.get('from'));
const now = () => clipFrom() + Math.round(video().currentTime * 1e6);

// Go to a moment; where another clip shows it, that one is loaded first.
const seek = at => {
  if (!video()) return;
  const far = ([from, to]) => Math.max(from - at, at - to, 0);
  const [from, to] = clips().reduce((best, one) => far(one) < far(best) ? one : best);
  const seconds = Math.max((at - from) / 1e6, 0);
  if (from === clipFrom()) {
    video().currentTime = seconds;
  } else {
    video().addEventListener('loadedmetadata', event => { event.target.currentTime = seconds; }, {once: true});
    video().src = `/objects/${page().dataset.track}/clip.mp4?from=${from}&to=${to}`;
  }
  draw(at);
};

const timeline = () => element.querySelector('.sl-timeline');
const extent = () => [Number(timeline().dataset.from), Number(timeline().dataset.to)];
const plot = () => timeline().querySelector('svg').getBoundingClientRect();

// The line over all lanes at a time, and what is known of that moment.
const draw = at => {
  if (!timeline()) return;
  const [from, to] = extent();
  const share = Math.min(Math.max((at - from) / Math.max(to - from, 1), 0), 1);
  const lanes = timeline().getBoundingClientRect();
  const cursor = timeline().querySelector('.sl-cursor');
  cursor.style.left = `${plot().left - lanes.left + share * plot().width}px`;
  cursor.hidden = false;
  const points = JSON.parse(timeline().dataset.points);
  const offset = (at - from) / 1e6;
  const nearest = points.reduce((best, one) => Math.abs(one[0] - offset) < Math.abs(best[0] - offset) ? one : best);
  timeline().querySelector('output').textContent = nearest[1];
};

const follow = () => {
  if (!video()) return;
  draw(now());
  if (!video().paused) requestAnimationFrame(follow);
};

const atPointer = event => {
  const [from, to] = extent();
  const {left, width} = plot();
  return from + Math.round(Math.min(Math.max((event.clientX - left) / width, 0), 1) * (to - from));
};

const edit = async op => {
  const {track, label, names} = page().dataset;
  const told = {op, tracks: [track]};
  if (op === 'label') {
    told.label = await sightline.ask({
      title: 'Label this track', text: 'Empty: the class counts again.', ok: 'Label', field: 'Label',
      value: label, choices: JSON.parse(names),
    });
    if (told.label === null) return;
  }
  if (op === 'delete') {
    const sure = await sightline.ask({
      title: 'Delete this track?', ok: 'Delete', danger: true,
      text: 'It leaves the page, its search and its reviewed exports. Undo brings it back.',
    });
    if (sure === null) return;
  }
  if (op === 'split') told.at = String(now());
  trigger('edit', told);
};

// Where it was last seen up to a moment: observations are in order of time, and there may be very many.
const seenAt = async at => {
  const one = async offset => sightline.api(`/api/objects/${page().dataset.track}/observations?limit=1&offset=${offset}`);
  let {items: [found], total} = await one(0), low = 0, high = total - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2), {items: [seen]} = await one(middle);
    if (seen.time.us <= at) [low, found] = [middle, seen]; else high = middle - 1;
  }
  return found;
};

// Let the tab Follow begin with the box at the moment the clip shows.
const followOn = async ({follow: source, class: label}) => {
  const {frame, box: [left, top, right, bottom]} = await seenAt(now());
  const wanted = {source, frame, label, drawn: [[left, top], [right, bottom]]};
  trigger('follow', {});  // shows that tab
  if (sightline.takeTarget) await sightline.takeTarget(wanted); else sightline.wantedTarget = wanted;  // it was never shown
};

// Why it was found at the moment the clip shows: the server runs the networks many times, and keeps what it drew.
const explain = async () => {
  const section = element.querySelector('.sl-explained');
  const [said, picture] = [section.querySelector('p'), section.querySelector('img')];
  section.hidden = false;
  picture.hidden = true;
  said.hidden = false;
  said.textContent = 'The networks look at it with and without a grey patch. This takes some seconds.';
  const answer = await fetch(`/objects/${page().dataset.track}/explanation.png?at=${now()}`).catch(() => null);
  if (!answer?.ok) {
    const {detail} = await answer?.json().catch(() => ({})) ?? {};
    said.textContent = typeof detail === 'string' ? detail : 'It cannot be explained: the server gave no answer.';
    return;
  }
  URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(await answer.blob());
  picture.hidden = false;
  said.hidden = true;
};

element.addEventListener('click', event => {
  const {target} = event;
  const action = target.closest('[data-op], [data-step], [data-play], [data-similar], [data-at], [data-follow], [data-explain]');
  if (action?.dataset.explain) return void explain();
  if (action?.dataset.follow) return void followOn(action.dataset).catch(error => { element.querySelector('.sl-clip .sl-why').textContent = error.message; element.querySelector('.sl-clip .sl-why').hidden = false; });
  if (action?.dataset.op) return edit(action.dataset.op);
  if (action?.dataset.similar) return trigger('similar', {track: page().dataset.track});
  if (action?.dataset.at) return seek(Number(action.dataset.at));
  if (action?.dataset.step) { video().pause(); video().currentTime += Number(action.dataset.step) * STEP; return; }
  if (action?.dataset.play) return void (video().paused ? video().play() : video().pause());
  if (target.closest('.sl-timeline svg')) return seek(atPointer(event));
  const card = target.closest('.sl-card');
  if (card) trigger('open', {track: card.dataset.track});
});

element.addEventListener('pointermove', event => {
  if (event.target.closest('.sl-timeline svg')) draw(atPointer(event));
});
element.addEventListener('pointerout', event => {
  if (event.target.closest('.sl-timeline svg') && video()) draw(now());
});
for (const kind of ['play', 'seeked', 'timeupdate']) element.addEventListener(kind, follow, true);

// A clip that cannot be had: the server says why.
element.addEventListener('error', async event => {
  if (!(event.target instanceof HTMLVideoElement)) return;
  const place = element.querySelector('.sl-clip .sl-why');
  const answer = await fetch(event.target.src).catch(() => null);
  const text = answer && !answer.ok ? (await answer.json().catch(() => ({}))).detail : null;
  place.textContent = typeof text === 'string' ? text : 'The clip cannot be shown.';
  place.hidden = false;
}, true);

watch('value', () => { if (timeline()) timeline().querySelector('.sl-cursor').hidden = true; });
