"""ClipCutter: clips, frames and crops of stored objects, cut from the sources when somebody asks for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pipeline.clips.cache import FileCache
from pipeline.clips.cutting import DRAWING, cut_clip, cut_crop, cut_explanation, cut_frame
from pipeline.clips.originals import Originals
from pipeline.clips.recorded import RecordedCameras
from pipeline.clips.seen import Seen, row_to_show, seen_in, window
from pipeline.sources.excerpt import Footage
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.footage_queries import footage_rows, local_ids
from pipeline.store.queries import find_object, masks_of_object, observations_of_object
from pipeline.store.rows import ObjectRow
from trackers.structures import FloatArray, Frame

Explain = Callable[[Frame, FloatArray, UUID], bytes]


@dataclass(frozen=True, slots=True)
class Cut:
    """A file that was cut."""

    path: Path
    key: str  # of its content


class ClipCutter:
    """Cuts from the sources and caches what it cut. Safe to share between threads.

    None where there is no such object in the scope. Raises GoneError where the source is gone or has changed,
    BusyError where too much is asked for at once, OutputError where the cache cannot be written.
    """

    def __init__(
        self,
        database: Database,
        cache: FileCache,
        *,
        media_folder: Path | None = None,
        width: int = 960,
        seconds: float = 60.0,
    ) -> None:
        """`media_folder`: with the recordings of cameras; None: there are none. `width`: of clips and frames at most,
        pixels. `seconds`: of a clip at most, without its margins.
        """
        self._database = database
        self._recorded = None if media_folder is None else RecordedCameras(database, media_folder)
        self._cache = cache
        self._width = width
        self._most = round(seconds * 1e6)
        self._originals = Originals()

    def clip(
        self,
        scope: Scope,
        public_id: UUID,
        *,
        source: UUID | None = None,
        from_at: int | None = None,
        to_at: int | None = None,
    ) -> Cut | None:
        """An H.264 file of an object in one source: `source`, else where its best moment was.

        `from_at`, `to_at`: microseconds UTC; else all that was seen, or the best part of it.
        """
        found = self._seen(scope, public_id, source=source, at=from_at, masks=True)
        if found is None:
            return None
        seen, best = found
        span = window(seen, int(seen.at[best]), most=self._most, from_at=from_at, to_at=to_at)
        footage, files = self._open(scope, seen, *span)
        key = _key("clip", seen, [*span, self._width, seen.name, _told(seen), *files])
        path = self._cache.get(key, ".mp4", lambda part: cut_clip(part, footage, seen, span=span, width=self._width))
        return Cut(path, key)

    def frame(self, scope: Scope, public_id: UUID, *, at: int | None = None) -> Cut | None:
        """The frame (JPEG) in which an object was seen nearest to `at`, microseconds UTC; else its best one."""
        found = self._seen(scope, public_id, at=at)
        if found is None:
            return None
        seen, row = found
        footage, files = self._open(scope, seen, *seen.around(row))
        key = _key("frame", seen, [int(seen.at[row]), self._width, *files])
        path = self._cache.get(key, ".jpg", lambda part: cut_frame(part, footage, seen, row=row, width=self._width))
        return Cut(path, key)

    def crop(self, scope: Scope, public_id: UUID, *, at: int | None = None) -> Cut | None:
        """What the box of the observation nearest to `at` shows (JPEG), microseconds UTC; else of the best one."""
        found = self._seen(scope, public_id, at=at)
        if found is None:
            return None
        seen, row = found
        footage, files = self._open(scope, seen, *seen.around(row))
        key = _key("crop", seen, [int(seen.at[row]), *seen.boxes[row].tolist(), *files])
        return Cut(self._cache.get(key, ".jpg", lambda part: cut_crop(part, footage, seen, row=row)), key)

    def explanation(
        self,
        scope: Scope,
        public_id: UUID,
        explain: Explain,
        *,
        networks: Callable[[UUID], str],
        at: int | None = None,
    ) -> Cut | None:
        """Why an object was found (PNG) where it was seen nearest to `at`, microseconds UTC; else at its best.

        `explain`: draws it of a frame, a box (4,) and the run that saw it. `networks`: says which ones a run used.
        """
        found = self._seen(scope, public_id, at=at)
        if found is None:
            return None
        seen, row = found
        footage, files = self._open(scope, seen, *seen.around(row))
        run = seen.footage.run
        key = _key("explanation", seen, [networks(run), int(seen.at[row]), *seen.boxes[row].tolist(), *files])

        def make(part: Path) -> None:
            cut_explanation(part, footage, seen, row=row, explain=lambda frame, box: explain(frame, box, run))

        return Cut(self._cache.get(key, ".png", make), key)

    def _open(self, scope: Scope, seen: Seen, from_at: int, to_at: int) -> tuple[Footage, tuple[str, ...]]:
        """The pictures of a source, and the files of a recording that they come from; none of these for an original."""
        if self._recorded is None or not seen.footage.is_camera:
            return self._originals.open(seen.footage), ()
        return self._recorded.open(scope, seen.footage, from_at=from_at, to_at=to_at)

    def _seen(
        self,
        scope: Scope,
        public_id: UUID,
        *,
        source: UUID | None = None,
        at: int | None = None,
        masks: bool = False,
    ) -> tuple[Seen, int] | None:
        """Where an object was in the source that is meant, and which observation is. `masks`: with its pixels."""
        with self._database.read("look for an object's pictures") as connection:
            row = find_object(scope, connection, public_id)
            table = observations_of_object(scope, connection, public_id)
            rows = footage_rows(scope, connection, table.run_source_ids.tolist())
            numbers = local_ids(scope, connection, table.track_ids.tolist())
            pixels = masks_of_object(scope, connection, public_id) if masks else None
        if row is None:
            return None
        wanted = [key for key, footage in rows.items() if source is None or footage.source == source]
        moment = row.crop.from_at if at is None and row.crop is not None else at
        shown = row_to_show(table, wanted, moment)
        if shown is None:
            return None
        footage = rows[int(table.run_source_ids[shown])]
        seen = seen_in(footage, table, name=_written(row), local_ids=numbers, masks=pixels)
        return seen, seen.near(int(table.at[shown]))


def _written(row: ObjectRow) -> str:
    """What is written on the box: the letters that OpenCV has are few."""
    return next((name for name in (row.name, row.class_name) if name.isascii()), "track")


def _told(seen: Seen) -> str:
    """Changes with what is drawn: a run that goes on, a merge or a split."""
    digest = hashlib.sha256()
    for column in (seen.at, seen.boxes, seen.evidence, seen.scores, seen.local_ids):
        digest.update(column.tobytes())
    for mask in seen.masks:
        digest.update(mask or b"-")
    return digest.hexdigest()


def _key(kind: str, seen: Seen, values: list[object]) -> str:
    """Of all that decides a file's content."""
    footage = seen.footage
    deciding = [DRAWING, kind, footage.fingerprint, footage.start_at, footage.fps, *values]
    return hashlib.sha256(json.dumps(deciding).encode()).hexdigest()[:40]
