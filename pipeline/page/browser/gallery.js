// A gallery of tracks: opening one, selecting several, and what is done with them.
const chosen = new Set();
let last = null;  // the card that was selected last, where a range begins

const cards = () => [...element.querySelectorAll('.sl-card')];
const card = id => cards().find(one => one.dataset.track === id);

const show = () => {
  for (const one of cards()) {
    one.classList.toggle('chosen', chosen.has(one.dataset.track));
    one.querySelector('.sl-pick input').checked = chosen.has(one.dataset.track);
  }
  element.querySelector('.sl-tools')?.classList.toggle('busy', chosen.size > 0);
  const number = element.querySelector('.sl-chosen');
  if (number) number.textContent = chosen.size ? `${chosen.size} selected` : '';
  for (const button of element.querySelectorAll('.sl-tools [data-least]')) {
    button.disabled = targets().length < Number(button.dataset.least);
  }
};

const toggle = one => {
  const id = one.dataset.track;
  if (!chosen.delete(id)) chosen.add(id);
  last = id;
  show();
};

const upTo = one => {
  const all = cards();
  const [from, to] = [all.indexOf(card(last) ?? one), all.indexOf(one)].sort((a, b) => a - b);
  for (const between of all.slice(from, to + 1)) chosen.add(between.dataset.track);
  show();
};

// What an action is for: the selected tracks, else the one that has the focus.
const focused = () => document.activeElement?.closest('.sl-card');
const targets = () => {
  if (chosen.size) return [...chosen];
  const one = focused();
  return one && element.contains(one) ? [one.dataset.track] : [];
};

const edit = async (op, tracks) => {
  const several = tracks.length === 1 ? 'this track' : `these ${tracks.length} tracks`;
  let label = null;
  if (op === 'label') {
    const tools = element.querySelector('.sl-tools');
    label = await sightline.ask({
      title: `Label ${several}`, text: 'Empty: the class counts again.', ok: 'Label', field: 'Label',
      choices: JSON.parse(tools.dataset.names ?? '[]'),
      value: tracks.length === 1 ? card(tracks[0])?.dataset.label ?? '' : '',
    });
    if (label === null) return;
  }
  if (op === 'delete') {
    const sure = await sightline.ask({
      title: `Delete ${several}?`, ok: 'Delete', danger: true,
      text: 'They leave the page, its search and its reviewed exports. Undo brings them back.',
    });
    if (sure === null) return;
  }
  trigger('edit', {op, tracks, label});
};

element.addEventListener('click', event => {
  const tool = event.target.closest('[data-op]');
  if (tool) {
    if (tool.dataset.op === 'none') { chosen.clear(); return show(); }
    if (tool.dataset.op === 'pick') { const one = focused(); return one && element.contains(one) && toggle(one); }
    if (tool.dataset.op === 'undo' || tool.dataset.op === 'redo') return trigger('edit', {op: tool.dataset.op});
    const tracks = targets();
    if (tracks.length >= Number(tool.dataset.least)) edit(tool.dataset.op, tracks);
    return;
  }
  const one = event.target.closest('.sl-card');
  if (!one) return;
  if (event.target.closest('.sl-pick')) {
    if (event.target.matches('input')) event.shiftKey ? upTo(one) : toggle(one);
    return;
  }
  if (event.shiftKey) { event.preventDefault(); return upTo(one); }
  if (event.ctrlKey || event.metaKey) return toggle(one);
  trigger('open', {track: one.dataset.track});
});

// Buttons need the focus to stay where it was: on the card they are for.
element.addEventListener('mousedown', event => {
  if (event.target.closest('[data-op]') || (event.shiftKey && event.target.closest('.sl-card'))) event.preventDefault();
});
element.addEventListener('focusin', show);
element.addEventListener('focusout', () => setTimeout(show, 0));

watch('value', () => { chosen.clear(); last = null; show(); });
show();
