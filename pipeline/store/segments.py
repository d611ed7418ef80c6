"""Segments of cameras' recordings: files of a minute or so, each with its row in `media`.

A row has no checksum: nobody asks for a segment by its content, and to read it again would cost as much as to write it.
A file is complete before a row names it, and its row goes before it does, so that no row is ever without its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, delete, exists, func, or_, select, text, update

from pipeline.errors import StoreError
from pipeline.store.batches import batches
from pipeline.store.filters import Scope
from pipeline.store.inserting import insert_unless_there
from pipeline.store.public_id import PublicIds
from pipeline.store.states import MediaKind
from pipeline.store.tables import Media, Run, RunSource, Session, Source

CAMERA = "camera"  # kind of a source that is one
_LATE = 10_000_000  # microseconds; a session is entered with its first frame, which is later than its first packet
_SEGMENT = text("media.kind = 'segment'")  # as the index of segments says it, so that it is used


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A file of a recording. Times are microseconds UTC."""

    id: int  # row of `media`
    public_id: UUID
    camera: str  # name of the source
    source: UUID
    run_source_id: int
    path: str  # relative to the media folder, with /
    bytes: int
    from_at: int  # of its first picture
    to_at: int  # of the picture after its last
    width: int | None  # pixels
    height: int | None
    protected: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is kept of a camera, over all its runs."""

    camera: str
    segments: int
    bytes: int
    from_at: int | None  # of the oldest segment, microseconds UTC
    to_at: int | None


def add_segment(
    connection: Connection,
    *,
    run_source_id: int,
    path: str,
    from_at: int,
    to_at: int,
    size: int,
    width: int | None = None,
    height: int | None = None,
) -> bool:
    """Enter a complete file; whether it was new. A path that is there already stays as it is.

    `path`: relative to the media folder, with /. `from_at`, `to_at`: microseconds UTC. `size`: bytes. `width`,
    `height`: pixels.
    """
    if connection.scalar(select(Media.id).where(Media.path == path)) is not None:
        return False
    row = {
        "public_id": PublicIds().new(),
        "run_source_id": run_source_id,
        "kind": MediaKind.SEGMENT,
        "path": path,
        "sha256": "",
        "bytes": size,
        "from_at": from_at,
        "to_at": max(to_at, from_at),
        "width": width,
        "height": height,
    }
    insert_unless_there(connection, Media, [row])
    return True


def segments(
    scope: Scope,
    connection: Connection,
    *,
    camera: str | None = None,
    source: UUID | None = None,
    run_source_id: int | None = None,
    from_at: int | None = None,
    to_at: int | None = None,
    newest_first: bool = False,
    limit: int | None = None,
) -> list[SegmentRow]:
    """Segments that show something of from_at <= time < to_at (microseconds UTC), by time.

    `camera`: by its name, over all runs and addresses. `source`: public id. `limit`: so many at most; all for None.
    """
    query = _rows(scope)
    if camera is not None:
        query = query.where(RunSource.id.in_(run_sources_of(scope, connection, camera)))
    if source is not None:
        query = query.where(Source.public_id == source)
    if run_source_id is not None:
        query = query.where(Media.run_source_id == run_source_id)
    if from_at is not None:
        query = query.where(Media.to_at > from_at)
    if to_at is not None:
        query = query.where(Media.from_at < to_at)
    order = (Media.from_at.desc(), Media.id.desc()) if newest_first else (Media.from_at, Media.id)
    return [SegmentRow(**row) for row in connection.execute(query.order_by(*order).limit(limit)).mappings()]


def oldest_segments(
    scope: Scope, connection: Connection, run_source_ids: Sequence[int], *, after: tuple[int, int] | None, limit: int
) -> list[SegmentRow]:
    """Segments by time, of these rows of `run_sources`. `after`: (from_at, row) of the last one that was seen."""
    query = _rows(scope).where(Media.run_source_id.in_(run_source_ids))
    if after is not None:
        at, key = after
        query = query.where(Media.from_at >= at, or_(Media.from_at > at, Media.id > key))
    query = query.order_by(Media.from_at, Media.id).limit(limit)
    return [SegmentRow(**row) for row in connection.execute(query).mappings()]


def find_segment(scope: Scope, connection: Connection, public_id: UUID) -> SegmentRow | None:
    """One segment; None if there is none in the scope."""
    row = connection.execute(_rows(scope).where(Media.public_id == public_id)).mappings().one_or_none()
    return None if row is None else SegmentRow(**row)


def recorded_cameras(scope: Scope, connection: Connection) -> list[Recorded]:
    """What is kept, by camera; those without a segment are left out."""
    query = (
        select(
            Source.name,
            func.count().label("segments"),
            func.sum(Media.bytes).label("bytes"),
            func.min(Media.from_at).label("from_at"),
            func.max(Media.to_at).label("to_at"),
        )
        .select_from(Media)
        .join(RunSource, RunSource.id == Media.run_source_id)
        .join(Source, Source.id == RunSource.source_id)
        .where(_SEGMENT, Source.project_id.in_(scope.project_ids))
        .group_by(Source.name)
        .order_by(Source.name)
    )
    return [
        Recorded(row.name, row.segments, int(row.bytes), row.from_at, row.to_at) for row in connection.execute(query)
    ]


def cameras_with_segments(scope: Scope, connection: Connection) -> list[str]:
    """Names of the cameras that have any, in order."""
    some = exists().where(_SEGMENT, Media.run_source_id == RunSource.id)
    query = (
        select(Source.name)
        .distinct()
        .join(RunSource, RunSource.source_id == Source.id)
        .where(Source.project_id.in_(scope.project_ids), Source.kind == CAMERA, some)
    )
    return list(connection.scalars(query.order_by(Source.name)))


def recorded(scope: Scope, connection: Connection, camera: str) -> Recorded:
    """What is kept of one camera. Cheap: read from an index alone, but for the end of the newest segment."""
    mine = is_segment(run_sources_of(scope, connection, camera))
    sums = connection.execute(
        select(func.count().label("number"), func.sum(Media.bytes).label("bytes"), func.min(Media.from_at)).where(*mine)
    ).one()
    last = select(Media.to_at).where(*mine).order_by(Media.from_at.desc()).limit(1)
    return Recorded(camera, sums.number, int(sums.bytes or 0), sums[2], connection.scalar(last))


def protect_segment(scope: Scope, connection: Connection, public_id: UUID, *, on: bool) -> SegmentRow:
    """Keep a segment from retention, or no longer. Raises StoreError if there is none in the scope."""
    row = find_segment(scope, connection, public_id)
    if row is None:
        raise StoreError(f"there is no segment {public_id}; `sightline recordings` lists them")
    connection.execute(update(Media).where(Media.id == row.id).values(protected=on))
    found = find_segment(scope, connection, public_id)
    assert found is not None
    return found


def remove_segments(connection: Connection, ids: Sequence[int]) -> list[int]:
    """Take the rows of segments away, but for those protected meanwhile. Returns whose files are to go now."""
    gone: list[int] = []
    for batch in batches(ids):
        mine = (Media.id.in_(batch), Media.kind == MediaKind.SEGMENT, Media.protected.is_(False))
        gone += connection.scalars(delete(Media).where(*mine).returning(Media.id))
    return gone


def run_sources_of(scope: Scope, connection: Connection, camera: str) -> list[int]:
    """Rows of `run_sources` of a camera by its name, over all its runs and addresses."""
    query = (
        select(RunSource.id)
        .join(Source, Source.id == RunSource.source_id)
        .where(Source.project_id.in_(scope.project_ids), Source.kind == CAMERA, Source.name == camera)
    )
    return list(connection.scalars(query.order_by(RunSource.id)))


def run_source_at(scope: Scope, connection: Connection, camera: str, at: int) -> int | None:
    """The row of `run_sources` under which a camera was watched at a moment, or at first; None for one unknown."""
    parts = run_sources_of(scope, connection, camera)
    begun = select(Session.run_source_id).where(Session.run_source_id.in_(parts), Session.started_at <= at + _LATE)
    found = connection.scalar(begun.order_by(Session.started_at.desc(), Session.id.desc()).limit(1))
    return found if found is not None else next(iter(parts), None)


def is_segment(run_source_ids: Sequence[int]) -> tuple[Any, Any]:
    """Conditions on `media`: segments of these rows of `run_sources`."""
    return _SEGMENT, Media.run_source_id.in_(run_source_ids)


def _rows(scope: Scope) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Media.id,
            Media.public_id,
            Source.name.label("camera"),
            Source.public_id.label("source"),
            Media.run_source_id,
            Media.path,
            Media.bytes,
            Media.from_at,
            Media.to_at,
            Media.width,
            Media.height,
            Media.protected,
        )
        .join(RunSource, RunSource.id == Media.run_source_id)
        .join(Source, Source.id == RunSource.source_id)
        .join(Run, Run.id == RunSource.run_id)
        .where(_SEGMENT, Run.project_id.in_(scope.project_ids))
    )
