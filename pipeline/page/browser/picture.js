// Searching by a picture: chosen or dropped, a part of it marked with the pointer, and sent to the HTTP API.
const TALL = 320;  // pixels of the picture on the page
const LARGEST = 1600;  // pixels of a side that are sent; networks look at far fewer
let said = ['', false];  // what is told below the picture
const say = (text, trouble = false) => {
  said = [text, trouble];
  const place = element.querySelector('.sl-said');
  place.textContent = text;
  place.classList.toggle('sl-trouble', trouble);
};
const canvas = () => element.querySelector('canvas');
const filters = () => element.querySelector('[data-filters]').dataset.filters;

let picture = null;  // ImageBitmap of what was chosen
let part = null;  // [x1, y1, x2, y2] of it, pixels; null: all
let searched = '';  // filters of the last search by this picture

const draw = () => {
  const surface = canvas();
  const pen = surface.getContext('2d');
  surface.width = picture.width;
  surface.height = picture.height;
  surface.style.width = `min(100%, ${Math.round(TALL * picture.width / picture.height)}px)`;
  pen.drawImage(picture, 0, 0);
  if (!part) return;
  const [x1, y1, x2, y2] = part;
  pen.fillStyle = 'rgb(2 6 23 / .6)';
  pen.fillRect(0, 0, surface.width, surface.height);
  pen.drawImage(picture, x1, y1, x2 - x1, y2 - y1, x1, y1, x2 - x1, y2 - y1);
  pen.strokeStyle = '#14b8a6';
  pen.lineWidth = Math.max(surface.width / 200, 2);
  pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
};

// The marked part as a JPEG.
const cut = () => new Promise(done => {
  const [x1, y1, x2, y2] = part ?? [0, 0, picture.width, picture.height];
  const shrink = Math.min(LARGEST / Math.max(x2 - x1, y2 - y1), 1);
  const piece = sightline.make('canvas', {
    width: Math.max(Math.round((x2 - x1) * shrink), 1), height: Math.max(Math.round((y2 - y1) * shrink), 1)});
  piece.getContext('2d').drawImage(picture, x1, y1, x2 - x1, y2 - y1, 0, 0, piece.width, piece.height);
  piece.toBlob(done, 'image/jpeg', .95);
});

const search = async () => {
  say('Searching …');
  searched = filters();
  try {
    const answer = await fetch(`/api/search?limit=48&${searched}`, {
      method: 'POST', headers: {'Content-Type': 'image/jpeg'}, body: await cut(),
    });
    const told = await answer.json();
    if (!answer.ok) return say(typeof told.detail === 'string' ? told.detail : 'The filters make no sense.', true);
    say(part ? 'Searched by the marked part.' : 'Mark one object with the pointer to search by it alone.');
    trigger('found', {hits: told.hits.map(hit => [hit.object.id, hit.distance])});
  } catch {
    say('The server cannot be reached; is it still running?', true);
  }
};

const choose = async file => {
  try {
    picture = await createImageBitmap(file);
  } catch {
    return say(`${file.name} is no picture that this browser can read.`, true);
  }
  part = null;
  element.querySelector('.sl-own').hidden = false;
  draw();
  search();
};

const place = event => {
  const box = canvas().getBoundingClientRect();
  const inside = (value, most) => Math.round(Math.min(Math.max(value, 0), 1) * most);
  return [inside((event.clientX - box.left) / box.width, picture.width),
    inside((event.clientY - box.top) / box.height, picture.height)];
};

element.addEventListener('pointerdown', event => {
  if (event.target !== canvas()) return;
  event.preventDefault();
  const [x, y] = place(event);
  canvas().setPointerCapture(event.pointerId);
  const mark = moved => {
    const [u, v] = place(moved);
    const wide = Math.abs(u - x) > picture.width / 50 && Math.abs(v - y) > picture.height / 50;
    part = wide ? [Math.min(x, u), Math.min(y, v), Math.max(x, u), Math.max(y, v)] : null;
    draw();
  };
  const end = () => {
    canvas().removeEventListener('pointermove', mark);
    search();
  };
  canvas().addEventListener('pointermove', mark);
  canvas().addEventListener('pointerup', end, {once: true});
});

element.addEventListener('change', event => {
  if (event.target.type !== 'file' || !event.target.files.length) return;
  choose(event.target.files[0]);
  event.target.value = '';
});
element.addEventListener('dragover', event => { event.preventDefault(); element.classList.add('over'); });
element.addEventListener('dragleave', () => element.classList.remove('over'));
element.addEventListener('drop', event => {
  event.preventDefault();
  element.classList.remove('over');
  if (event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
});

// New filters: the same picture again. Searching by a track takes its place.
watch('value', () => {
  if (element.querySelector('.sl-asked')) { picture = null; return say(''); }
  if (!picture) return;
  element.querySelector('.sl-own').hidden = false;  // the new HTML knows nothing of what was drawn
  draw();
  say(...said);
  if (filters() !== searched) search();
});
