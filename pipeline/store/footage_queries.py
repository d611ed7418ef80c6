"""Reading what pictures there are: stored files by id, and the sources in which an object was seen.

Every function takes the scope first, as in queries.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, and_, exists, func, or_, select

from pipeline.store.batches import batches
from pipeline.store.filters import Scope, visible
from pipeline.store.rows import MediaRow
from pipeline.store.segments import CAMERA
from pipeline.store.tables import Media, Object, ObjectMember, Run, RunSource, Session, Source, Track


@dataclass(frozen=True, slots=True)
class FootageRow:
    """A source as one run has read it."""

    run_source_id: int
    run: UUID
    source: UUID
    kind: str  # "file", "images", ...
    name: str
    path: str  # where it is; an address without credentials for a camera
    fingerprint: str  # empty for a camera
    start_at: int | None  # of its first frame in this run, microseconds UTC
    fps: float | None  # of a folder of pictures in this run

    @property
    def is_camera(self) -> bool:
        """Whether its pictures are kept only where it was recorded."""
        return self.kind == CAMERA


def find_media(scope: Scope, connection: Connection, public_id: UUID) -> MediaRow | None:
    """A stored file; None if there is none in the scope, or it shows only what a reviewer has deleted."""
    shown = exists().where(
        ObjectMember.track_id == Media.track_id,
        Media.from_at >= ObjectMember.from_at,
        or_(ObjectMember.to_at.is_(None), Media.from_at < ObjectMember.to_at),
        Object.id == ObjectMember.object_id,
        visible(scope),
    )
    query = (
        select(
            Media.public_id,
            Media.kind,
            Media.path,
            Media.sha256,
            Media.bytes,
            Media.from_at,
            Media.to_at,
            Media.width,
            Media.height,
            Media.quality,
        )
        .join(RunSource, RunSource.id == Media.run_source_id)
        .join(Run, Run.id == RunSource.run_id)
        .where(Media.public_id == public_id, Run.project_id.in_(scope.project_ids))
        .where(or_(Media.track_id.is_(None), shown))
    )
    found = connection.execute(query).mappings().one_or_none()
    return None if found is None else MediaRow(**found)


def footage_rows(scope: Scope, connection: Connection, run_source_ids: Iterable[int]) -> dict[int, FootageRow]:
    """The sources by their run_source_id, as far as they are in the scope."""
    found: dict[int, FootageRow] = {}
    for batch in batches(sorted(set(run_source_ids))):
        query = (
            select(
                RunSource.id.label("run_source_id"),
                Run.public_id.label("run"),
                Source.public_id.label("source"),
                Source.kind,
                Source.name,
                Source.uri_redacted.label("path"),
                Source.fingerprint,
                func.coalesce(Session.started_at, Source.start_at).label("start_at"),
                Source.fps,
                Run.settings,
            )
            .join(Run, Run.id == RunSource.run_id)
            .join(Source, Source.id == RunSource.source_id)
            .outerjoin(Session, and_(Session.run_source_id == RunSource.id, Session.n == 0))
            .where(RunSource.id.in_(batch), Run.project_id.in_(scope.project_ids))
        )
        for row in connection.execute(query).mappings():
            values = dict(row)
            settings = values.pop("settings")
            values["fps"] = _rate(settings, values["fps"])
            found[row["run_source_id"]] = FootageRow(**values)
    return found


def local_ids(scope: Scope, connection: Connection, track_ids: Iterable[int]) -> dict[int, int]:
    """The numbers that a run gave to tracks, by their rows."""
    found: dict[int, int] = {}
    for batch in batches(sorted(set(track_ids))):
        query = (
            select(Track.id, Track.local_id)
            .join(RunSource, RunSource.id == Track.run_source_id)
            .join(Run, Run.id == RunSource.run_id)
            .where(Track.id.in_(batch), Run.project_id.in_(scope.project_ids))
        )
        found.update((key, local_id) for key, local_id in connection.execute(query))
    return found


def _rate(settings: object, stored: float | None) -> float | None:
    """The run's own setting: the source's row tells the rate of the last run that read it."""
    section = settings.get("source") if isinstance(settings, dict) else None
    rate = section.get("fps") if isinstance(section, dict) else None
    return float(rate) if isinstance(rate, int | float) else stored
