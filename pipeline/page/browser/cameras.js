// The cameras of the service: their state and newest pictures, about once a second, and what is asked of them.
const {api, ask, clock, day, duration, follow, write} = sightline;
const QUIET = 5;  // seconds without news of a camera, beyond which its numbers are old
const WORDS = {connecting: 'connecting', live: 'live', stalled: 'stalled', reconnecting: 'reconnecting', failed: 'failed', paused: 'paused', ended: 'ended'};
const part = (name, within = element) => within.querySelector(`[data-f="${name}"]`);

const cards = new Map();  // id of a camera -> its card and what is known of its picture
const asked = new Map();  // id -> what was asked of it and not yet seen to be done
let told = null;  // the last answer of the server

const number = value => value === null || value === undefined ? '–' : value.toLocaleString('en-GB');
const milliseconds = seconds => seconds === null || seconds === undefined ? '–'
  : seconds < 1 ? `${Math.round(1000 * seconds)} ms` : `${seconds.toFixed(1)} s`;
const sum = counts => Object.values(counts ?? {}).reduce((all, one) => all + one, 0);

const complain = error => {
  const place = part('trouble');
  write(place, error?.message ?? '');
  place.hidden = !error;
};

const state = camera => {
  if (!told.service.alive) return ['no service', 'ended'];
  const wish = asked.get(camera.id) ?? camera.wanted;
  if (wish === 'remove') return ['removing …', 'connecting'];
  if (wish === 'pause' && camera.state !== 'paused') return ['pausing …', 'paused'];
  if (wish === 'run' && camera.state === 'paused') return ['resuming …', 'connecting'];
  return [WORDS[camera.state] ?? camera.state, camera.state];
};

const recording = status => {
  const said = status.recording ?? 'off';
  return said === 'off' ? ['', ''] : said === 'on' ? ['REC', ''] : ['REC stopped', said];
};

// The one line below the numbers that tells what is not as it should be.
const said = camera => {
  const {status} = camera;
  const drops = Object.entries(status.dropped ?? {}).filter(([, count]) => count);
  const [, stopped] = recording(status);
  return [
    camera.error && `Last error: ${camera.error}`,
    stopped && `Recording: ${stopped}`,
    drops.length && `Dropped: ${drops.map(([reason, count]) => `${number(count)} ${reason}`).join(', ')}`,
    status.repaired && `${number(status.repaired)} times mended`,
    status.damaged && `${number(status.damaged)} packets damaged`,
  ].filter(Boolean).join(' · ') || 'No trouble so far';
};

const since = (camera, now) => {
  const {status} = camera, size = status.width && `${status.width} x ${status.height}`;
  const day_ = now.us - camera.since.us > 86400e6 ? `${day(camera.since.us)}, ` : '';
  const length = duration((now.us - camera.since.us) / 1e6);
  return [`since ${day_}${clock(camera.since.us)} (${length})`, size, status.codec].filter(Boolean).join(' · ');
};

const fill = (card, camera) => {
  const {status} = camera, old = !told.service.alive || told.now.us - camera.updated.us > QUIET * 1e6;
  const [word, kind] = state(camera);
  const kept = ['large', 'pictured'].filter(name => card.place.classList.contains(name));
  card.place.className = ['sl-cam', kind, ...(old ? ['old'] : []), ...kept].join(' ');
  write(part('name', card.place), camera.name);
  part('name', card.place).title = camera.address;
  write(part('state', card.place), word);
  part('state', card.place).className = `sl-state ${kind}`;
  write(part('since', card.place), since(camera, told.now));
  const live = camera.state === 'live' && !old;
  write(part('fps', card.place), live && status.fps_processed !== undefined ? status.fps_processed.toFixed(1) : live ? number(status.delivered_fps && Number(status.delivered_fps.toFixed(1))) : '–');
  write(part('latency', card.place), live ? milliseconds(status.latency?.tracked?.p95 || null) : '–');
  write(part('tracks', card.place), live ? number(status.tracks) : '–');
  write(part('dropped', card.place), number(sum(status.dropped)));
  write(part('outages', card.place), number(status.outages ?? 0));
  const line = part('said', card.place);
  write(line, said(camera));
  line.title = line.textContent;
  line.classList.toggle('bad', Boolean(camera.error && camera.state !== 'live'));
  const [mark, why] = recording(status);
  const sign = part('recording', card.place);
  sign.hidden = !mark;
  write(sign, mark);
  sign.title = why;
  sign.classList.toggle('bad', Boolean(why));
  const paused = (asked.get(camera.id) ?? camera.wanted) === 'pause';
  const steerable = told.service.alive && camera.wanted !== 'remove' && !asked.has(camera.id);
  const button = name => card.place.querySelector(`[data-do="${name}"]`);
  button('pause').hidden = paused;
  button('resume').hidden = !paused;
  for (const name of ['pause', 'resume', 'remove']) button(name).disabled = !steerable;
  for (const name of ['events', 'tracks']) button(name).disabled = !camera.source;
};

