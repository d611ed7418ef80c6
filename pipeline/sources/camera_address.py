"""Addresses of cameras: what kind they are, and how user and password get into them for FFmpeg alone."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pipeline.errors import SourceError
from pipeline.redaction import redact, split_login
from pipeline.secrets import Secret

_DEVICE = re.compile(r"/dev/[\w./-]+")


class Kind(Enum):
    """How a camera is read."""

    RTSP = "rtsp"
    HTTP = "http"
    DEVICE = "device"
    FILE = "file"


def kind_of(url: str) -> Kind:
    """Told by the address alone. Raises SourceError for what is none of them."""
    scheme, separator, _ = url.partition("://")
    match scheme.lower() if separator else "":
        case "rtsp" | "rtsps":
            kind = Kind.RTSP
        case "http" | "https":
            kind = Kind.HTTP
        case "":
            return Kind.DEVICE if _DEVICE.fullmatch(url) else Kind.FILE
        case _:
            raise SourceError(
                f"{redact(url)}: {scheme}:// is not read; use rtsp, rtsps, http, https, /dev/video0 or a file"
            )
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or re.search(r"[\x00-\x20]", url):
        raise SourceError(f"{redact(url)} is no address; write e.g. {kind.value}://10.0.0.4/stream")
    return kind


def with_secret(url: str, secret: Secret | None) -> str:
    """The address with user and password in it, whatever letters they have. Keep it from every log and error.

    Raises SourceError where there is nothing to log in at, and for an address that holds credentials already.
    """
    if secret is None:
        return url
    if kind_of(url) in (Kind.DEVICE, Kind.FILE):
        raise SourceError(f"{url} asks for no password; take `secret` away")
    scheme, _, rest = url.partition("://")
    if "@" in re.split(r"[/?#]", rest, maxsplit=1)[0]:
        raise SourceError(f"{redact(url)} holds a user already; put it into the secret, or take the secret away")
    return f"{scheme}://{quote(secret.user, safe='')}:{quote(secret.password, safe='')}@{rest}"


def without_secret(url: str) -> tuple[str, Secret | None]:
    """An address that somebody typed with user and password in it, and these. See `pipeline.redaction.redact`."""
    login, bare = split_login(url)
    if not login:
        return url, None
    user, _, password = login.partition(":")
    return bare, Secret(unquote(user), unquote(password))


def shown(url: str) -> str:
    """The address for people and the store: without credentials; a file's is absolute."""
    return str(Path(url).absolute()) if kind_of(url) is Kind.FILE else redact(url)
