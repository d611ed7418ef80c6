// What all tabs share: questions to the reader, and keys. One object, `sightline`; loaded before any tab.
window.sightline = (() => {
  const CAMERAS = 1, TRACKS = 4;  // numbers of tabs: how cameras do, what has the filters
  const KEYS = [
    ['1 … 8', 'Cameras, Analytics, Runs, Tracks, Track, Search, Process, Follow'],
    ['/', 'filter'],
    ['← → ↑ ↓', 'move among pictures; on Track: step through the clip'],
    ['Enter', 'open the picture that has the focus'],
    ['Space', 'on Track: play or pause the clip'],
    ['x', 'select; Shift or Ctrl and a click do it, too'],
    ['m', 'merge the selected tracks: they are one'],
    ['s', 'split the track at the time of the clip'],
    ['l', 'label'],
    ['c · r · u', 'confirm · reject · unsure'],
    ['p', 'protect: keep the track and its recording'],
    ['Del', 'delete'],
    ['f', 'find similar tracks'],
    ['Ctrl Z · Ctrl Shift Z', 'undo · redo'],
    ['Esc', 'select nothing'],
    ['?', 'these keys'],
  ];

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };

  // Whether keys belong to what has the focus: somebody types there, or chooses from a list.
  const typing = target => target instanceof Element && (
    target.isContentEditable || target.matches('textarea, select, [role=listbox], [role=combobox]') ||
    (target.matches('input') && !['checkbox', 'radio', 'button'].includes(target.type)));

  const shown = element => element.getClientRects().length > 0;

  // A question in a dialog of its own. Gives what was typed ('' where nothing is asked), null where it was called off.
  const ask = ({title, text = '', ok, danger = false, field = null, value = '', choices = []}) => new Promise(done => {
    const input = field && make('input', {type: 'text', name: 'answer', value, autocomplete: 'off', maxLength: 200});
    const list = make('datalist', {id: 'sl-answers'});
    list.append(...choices.map(choice => make('option', {value: choice})));
    input?.setAttribute('list', 'sl-answers');
    const form = make('form', {method: 'dialog'},
      make('h2', {textContent: title}), make('p', {textContent: text}),
      ...(input ? [make('label', {}, make('span', {textContent: field}), input), list] : []),
      make('menu', {},
        make('button', {type: 'button', textContent: 'Cancel', className: 'sl-button', onclick: () => dialog.close('')}),
        make('button', {value: 'ok', textContent: ok, className: `sl-button ${danger ? 'danger' : 'primary'}`})));
    const dialog = make('dialog', {className: 'sl-dialog'}, form);
    dialog.addEventListener('close', () => {
      done(dialog.returnValue === 'ok' ? (input ? input.value.trim() : '') : null);
      dialog.remove();
    });
    document.querySelector('.gradio-container').append(dialog);
    dialog.showModal();
    (input ?? form.querySelector('[value=ok]')).focus();
    input?.select();
  });

  const help = () => {
    const open = document.querySelector('dialog.sl-keys');
    if (open) return open.close();
    const rows = KEYS.flatMap(([keys, meaning]) =>
      [make('dt', {}, make('kbd', {textContent: keys})), make('dd', {textContent: meaning})]);
    const dialog = make('dialog', {className: 'sl-dialog sl-keys'}, make('form', {method: 'dialog'},
      make('h2', {textContent: 'Keys'}), make('dl', {}, ...rows),
      make('menu', {}, make('button', {textContent: 'Close', className: 'sl-button primary'}))));
    dialog.addEventListener('close', () => dialog.remove());
    document.querySelector('.gradio-container').append(dialog);
    dialog.showModal();
  };

  const press = key => {
    const button = [...document.querySelectorAll(`[data-key="${key}"]`)].find(one => shown(one) && !one.disabled);
    button?.click();
    return Boolean(button);
  };

  // The card before or after the one with the focus; up and down by where the cards stand.
  const move = key => {
    const cards = [...document.querySelectorAll('.sl-card .sl-open')].filter(shown);
    if (!cards.length) return false;
    const here = cards.indexOf(document.activeElement);
    let next = key === 'ArrowLeft' ? here - 1 : here + 1;
    if (here >= 0 && (key === 'ArrowUp' || key === 'ArrowDown')) {
      const own = cards[here].getBoundingClientRect();
      const there = cards.map((card, index) => ({index, box: card.getBoundingClientRect()}))
        .filter(({box}) => key === 'ArrowUp' ? box.top < own.top - 4 : box.top > own.top + 4)
        .map(({index, box}) => ({index, far: Math.abs(box.top - own.top) * 4 + Math.abs(box.left - own.left)}));
      next = there.length ? there.reduce((a, b) => b.far < a.far ? b : a).index : here;
    }
    cards[Math.min(Math.max(next, 0), cards.length - 1)].focus();
    return true;
  };

  const filter = () => {
    const field = () => [...document.querySelectorAll('.sl-filters input')].find(shown);
    if (!field()) tab(TRACKS);
    setTimeout(() => field()?.focus(), field() ? 0 : 120);
    return true;
  };

  const tab = number => {
    const one = document.querySelectorAll('[role=tablist] [role=tab]')[number - 1];
    one?.click();
    return Boolean(one);
  };

  const act = event => {
    const {key} = event;
    if ((event.ctrlKey || event.metaKey) && !event.altKey) {
      return key.toLowerCase() === 'z' && press(event.shiftKey ? 'redo' : 'undo');
    }
    if (event.altKey) return false;
    if (key === '?') return help(), true;
    if (key === '/') return filter();
    if (key.length === 1 && key >= '1' && key <= '8') return tab(Number(key));
    if (key.startsWith('Arrow')) {
      if (event.target instanceof HTMLMediaElement) return false;
      return (!event.target.closest?.('.sl-card') && press(key)) || move(key);
    }
    if (key === ' ') return event.target === document.body && press('Space');
    return ['x', 'm', 's', 'l', 'c', 'r', 'u', 'f', 'p', 'Delete', 'Escape'].includes(key) && press(key);
  };

  document.addEventListener('keydown', event => {
    if (event.defaultPrevented || event.isComposing || event.repeat && !event.key.startsWith('Arrow')) return;
    const dialog = document.querySelector('dialog[open]');
    if (dialog && !(event.key === '?' && dialog.matches('.sl-keys'))) return;
    if (!typing(event.target) && act(event)) event.preventDefault();
  });

  // Ask the HTTP API. Gives what it answers; what it refuses becomes an Error with the sentence it said.
  const api = async (path, {method = 'GET', body} = {}) => {
    const answer = await fetch(path, {
      method, cache: 'no-store',
      ...(body === undefined ? {} : {headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)}),
    }).catch(() => { throw new Error('The server cannot be reached; is it still running?'); });
    const text = await answer.text();
    const told = (() => { try { return JSON.parse(text); } catch { return null; } })();
    if (answer.ok) return told;
    const detail = told?.detail;
    if (typeof detail === 'string') throw new Error(detail);
    if (!Array.isArray(detail)) throw new Error(`The server said ${answer.status}.`);
    throw new Error(detail.map(one => `${one.loc.at(-1)}: ${one.msg.replace('Value error, ', '')}`).join('; '));
  };

  // Act every so many seconds, but only while an element can be seen; at once when it comes into sight. Ends with it.
  const follow = (element, seconds, act) => {
    let acting = false, seen = false;
    const step = async () => {
      if (!element.isConnected) { clearInterval(timer); sight.disconnect(); ended.abort(); return; }
      seen = !document.hidden && shown(element);
      if (acting || !seen) return;
      acting = true;
      try { await act(); } finally { acting = false; }
    };
    const ended = new AbortController();
    const timer = setInterval(step, 1000 * seconds);
    const sight = new ResizeObserver(() => { if (!seen) step(); });
    sight.observe(element);
    document.addEventListener('visibilitychange', () => { if (!document.hidden) step(); }, {signal: ended.signal});
    step();
    return step;
  };

  const two = number => String(number).padStart(2, '0');
  const clock = us => {
    const at = new Date(us / 1000);
    return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  };
  const day = us => new Date(us / 1000).toLocaleDateString('en-GB', {day: 'numeric', month: 'short'});

  // A length of time with the two units that matter.
  const duration = seconds => {
    const whole = Math.max(Math.round(seconds), 0);
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
    if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole % 3600 / 60))} min`;
    return `${Math.floor(whole / 86400)} d ${Math.floor(whole % 86400 / 3600)} h`;
  };

  const SVG = 'http://www.w3.org/2000/svg';
  const draw = (tag, attributes = {}, ...children) => {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // Change a text only where it differs: nothing flickers, and what somebody has marked stays marked.
  const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  // Where a service is at work, its cameras are what one wants to see first.
  let touched = false;
  for (const kind of ['pointerdown', 'keydown']) addEventListener(kind, () => { touched = true; }, {capture: true, once: true});
  const camerasFirst = async () => {
    const told = await api('/api/cameras?limit=1').catch(() => null);
    if (!told?.service?.alive) return;
    for (let tries = 0, there = 0; tries < 50 && there < 3 && !touched; tries += 1) {  // until the page is at rest there
      const chosen = document.querySelector('[role=tablist] [role=tab]')?.getAttribute('aria-selected') === 'true';
      if (chosen) there += 1; else tab(CAMERAS);
      await new Promise(done => setTimeout(done, 150));
    }
  };
  camerasFirst();

  // Pictures that cannot be had are left out; their frame says so.
  document.addEventListener('error', event => {
    if (event.target instanceof HTMLImageElement) event.target.closest('.sl-picture, .sl-live')?.classList.add('missing');
  }, true);
  document.addEventListener('load', event => {
    if (event.target instanceof HTMLImageElement) {
      event.target.closest('.sl-picture, .sl-live')?.classList.remove('missing');
    }
  }, true);

  return {api, ask, clock, day, draw, duration, follow, help, make, shown, tab, two, write};
})();
