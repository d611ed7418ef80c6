"""RecordedCameras: what cameras showed, as far as their recordings are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from pipeline.clips.one_at_a_time import OneAtATime
from pipeline.errors import GoneError, SourceError
from pipeline.sources.excerpt import Footage, VideoFootage
from pipeline.sources.segment_footage import SegmentFootage, SegmentPart, open_segment
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.footage_queries import FootageRow
from pipeline.store.review_words import clock
from pipeline.store.segments import Recorded, recorded, segments

MOST = 32  # segments that are kept listed


class RecordedCameras:
    """Opens recordings and remembers how segments looked. Safe to share between threads."""

    def __init__(self, database: Database, media_folder: Path) -> None:
        self._database = database
        self._media_folder = media_folder
        self._lock = threading.Lock()
        self._known: OrderedDict[SegmentPart, VideoFootage] = OrderedDict()
        self._one = OneAtATime()  # a page asks for many pictures of a segment at once; it is listed for the first

    def open(self, scope: Scope, row: FootageRow, *, from_at: int, to_at: int) -> tuple[Footage, tuple[str, ...]]:
        """What a camera showed then (microseconds UTC), and the segments that show it: later there may be another one.

        Raises GoneError where no segment shows any of it.
        """
        with self._database.read("look for recordings") as connection:
            found = segments(scope, connection, source=row.source, from_at=from_at, to_at=to_at + 1)
            kept = recorded(scope, connection, row.name) if not found else None
        if kept is not None:
            raise GoneError(_absence(row.name, kept, from_at))
        parts = [SegmentPart(self._media_folder / one.path, one.from_at, one.to_at) for one in found]
        return SegmentFootage(parts, open_part=self._part), tuple(one.path for one in found)

    def _part(self, part: SegmentPart) -> VideoFootage:
        with self._one.at(part):
            with self._lock:
                known = self._known.get(part)
                if known is not None and part.path.exists():
                    self._known.move_to_end(part)
                    return known
            try:
                footage = open_segment(part)
            except SourceError as error:
                raise GoneError(f"the recording of {clock(part.from_at)} can no longer be read: {error}") from error
            with self._lock:
                self._known[part] = footage
                while len(self._known) > MOST:
                    self._known.popitem(last=False)
        return footage


def _absence(name: str, kept: Recorded, at: int) -> str:
    """Why there is no picture of a moment."""
    if kept.from_at is None or kept.to_at is None:
        return f"{name} is a camera that was not recorded; its setting `record` in the cameras file says what is kept"
    if at >= kept.to_at:
        return (
            f"what {name} showed at {clock(at)} is in no complete file yet, or was not recorded; try again in a minute"
        )
    why = f"what {name} showed at {clock(at)} was not recorded, or has been removed since"
    return f"{why}: it is kept from {clock(kept.from_at)} on" if at < kept.from_at else why