// A new picture takes the place of the old one only when it can be drawn: nothing flickers.
const look = async (card, camera) => {
  if (card.looking || !camera.picture || camera.picture === card.seen) return;
  card.looking = true;
  try {
    const answer = await fetch(camera.picture, {cache: 'no-store'});
    if (!answer.ok) return;
    const address = URL.createObjectURL(await answer.blob());
    const next = new Image();
    next.src = address;
    await next.decode();
    const picture = card.place.querySelector('img');
    picture.src = address;
    picture.alt = `Newest picture of ${camera.name}`;
    picture.hidden = false;
    card.place.classList.add('pictured');
    if (card.address) URL.revokeObjectURL(card.address);
    [card.address, card.seen] = [address, camera.picture];
  } catch {
    // The server is away: the state of the service tells it.
  } finally {
    card.looking = false;
  }
};

const inSight = place => {
  const {top, bottom} = place.getBoundingClientRect();
  return bottom > -200 && top < innerHeight + 200;
};

const listed = cameras => {
  const place = element.querySelector('.sl-cams');
  for (const [id, card] of cards) {
    if (cameras.some(camera => camera.id === id)) continue;
    card.place.remove();
    if (card.address) URL.revokeObjectURL(card.address);
    cards.delete(id);
  }
  cameras.forEach((camera, index) => {
    if (!cards.has(camera.id)) {
      const made = element.querySelector('template').content.firstElementChild.cloneNode(true);
      made.dataset.camera = camera.id;
      cards.set(camera.id, {id: camera.id, place: made, looking: false, seen: null, address: null});
    }
    const card = cards.get(camera.id);
    if (place.children[index] !== card.place) place.insertBefore(card.place, place.children[index] ?? null);
    fill(card, camera);
    if (inSight(card.place)) look(card, camera);
  });
};

const serviceSaid = () => {
  const {service, items, now} = told, header = element.querySelector('.sl-service');
  header.hidden = !service?.alive;
  part('none').hidden = service !== null;
  part('restart').hidden = !service || service.alive;
  part('empty').hidden = !service?.alive || items.length > 0;
  if (!service) return;
  if (!service.alive) {
    const ended = service.finished ?? service.heartbeat ?? service.created;
    const how = service.status === 'interrupted' ? 'Its process is gone' : service.status === 'failed' ? 'It failed' : 'It was stopped';
    return write(part('last'), `${how}; the last sign of life was ${duration((now.us - ended.us) / 1e6)} ago. ` +
      `What it stored is kept. ${service.error ? `It said: ${service.error}` : ''}`);
  }
  const stopping = service.requested === 'stop' || asked.has('service');
  const live = items.filter(one => one.state === 'live').length;
  write(part('service'), stopping ? 'stopping …' : 'running');
  part('service').className = `sl-state ${stopping ? 'connecting' : 'live'}`;
  write(part('about'), `${live} of ${items.length} ${items.length === 1 ? 'camera' : 'cameras'} live · up for ${duration((now.us - service.created.us) / 1e6)}`);
  element.querySelector('[data-do="stop"]').disabled = stopping;
};

