// Following one target: choose a video and a picture of it, draw a box, start. The server's own addresses give the
// pictures and take the order; the run that begins becomes the event `started`.
const {api, follow, make, sketch, write} = sightline;
const SECONDS = 5;  // between two looks at which videos there are
const part = name => element.querySelector(`[data-f="${name}"]`);
const fields = () => element.querySelector('form').elements;
const say = (text, trouble = false) => {
  write(part('said'), text);
  part('said').classList.toggle('sl-trouble', trouble);
};

let sources = [], video = null, named = null;  // named: the video as the server is told of it
let corners = [];  // of the box, shares of the picture
let shown = null, loading = false;  // number of the picture that is looked at

const board = sketch(part('sketch'), draft => { corners = draft?.corners ?? []; tell(); });
const number = () => Math.min(Math.max(Math.round(Number(fields().frame.value)) || 0, 0), Number(fields().slide.max));

// Left, top, width, height in pixels of the video; null where none is drawn.
const box = () => {
  if (!video || corners.length < 2) return null;
  const [[ax, ay], [bx, by]] = corners;
  const [left, top, right, bottom] = [Math.min(ax, bx) * video.width, Math.min(ay, by) * video.height, Math.max(ax, bx) * video.width, Math.max(ay, by) * video.height];
  return [left, top, right - left, bottom - top].map(side => Number(side.toFixed(1)));
};

const tell = () => {
  const found = box();
  write(part('how'), !video ? '' : found ? `Box: ${Math.round(found[2])} x ${Math.round(found[3])} pixels at ${Math.round(found[0])}, ${Math.round(found[1])}. Drag its corners, or draw another one.`
    : 'Drag a box around what is to be followed; or set two corners with the arrow keys and Enter.');
};

// The newest picture that was asked for, one request at a time.
const look = async () => {
  if (loading || !video) return;
  loading = true;
  try {
    while (video && shown !== `${named}&frame=${number()}`) {
      const wanted = `${named}&frame=${number()}`, picture = new Image();
      picture.src = `/api/videos/picture?${wanted}`;
      await picture.decode().catch(async () => { await api(picture.src.replace(location.origin, '')); throw new Error('The picture cannot be shown.'); });
      shown = wanted;
      board.look(picture.src);
    }
  } catch (error) {
    shown = `${named}&frame=${number()}`;
    say(error.message, true);
  } finally {
    loading = false;
  }
};

const go = frame => {
  fields().frame.value = fields().slide.value = Math.min(Math.max(frame, 0), Number(fields().slide.max));
  const seconds = video?.fps ? number() / video.fps : 0;
  write(part('time'), `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, '0')}`);
  look();
};

const choose = async (asked, {frame = 0, drawn = []} = {}) => {
  named = new URLSearchParams(asked).toString();
  const mine = named;
  [video, shown] = [null, null];
  part('found').hidden = true;
  say('Opening the video …');
  try {
    const told = await api(`/api/videos?${mine}`);
    if (mine !== named) return;
    video = told;
  } catch (error) {
    if (mine === named) say(error.message, true);
    return;
  }
  say('');
  part('found').hidden = false;
  fields().slide.max = fields().frame.max = Math.max((video.frames ?? 1_000_000) - 1, 0);
  board.box(drawn.map(([x, y]) => [x / video.width, y / video.height]));
  go(frame);
};

const offerSources = async () => {
  const found = [];
  let page;
  do {
    page = await api(`/api/sources?limit=500&offset=${found.length}`);
    found.push(...page.items);
  } while (page.items.length && found.length < page.total);
  const videos = found.filter(one => ['file', 'images'].includes(one.kind));
  if (JSON.stringify(videos) === JSON.stringify(sources) && sources.length) return;
  sources = videos;
  const chosen = fields().source.value;
  fields().source.replaceChildren(make('option', {value: '', textContent: videos.length ? 'Choose one …' : 'None has been tracked yet'}), ...videos.map(one => make('option', {value: one.id, textContent: one.name, title: one.address})));
  fields().source.value = videos.some(one => one.id === chosen) ? chosen : '';
};

const start = async () => {
  if (!video) return say('Choose a video first, or name its path.', true);
  const wanted = box();
  if (!wanted) return say('Draw a box around the target first.', true);
  const own = fields(), button = element.querySelector('[type=submit]');
  button.disabled = true;
  say('Starting: the first picture is looked for …');
  try {
    const {id} = await api('/api/follows', {method: 'POST', body: {
      ...Object.fromEntries(new URLSearchParams(named)), box: wanted, start_frame: number(), tracker: own.tracker.value, label: own.label.value.trim(),
      ...(own.frames.value ? {max_frames: Number(own.frames.value)} : {}),
      overrides: own.settings.value.split('\n').map(line => line.trim()).filter(Boolean),
    }});
    say('');
    sightline.startedRun = id;
    trigger('started', {run: id});
  } catch (error) {
    say(error.message, true);
  } finally {
    button.disabled = false;
  }
};

element.addEventListener('submit', event => { event.preventDefault(); start(); });
element.addEventListener('click', event => {
  const step = event.target.closest('[data-step]')?.dataset.step;
  if (step) go(number() + Number(step));
});
element.addEventListener('input', event => { if (event.target.name === 'slide') go(Number(event.target.value)); });
element.addEventListener('change', event => {
  const {name, value} = event.target;
  if (name === 'frame') go(number());
  if (name === 'source' && value) { fields().address.value = ''; choose({source: value}); }
  if (name === 'address' && value.trim()) { fields().source.value = ''; choose({address: value.trim()}); }
});
element.addEventListener('keydown', event => {  // Enter in the path opens the video, it does not start yet
  if (event.key === 'Enter' && event.target.name === 'address') { event.preventDefault(); event.target.blur(); }
});

// The tab Track asks for a video, a picture and a box.
sightline.takeTarget = async wanted => {
  await offerSources();
  fields().source.value = wanted.source;
  fields().address.value = '';
  fields().label.value = wanted.label;
  await choose({source: wanted.source}, wanted);
};

follow(element, SECONDS, async () => {
  const wanted = sightline.wantedTarget;
  sightline.wantedTarget = null;
  await (wanted ? sightline.takeTarget(wanted) : offerSources()).catch(error => say(error.message, true));
});
