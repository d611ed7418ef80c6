"""RecordedCameras: what cameras showed, as far as their recordings are kept."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from pathlib import Path

from pipeline.clips.one_at_a_time import OneAtATime
from pipeline.errors import GoneError, SourceError
from pipeline.sources.excerpt import Footage, VideoFootage
from pipeline.sources.segment_footage import SegmentFootage, SegmentPart, open_segment
from pipeline.sources.segment_names import begun_at, camera_folder_in, day_of
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.footage_queries import FootageRow
from pipeline.store.review_words import clock
from pipeline.store.segments import Recorded, recorded, segments

_log = logging.getLogger(__name__)

MOST = 32  # segments that are kept listed
LONGEST = 7_200_000_000  # microseconds; no segment is longer


class RecordedCameras:
    """Opens recordings and remembers how segments looked. Safe to share between threads."""

    def __init__(self, database: Database, media_folder: Path) -> None:
        self._database = database
        self._media_folder = media_folder
        self._lock = threading.Lock()
        self._known: OrderedDict[SegmentPart, VideoFootage] = OrderedDict()
        self._one = OneAtATime()  # a page asks for many pictures of a segment at once; it is listed for the first

    def open(self, scope: Scope, row: FootageRow, *, from_at: int, to_at: int) -> tuple[Footage, tuple[str, ...]]:
        """What a camera showed then (microseconds UTC), and the files that show it: later there may be more.

        Raises GoneError where no segment shows any of it.
        """
        with self._database.read("look for recordings") as connection:
            found = segments(scope, connection, source=row.source, from_at=from_at, to_at=to_at + 1)
            whole = bool(found) and found[-1].to_at > to_at
            kept = None if whole else recorded(scope, connection, row.name)
        parts = [SegmentPart(self._media_folder / one.path, one.from_at, one.to_at) for one in found]
        files = [one.path for one in found]
        opened: dict[SegmentPart, VideoFootage] = {}
        if kept is not None:
            unfinished = self._unfinished(row.name, after=kept.to_at, from_at=from_at, to_at=to_at)
            for part, footage, size in unfinished:
                opened[part] = footage
                parts.append(part)
                files.append(f"{part.path.name} {size}")
            if not parts:
                raise GoneError(_absence(row.name, kept, from_at))
        return SegmentFootage(parts, open_part=lambda part: opened.get(part) or self._part(part)), tuple(files)

    def _unfinished(
        self, camera: str, *, after: int | None, from_at: int, to_at: int
    ) -> list[tuple[SegmentPart, VideoFootage, int]]:
        """What has no row yet, as it is being written, and its bytes: the last one that begins in time, if any."""
        folder = camera_folder_in(self._media_folder, camera)
        days = [folder / day for day in {day_of(moment) for moment in (from_at - LONGEST, from_at, to_at)}]
        files = [path for day in days if day.is_dir() for path in day.iterdir()]
        begun = [(begin, path) for path in files if (begin := begun_at(path)) is not None and begin <= to_at]
        begin, path = max(begun, default=(0, folder))
        if not begun or (after is not None and begin < after):
            return []
        part = SegmentPart(path, begin, to_at + 1)
        try:
            size = path.stat().st_size
            return [(part, open_segment(part), size)]
        except (FileNotFoundError, SourceError) as error:
            _log.debug("%s cannot be shown yet: %s", path, error)  # it is empty, or has just got its name
            return []

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
        return f"what {name} showed at {clock(at)} is not written yet, or was not recorded; try again in a few seconds"
    why = f"what {name} showed at {clock(at)} was not recorded, or has been removed since"
    return f"{why}: it is kept from {clock(kept.from_at)} on" if at < kept.from_at else why
