"""Which objects a page wants, and in what order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import or_ as bitwise_or
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Integer, and_, exists, func, or_, select, type_coerce
from sqlalchemy.sql.elements import ColumnElement

from pipeline.errors import StoreError
from pipeline.store.database import Database
from pipeline.store.records import PROJECT
from pipeline.store.tables import Object, ObjectMember, Project, Run, RunSource, Source, Track
from trackers.structures import Evidence


@dataclass(frozen=True, slots=True)
class Scope:
    """The projects that somebody may see."""

    project_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ObjectFilter:
    """What an object must be to stand on a page. An empty tuple asks for nothing."""

    runs: tuple[UUID, ...] = ()  # seen in any of them
    sources: tuple[UUID, ...] = ()  # seen by any of them
    names: tuple[str, ...] = ()  # label, or class name where there is no label
    from_at: int | None = None  # seen at this time or later, microseconds UTC
    to_at: int | None = None  # seen before this time
    min_seconds: float = 0.0  # from first to last observation
    min_score: float = 0.0  # of its best observation, 0..1
    evidence: tuple[Evidence, ...] = ()  # seen with any of them
    verdicts: tuple[str, ...] = ()  # of a reviewer; "" for none so far


EVERYTHING = ObjectFilter()


class ObjectOrder(StrEnum):
    """What comes first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    LONGEST = "longest"
    SUREST = "surest"  # by score
    CLEAREST = "clearest"  # by quality of the best crop

    @property
    def indexed(self) -> bool:
        """Whether an index already has this order."""
        return self is not ObjectOrder.LONGEST


def scope_of(connection: Connection, projects: Sequence[str]) -> Scope:
    """The scope of these projects, by name. Raises StoreError if one does not exist."""
    query = select(Project.name, Project.id).where(Project.name.in_(projects))
    ids = {row.name: row.id for row in connection.execute(query)}
    for project in projects:
        if project not in ids:
            raise StoreError(f"there is no project '{project}'")
    return Scope(tuple(ids[project] for project in projects))


def project_scope(database: Database) -> Scope | None:
    """Of the project; None before its first run."""
    with database.read("find the project") as connection:
        try:
            return scope_of(connection, [PROJECT])
        except StoreError:
            return None


def within(scope: Scope) -> ColumnElement[bool]:
    """Objects of the scope's projects, hidden or not.

    A project has most of a store's objects, but SQLite does not know: given the bare column it would walk the index of
    the project where the id that is asked for has one, too. It looks for no sum in an index.
    """
    return (Object.project_id + 0).in_(scope.project_ids)


def visible(scope: Scope) -> ColumnElement[bool]:
    """Objects within the scope that are not deleted or merged away."""
    return and_(within(scope), Object.hidden.is_(False))


def listed(scope: Scope) -> list[ColumnElement[bool]]:
    """What is visible, to be walked in an index that begins with project and hidden."""
    return [Object.project_id.in_(scope.project_ids), Object.hidden.is_(False)]


def conditions(
    scope: Scope, connection: Connection, wanted: ObjectFilter, *, order: ObjectOrder | None = None
) -> list[ColumnElement[bool]]:
    """What to put into WHERE. All but objects of several tracks are judged by their own row alone.

    `order`: of the page that is wanted, None for a count.
    """
    found = listed(scope)
    by_index = wanted == EVERYTHING and order is not None and order.indexed
    if connection.dialect.name == "sqlite" and not by_index:
        # To walk an index and fetch each row by itself takes ten times as long as reading the table once. PostgreSQL
        # knows how many rows there are and chooses well.
        found = [within(scope), type_coerce(Object.hidden, Integer) + 0 == 0]
    if wanted.runs or wanted.sources:
        found.append(_seen_in(run_sources_among(scope, connection, wanted.runs, wanted.sources)))
    if wanted.names:
        found.append(func.coalesce(Object.label, Object.class_name).in_(wanted.names))
    if wanted.from_at is not None:
        found.append(Object.last_at >= wanted.from_at)
    if wanted.to_at is not None:
        found.append(Object.first_at < wanted.to_at)
    if wanted.min_seconds > 0:
        found.append(Object.last_at - Object.first_at >= round(wanted.min_seconds * 1e6))
    if wanted.min_score > 0:
        found.append(Object.score_max >= wanted.min_score)
    if wanted.evidence:
        bits = reduce(bitwise_or, (1 << int(evidence) for evidence in wanted.evidence))
        found.append(Object.evidence_bits.bitwise_and(bits) != 0)
    if wanted.verdicts:
        found.append(func.coalesce(Object.verdict, "").in_(wanted.verdicts))
    return found


def ordering(order: ObjectOrder, *, backwards: bool = False) -> tuple[ColumnElement[Any], ...]:
    """What to put into ORDER BY; the id decides among equals, so that pages neither repeat nor skip.

    `backwards`: the last object first.
    """
    key = _sort_key(order)
    if (order is ObjectOrder.OLDEST) is not backwards:
        return (key.asc().nulls_first() if order is ObjectOrder.CLEAREST else key.asc()), Object.id.asc()
    return (key.desc().nulls_last() if order is ObjectOrder.CLEAREST else key.desc()), Object.id.desc()


def _sort_key(order: ObjectOrder) -> ColumnElement[Any]:
    match order:
        case ObjectOrder.NEWEST | ObjectOrder.OLDEST:
            return Object.first_at.expression
        case ObjectOrder.LONGEST:
            return Object.last_at - Object.first_at
        case ObjectOrder.SUREST:
            return Object.score_max.expression
        case ObjectOrder.CLEAREST:
            return Object.best_quality.expression  # NULL where there is no picture


def run_sources_among(
    scope: Scope, connection: Connection, runs: Sequence[UUID], sources: Sequence[UUID]
) -> Sequence[int]:
    """Rows of `run_sources` of any of some runs and of any of some sources, by public id. None given: of all."""
    query = (
        select(RunSource.id)
        .join(Run, Run.id == RunSource.run_id)
        .join(Source, Source.id == RunSource.source_id)
        .where(Run.project_id.in_(scope.project_ids))
    )
    if runs:
        query = query.where(Run.public_id.in_(runs))
    if sources:
        query = query.where(Source.public_id.in_(sources))
    return connection.scalars(query).all()


def _seen_in(run_source_ids: Sequence[int]) -> ColumnElement[bool]:
    """An object of one track has its run and source in its own row; only merged ones need a look at their tracks."""
    elsewhere = exists().where(
        ObjectMember.object_id == Object.id,
        Track.id == ObjectMember.track_id,
        Track.run_source_id.in_(run_source_ids),
    )
    return or_(Object.run_source_id.in_(run_source_ids), and_(Object.members > 1, elsewhere))
