"""Retention: which recordings go, when, and whether there is room to go on recording."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.camera_settings import RecordSettings
from pipeline.store.database import Database
from pipeline.store.filters import Scope, scope_of
from pipeline.store.records import PROJECT
from pipeline.store.segment_reasons import reasons
from pipeline.store.segments import (
    SegmentRow,
    cameras_with_segments,
    oldest_segments,
    recorded,
    remove_segments,
    run_sources_of,
)

_log = logging.getLogger(__name__)

MOST_REMOVED = 1_000  # files of a camera in one sweep
STEP = 500  # segments looked at, and removed, in one transaction
MOST_LOOKED_AT = 2_000  # segments of a camera in one sweep for which events are looked up
ROOM_TO_GO_ON = 1.05  # times the least room: recording does not stop and start with every file
LOOK_AGAIN = 3_600_000_000  # microseconds after which it is asked anew whether old segments are still worth keeping
DAY = 86_400_000_000

_Place = tuple[int, int]  # beginning and row of a segment


@dataclass(frozen=True, slots=True)
class Removed:
    """A file that has gone."""

    camera: str
    path: str  # relative to the media folder, with /
    bytes: int
    from_at: int  # microseconds UTC
    why: str  # "older than 168 h"


@dataclass(frozen=True, slots=True)
class CameraRecord:
    """How it stands with the recordings of a camera after a sweep."""

    segments: int
    bytes: int
    may_record: bool
    why: str  # recording must stop, or more is kept than asked for; "" where all is well


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep has done."""

    removed: tuple[Removed, ...]
    free_bytes: int  # on the disk of the media, afterwards
    cameras: Mapping[str, CameraRecord]
    more: bool  # there is more to remove: sweep again soon

    @property
    def freed(self) -> int:
        """Bytes."""
        return sum(one.bytes for one in self.removed)


class Retention:
    """Keeps each camera's recordings as its settings say. Of what has to go the oldest goes first.

    What is protected, or shows a protected track, always stays. In mode "events" only what lies around events and
    reviewed tracks stays longer than `wait_seconds`. A row goes before its file: where a sweep breaks off between the
    two, the file is a leftover, and no row is without its file.

    Used by one thread at a time.
    """

    def __init__(
        self,
        database: Database,
        media_folder: Path,
        policies: Mapping[str, RecordSettings],
        *,
        otherwise: RecordSettings | None = None,
        project: str = PROJECT,
        free: Callable[[Path], int] | None = None,
    ) -> None:
        """`policies`: by the camera's name. `otherwise`: for cameras that have recordings, but are no longer watched.

        `free`: bytes that are free on the disk of a folder; default: what the system says.
        """
        self.policies = policies  # may be replaced between two sweeps
        self._otherwise = otherwise or RecordSettings()
        self._database = database
        self._media_folder = media_folder
        self._project = project
        self._free = free or free_bytes
        self._stopped: set[str] = set()  # cameras without room
        self._looks: dict[str, _Look] = {}  # by camera in mode "events"

    def sweep(self, now: int) -> Swept:
        """Remove what has to go. `now`: microseconds UTC. Raises StoreError; what was removed before is removed.

        Of each camera a limited number goes, so that a sweep is over soon.
        """
        with self._database.read("look for recordings") as connection:
            scope = scope_of(connection, [self._project])
            known = cameras_with_segments(scope, connection)
        removed: list[Removed] = []
        overs: dict[str, str] = {}
        more = False
        for camera in dict.fromkeys([*self.policies, *known]):
            policy = self.policies.get(camera, self._otherwise)
            gone, over = self._clean(scope, camera, policy, now)
            removed += gone
            more = more or len(gone) >= MOST_REMOVED
            overs[camera] = over
        self._remove_empty_days(removed, now)
        free = self._free(self._media_folder)
        cameras = {camera: self._record(scope, camera, free, over) for camera, over in overs.items()}
        return Swept(tuple(removed), free, cameras, more)

    def no_room(self) -> dict[str, str]:
        """Why cameras with a policy may not record for want of room, in words; "" where they may.

        Asks the disk alone: nothing can be swept while the store is locked or away, and recording still has to stop.
        """
        free = self._free(self._media_folder)
        return {camera: self._want_of_room(camera, free) for camera in self.policies}

    def _clean(self, scope: Scope, camera: str, policy: RecordSettings, now: int) -> tuple[list[Removed], str]:
        """What went of a camera, and why more is left than is asked for, in words."""
        with self._database.read("look for recordings") as connection:
            parts = run_sources_of(scope, connection, camera)
        if not parts:
            return [], ""
        cleaning = _Cleaning(self._database, self._media_folder, scope, camera, parts, policy)
        if policy.max_age_hours is not None:
            cleaning.by_age(now - round(policy.max_age_hours * 3600e6))
        if policy.mode == "events":
            look = self._looks.get(camera)
            if look is None or now - look.begun_at >= LOOK_AGAIN:
                look = self._looks[camera] = _Look(now)
            look.reached = cleaning.without_reason(look.reached, now - round(policy.wait_seconds * 1e6))
        over = "" if policy.max_bytes is None else cleaning.by_size(policy.max_bytes)
        return cleaning.removed, over

    def _record(self, scope: Scope, camera: str, free: int, over: str) -> CameraRecord:
        """Whether a camera may record, and what is kept of it."""
        want = self._want_of_room(camera, free)
        with self._database.read("look for recordings") as connection:
            kept = recorded(scope, connection, camera)
        return CameraRecord(kept.segments, kept.bytes, not want, want or over)

    def _want_of_room(self, camera: str, free: int) -> str:
        least = self.policies.get(camera, self._otherwise).min_free_bytes
        if free >= (least * ROOM_TO_GO_ON if camera in self._stopped else least):
            self._stopped.discard(camera)
            return ""
        self._stopped.add(camera)
        return (
            f"only {size_in_words(free)} are free where the media are, and min_free_bytes is "
            f"{size_in_words(least)}: nothing is recorded until there is more room; tracks and events go on"
        )

    def _remove_empty_days(self, removed: Sequence[Removed], now: int) -> None:
        """Folders that hold nothing any more; nothing is recorded into them, as their day is over."""
        for folder in {(self._media_folder / one.path).parent for one in removed if one.from_at < now - 2 * DAY}:
            with suppress(OSError):  # one that is not empty, or has gone already
                folder.rmdir()


