"""Parts of a file over HTTP: which bytes a request wants, and whether it has them already (RFC 9110, 13 and 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.datastructures import Headers

_RANGE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.IGNORECASE | re.ASCII)
_TAGS = re.compile(r'(?:W/)?"[^"]*"')
LONGEST = 20  # digits of a position; more is beyond every file


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` to `end` - 1."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """Bytes."""
        return self.end - self.start


class Unsatisfiable(Exception):  # noqa: N818 - not an error of ours: the answer is 416
    """The wanted part begins behind the end of the file."""


def wanted_span(headers: Headers, *, method: str, size: int, etag: str) -> Span | None:
    """The part of a file of `size` bytes that is asked for; None for all of it.

    A server must ignore a Range in another unit, of another form, or with another method than GET; it may ignore
    several ranges at once, and does so here, as no player asks for them. If-Range with another tag than `etag` (or with
    a date, which is too coarse) means that the client holds an older version. Raises Unsatisfiable.
    """
    header = headers.get("range")
    if header is None or method != "GET" or headers.get("if-range", etag).strip() != etag:
        return None
    found = _RANGE.fullmatch(header.strip())
    if found is None:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        return _suffix(_number(last), size)
    start, end = _number(first), _number(last) + 1 if last else size
    if end <= start and last:
        return None  # not a range at all
    if start >= size:
        raise Unsatisfiable
    return Span(start, min(end, size))


def is_known(headers: Headers, etag: str) -> bool:
    """Whether the client has this version already (If-None-Match; weak comparison)."""
    header = headers.get("if-none-match")
    if header is None:
        return False
    return header.strip() == "*" or etag in (tag.removeprefix("W/") for tag in _TAGS.findall(header))


def _suffix(length: int, size: int) -> Span:
    """The last bytes."""
    if not length or not size:
        raise Unsatisfiable
    return Span(max(0, size - length), size)


def _number(digits: str) -> int:
    return int(digits) if len(digits.lstrip("0")) <= LONGEST else 10**LONGEST
