"""Reading one source: what it is, which runs read it, and when it gave no frames. As in queries.py, scope first."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, select

from pipeline.store.filters import ObjectFilter, Scope
from pipeline.store.queries import page_objects
from pipeline.store.rows import ObjectRow, RunRow, SourceRow
from pipeline.store.run_queries import run_row
from pipeline.store.tables import Gap, Run, RunSource, Source

_TRIED = 20  # objects among which one is looked for that was seen by the source alone


@dataclass(frozen=True, slots=True)
class GapRow:
    """A time without frames of a source. Microseconds UTC."""

    from_at: int
    to_at: int
    reason: str


def source_row(scope: Scope, connection: Connection, source: UUID) -> SourceRow | None:
    """A source by its public id; None if there is none in the scope."""
    query = select(Source.public_id, Source.kind, Source.name, Source.uri_redacted, Source.fingerprint).where(
        Source.public_id == source, Source.project_id.in_(scope.project_ids)
    )
    found = connection.execute(query).mappings().one_or_none()
    return None if found is None else SourceRow(**found)


def runs_of(
    scope: Scope, connection: Connection, source: UUID, *, but: Collection[str] = (), limit: int = 50
) -> list[RunRow]:
    """The runs that read a source, the newest first. `but`: kinds of runs that are left out."""
    query = (
        select(Run.public_id)
        .join(RunSource, RunSource.run_id == Run.id)
        .join(Source, Source.id == RunSource.source_id)
        .where(Source.public_id == source, Run.project_id.in_(scope.project_ids), Run.kind.not_in(but))
        .order_by(Run.created_at.desc(), Run.id.desc())
        .limit(limit)
    )
    found = (run_row(scope, connection, run) for run in connection.scalars(query).all())
    return [row for row in found if row is not None]


def gaps_of(
    scope: Scope, connection: Connection, source: UUID, from_at: int, to_at: int, *, limit: int = 1000
) -> list[GapRow]:
    """Times without frames that reach into from_at..to_at (microseconds UTC), in order, over all runs."""
    query = (
        select(Gap.from_at, Gap.to_at, Gap.reason)
        .join(RunSource, RunSource.id == Gap.run_source_id)
        .join(Run, Run.id == RunSource.run_id)
        .join(Source, Source.id == RunSource.source_id)
        .where(Source.public_id == source, Run.project_id.in_(scope.project_ids))
        .where(Gap.from_at < to_at, Gap.to_at >= from_at)
        .order_by(Gap.from_at, Gap.id)
        .limit(limit)
    )
    return [GapRow(**row) for row in connection.execute(query).mappings()]


def object_to_show(scope: Scope, connection: Connection, source: UUID) -> ObjectRow | None:
    """The newest object that was seen by this source alone, for a picture of the source."""
    rows = page_objects(scope, connection, ObjectFilter(sources=(source,)), limit=_TRIED)
    return next((row for row in rows if row.members == 1 and row.source == source), None)
