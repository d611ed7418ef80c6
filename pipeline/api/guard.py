"""Guard: the middleware that stands before every route, Gradio's too. Whose request is it, from where, and how long?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.api.attempts import Attempts
from pipeline.api.sessions import COOKIE, Sessions
from pipeline.page.access import USER, is_loopback

OPEN = frozenset({"/healthz", "/login", "/login/style.css"})  # without a session
_UNUSED = ("upload", "process_recording", "file", "proxy", "stream", "custom_component", "deep_link", "dev", "vibe")
CLOSED = (  # beginnings of Gradio's paths that our page has no use for: they take files, serve them, or change code
    *(f"/gradio_api/{name}" for name in (*_UNUSED, "undo-vibe", "run-history", "profiling")),
    "/monitoring",
)
LOCAL_USER = "local"  # who edits where there is no password

# What browsers may do with a page of Gradio: all its parts come from here. Its scripts stand in the page itself, and
# the templates of its HTML components are compiled there ('unsafe-eval').
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"  # pictures, videos, JSON: nothing runs
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
_RUNS = ("text/html", "text/javascript", "application/javascript")  # a worker obeys the policy of its own file


@dataclass(frozen=True, slots=True)
class Gate:
    """What the guard knows."""

    password: str | None
    host: str  # where the server listens
    body_bytes: int  # of a request's body at most
    body_bytes_of: Mapping[str, int]  # for these paths instead
    sessions: Sessions = field(default_factory=Sessions)
    attempts: Attempts = field(default_factory=Attempts)


class Guard:
    """Lets a request pass or answers it itself.

    - Without a password only names of this machine are answered, whatever another name is made to point to here.
    - What another site's page asks for is refused, but for following a link; so nothing is changed or read from there.
    - With a password all but OPEN needs a session, and nobody gets to what is CLOSED.
    - A body has an end, and every answer has headers that tell browsers to be careful.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer = self._refusal(scope, headers)
        if scope["type"] == "websocket":
            if answer is not None:
                await send({"type": "websocket.close", "code": 1008, "reason": ""})
                return
            await self._app(scope, receive, send)
            return
        careful = _careful(send)
        if answer is not None:
            await answer(scope, receive, careful)
            return
        scope.setdefault("state", {})["actor"] = LOCAL_USER if self._gate.password is None else USER
        await self._app(scope, _limited(receive, self._most(scope)), careful)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a request that may not pass."""
        method = scope.get("method", "GET")  # a WebSocket begins as one
        if self._gate.password is None and not _is_named(headers.get("host", ""), self._gate.host):
            return _error(421, "this address is not Sightline's; open it by the address it printed at the start")
        if not _from_here(method, headers):
            return _error(403, "the request comes from another site's page")
        asked = self._gate.password is not None and scope["path"] not in OPEN
        if asked and not self._gate.sessions.holds(session_token(headers)):
            return _ask_to_log_in(scope, headers)
        if scope["path"].startswith(CLOSED):
            return _error(404, "there is no such address")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self._most(scope):
            return _error(413, f"the body has more than {self._most(scope)} bytes")
        return None

    def _most(self, scope: Scope) -> int:
        return self._gate.body_bytes_of.get(scope["path"], self._gate.body_bytes)


def session_token(headers: Headers) -> str | None:
    """What the browser sends as its session. Cookies of other programs on this host stand beside it, in any form."""
    token: str | None = cookie_parser(headers.get("cookie", "")).get(COOKIE)
    return token


def _is_named(host: str, bound: str) -> bool:
    """Whether a Host header names this machine, or what the server was told to listen at."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return "@" not in host and (is_loopback(name) or name == bound.lower())


def _from_here(method: str, headers: Headers) -> bool:
    """Whether a request is the user's own or our page's.

    Browsers tell it in Sec-Fetch-Site, which no page can forge, wherever the connection is trustworthy (https and this
    machine); elsewhere in Origin, at least for what is no mere reading, or is read by a script of another site: Gradio
    would let it. Programs send neither, and hold no cookies that somebody else could make them send.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        link = method == "GET" and headers.get("sec-fetch-mode") == "navigate" and _is_whole_page(headers)
        return site in ("same-origin", "none") or link
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        return False


def _is_whole_page(headers: Headers) -> bool:
    return headers.get("sec-fetch-dest", "document") == "document"


def _ask_to_log_in(scope: Scope, headers: Headers) -> Response:
    if scope.get("method") == "GET" and "text/html" in headers.get("accept", ""):
        query = scope.get("query_string", b"").decode("latin-1")
        wanted = scope["path"] + (f"?{query}" if query else "")
        return RedirectResponse(f"/login?next={quote(wanted, safe='/')}", 303, {"cache-control": "no-store"})
    answer = _error(401, "log in first: POST the password to /login")
    answer.headers["www-authenticate"] = 'Session realm="Sightline"'
    return answer


def _error(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status)


def _careful(send: Send) -> Send:
    """Adds headers to the answer, where it has none of its own."""

    async def add(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            kind = headers.get("content-type", "")
            policy = PAGE_POLICY if kind.startswith(_RUNS) else DATA_POLICY
            headers.setdefault("content-security-policy", policy)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return add


def _limited(receive: Receive, most: int) -> Receive:
    """Ends a body that goes on and on, also where it did not say how long it is."""
    seen = 0

    async def take() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > most:
                raise HTTPException(413, f"the body has more than {most} bytes")
        return message

    return take
