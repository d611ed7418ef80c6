"""A web server on this machine that offers files, well or badly, and remembers what it was asked."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Offer:
    """A file, and how it is served."""

    content: bytes
    tag: str | None = '"one"'  # ETag
    cuts: list[int] = field(default_factory=list)  # the first answers break off after so many bytes of their own
    ranges: bool = True  # whether parts are given
    length: bool = True  # whether the length is told
    chunked: bool = False  # whether it comes in chunks, instead of a length
    status: list[int] = field(default_factory=list)  # the first answers are these errors
    redirect: str | None = None
    seconds: float = 0.0  # an answer takes so long


class ModelServer:
    """What it offers, by path, and the headers of every request."""

    def __init__(self, port: int) -> None:
        self.offers: dict[str, Offer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._port = port

    def address(self, name: str) -> str:
        """Of a file."""
        return f"http://127.0.0.1:{self._port}/{name}"

    def ranges(self, name: str) -> list[str | None]:
        """The Range of each request for a file."""
        return [headers.get("range") for path, headers in self.asked if path == f"/{name}"]


@contextmanager
def served() -> Iterator[ModelServer]:
    """A running server."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads = True
    server = ModelServer(http.server_address[1])
    http.models = server  # type: ignore[attr-defined]
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def do_GET(self) -> None:
        known: ModelServer = self.server.models
        known.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        offer = known.offers.get(self.path.removeprefix("/"))
        if offer is None:
            self._end(404)
        elif offer.redirect is not None:
            self._end(302, {"Location": offer.redirect})
        elif offer.status:
            self._end(offer.status.pop(0))
        else:
            self._give(offer)

    def _give(self, offer: Offer) -> None:
        start = self._start(offer)
        total = len(offer.content)
        if start >= total and start:
            self._end(416, {"Content-Range": f"bytes */{total}"})
            return
        body = offer.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        if offer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        elif offer.length:
            self.send_header("Content-Length", str(len(body)))
        if offer.tag is not None:
            self.send_header("ETag", offer.tag)
        self.send_header("Connection", "close")
        self.end_headers()
        time.sleep(offer.seconds)
        self.close_connection = True
        self.wfile.write(body[: offer.cuts.pop(0)] if offer.cuts else body)

    def _start(self, offer: Offer) -> int:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range") in (None, offer.tag)
        return int(found[1]) if found and offer.ranges and same else 0

    def _end(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said."""
