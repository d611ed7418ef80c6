"""RecordingKeeper: enters finished segments, removes old ones, and stops recording while the disk is full."""

from __future__ import annotations

import logging
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import StoreError
from pipeline.retention import Retention, Swept
from pipeline.sources.recorder import Segment
from pipeline.store.database import Database
from pipeline.store.segments import add_segment
from pipeline.store.writer import now_microseconds
from pipeline.watch.patience import Patience
from pipeline.watch.roster import Roster
from pipeline.watch.state import DiskSnapshot

SWEEP_SECONDS = 10.0
SOON_SECONDS = 1.0  # to the next sweep, where one could not remove all that has to go
_LOOK_SECONDS = 0.25
_MOST_WAITING = 10_000  # segments; what is dropped is adopted from the disk at the next start

_log = logging.getLogger(__name__)


class SegmentQueue:
    """Finished segments on their way into the store. Cameras put them in without waiting."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, Segment]] = deque(maxlen=_MOST_WAITING)

    def put(self, run_source_id: int, segment: Segment) -> None:
        """From any thread."""
        self._waiting.append((run_source_id, segment))

    def enter(self, database: Database) -> None:
        """Write what waits into the store; what cannot be written waits on. Called by one thread. Raises StoreError."""
        while self._waiting:
            run_source_id, segment = self._waiting[0]
            with database.write("enter a recording") as connection:
                add_segment(
                    connection,
                    run_source_id=run_source_id,
                    path=segment.path.as_posix(),
                    from_at=segment.from_at,
                    to_at=segment.to_at,
                    size=segment.bytes,
                    width=segment.width,
                    height=segment.height,
                )
            if self._waiting and self._waiting[0][1] is segment:
                self._waiting.popleft()


class RecordingKeeper:
    """A thread from `__enter__` to `__exit__`."""

    def __init__(
        self, database: Database, media_folder: Path, roster: Roster, segments: SegmentQueue, patience: Patience
    ) -> None:
        self._database = database
        self._roster = roster
        self._segments = segments
        self._patience = patience
        media_folder.mkdir(parents=True, exist_ok=True)
        self._retention = Retention(database, media_folder, {})
        self._full: set[str] = set()  # cameras without room
        self._ended = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="sightline recordings", daemon=True)
        self.disk = DiskSnapshot()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cameras are closed by now: enters their last segments. Raises what ended the thread early, if anything."""
        self._ended.set()
        self._thread.join(SOON_SECONDS)
        if not self._thread.is_alive():
            self._enter()
        if self._failure is not None and error is None:
            raise self._failure

    def _work(self) -> None:
        wait, since = 0.0, 0.0
        try:
            while not self._ended.wait(_LOOK_SECONDS):
                self._enter()
                since += _LOOK_SECONDS
                if since >= wait:
                    wait, since = self._sweep(), 0.0
        except Exception as error:  # noqa: BLE001 (re-raised at the end)
            _log.exception("recordings are no longer looked after")
            self._failure = error

    def _enter(self) -> None:
        try:
            self._segments.enter(self._database)
        except StoreError as error:
            self._patience.note(error)

    def _sweep(self) -> float:
        """Returns seconds until the next."""
        self._retention.policies = self._roster.policies()
        try:
            swept = self._retention.sweep(now_microseconds())
        except StoreError as error:
            self._patience.note(error)
            self._roster.record(self._retention.no_room())
            return SWEEP_SECONDS
        self._roster.record({name: "" if one.may_record else one.why for name, one in swept.cameras.items()})
        self._tell(swept)
        return SOON_SECONDS if swept.more else SWEEP_SECONDS

    def _tell(self, swept: Swept) -> None:
        policies = self._retention.policies
        full = {
            name
            for name, one in swept.cameras.items()
            if not one.may_record and name in policies and policies[name].mode != "off"
        }
        for name in sorted(full - self._full):
            _log.error("camera '%s': %s", name, swept.cameras[name].why, extra={"camera": name})
        for name in sorted(self._full - full):
            _log.warning("camera '%s': there is room again, recording goes on", name, extra={"camera": name})
        for removed in swept.removed:
            _log.info("camera '%s': %s removed, %s", removed.camera, removed.path, removed.why)
        self._full = full
        recorded = {name: one.bytes for name, one in swept.cameras.items()}
        self.disk = DiskSnapshot(swept.free_bytes, recorded, full=bool(full))
