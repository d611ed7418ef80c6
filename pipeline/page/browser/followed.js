// The run that follows a target: what is pressed becomes an event. Where it has ended while somebody looked on, its track
// opens by itself, once.
let opened = '', watched = '';

element.addEventListener('click', event => {
  const button = event.target.closest('button[data-run], button[data-track]');
  if (button?.dataset.track) trigger('open', {track: button.dataset.track});
  else if (button) trigger('control', {run: button.dataset.run, wanted: button.dataset.wanted});
});

watch('value', () => {
  const run = element.querySelector('[data-followed]')?.dataset;
  if (!run) return;
  if (run.goesOn) { watched = run.followed; return; }
  if (run.track && run.followed !== opened && run.followed === (sightline.startedRun ?? watched)) {
    opened = run.followed;
    if (sightline.shown(element)) trigger('open', {track: run.track});
  }
});
