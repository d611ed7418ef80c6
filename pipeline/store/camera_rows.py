"""The rows of cameras as the service writes them: who is there, who was taken up, how each is doing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, func, insert, select, update

from pipeline.sources.feed import CameraState
from pipeline.store.cameras import LIVE
from pipeline.store.database import Database
from pipeline.store.public_id import PublicIds
from pipeline.store.states import CameraOrigin, CameraWish, RequestedState, RunStatus
from pipeline.store.tables import Camera, Gap, Run, RunSource
from pipeline.store.writer import now_microseconds
from trackers import structures


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A camera that a service begins with."""

    name: str
    uri: str  # holds no secret
    settings: Mapping[str, Any]  # as the cameras file would say it; without secrets
    origin: CameraOrigin
    wanted: CameraWish


@dataclass(frozen=True, slots=True)
class CameraTold:
    """How a camera is doing. Times are microseconds UTC."""

    camera: UUID  # public id
    state: CameraState
    since_at: int
    error: str  # the last one, "" for none
    status: Mapping[str, Any]  # what JSON can hold


def enrol(database: Database, run: UUID, cameras: Sequence[Enrolment]) -> None:
    """Write the cameras that a service begins with, all or none. Those that are there already stay as they are."""
    now, public_ids = now_microseconds(), PublicIds()
    with database.write("write down the cameras") as connection:
        run_id = _run_id(connection, run)
        known = set(connection.scalars(select(Camera.name).where(Camera.run_id == run_id)))
        rows = [
            {
                "public_id": public_ids.new(),
                "run_id": run_id,
                "name": one.name,
                "uri_redacted": one.uri,
                "settings": dict(one.settings),
                "origin": one.origin,
                "wanted": one.wanted,
                "state": CameraState.CONNECTING.value,
                "since_at": now,
                "status": {},
                "updated_at": now,
            }
            for one in cameras
            if one.name not in known
        ]
        if rows:
            connection.execute(insert(Camera), rows)


def take_up(database: Database, camera: UUID, run_source_id: int) -> None:
    """Say where the results of a camera go. `camera`: its public id."""
    with database.write("take up a camera") as connection:
        connection.execute(update(Camera).where(Camera.public_id == camera).values(run_source_id=run_source_id))


def tell_cameras(database: Database, told: Sequence[CameraTold]) -> None:
    """Write how cameras are doing, in one transaction."""
    now = now_microseconds()
    rows = [
        {
            "key": one.camera,
            "new_state": one.state.value,
            "new_since_at": one.since_at,
            "new_error": one.error or None,
            "new_status": dict(one.status),
            "new_updated_at": now,
        }
        for one in told
    ]
    if not rows:
        return
    names = ("state", "since_at", "error", "status", "updated_at")
    values = {name: bindparam(f"new_{name}", type_=Camera.__table__.c[name].type) for name in names}
    key = bindparam("key", type_=Camera.public_id.type)
    with database.write("tell how the cameras are doing") as connection:
        connection.execute(update(Camera).where(Camera.public_id == key).values(**values), rows)


def add_gap(database: Database, run_source_id: int, gap: structures.Gap) -> None:
    """Write a time without frames that no frame tells of. Doing it again changes nothing."""
    row = {
        "run_source_id": run_source_id,
        "from_at": gap.from_at,
        "to_at": max(gap.from_at, gap.to_at),
        "reason": gap.reason,
    }
    with database.write("write a gap") as connection:
        if connection.scalar(select(func.count()).select_from(Gap).filter_by(**row)) == 0:
            connection.execute(insert(Gap).values(**row))


def gaps_end(connection: Connection, run_source_id: int) -> int | None:
    """Where the last gap of a camera in its run ends, microseconds UTC; None where there is none."""
    return connection.scalar(select(func.max(Gap.to_at)).filter_by(run_source_id=run_source_id))


def last_seen(connection: Connection, run_source_id: int) -> int | None:
    """Until when earlier live runs can tell of this source: its last frame, or the end of a gap after it.

    Microseconds UTC; None where no run has had it.
    """
    source_id = select(RunSource.source_id).where(RunSource.id == run_source_id).scalar_subquery()
    before = (RunSource.source_id == source_id, RunSource.id != run_source_id, Run.kind == LIVE)
    parts = (
        select(RunSource.id, Camera.status)
        .join(Run, Run.id == RunSource.run_id)
        .join(Camera, Camera.run_source_id == RunSource.id)
        .where(*before)
        .order_by(Run.created_at.desc(), Run.id.desc())
    )
    for part, status in connection.execute(parts):
        ends = [status.get("last_frame_at"), gaps_end(connection, part)]
        known: list[int] = [end for end in ends if end is not None]
        if known:
            return max(known)
    return None


def retire(database: Database, run: UUID) -> None:
    """Tell a service that does not answer to end, should it wake up again."""
    with database.write("end an earlier service") as connection:
        connection.execute(update(Run).where(Run.public_id == run).values(requested_state=RequestedState.STOP))


def retire_earlier(database: Database, run: UUID) -> int:
    """Tell all services that began before this one, and have told no end, to end. Returns how many there were.

    Of services that are started at the same moment and do not see each other the last one stays.
    """
    with database.write("end earlier services") as connection:
        own = connection.execute(select(Run.id, Run.project_id).where(Run.public_id == run)).one()
        earlier = (
            Run.project_id == own.project_id,
            Run.id < own.id,
            Run.kind == LIVE,
            Run.status.in_((RunStatus.RUNNING, RunStatus.PAUSED)),
            Run.requested_state != RequestedState.STOP,
        )
        return connection.execute(update(Run).where(*earlier).values(requested_state=RequestedState.STOP)).rowcount


def _run_id(connection: Connection, run: UUID) -> int:
    return connection.execute(select(Run.id).where(Run.public_id == run)).scalar_one()
