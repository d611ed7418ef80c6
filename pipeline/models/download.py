"""One file from an address: what came is kept when the connection breaks, and the rest asked for (HTTP Range)."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EDQUOT, ENOSPC
from functools import cache, partial
from pathlib import Path

import httpx

from pipeline.errors import ModelError
from pipeline.models.catalog import LOCAL
from pipeline.models.download_watchers import Unwatched, Watcher

_SPARE = 1 << 20  # bytes that are left on the disk
_MOST = 8 << 30  # bytes; no model is larger
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # answers that may be others a little later
_TIMEOUT = httpx.Timeout(30, connect=15)  # seconds, of silence


class UnreachableError(ModelError):
    """Nothing came of the address, or not all; the same may work later, or elsewhere."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for."""

    address: str
    bytes: int | None  # of the file, where it is known
    known: bool  # whether the file's hash is known, so that a piece of it, or pieces of two files, will be noticed


@dataclass(frozen=True, slots=True)
class _Version:
    """Which version of a file the kept bytes are of, in the server's words."""

    address: str
    validator: str | None  # strong ETag, or Last-Modified


def download(
    wanted: Wanted,
    part: Path,
    *,
    watcher: Watcher | None = None,
    attempts: int = 5,
    pause: float = 1.0,
    timeout: httpx.Timeout = _TIMEOUT,
) -> None:
    """Bring the whole file to `part`, going on where an earlier download of the same version ended.

    `attempts`: without a new byte in between, `pause` seconds apart at first, then twice as long each time. Raises
    UnreachableError where it breaks off all the same (what came stays), ModelError where the address is none or gives
    something else, the disk is full, or the way leads over plain http.
    """
    watcher = watcher or Unwatched()
    left = attempts
    refuse = partial(_refuse_plain, wanted=wanted)
    hooks: dict[str, list[Callable[..., None]]] = {"request": [refuse]}
    with httpx.Client(verify=_trusted(), timeout=timeout, follow_redirects=True, event_hooks=hooks) as client:
        while True:
            before = _size(part)
            try:
                _ask(client, wanted, part, watcher)
            except (httpx.InvalidURL, UnicodeError) as error:  # a host's name may have no form that can be looked up
                raise ModelError(
                    f"{wanted.address} is no address that can be asked, or leads to one: {error}"
                ) from error
            except httpx.HTTPError as error:
                left = attempts if _size(part) > before else left
                left -= 1
                if left <= 0:
                    kept = f"; {_size(part)} bytes of it are kept, and the next time goes on there"
                    raise UnreachableError(
                        f"{wanted.address} cannot be fetched: {_words(error)}{kept if _size(part) else ''}"
                    ) from error
                seconds = min(pause * 2 ** (attempts - left - 1), 30)
                watcher.again(_words(error), seconds)
                time.sleep(seconds)
            else:
                return


def _ask(client: httpx.Client, wanted: Wanted, part: Path, watcher: Watcher) -> None:
    """One request, from where the kept bytes end to the end of the file."""
    start, validator = _kept(wanted, part)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if validator is not None:
            headers["If-Range"] = validator
    with client.stream("GET", wanted.address, headers=headers) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:  # the file is no longer than what is kept
            if answer.headers.get("Content-Range") != f"bytes */{start}":
                part.unlink()
                raise httpx.ReadError("the server's file is shorter than what was kept; it is fetched anew")
            _check_total(wanted, start)
            return
        if answer.status_code in _PASSING:
            raise httpx.ReadError(f"the server answers {answer.status_code} {answer.reason_phrase}")
        if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise UnreachableError(
                f"{wanted.address} cannot be fetched: the server answers {answer.status_code} {answer.reason_phrase}"
            )
        begin, total = _extent(wanted, answer, start)
        _check_total(wanted, total)
        _check_room(part, (total or wanted.bytes or 0) - begin)
        _note(part, wanted, answer)
        _take(wanted, answer, part, begin, total or wanted.bytes, watcher)


def _take(wanted: Wanted, answer: httpx.Response, part: Path, begin: int, total: int | None, watcher: Watcher) -> None:
    """Write what comes after the first `begin` bytes. `total`: of the file, as the server or else the catalogue says.

    The end of a connection is also what a broken one looks like, so that the length alone tells whether all came.
    """
    most = wanted.bytes or _MOST
    with _room(part), part.open("r+b" if part.exists() else "wb") as file:
        file.truncate(begin)
        file.seek(begin)
        watcher.at(begin, total)
        for block in answer.iter_raw():
            if file.tell() + len(block) > most:
                raise ModelError(f"{wanted.address} gives more than the {most} bytes of the file; refused")
            file.write(block)
            watcher.at(file.tell(), total)
        file.flush()
        os.fsync(file.fileno())
        if total is not None and file.tell() < total:
            raise httpx.ReadError(f"{file.tell()} of {total} bytes came")