@dataclass
class _Look:
    """One look through all segments of a camera, over many sweeps."""

    begun_at: int  # microseconds UTC
    reached: _Place | None = None


class _Cleaning:
    """One sweep over one camera."""

    def __init__(
        self,
        database: Database,
        media_folder: Path,
        scope: Scope,
        camera: str,
        parts: Sequence[int],
        policy: RecordSettings,
    ) -> None:
        self._database = database
        self._media_folder = media_folder
        self._scope = scope
        self._camera = camera
        self._parts = parts  # rows of run_sources
        self._around = {"before": round(policy.before_seconds * 1e6), "after": round(policy.after_seconds * 1e6)}
        self.removed: list[Removed] = []

    def by_age(self, before: int) -> None:
        """Remove what ended before a moment."""
        hours = "older than max_age_hours"
        after: _Place | None = None
        while len(self.removed) < MOST_REMOVED:
            rows = [row for row in self._oldest(after) if row.to_at < before]
            if not rows:
                return
            after = rows[-1].from_at, rows[-1].id
            self._remove(self._without(rows, lasting_only=True), hours)
            if len(rows) < STEP:
                return

    def without_reason(self, after: _Place | None, until: int) -> _Place | None:
        """Remove what ended before `until` and shows nothing worth keeping, behind `after`.

        Returns where to go on.
        """
        looked_at = 0
        while looked_at < MOST_LOOKED_AT and len(self.removed) < MOST_REMOVED:
            rows = [row for row in self._oldest(after) if row.to_at < until]
            if not rows:
                break
            looked_at += len(rows)
            after = rows[-1].from_at, rows[-1].id
            self._remove(self._without(rows, lasting_only=False), "no event and no reviewed track in it")
        return after

    def by_size(self, most: int) -> str:
        """Remove the oldest until the rest fits. Returns why it does not, in words."""
        with self._database.read("look for recordings") as connection:
            excess = recorded(self._scope, connection, self._camera).bytes - most
        after: _Place | None = None
        while excess > 0 and len(self.removed) < MOST_REMOVED:
            rows = self._oldest(after)
            free = self._without(rows, lasting_only=True)
            going: list[SegmentRow] = []
            for row in free:
                if excess <= 0:
                    break
                going.append(row)
                excess -= row.bytes
            excess += sum(row.bytes for row in going) - self._remove(going, "more than max_bytes")
            if len(rows) < STEP:
                break
            after = rows[-1].from_at, rows[-1].id
        if excess <= 0 or len(self.removed) >= MOST_REMOVED:
            return ""
        return (
            f"{size_in_words(most + excess)} are kept, and max_bytes is {size_in_words(most)}: the rest is protected, "
            "or shows protected tracks; raise max_bytes or take the protection away"
        )

    def _oldest(self, after: _Place | None) -> list[SegmentRow]:
        """At most STEP segments behind a place, by time."""
        with self._database.read("look for recordings") as connection:
            return oldest_segments(self._scope, connection, self._parts, after=after, limit=STEP)

    def _without(self, rows: Sequence[SegmentRow], *, lasting_only: bool) -> list[SegmentRow]:
        """Those that no reason keeps."""
        with self._database.read("look for what is worth keeping") as connection:
            kept = reasons(self._scope, connection, rows, self._parts, lasting_only=lasting_only, **self._around)
        return [row for row in rows if row.id not in kept]

    def _remove(self, rows: Sequence[SegmentRow], why: str) -> int:
        """Rows, then files, but for what was protected since `rows` were read. Returns bytes."""
        if not rows:
            return 0
        with self._database.write("remove old recordings") as connection:
            kept = reasons(self._scope, connection, rows, self._parts, lasting_only=True, **self._around)
            gone = set(remove_segments(connection, [row.id for row in rows if row.id not in kept]))
        freed = 0
        for row in rows:
            if row.id not in gone:
                continue
            file = self._media_folder / row.path
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("the recording %s takes up space, as it cannot be deleted: %s", file, error.strerror)
            self.removed.append(Removed(self._camera, row.path, row.bytes, row.from_at, why))
            freed += row.bytes
        return freed


def free_bytes(folder: Path) -> int:
    """On the disk of a folder, which need not be there yet."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def size_in_words(size: int) -> str:
    """Bytes for people."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if abs(size) >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
