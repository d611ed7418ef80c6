"""Addresses without their credentials, fit for log lines, errors, rows and pages."""

from __future__ import annotations

import re
from urllib.parse import unquote

HIDDEN = "***"

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*://)(.*)", re.IGNORECASE | re.DOTALL)
_PORT_OF_HOST = re.compile(r"(\[[^\]@]*\]|localhost|[^:@]*\.[^:@]*)?:\d{1,5}", re.IGNORECASE)
_REDACTED = re.compile(r"[*:]*")
_SECRET_KEY = re.compile(
    r".*(pass|pwd|token|secret|auth|credential|signature|jwt|session|api-?_?key|access-?_?key).*"
    r"|user|username|user_name|usr|login|account|pw|psw|key|sig|sid|code",
    re.IGNORECASE,
)
# What cameras take in the path too: rtsp://10.0.0.4/user=admin_password=x_channel=1
_PATH_PAIR = re.compile(r"(?<![a-z0-9])([a-z][a-z0-9-]*)=(.*?)(?=[&/]|_[a-z]+=|$)", re.IGNORECASE)


def redact(uri: str) -> str:
    """The same address with *** for its user and password and for the values of keys such as `token`.

    A password may hold @ : / ? # although it should not, so all up to the last @ counts as one. Where that leaves a
    doubt, more is hidden than need be; but `scheme://name.domain:80/a@b` has a port and no password. A path of a file
    comes back as it is, as does what was redacted before.
    """
    found = _ADDRESS.fullmatch(uri)
    if found is None:
        return uri
    scheme, rest = found.groups()
    userinfo, at, place = _split(rest)
    if not _REDACTED.fullmatch(userinfo):
        userinfo = HIDDEN
    path, mark, query = place.partition("?")
    return scheme + userinfo + at + _PATH_PAIR.sub(_redacted_pair, path) + mark + _redacted_query(query)


def split_login(uri: str) -> tuple[str, str]:
    """User and password as they are written, "" where there are none, and the address without them."""
    found = _ADDRESS.fullmatch(uri)
    if found is None:
        return "", uri
    login, _, place = _split(found[2])
    return login, found[1] + place


def _split(rest: str) -> tuple[str, str, str]:
    """Credentials, @, and what follows; the first two are empty where there are none."""
    head = re.split(r"[/?#]", rest, maxsplit=1)[0]
    named = "@" in head
    broken = ":" in head and not _is_host(head, rest[len(head) :])  # a password with / ? or # in it
    if "@" in rest and (named or broken):
        userinfo, at, place = rest.rpartition("@")
        return userinfo, at, place
    return "", "", rest


def _is_host(head: str, after: str) -> bool:
    """Whether `name:digits` is a host with its port; an unqualified name before a later @ is rather a user."""
    return (bool(_PORT_OF_HOST.fullmatch(head)) and after[:1] in ("", "/")) or bool(re.fullmatch(r"\[[^\]@]*\]", head))


def _redacted_query(query: str) -> str:
    return "&".join(_redacted_part(part) for part in query.split("&"))


def _redacted_part(part: str) -> str:
    """One `key=value` of a query; the value may hold an address or, after a separator of its own, another pair."""
    key, equals, value = part.partition("=")
    if not equals or value == HIDDEN:
        return part
    inner = unquote(value)
    safe = inner == redact(inner) == _PATH_PAIR.sub(_redacted_pair, inner)
    return key + equals + (HIDDEN if _is_secret(key, value) or not safe else value)


def _redacted_pair(found: re.Match[str]) -> str:
    key, value = found.groups()
    return f"{key}={HIDDEN if _is_secret(key, value) else value}"


def _is_secret(key: str, value: str) -> bool:
    return bool(value) and bool(_SECRET_KEY.fullmatch(unquote(key).strip()))
