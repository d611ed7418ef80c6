"""Originals: the sources of stored runs, opened again if they are still what the runs have read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from pipeline.clips.one_at_a_time import OneAtATime
from pipeline.errors import GoneError, SourceError
from pipeline.sources.excerpt import Footage, fingerprint_now, open_footage
from pipeline.store.footage_queries import FootageRow

MOST = 16  # sources that are kept listed; an hour of video is some megabytes

_Signature = tuple[object, ...]


class Originals:
    """Opens sources and remembers how they looked, so that a file is hashed and listed again only after it changed.

    Safe to share between threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[FootageRow, tuple[_Signature, Footage]] = OrderedDict()
        self._one = OneAtATime()  # a page asks for many pictures of a source at once; it is listed for the first

    def open(self, row: FootageRow) -> Footage:
        """The pictures of a source. Raises GoneError where it is gone, was never kept, or holds something else now."""
        if row.start_at is None or not row.fingerprint:
            raise GoneError(f"{row.name} is a stream: what it showed was not kept")
        with self._one.at(row):
            signature = _signature(row)
            with self._lock:
                known = self._known.get(row)
                if known is not None and known[0] == signature:
                    self._known.move_to_end(row)
                    return known[1]
            footage = _opened(row, row.start_at)
            with self._lock:
                self._known[row] = (signature, footage)
                self._known.move_to_end(row)
                while len(self._known) > MOST:
                    self._known.popitem(last=False)
        return footage


def _opened(row: FootageRow, start_at: int) -> Footage:
    try:
        if fingerprint_now(row.kind, Path(row.path)) != row.fingerprint:
            raise GoneError(
                f"{row.name} has changed since the run has read it; put the original back at {row.path}, "
                "or say where it is with `sightline relink`"
            )
        return open_footage(row.kind, Path(row.path), start_at=start_at, fps=row.fps)
    except GoneError:
        raise
    except SourceError as error:
        raise GoneError(f"{row.name} can no longer be read: {error}") from error


def _signature(row: FootageRow) -> _Signature:
    """What changes with a file: size, date and place on the disk; of a folder's pictures those of each."""
    path = Path(row.path)
    try:
        if path.is_dir():
            return tuple((one.name, one.stat().st_size, one.stat().st_mtime_ns) for one in sorted(path.iterdir()))
        status = path.stat()
    except OSError as error:
        raise GoneError(
            f"{row.name} is no longer at {row.path} ({error.strerror}); put it back there, "
            "or say where it is with `sightline relink`"
        ) from error
    return status.st_size, status.st_mtime_ns, status.st_ino