def _kept(wanted: Wanted, part: Path) -> tuple[int, str | None]:
    """How many bytes are here that can be gone on with, and of which version they are."""
    size = _size(part)
    try:
        said = json.loads(_notes(part).read_text(encoding="utf-8"))
        version = _Version(said["address"], said["validator"])
    except (OSError, ValueError, KeyError, TypeError):
        version = _Version("", None)
    sure = version.address == wanted.address and (version.validator is not None or wanted.known)
    return (size, version.validator) if sure and size else (0, None)


def _note(part: Path, wanted: Wanted, answer: httpx.Response) -> None:
    """Keep which version the bytes are of. Weak ETags name no bytes (RFC 9110, 13.1.5)."""
    tag = answer.headers.get("ETag", "")
    validator = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")
    with _room(part):
        _notes(part).write_text(json.dumps({"address": wanted.address, "validator": validator}), encoding="utf-8")


def discard(part: Path) -> None:
    """Remove what was kept of a download."""
    for path in (part, _notes(part)):
        path.unlink(missing_ok=True)


def finish(part: Path, target: Path) -> None:
    """Give a file that is whole its name, so that it is there even if the power fails now."""
    part.replace(target)
    _notes(part).unlink(missing_ok=True)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _extent(wanted: Wanted, answer: httpx.Response, start: int) -> tuple[int, int | None]:
    """Where the answer's bytes begin in the file, and the file's length, where it is told.

    Raises ModelError where nothing would tell whether all of the file came.
    """
    if answer.status_code == httpx.codes.PARTIAL_CONTENT:
        found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != start:
            raise UnreachableError(f"{wanted.address} answers with another part than was asked for; refused")
        return start, int(found[2])
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal():
        return 0, int(length)
    chunked = "chunked" in answer.headers.get("Transfer-Encoding", "").lower()  # whose last chunk says that it is
    if wanted.bytes is None and not wanted.known and not chunked:
        raise ModelError(
            f"{wanted.address} gives a file without its length, and the catalogue knows neither its size nor its hash: "
            "nobody could say whether all of it came; refused. Add `bytes` or `sha256` to its entry"
        )
    return 0, None


def _check_total(wanted: Wanted, total: int | None) -> None:
    if total is not None and wanted.bytes is not None and total != wanted.bytes:
        raise ModelError(
            f"{wanted.address} gives a file of {total} bytes, but the catalogue says {wanted.bytes}: not it; refused"
        )
    if total is not None and total > _MOST:
        raise ModelError(f"{wanted.address} gives a file of {total} bytes; refused")


def _check_room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if needed + _SPARE > free:
        raise ModelError(
            f"{part.parent} has room for {free / 1e6:.1f} MB, but {needed / 1e6:.1f} MB are needed; make room, or set "
            "SIGHTLINE_MODELS to a folder on another disk"
        )


@contextmanager
def _room(part: Path) -> Iterator[None]:
    """A disk that is full, or may not be written, as an error of ours."""
    try:
        yield
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT):
            raise ModelError(
                f"the disk of {part.parent} is full; what came is kept: make room, or set SIGHTLINE_MODELS to a folder "
                "on another disk"
            ) from error
        raise ModelError(
            f"{part} cannot be written: {error.strerror}; set SIGHTLINE_MODELS to another folder"
        ) from error


@cache
def _trusted() -> ssl.SSLContext:
    """Who may say which server is which; takes a while to read."""
    return httpx.create_ssl_context()


def _refuse_plain(request: httpx.Request, *, wanted: Wanted) -> None:
    """Also where a redirect leads, of which only the host is told: the rest may be signed. Over http only this machine
    itself offers files.
    """
    plain = wanted.address.startswith("http://")
    if request.url.scheme != "https" and not (plain and request.url.host in LOCAL):
        raise ModelError(
            f"{wanted.address} leads to {request.url.scheme}://{request.url.host}, which is no https address; models "
            "are not fetched over plain http"
        )


def _words(error: httpx.HTTPError) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
