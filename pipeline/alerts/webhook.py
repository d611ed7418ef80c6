"""Webhook: messages by HTTP POST."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import httpx

from pipeline.alerts.courier import ABORTED, Answer, Outcome
from pipeline.alerts.message import Message
from pipeline.errors import ConfigError

_LATER = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)  # of 4xx
_LONGEST_ANSWER = 64 * 1024  # bytes of a body that are read so that the connection can be used again

logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it writes whole addresses, with the tokens in them


class Webhook:
    """Posts each message as JSON, with its key as `Idempotency-Key`, over a connection that is kept.

    2xx is an arrival. A redirect is refused: nothing is sent to where nobody configured it, least of all credentials.
    Requests run in an event loop of the courier's own, because only there can one be ended from outside at any point.
    """

    def __init__(self, url: str, *, credentials: tuple[str, str] | None = None, timeout: float = 5.0) -> None:
        """`credentials`: user and password, sent as basic authentication. `timeout`: seconds of a whole attempt.

        Raises ConfigError for an address that cannot be one.
        """
        try:
            self._url = httpx.URL(url)
            _ = self._url.host  # decoded only now
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ConfigError(f"the url of an alert cannot be used: {error}") from error
        self._timeout = timeout
        self._loop: _Loop | None = None  # until the first message
        self._client = httpx.AsyncClient(
            auth=credentials,
            timeout=timeout,
            follow_redirects=False,
            headers={"User-Agent": f"sightline/{version('sightline')}", "Content-Type": "application/json"},
        )
        self._lock = threading.Lock()
        self._task: asyncio.Task[Answer] | None = None
        self._aborted = False

    def deliver(self, message: Message) -> Answer:
        """Post it once."""
        with self._lock:
            if self._aborted:
                return ABORTED
            loop = self._loop = self._loop or _Loop()
            self._task = loop.create_task(self._attempt(message))
        try:
            return loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            return ABORTED
        finally:
            with self._lock:
                self._task = None

    def abort(self) -> None:
        """End the request that is being made, if any."""
        with self._lock:
            self._aborted = True
            if self._task is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)

    def close(self) -> None:
        """Close the connection."""
        if self._loop is not None:
            self._loop.run_until_complete(self._client.aclose())
            self._loop.close()
            self._loop = None

    async def _attempt(self, message: Message) -> Answer:
        try:
            async with asyncio.timeout(self._timeout):
                headers = {"Idempotency-Key": message.key}
                async with self._client.stream("POST", self._url, content=message.body, headers=headers) as response:
                    await _read(response)
                    return _answer(response)
        except (TimeoutError, httpx.TimeoutException):
            return Answer(Outcome.FAILED, f"gave no answer within {self._timeout:g} s")
        except httpx.ConnectError as error:
            return Answer(Outcome.FAILED, f"cannot be reached: {error or 'no connection'}")
        except httpx.TransportError as error:
            return Answer(Outcome.FAILED, f"broke the connection off: {error or type(error).__name__}")


class _Loop(asyncio.SelectorEventLoop):
    """Looks names up in a thread that nobody waits for: a silent name server may not hold up the end of the program."""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """As the base does it."""
        found: asyncio.Future[Any] = self.create_future()

        def look_up() -> None:
            try:
                tell = partial(found.set_result, socket.getaddrinfo(host, port, **options))
            except (OSError, UnicodeError) as error:
                tell = partial(found.set_exception, error)
            with suppress(RuntimeError):  # the loop was closed meanwhile
                self.call_soon_threadsafe(lambda: found.done() or tell())

        threading.Thread(target=look_up, name="alert name look-up", daemon=True).start()
        return await found


async def _read(response: httpx.Response) -> None:
    """The body as far as it is short; nobody looks at it."""
    size = 0
    async for part in response.aiter_raw():
        size += len(part)
        if size > _LONGEST_ANSWER:
            return


def _answer(response: httpx.Response) -> Answer:
    code = response.status_code
    said = f"answered {code} {_phrase(code)}".rstrip()
    if response.is_success:
        return Answer(Outcome.ARRIVED, said)
    if response.is_redirect:
        where = _host(response)
        return Answer(Outcome.REFUSED, f"{said} and points to {where}; if that is the receiver, set it as the url")
    if response.is_client_error and code not in _LATER:
        return Answer(Outcome.REFUSED, said)
    return Answer(Outcome.FAILED, said, _wait(response.headers.get("Retry-After", "")))


def _host(response: httpx.Response) -> str:
    """Where a redirect leads, without the path, which may be what lets us in."""
    if response.next_request is None:
        return "nowhere"
    target = response.next_request.url
    return f"{target.scheme}://{target.netloc.decode()}"


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return ""


def _wait(told: str) -> float | None:
    """Seconds of a Retry-After (RFC 9110, 10.2.3): a number of them, or a date. None where it says neither."""
    if told.strip().isdecimal():
        return float(told)
    try:
        until = parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
