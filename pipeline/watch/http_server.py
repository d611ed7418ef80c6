"""HttpServer: /metrics and /healthz of a service. Wider than this machine only with a password."""

from __future__ import annotations

import base64
import errno
import hmac
import json
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from pipeline.errors import ConfigError
from pipeline.page.access import USER, check_host
from pipeline.watch.metrics import CONTENT_TYPE

_log = logging.getLogger(__name__)
_REQUEST_SECONDS = 5.0  # a client that says nothing for so long is let go


def read_listen(listen: str, password: str | None) -> tuple[str, int]:
    """Host and port of `host:port`. Raises ConfigError, also for a wide address without a password."""
    host, colon, digits = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not digits.isdecimal() or int(digits) > 65535:
        raise ConfigError(f"service.listen '{listen}' must look like 127.0.0.1:9464; leave it empty for none")
    check_host(host, password)
    return host, int(digits)


class HttpServer:
    """Answers in threads of its own from `__enter__` to `__exit__`."""

    def __init__(
        self, listen: str, *, metrics: Callable[[], bytes], reasons: Callable[[], list[str]], password: str | None
    ) -> None:
        """`listen`: host:port; port 0 for a free one. `reasons`: why the service is not healthy.

        `password`: asked for before /metrics, and before /healthz tells reasons; None where this machine alone gets
        in. Raises ConfigError if the port is taken or the host is not this machine's.
        """
        host, port = read_listen(listen, password)
        expected = None if password is None else base64.b64encode(f"{USER}:{password}".encode()).decode()

        class Handler(_Handler):
            timeout = _REQUEST_SECONDS

            def answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
                known = expected is None or _is_same(self.headers.get("Authorization", ""), f"Basic {expected}")
                if path == "/healthz":
                    return _health(reasons(), tell=known)
                if not known:
                    return HTTPStatus.UNAUTHORIZED, "text/plain", b"password?\n"
                if path == "/metrics":
                    return HTTPStatus.OK, CONTENT_TYPE, metrics()
                return HTTPStatus.NOT_FOUND, "text/plain", b"/metrics or /healthz\n"

        try:
            self._server = _Server((host, port), Handler)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "the port is taken" if taken else (error.strerror or str(error))
            raise ConfigError(
                f"nothing can listen on {listen}: {why}; choose another place with --listen, or '' for none"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="sightline http")

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True  # a slow client does not hold up the end
    block_on_close = False
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (as socketserver calls it)
        """A client that went away, or an answer that could not be made: said in the log, which hides secrets."""
        _log.warning("%s was not answered about metrics or health", client_address[0], exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server_version = "sightline"
    sys_version = ""

    def answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        """Status, content type and body for a path."""
        raise NotImplementedError

    def do_GET(self) -> None:
        status, kind, body = self.answer(self.path.partition("?")[0])
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="sightline"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are no news."""


def _health(reasons: list[str], *, tell: bool) -> tuple[HTTPStatus, str, bytes]:
    status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
    answer: dict[str, object] = {"status": "unavailable" if reasons else "ok"}
    if tell:
        answer["reasons"] = reasons
    return status, "application/json", json.dumps(answer).encode() + b"\n"


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
