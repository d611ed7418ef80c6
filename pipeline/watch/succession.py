"""Succession: a service takes over from the one before it, and there is never more than one."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Sequence
from uuid import UUID

from pipeline.camera_settings import CameraSettings
from pipeline.errors import BusyError
from pipeline.store.camera_rows import Enrolment, retire
from pipeline.store.cameras import LIVE, CameraRow, list_cameras
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.liveness import is_alive
from pipeline.store.rows import RunRow
from pipeline.store.run_queries import list_runs, newest_run, run_row
from pipeline.store.states import CameraOrigin, CameraWish, RunStatus
from pipeline.store.writer import now_microseconds

WATCH, RUN = "watch", "run"  # who made a live run: a service with a cameras file, or a command line
MADE_BY = "made_by"  # where a run's settings say that
SILENT_SECONDS = 3.0  # a service beats twice a second; one that does not for so long is gone
_LOOK_SECONDS = 0.1
_LOOKED_THROUGH = 1000  # newest live runs among which the last service is looked for

_log = logging.getLogger(__name__)


def take_over(database: Database, scope: Scope, *, silent_seconds: float = SILENT_SECONDS) -> UUID | None:
    """The live run before this one, whose process is gone, or is told to end should it wake up. None before the first.

    Raises BusyError if it is at work: two services would read every camera twice.
    """
    with database.read("look for another service") as connection:
        before = newest_run(scope, connection, LIVE)
    if before is None:
        return None
    if _may_live(before) and _beats(database, scope, before, silent_seconds):
        raise BusyError(
            f"a service is at work already (process {before.pid} on {before.host}); stop it first, or add cameras to "
            "it: sightline cameras add NAME URL"
        )
    if before.status in (RunStatus.RUNNING, RunStatus.PAUSED):  # it told no end: frozen or cut off, it may come back
        _log.warning(
            "the service before (process %s on %s) gives no sign of life; taking over", before.pid, before.host
        )
        retire(database, before.public_id)
    return before.public_id


def enrolments(
    database: Database, scope: Scope, cameras: dict[str, CameraSettings], *, made_by: str
) -> list[Enrolment]:
    """The cameras that a service begins with: those of its settings, and those that somebody added to the last one.

    What somebody wished of a camera (pause, go on) counts for the new service, too.
    """
    earlier = _last_cameras(database, scope) if made_by == WATCH else []
    wishes = {camera.name: camera.wanted for camera in earlier if _is_wish(camera)}
    found = [
        Enrolment(
            name,
            settings.url,
            settings.model_dump(mode="json", exclude_unset=True),
            CameraOrigin.FILE,
            wishes.get(name, _default(settings.enabled)),
        )
        for name, settings in cameras.items()
    ]
    addresses = {one.uri for one in found}
    for camera in earlier:
        if camera.origin is not CameraOrigin.ADDED or camera.wanted is CameraWish.REMOVE:
            continue
        if camera.name in cameras or camera.uri_redacted in addresses:
            _log.warning("camera '%s' was added to the last service; now the cameras file has it", camera.name)
            continue
        found.append(Enrolment(camera.name, camera.uri_redacted, camera.settings, camera.origin, camera.wanted))
    return found


def _last_cameras(database: Database, scope: Scope) -> Sequence[CameraRow]:
    """Of the last service over a cameras file; nothing before the first."""
    with database.read("look for the cameras of the last service") as connection:
        for run in list_runs(scope, connection, kind=LIVE, limit=_LOOKED_THROUGH):
            if run.settings.get(MADE_BY) == WATCH:
                return list_cameras(scope, connection, run=run.public_id)
    return []


def _is_wish(camera: CameraRow) -> bool:
    """Whether somebody asked for something else than the settings say."""
    return camera.wanted is not CameraWish.REMOVE and camera.wanted is not _default(
        bool(camera.settings.get("enabled", True))
    )


def _default(enabled: bool) -> CameraWish:
    return CameraWish.RUN if enabled else CameraWish.PAUSE


def _may_live(run: RunRow) -> bool:
    own = run.host == socket.gethostname() and run.pid == os.getpid()  # in a container numbers are the same each time
    return is_alive(run, now_microseconds()) and not own


def _beats(database: Database, scope: Scope, run: RunRow, seconds: float) -> bool:
    """Whether it gives a sign of life within so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        with database.read("look after another service") as connection:
            now = run_row(scope, connection, run.public_id)
        if now is None or not is_alive(now, now_microseconds()):
            return False
        if now.heartbeat_at != run.heartbeat_at:
            return True
    return False
