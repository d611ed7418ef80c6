"""Recordings: what a killed service left unfinished becomes whole again, and segments become one file."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import SourceError, StoreError
from pipeline.sinks.part_file import PartFile
from pipeline.sources.segment_footage import SegmentPart
from pipeline.sources.segment_join import Joined, join_segments
from pipeline.sources.segment_lock import is_held
from pipeline.sources.segment_names import PART, begun_at, camera_folder_in, whole_of
from pipeline.sources.segment_reading import Extent, cut_to_whole, read_extent
from pipeline.store.database import Database
from pipeline.store.filters import Scope, scope_of
from pipeline.store.leftovers import unknown_files
from pipeline.store.records import PROJECT
from pipeline.store.segments import add_segment, cameras_with_segments, recorded, run_source_at, segments

_log = logging.getLogger(__name__)

DAY = 86_400_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was done with the files that a killed service left."""

    entered: int  # files that have rows now
    removed: int  # files without a picture


def adopt_orphans(database: Database, media_folder: Path, cameras: Iterable[str], *, project: str = PROJECT) -> Adopted:
    """Finish and enter what was being recorded of some cameras when their service was killed.

    To be called before they are recorded again. A file that another process is writing is left alone; so is what is
    older than the newest segment that is known: that was removed, and its file is a leftover. Files of a camera that no
    run knows are left, too, and those that the system does not let us read or finish, which is said. Raises StoreError.
    """
    entered = removed = 0
    for camera in cameras:
        with database.read("look for recordings") as connection:
            scope = scope_of(connection, [project])
            newest = recorded(scope, connection, camera).to_at
        candidates = _candidates(camera_folder_in(media_folder, camera), newest)
        names = {path.relative_to(media_folder).as_posix(): path for path in candidates}
        unknown = unknown_files(database, media_folder, sorted(names))
        for name in sorted(unknown):
            try:
                if is_held(names[name]):
                    continue
                extent = _finished(names[name])
            except OSError as error:
                _log.warning("%s is left as it is: %s; check its rights and the disk", names[name], error.strerror)
                continue
            if extent is None:
                removed += 1
                continue
            path, begin = whole_of(names[name]), begun_at(names[name])
            assert begin is not None
            with database.write("enter a recording") as connection:
                part = run_source_at(scope, connection, camera, begin)
                if part is None:
                    continue
                entered += add_segment(
                    connection,
                    run_source_id=part,
                    path=path.relative_to(media_folder).as_posix(),
                    from_at=begin,
                    to_at=begin + extent.microseconds,
                    size=path.stat().st_size,
                    width=extent.width,
                    height=extent.height,
                )
    if entered or removed:
        _log.warning(
            "recordings left by a service that was killed: %d entered, %d without a picture removed", entered, removed
        )
    return Adopted(entered, removed)


def export_recording(
    database: Database, scope: Scope, media_folder: Path, camera: str, out: Path, *, from_at: int, to_at: int
) -> Joined:
    """Write what was recorded of a camera from one moment to another (microseconds UTC) into one file, as it came.

    `out`: ends in .mp4 or .mkv; appears when it is complete. Raises StoreError for a camera without recordings,
    SourceError where nothing was recorded then, OutputError where it does not go into one file.
    """
    with database.read("look for recordings") as connection:
        known = cameras_with_segments(scope, connection)
        rows = segments(scope, connection, camera=camera, from_at=from_at, to_at=to_at)
    if camera not in known:
        raise StoreError(
            f"there are no recordings of a camera '{camera}'; there are some of: {', '.join(known) or 'none'}"
        )
    if not rows:
        raise SourceError(f"nothing of camera '{camera}' is recorded then; `sightline recordings` lists what is")
    parts = [SegmentPart(media_folder / row.path, row.from_at, row.to_at) for row in rows]
    with PartFile(out) as file:
        return join_segments(parts, file.part, name=out.name, from_at=from_at, to_at=to_at)


def _candidates(folder: Path, newest: int | None) -> list[Path]:
    """Segments that may have no row: unfinished ones, and those behind the newest one that is known."""
    found: list[Path] = []
    for day in sorted(folder.iterdir()) if folder.is_dir() else ():
        for path in sorted(day.iterdir()) if day.is_dir() else ():
            begin = begun_at(path)
            if begin is None or (newest is not None and begin < newest - DAY):
                continue
            if path.name.endswith(PART) or newest is None or begin >= newest:
                found.append(path)
    return found


def _finished(path: Path) -> Extent | None:
    """What is in a segment, which gets its name if it has none yet; None where there is nothing: then it is removed.

    Raises OSError where the system refuses: that says nothing of what is in it.
    """
    try:
        if path.name.endswith(PART):
            cut_to_whole(path)
        extent = read_extent(path)
    except SourceError as error:
        _log.warning("%s is removed, as no picture of it can be read: %s", path, error)
        path.unlink()
        return None
    if path.name.endswith(PART):
        path.rename(whole_of(path))
    return extent
