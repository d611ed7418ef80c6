// A day of a camera's recording: what there is, what is missing and why, when something happened; a click plays it.
// `sightline.recording(place, complain)`; gives {show(source), play(at)}.
sightline.recording = (place, complain) => {
  const {api, clock, day, draw, duration, make, two, write} = sightline;
  const HEIGHT = 84, DAY = 86400e6;  // pixels, microseconds
  const BEFORE = 2;  // seconds that are shown before an event
  const line = place.querySelector('.sl-track-of-day'), said = place.querySelector('[data-f="said"]');
  const player = place.querySelector('.sl-player'), video = player.querySelector('video');
  const date = place.querySelector('input[type=date]');
  let source = null, segments = [], gaps = [], ticks = [], playing = null, at = null;

  const today = () => { const now = new Date(); return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`; };
  const begin = () => new Date(`${date.value}T00:00:00`).getTime() * 1000;
  const end = () => { const next = new Date(`${date.value}T00:00:00`); next.setDate(next.getDate() + 1); return next.getTime() * 1000; };

  // Segments that follow each other without a break are one bar.
  const stretches = () => segments.reduce((found, one) => {
    const last = found.at(-1);
    if (last && one.begins.us - last[1] < 2e6) last[1] = Math.max(last[1], one.ends.us);
    else found.push([one.begins.us, one.ends.us]);
    return found;
  }, []);

  const plot = () => {
    const width = line.clientWidth, from = begin(), to = end();
    if (!width || !date.value) return;
    const x = us => Math.min(Math.max((us - from) / (to - from), 0), 1) * width;
    const bar = (kind, [begins, ends], title) => draw('rect', {class: kind, x: x(begins), y: 26, height: 30, width: Math.max(x(ends) - x(begins), 1.5)},
      draw('title', {}, title));
    const parts = [draw('rect', {class: 'none', x: 0, y: 26, width, height: 30, rx: 4})];
    for (const [begins, ends] of stretches()) parts.push(bar('kept', [begins, ends], `${clock(begins)} to ${clock(ends)}`));
    for (const gap of gaps) parts.push(bar('gap', [gap.begins.us, gap.ends.us], `${clock(gap.begins.us)} to ${clock(gap.ends.us)}: ${gap.reason}`));
    for (const tick of ticks) parts.push(draw('rect', {class: 'event', x: x(tick.us) - 1, y: 8, width: 2, height: 14}, draw('title', {}, tick.said)));
    const hours = width > 700 ? 2 : width > 460 ? 3 : 6;
    for (let hour = 0; hour <= 24; hour += hours) {
      const here = x(from + (to - from) * hour / 24);
      parts.push(draw('text', {x: Math.min(Math.max(here, 16), width - 17), y: HEIGHT - 8, 'text-anchor': 'middle'}, `${two(hour)}:00`));
    }
    if (at !== null && at >= from && at < to) parts.push(draw('rect', {class: 'now', x: x(at) - 1, y: 4, width: 2, height: 56}));
    line.replaceChildren(draw('svg', {viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT}, ...parts));
    line.setAttribute('aria-valuenow', String(at === null ? 0 : Math.round((at - from) / 1e6)));
    line.setAttribute('aria-valuetext', at === null ? 'nothing chosen' : clock(at));
  };

  const tell = () => {
    const seconds = stretches().reduce((all, [begins, ends]) => all + (Math.min(ends, end()) - Math.max(begins, begin())) / 1e6, 0);
    const missing = gaps.slice(-3).map(gap => `${clock(gap.begins.us)} to ${clock(gap.ends.us)} (${gap.reason})`).join('; ');
    const kept = segments.length ? `${duration(seconds)} recorded.` : 'Nothing was recorded on this day.';
    write(said, gaps.length ? `${kept} ${gaps.length} ${gaps.length === 1 ? 'gap' : 'gaps'}${gaps.length > 3 ? ', the last ones' : ''}: ${missing}` : kept);
  };

  const load = async () => {
    if (!source || !date.value) return;
    const mine = source, on = date.value, from = begin(), to = end(), found = [];
    const where = `source=${mine}&to=${to}`;
    let next = from, page;
    do {
      page = await api(`/api/recordings?${where}&from=${next}&limit=2000`);
      found.push(...page.items.filter(one => !found.some(other => other.id === one.id)));
      next = page.next;
    } while (next !== null);
    const counted = await api(`/api/events/counts?${where}&from=${from}&bucket=60`);
    if (mine !== source || on !== date.value) return;  // something else is wanted by now
    segments = found;
    gaps = (await api(`/api/recordings?${where}&from=${from}&limit=1`)).gaps;
    const minutes = new Map();
    for (const one of counted.items) {
      const name = one.kind === 'cross' ? `${one.rule} ${one.direction}` : `${one.rule} ${one.kind}`;
      minutes.set(one.start.us, [...minutes.get(one.start.us) ?? [], `${one.count} ${name}`]);
    }
    ticks = [...minutes].map(([us, names]) => ({us: us + 30e6, said: `${clock(us).slice(0, 5)}: ${names.join(', ')}`}));
    tell();
    plot();
  };

  const start = (segment, seconds) => {
    playing = segment;
    player.hidden = false;
    const go = () => { video.currentTime = seconds; video.play().catch(() => {}); };
    if (video.dataset.id === segment.id && video.readyState) go();
    else {
      video.dataset.id = segment.id;
      video.addEventListener('loadedmetadata', go, {once: true});
      video.src = segment.address;
    }
    write(player.querySelector('[data-f="what"]'), `${segment.camera}, ${day(segment.begins.us)}, ${clock(segment.begins.us)} to ${clock(segment.ends.us)}`);
    player.querySelector('a').href = segment.address;
    player.querySelector('a').download = `${segment.camera} ${date.value} ${clock(segment.begins.us).replaceAll(':', '-')}`;
    keep();
  };

  const keep = () => {
    const button = player.querySelector('[data-keep]');
    write(button, playing.protected ? 'Kept' : 'Keep');
    button.title = playing.protected ? 'It is kept however old it is; press to let it go with the others' : 'Keep it however old it is';
    button.classList.toggle('pressed', playing.protected);
  };

  // Play a moment; where nothing was recorded, what comes next.
  const play = us => {
    const segment = segments.find(one => us < one.ends.us);
    if (!segment) return;
    at = Math.max(us, segment.begins.us);
    plot();
    start(segment, Math.max((us - segment.begins.us) / 1e6, 0));
  };

  line.addEventListener('click', event => {
    const {left, width} = line.getBoundingClientRect();
    play(begin() + Math.round((event.clientX - left) / width * (end() - begin())));
  });
  line.addEventListener('keydown', event => {
    const step = {ArrowLeft: -60e6, ArrowRight: 60e6, PageDown: -3600e6, PageUp: 3600e6}[event.key];
    if (!step && event.key !== 'Enter') return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === 'Enter') return play(at ?? segments[0]?.begins.us ?? begin());
    at = Math.min(Math.max((at ?? segments.at(-1)?.ends.us ?? begin()) + step, begin()), end() - 1);
    plot();
  });
  video.addEventListener('timeupdate', () => {
    if (!playing) return;
    at = playing.begins.us + Math.round(video.currentTime * 1e6);
    plot();
  });
  video.addEventListener('ended', () => {
    const next = segments[segments.findIndex(one => one.id === playing?.id) + 1];
    if (next) start(next, 0);
  });
  video.addEventListener('error', () => complain(new Error('This browser cannot play the recording, or it is gone by now; try to download it.')));
  place.addEventListener('click', async event => {
    const step = event.target.closest('[data-day]')?.dataset.day;
    if (step) {
      const next = new Date(`${date.value}T12:00:00`);
      next.setDate(next.getDate() + Number(step));
      date.value = `${next.getFullYear()}-${two(next.getMonth() + 1)}-${two(next.getDate())}`;
      return load().catch(complain);
    }
    if (!event.target.closest('[data-keep]')) return;
    try {
      playing.protected = (await api(`/api/recordings/${playing.id}/protect`, {method: 'POST', body: {protected: !playing.protected}})).protected;
      keep();
    } catch (error) {
      complain(error);
    }
  });
  date.addEventListener('change', () => { if (!date.value) date.value = today(); load().catch(complain); });
  new ResizeObserver(plot).observe(line);

  return {
    load,
    show: async wanted => {
      if (wanted !== source) {
        source = wanted;
        [segments, gaps, ticks, playing, at] = [[], [], [], null, null];
        player.hidden = true;
        video.removeAttribute('src');
        date.value = today();
      }
      if (source) await load();
    },
    // The moment of an event, wherever it is shown.
    play: async us => {
      const when = new Date(us / 1000);
      date.value = `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`;
      await load();
      play(us - BEFORE * 1e6);
      player.scrollIntoView({block: 'nearest'});
    },
  };
};
