// The form that starts a run. A video goes straight to the server's own address for uploads; so does the start.
const form = () => element.querySelector('form');
const say = (text, trouble = false) => {
  const place = element.querySelector('.sl-said');
  place.textContent = text;
  place.classList.toggle('sl-trouble', trouble);
};

// What an answer that is no success says, in words.
const reason = (status, text) => {
  try {
    const {detail} = JSON.parse(text);
    return typeof detail === 'string' ? detail : detail.map(one => one.msg).join('; ');
  } catch {
    return `The server said ${status}.`;
  }
};

let uploaded = null;  // {id, name} of the video that was uploaded last

const choose = file => {
  uploaded = file;
  element.querySelector('.sl-drop b').textContent = file ? file.name : 'Drop a video here';
  form().elements.address.disabled = Boolean(file);
  element.querySelector('.sl-forget').hidden = !file;
};

const send = file => {
  const bar = element.querySelector('progress');
  const sending = new XMLHttpRequest();
  sending.open('POST', '/api/uploads');
  sending.setRequestHeader('X-File-Name', encodeURIComponent(file.name));
  sending.setRequestHeader('Content-Type', 'application/octet-stream');
  sending.upload.onprogress = event => { bar.hidden = false; bar.max = event.total; bar.value = event.loaded; };
  sending.onload = () => {
    bar.hidden = true;
    if (sending.status >= 300) return say(reason(sending.status, sending.responseText), true);
    choose({id: JSON.parse(sending.responseText).id, name: file.name});
    say('');
  };
  sending.onerror = () => { bar.hidden = true; say('The upload was broken off; try again.', true); };
  say(`Uploading ${file.name} …`);
  sending.send(file);
};

// The form's fields as the settings of a run.
const overrides = fields => [
  ...(fields.detector.value.trim() ? [`detector.weights=${JSON.stringify(fields.detector.value.trim())}`] : []),
  ...(fields.embedder.value.trim() ? [`embedder.weights=${JSON.stringify(fields.embedder.value.trim())}`] : []),
  ...(fields.frames.value ? [`source.max_frames=${fields.frames.value}`] : []),
  ...fields.settings.value.split('\n').map(line => line.trim()).filter(Boolean),
];

const start = async () => {
  const fields = form().elements;
  const address = fields.address.value.trim();
  if (!uploaded && !address) return say('Choose a video first: drop one, or give its path.', true);
  const button = element.querySelector('[type=submit]');
  button.disabled = true;
  say('Starting: the models are loaded …');
  try {
    const answer = await fetch('/api/runs', {
      method: 'POST',
      headers: {'Content-Type': 'application/json'},
      body: JSON.stringify({
        ...(uploaded ? {upload: uploaded.id} : {addresses: [address]}),
        config: fields.config.value, overrides: overrides(fields),
      }),
    });
    const text = await answer.text();
    if (!answer.ok) return say(reason(answer.status, text), true);
    say('');
    choose(null);
    trigger('started', {run: JSON.parse(text).id});
  } catch {
    say('The server cannot be reached; is it still running?', true);
  } finally {
    button.disabled = false;
  }
};

element.addEventListener('submit', event => { event.preventDefault(); start(); });
element.addEventListener('click', event => { if (event.target.closest('.sl-forget')) choose(null); });
element.addEventListener('change', event => {
  if (event.target.name === 'config') {
    element.querySelector('.sl-about').textContent = event.target.selectedOptions[0].dataset.about;
  }
  if (event.target.type === 'file' && event.target.files.length) {
    send(event.target.files[0]);
    event.target.value = '';
  }
});
element.addEventListener('dragover', event => { event.preventDefault(); element.classList.add('over'); });
element.addEventListener('dragleave', () => element.classList.remove('over'));
element.addEventListener('drop', event => {
  event.preventDefault();
  element.classList.remove('over');
  if (event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
});
