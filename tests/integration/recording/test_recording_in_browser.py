"""Segments play in a browser, each alone, also one that broke off."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.sources.segment_reading import cut_to_whole
from tests.clips import cut, write_clip
from tests.integration.page.browsing import browsing
from tests.integration.recording.feeding import Recording, feed

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PAGE = """<title>segments</title><link rel="icon" href="data:,"><script>
async function play(file) {
  const video = document.createElement("video");
  video.muted = true; video.src = file; video.playbackRate = 4;
  document.body.append(video);
  const ended = new Promise((done, fail) => { video.onended = done; video.onerror = () => fail(video.error.message); });
  await video.play(); await ended;
  return [video.videoWidth, video.videoHeight, video.currentTime];
}
</script><body></body>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The files of a folder over HTTP."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("reordered", [0, 2])
def test_chromium_plays_segments(chromium: Browser, tmp_path: Path, reordered: int) -> None:
    options = {"bf": str(reordered), "g": "10", "sc_threshold": "0"}
    video = write_clip(tmp_path / "clip.ts", count=80, fps=10, size=(320, 240), options=options)
    recording = Recording(tmp_path)
    recorder = recording.recorder(seconds=4.0)
    feed(recorder, video)
    recorder.close()
    first, second = (one.path for one in recording.segments)
    cut_to_whole(cut(tmp_path / second, 0.8))
    (tmp_path / "index.html").write_text(PAGE)
    with served(tmp_path) as address, browsing(chromium, f"{address}/index.html") as page:
        assert page.evaluate("file => play(file)", f"/{first}") == [320, 240, pytest.approx(4.0, abs=0.3)]
        width, _, seconds = page.evaluate("file => play(file)", f"/{second}")
    assert width == 320
    assert 1.0 < seconds < 4.0
