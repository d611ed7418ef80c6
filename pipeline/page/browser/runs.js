// Cards of runs: what is pressed on one becomes an event; what was unfolded stays so when a card is drawn anew.
const unfolded = new Set();

element.addEventListener('click', event => {
  const button = event.target.closest('button[data-run]');
  if (button) trigger(button.dataset.wanted ? 'control' : 'open', {run: button.dataset.run, wanted: button.dataset.wanted});
});

element.addEventListener('toggle', event => {
  const key = event.target.dataset?.fold;
  if (!key) return;
  if (event.target.open) unfolded.add(key); else unfolded.delete(key);
}, true);

watch('value', () => {
  for (const one of element.querySelectorAll('details[data-fold]')) one.open = unfolded.has(one.dataset.fold);
});