const done = camera => {
  const wish = asked.get(camera.id);
  return wish === camera.wanted && (wish !== 'pause' || camera.state === 'paused') && (wish !== 'run' || camera.state !== 'paused');
};

const refresh = async () => {
  try {
    const items = [];
    let page;
    do {
      page = await api(`/api/cameras?limit=500&offset=${items.length}`);
      items.push(...page.items);
    } while (page.items.length && items.length < page.total);
    told = {...page, items};
    for (const camera of items) if (done(camera)) asked.delete(camera.id);
    for (const id of asked.keys()) if (id !== 'service' && !items.some(one => one.id === id)) asked.delete(id);
    if (!told.service?.alive) asked.clear();
    element.firstElementChild.removeAttribute('aria-busy');
    serviceSaid();
    listed(items);
    if (!refused) complain(null);
  } catch (error) {
    complain(error);
  }
};
let refused = false;  // what is told is the answer to something that was pressed: it stays for a while

const steer = async (path, id, wish) => {
  asked.set(id, wish);
  if (told) { serviceSaid(); listed(told.items); }
  try {
    await api(path, {method: 'POST', body: id === 'service' ? {wanted: 'stop'} : undefined});
  } catch (error) {
    asked.delete(id);
    refused = true;
    setTimeout(() => { refused = false; }, 8000);
    complain(error);
  }
  step();
};

const dialog = () => element.querySelector('dialog');
const answer = (text, trouble = false) => {
  const place = dialog().querySelector('.sl-said');
  write(place, text);
  place.classList.toggle('sl-trouble', trouble);
};

const add = async () => {
  const fields = dialog().querySelector('form').elements, settings = {policy: fields.policy.value};
  if (!fields.name.value.trim()) { fields.name.focus(); return answer('Give it a name first.', true); }
  if (!fields.url.value.trim()) { fields.url.focus(); return answer('Give its address first.', true); }
  if (fields.record.value) settings.record = {mode: fields.record.value};
  answer('Adding …');
  try {
    await api('/api/cameras', {method: 'POST', body: {
      name: fields.name.value.trim(), url: fields.url.value.trim(), secret: fields.secret.value.trim() || null, settings}});
    dialog().close();
    dialog().querySelector('form').reset();
    step();
  } catch (error) {
    answer(error.message, true);
  }
};

const remove = async camera => {
  const sure = await ask({
    title: `Remove ${camera.name}?`, ok: 'Remove', danger: true,
    text: camera.origin === 'file' ? 'The service stops reading it. Its tracks, events and recordings stay. It comes back with the next start of the service unless the cameras file leaves it out.'
      : 'The service stops reading it. Its tracks, events and recordings stay.',
  });
  if (sure !== null) steer(`/api/cameras/${camera.id}/remove`, camera.id, 'remove');
};

const stop = async () => {
  const sure = await ask({
    title: 'Stop the service?', ok: 'Stop', danger: true,
    text: 'No camera is watched or recorded until it is started again. What is stored stays.',
  });
  if (sure !== null) steer(`/api/runs/${told.service.id}/state`, 'service', 'stop');
};

element.addEventListener('click', event => {
  const action = event.target.closest('[data-do]')?.dataset.do;
  if (!action) return;
  const camera = told?.items.find(one => one.id === event.target.closest('.sl-cam')?.dataset.camera);
  if (action === 'add') { answer(''); dialog().showModal(); return; }
  if (action === 'cancel') return dialog().close();
  if (action === 'stop') return stop();
  if (action === 'large') return void event.target.closest('.sl-cam').classList.toggle('large');
  if (!camera) return;
  if (action === 'remove') return remove(camera);
  if (action === 'pause' || action === 'resume') return steer(`/api/cameras/${camera.id}/${action}`, camera.id, action === 'pause' ? 'pause' : 'run');
  if (action === 'tracks') return trigger('tracks', {source: camera.source});
  sightline.wanted = camera.source;  // the tab Analytics looks there when it is shown
  sightline.tab(2);
});
element.addEventListener('submit', event => { event.preventDefault(); add(); });

const step = follow(element, 1, refresh);
