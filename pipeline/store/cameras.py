"""Cameras of a live run, as pages and commands see them, and what these may ask of the service.

A live run is one service at work, or its remains. A camera's row says how it is set, what is wanted of it, and what
the service last told of it; `camera_rows.py` is the service's side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, delete, insert, select, update

from pipeline.errors import ConfigError, StoreError
from pipeline.redaction import redact
from pipeline.sources.feed import CameraState
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.liveness import is_alive
from pipeline.store.public_id import PublicIds
from pipeline.store.rows import RunRow
from pipeline.store.run_queries import newest_run, run_row
from pipeline.store.states import CameraOrigin, CameraWish
from pipeline.store.tables import Camera, Run, RunSource, Source
from pipeline.store.writer import now_microseconds

LIVE = "live"  # kind of a run over cameras


@dataclass(frozen=True, slots=True)
class CameraRow:
    """A camera of a live run. Times are microseconds UTC."""

    public_id: UUID
    run: UUID  # public id
    name: str
    uri_redacted: str
    settings: Mapping[str, Any]  # as the cameras file would say it; without secrets
    origin: CameraOrigin
    wanted: CameraWish
    state: CameraState
    since_at: int  # in this state
    error: str | None  # the last one
    status: Mapping[str, Any]  # fields of FeedStatus, and those of the engine; see pipeline/watch/state.py
    updated_at: int  # when the service last told of it
    source: UUID | None  # public id; None until the service took it up
    run_source_id: int | None


def newest_live_run(scope: Scope, connection: Connection) -> RunRow | None:
    """The service that runs, or ran last; None before the first. `is_alive` says which."""
    return newest_run(scope, connection, LIVE)


def list_cameras(scope: Scope, connection: Connection, *, run: UUID | None = None) -> list[CameraRow]:
    """Cameras by name, without those that were taken away and have ended. `run`: None for the newest live run."""
    if run is None:
        newest = newest_live_run(scope, connection)
        if newest is None:
            return []
        run = newest.public_id
    rows = connection.execute(_cameras(scope).where(Run.public_id == run).order_by(Camera.name, Camera.id)).mappings()
    return [camera for camera in map(_camera, rows) if not _is_gone(camera)]


def find_camera(scope: Scope, connection: Connection, camera: UUID) -> CameraRow | None:
    """One camera, None if there is none in the scope. `camera`: its public id."""
    row = connection.execute(_cameras(scope).where(Camera.public_id == camera)).mappings().one_or_none()
    return None if row is None else _camera(row)


def camera_named(scope: Scope, connection: Connection, name: str) -> CameraRow:
    """The camera of the newest live run that people call so. Raises StoreError."""
    cameras = list_cameras(scope, connection)
    for camera in cameras:
        if camera.name == name:
            return camera
    known = ", ".join(camera.name for camera in cameras) or "none"
    raise StoreError(f"there is no camera '{name}'; there are: {known}")


def add_camera(database: Database, scope: Scope, run: UUID, name: str, settings: Mapping[str, Any]) -> UUID:
    """Ask the service that holds `run` to take a camera up, within a second. Returns the camera's public id.

    `settings`: as the cameras file would say it, checked before (camera_settings.check_camera). Raises ConfigError if
    the run has a camera of that name or address, StoreError if no service is at work on the run.
    """
    uri, now, public_id = str(settings["url"]), now_microseconds(), PublicIds().new()
    if redact(uri) != uri:
        raise ConfigError(f"{redact(uri)} holds a password; name a secret instead")
    with database.write(f"add the camera '{name}'") as connection:
        run_id = _living(scope, connection, run, now, f"add the camera '{name}'")
        for other in connection.execute(_cameras(scope).where(Camera.run_id == run_id)).mappings():
            _refuse_twin(_camera(other), name, uri)
        connection.execute(delete(Camera).where(Camera.run_id == run_id, Camera.name == name))  # was taken away
        row = {
            "public_id": public_id,
            "run_id": run_id,
            "name": name,
            "uri_redacted": uri,
            "settings": dict(settings),
            "origin": CameraOrigin.ADDED,
            "wanted": CameraWish.RUN if settings.get("enabled", True) else CameraWish.PAUSE,
            "state": CameraState.CONNECTING.value,
            "since_at": now,
            "status": {},
            "updated_at": now,
        }
        connection.execute(insert(Camera).values(**row))
    return public_id


def set_wish(database: Database, scope: Scope, camera: UUID, wanted: CameraWish) -> None:
    """Ask the service to let a camera run, to pause it or to take it away; it obeys within a second.

    Raises StoreError if there is no such camera, it was taken away, or no service is at work on its run.
    """
    with database.write(f"ask a camera to {wanted.value}") as connection:
        found = find_camera(scope, connection, camera)
        if found is None or found.wanted is CameraWish.REMOVE:
            raise StoreError(f"there is no camera {camera}; it may have been taken away")
        _living(scope, connection, found.run, now_microseconds(), f"{wanted.value} the camera '{found.name}'")
        connection.execute(update(Camera).where(Camera.public_id == camera).values(wanted=wanted))


def _living(scope: Scope, connection: Connection, run: UUID, now: int, doing: str) -> int:
    """The row of a live run that a process keeps. Raises StoreError."""
    run_id = connection.scalar(select(Run.id).where(Run.public_id == run).with_for_update())  # one asks at a time
    row = run_row(scope, connection, run)
    if run_id is None or row is None or row.kind != LIVE:
        raise StoreError(f"cannot {doing}: there is no service {run}; start one with: sightline watch cameras.yaml")
    if not is_alive(row, now):
        raise StoreError(
            f"cannot {doing}: no service is at work on run {run}; start it with: sightline watch cameras.yaml"
        )
    return run_id


def _refuse_twin(other: CameraRow, name: str, uri: str) -> None:
    if _is_gone(other):
        return
    if other.name == name and other.wanted is CameraWish.REMOVE:
        raise ConfigError(f"the camera '{name}' is just being taken away; try again in a second")
    if other.name == name:
        raise ConfigError(f"there is a camera '{name}' already; give another name, or take that one away first")
    if other.uri_redacted == uri:
        raise ConfigError(f"the camera '{other.name}' has the address {uri} already; one camera is enough")


def _is_gone(camera: CameraRow) -> bool:
    return camera.wanted is CameraWish.REMOVE and camera.state is CameraState.ENDED


def _cameras(scope: Scope) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Camera.public_id,
            Run.public_id.label("run"),
            Camera.name,
            Camera.uri_redacted,
            Camera.settings,
            Camera.origin,
            Camera.wanted,
            Camera.state,
            Camera.since_at,
            Camera.error,
            Camera.status,
            Camera.updated_at,
            Source.public_id.label("source"),
            Camera.run_source_id,
        )
        .join(Run, Run.id == Camera.run_id)
        .outerjoin(RunSource, RunSource.id == Camera.run_source_id)
        .outerjoin(Source, Source.id == RunSource.source_id)
        .where(Run.project_id.in_(scope.project_ids))
    )


def _camera(row: Mapping[Any, Any]) -> CameraRow:
    return CameraRow(**{**row, "state": CameraState(row["state"])})
