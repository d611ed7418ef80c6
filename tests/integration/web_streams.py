"""Cameras that speak HTTP, for tests: MJPEG as old ones send it, and a folder of files (HLS)."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2

from tests.clips import picture
from tests.integration.rtsp_server import ffmpeg


class WebServer:
    """A threaded HTTP server on a free port of 127.0.0.1, as a context manager."""

    def __init__(self, handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Mjpeg:
    """What an MJPEG camera does: a number in every picture (see `tests.clips`), `fps` a second, without end."""

    def __init__(
        self, *, fps: float = 10, size: tuple[int, int] = (320, 240), user: str = "", password: str = ""
    ) -> None:
        self.fps, self.size = fps, size
        self.login = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}" if user else ""

    def __call__(self, *request: Any) -> BaseHTTPRequestHandler:
        return _MjpegHandler(self, *request)


class _MjpegHandler(BaseHTTPRequestHandler):
    def __init__(self, camera: Mjpeg, *request: Any) -> None:
        self._camera = camera
        super().__init__(*request)

    def do_GET(self) -> None:
        """Send pictures until the client goes."""
        if self._camera.login and self.headers.get("Authorization") != self._camera.login:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        width, height = self._camera.size
        number = 0
        try:
            while True:
                jpeg = cv2.imencode(".jpg", picture(number, width=width, height=height))[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                number += 1
                time.sleep(1 / self._camera.fps)
        except OSError:
            self.close_connection = True  # the client is gone

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""


class _QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the terminal."""


def folder_server(folder: Path) -> WebServer:
    """Serves a folder's files, e.g. of `hls`."""
    return WebServer(partial(_QuietFiles, directory=str(folder)))


def hls(video: Path, folder: Path, *, seconds: int = 20) -> str:
    """Cut a video (see `looped`) into an HLS playlist with an end. Returns the playlist's name in `folder`."""
    ffmpeg(
        *("-i", video, "-t", seconds, "-c", "copy", "-f", "hls", "-hls_time", 1, "-hls_list_size", 0),
        folder / "live.m3u8",
    )
    return "live.m3u8"
