"""Supervisor: looks twice a second at what is wanted of the cameras, and tells each second how they are doing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self
from uuid import UUID

from pipeline.alerts.dispatcher import Dispatcher
from pipeline.errors import BusyError, StoreError
from pipeline.sources.feed import CameraState
from pipeline.store.camera_rows import CameraTold, tell_cameras
from pipeline.store.cameras import list_cameras
from pipeline.watch.roster import Roster
from pipeline.watch.state import CameraSnapshot, ServiceState
from pipeline.watch.streams import Means

LOOK_SECONDS = 0.5
TELL_SECONDS = 1.0
_END_SECONDS = 1.0  # for the last look to come to its end


class Supervisor:
    """A thread from `__enter__` to `__exit__`."""

    def __init__(
        self,
        means: Means,
        roster: Roster,
        look: Callable[[], ServiceState],
        *,
        dispatcher: Dispatcher | None,
        looked: Callable[[ServiceState], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """`dispatcher`: None where nobody is alerted. `looked`: is told each state. `failed`: what ended the thread."""
        self._means = means
        self._roster = roster
        self._look = look
        self._dispatcher = dispatcher
        self._looked = looked
        self._failed = failed
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name="sightline cameras", daemon=True)
        self.alerts_waiting = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Tells once more how the cameras are doing."""
        self._over.set()
        self._thread.join(_END_SECONDS)
        self._tell([])

    def _supervise(self) -> None:
        told_at = float("-inf")
        told: dict[UUID, CameraState] = {}
        try:
            while not self._over.is_set():
                gone = self._follow()
                now = time.monotonic()
                state = self._look()
                states = {camera.public_id: camera.status.state for camera in state.cameras}
                if gone or states != told or now - told_at >= TELL_SECONDS:  # who pressed "pause" waits for its word
                    told_at, told = now, states
                    self._tell(gone)
                    self._count_alerts()
                self._looked(state)
                self._over.wait(LOOK_SECONDS)
        except BusyError:  # the engine is ending
            return
        except Exception as error:  # noqa: BLE001 (re-raised by the service)
            self._failed(error)

    def _follow(self) -> list[CameraTold]:
        means = self._means
        try:
            with means.database.read("look what is wanted of the cameras") as connection:
                rows = list_cameras(means.writer.scope, connection, run=means.writer.public_id)
            return self._roster.follow(rows)
        except StoreError as error:
            means.patience.note(error)
            return []

    def _tell(self, gone: list[CameraTold]) -> None:
        """Write how the cameras are doing; tried again with the next report."""
        told = [*map(_told, self._look().cameras), *gone]
        try:
            tell_cameras(self._means.database, told)
        except StoreError as error:
            self._means.patience.note(error)

    def _count_alerts(self) -> None:
        if self._dispatcher is None:
            return
        try:
            self.alerts_waiting = sum(report.waiting for report in self._dispatcher.report().values())
        except StoreError as error:
            self._means.patience.note(error)


def _told(camera: CameraSnapshot) -> CameraTold:
    status = camera.status
    return CameraTold(camera.public_id, status.state, status.since_at, status.error, camera.told())
