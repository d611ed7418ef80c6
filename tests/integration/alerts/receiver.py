"""A receiver of webhooks that a test can shut down, start again, and let answer as it likes."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.promptness import allowed, until


@dataclass(frozen=True)
class Request:
    """What came."""

    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    at: float  # time.monotonic()

    @property
    def told(self) -> Any:
        """The message."""
        return json.loads(self.body)

    @property
    def key(self) -> str:
        """Under which it is known."""
        return self.headers["idempotency-key"]


@dataclass(frozen=True)
class Reply:
    """What goes back, and when."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0  # seconds
    body: bytes = b"ok"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class WebhookReceiver:
    """Keeps every request. `reply`: what to answer to it; 200 by default. A context manager."""

    def __init__(
        self, reply: Callable[[Request], Reply] = lambda _: Reply(), *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.requests: list[Request] = []
        self.reply = reply
        self.port = free_port()
        self._tls = tls
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it is, or will be."""
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}/hook"

    def start(self) -> None:
        """Begin to listen."""
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No connection is taken any more, and those there were are cut."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.cut()
            self._thread.join(allowed(5))
            self._server = None

    def wait(self, count: int, *, seconds: float = 20.0) -> None:
        """Until so many requests have come; AssertionError where they do not."""
        until(lambda: len(self.requests) >= count, seconds, lambda: f"{len(self.requests)} of {count} requests came")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A cut connection is what tests are about."""

    def cut(self) -> None:
        self.server_close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                self._open.discard(connection)  # it was closed already


def _handler(receiver: WebhookReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # otherwise each answer takes 40 ms

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.path, headers, body, time.monotonic())
            receiver.requests.append(request)
            reply = receiver.reply(request)
            time.sleep(reply.delay)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    return Handler
