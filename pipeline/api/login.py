"""Logging in and out: one password, a page of its own in the product's style, and a cookie that scripts cannot read."""

from __future__ import annotations

import hashlib
import hmac
import math
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup

from pipeline.api.guard import Gate, session_token
from pipeline.api.sessions import COOKIE, LIFETIME

BODY_BYTES = 8192  # of a form with a password
_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_PLAIN = {"content-security-policy": _POLICY, "cache-control": "no-store"}

_PAGE = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sightline: log in</title>
<link rel="stylesheet" href="/login/style.css">
</head>
<body>
<main>
<h1>Sightline</h1>
<form method="post" action="/login">
{trouble}<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus>
<input name="next" type="hidden" value="{wanted}">
<button type="submit">Log in</button>
</form>
</main>
</body>
</html>
""")

STYLE = """
:root { color-scheme: light dark; --back: #f8fafc; --card: #ffffff; --line: #e2e8f0; --text: #0f172a;
  --quiet: #64748b; --accent: #0d9488; --accent-text: #ffffff; --bad: #991b1b; --bad-back: #fee2e2; }
@media (prefers-color-scheme: dark) { :root { --back: #0f172a; --card: #1e293b; --line: #334155; --text: #f1f5f9;
  --quiet: #94a3b8; --accent: #14b8a6; --accent-text: #042f2e; --bad: #fecaca; --bad-back: #7f1d1d; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--back);
  color: var(--text); font: 16px/1.5 ui-sans-serif, system-ui, sans-serif; }
main { width: 100%; max-width: 360px; }
h1 { margin: 0 0 18px; font-size: 22px; font-weight: 600; letter-spacing: -.02em; }
h1::before { content: ""; display: inline-block; width: 11px; height: 11px; margin-right: 9px;
  border: 3px solid var(--accent); border-radius: 50%; }
form { display: grid; gap: 10px; padding: 22px; border: 1px solid var(--line); border-radius: 12px;
  background: var(--card); }
label { font-size: 14px; color: var(--quiet); }
input, button { width: 100%; padding: 10px 12px; border-radius: 8px; font: inherit; }
input { border: 1px solid var(--line); background: var(--back); color: inherit; }
input:focus-visible, button:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
button { margin-top: 6px; border: 0; font-weight: 600; cursor: pointer; background: var(--accent);
  color: var(--accent-text); }
p { margin: 0; padding: 8px 12px; border-radius: 8px; font-size: 14px; color: var(--bad); background: var(--bad-back); }
"""


def login_routes(gate: Gate) -> APIRouter:
    """GET and POST /login, POST /logout."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    def show(next_: Annotated[str, Query(alias="next")] = "/") -> Response:
        if gate.password is None:
            return RedirectResponse(_local(next_), 303)
        return _page(_local(next_))

    @router.get("/login/style.css")
    def style() -> Response:
        return Response(STYLE, media_type="text/css", headers={"cache-control": "max-age=3600"})

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        form = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
        wanted = _local(form.get("next", ["/"])[0])
        # Nothing is awaited from here on: of many attempts at once each one meets the count of those before it.
        address = request.client.host if request.client else ""
        if gate.password is None:
            return RedirectResponse(wanted, 303)
        if (wait := gate.attempts.wait(address)) > 0:
            seconds = math.ceil(wait)
            trouble = f"Too many wrong passwords. Try again in {seconds} s."
            return _page(wanted, trouble, status=429, headers={"retry-after": str(seconds)})
        if not _equal(form.get("password", [""])[0], gate.password):
            gate.attempts.failed(address)
            return _page(wanted, "That is not the password.", status=403)
        gate.attempts.succeeded(address)
        gate.sessions.end(session_token(request.headers))
        answer = RedirectResponse(wanted, 303, _PLAIN)
        _set_cookie(answer, request, gate.sessions.begin(), seconds=round(LIFETIME))
        return answer

    @router.post("/logout")
    def log_out(request: Request) -> Response:
        gate.sessions.end(session_token(request.headers))
        answer = RedirectResponse("/login", 303, {"cache-control": "no-store", "clear-site-data": '"cache"'})
        _set_cookie(answer, request, "", seconds=0)
        return answer

    return router


def _set_cookie(answer: Response, request: Request, token: str, *, seconds: int) -> None:
    """Lax, not Strict, so that a link to a track in somebody's mail opens it: a link changes nothing."""
    secure = request.url.scheme == "https"
    answer.set_cookie(COOKIE, token, max_age=seconds, path="/", httponly=True, samesite="lax", secure=secure)


def _page(wanted: str, trouble: str = "", *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    said = Markup('<p role="alert">{}</p>\n').format(trouble) if trouble else Markup()
    return HTMLResponse(str(_PAGE.format(trouble=said, wanted=wanted)), status, headers=_PLAIN | (headers or {}))


def _local(wanted: str) -> str:
    """Where to go after logging in: a path of this page, never another site."""
    plain = wanted.startswith("/") and not wanted.startswith(("//", "/\\"))
    return wanted if plain and wanted.isprintable() and "\\" not in wanted else "/"


def _equal(given: str, password: str) -> bool:
    """In the same time for every wrong password, of whatever length."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (given, password)]
    return hmac.compare_digest(*digests)
