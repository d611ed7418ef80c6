"""Reading events: pages of them, how many by time, and which zones and lines they speak of.

Every function takes the scope first, as in queries.py. An event is the machine's and never changes; its object is
whom a reviewer sees in its place by now, none where that was deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from pipeline.events import EventKind, Tally
from pipeline.store.filters import Scope, run_sources_among
from pipeline.store.tables import Event, Object, ObjectMember, Run, RunSource, Source, Track

MICROSECONDS = 1_000_000

EventPlace = tuple[int, UUID]  # time and public id: where an event stands in a list


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What an event must be. An empty tuple asks for nothing."""

    runs: tuple[UUID, ...] = ()  # of any of them
    sources: tuple[UUID, ...] = ()  # seen by any of these files or cameras
    rules: tuple[str, ...] = ()  # names of zones and lines
    kinds: tuple[EventKind, ...] = ()
    class_names: tuple[str, ...] = ()
    from_at: int | None = None  # then or later, microseconds UTC
    to_at: int | None = None  # before


EVERY_EVENT = EventFilter()


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event."""

    public_id: UUID
    at: int  # microseconds UTC
    run: UUID
    run_source_id: int
    source: UUID
    source_name: str  # of the camera or file
    rule: str
    kind: EventKind
    value: float | None  # seconds, metres a second or a number, by kind
    direction: str | None  # of a crossing
    class_name: str | None
    x: float | None  # where, pixels
    y: float | None
    track: UUID | None  # None for an event of no single track
    local_id: int | None  # of the track in its run
    object: UUID | None  # whom a reviewer sees; None also where it was deleted
    object_name: str | None  # its label, else its class

    @property
    def place(self) -> EventPlace:
        """Where the next page begins, for `list_events`."""
        return self.at, self.public_id


@dataclass(frozen=True, slots=True)
class EventCount:
    """How many events of one rule, kind and direction there were in one stretch of time."""

    start_at: int  # microseconds UTC, a whole number of stretches since 1970
    rule: str
    kind: EventKind
    direction: str | None
    n: int


def list_events(
    scope: Scope,
    connection: Connection,
    wanted: EventFilter = EVERY_EVENT,
    *,
    after: EventPlace | None = None,
    limit: int = 50,
) -> list[EventRow]:
    """One page of events, the newest first. `after`: `place` of the last event of the page before."""
    broad = not (wanted.runs or wanted.sources or wanted.rules)
    found = _conditions(scope, connection, wanted, by_index_of_its_own=broad)
    if after is not None:
        at, public_id = after
        found += [Event.at <= at, or_(Event.at < at, Event.public_id < public_id)]
    ids = select(Event.id).where(*found).order_by(Event.at.desc(), Event.public_id.desc()).limit(limit)
    keys = list(connection.scalars(ids))
    query = _rows().where(Event.id.in_(keys)).order_by(Event.at.desc(), Event.public_id.desc())
    rows = {row["public_id"]: EventRow(**row) for row in connection.execute(query).mappings()}
    return list(rows.values())


def count_events_by_time(
    scope: Scope,
    connection: Connection,
    wanted: EventFilter = EVERY_EVENT,
    *,
    bucket_seconds: int,
    limit: int | None = None,
) -> list[EventCount]:
    """How many events there were in each stretch of time, by rule, kind and direction; only stretches with some.

    `bucket_seconds`: length of a stretch; they begin at whole multiples of it since 1970-01-01 UTC. In order of time,
    then name. `limit`: no more counts than that, whichever; None: all.
    """
    if bucket_seconds < 1:
        raise ValueError("a stretch of time needs at least a second")
    length = bucket_seconds * MICROSECONDS
    start = (Event.at - Event.at % length).label("start_at")
    query = (
        select(start, Event.rule, Event.kind, Event.direction, func.count().label("n"))
        .where(*_conditions(scope, connection, wanted))
        .group_by(start, Event.rule, Event.kind, Event.direction)
        .limit(limit)
    )
    counts = [EventCount(**row) for row in connection.execute(query).mappings()]
    return sorted(counts, key=lambda one: (one.start_at, one.rule, one.kind, one.direction or ""))


def count_events(scope: Scope, connection: Connection, wanted: EventFilter = EVERY_EVENT) -> int:
    """How many events the filter lets through."""
    query = select(func.count()).select_from(Event).where(*_conditions(scope, connection, wanted))
    return connection.execute(query).scalar_one()


def tally_events(scope: Scope, connection: Connection, run_source_id: int) -> Tally:
    """How many events one source of a run has had, by rule, kind and direction."""
    query = (
        select(Event.rule, Event.kind, func.coalesce(Event.direction, ""), func.count())
        .join(RunSource, RunSource.id == Event.run_source_id)
        .join(Run, Run.id == RunSource.run_id)
        .where(Event.run_source_id == run_source_id, Run.project_id.in_(scope.project_ids))
        .group_by(Event.rule, Event.kind, Event.direction)
    )
    return {(rule, kind, way): number for rule, kind, way, number in connection.execute(query)}


def rule_names(scope: Scope, connection: Connection, wanted: EventFilter = EVERY_EVENT) -> list[str]:
    """The zones and lines that events speak of, by name."""
    found = _conditions(scope, connection, wanted, by_index_of_its_own=True)
    names: list[str] = []
    while True:  # from one name to the next in their index: there are few names and many events
        following = [Event.rule > names[-1]] if names else []
        name = connection.scalar(select(Event.rule).where(*found, *following).order_by(Event.rule).limit(1))
        if name is None:
            return names
        names.append(name)


def _conditions(
    scope: Scope, connection: Connection, wanted: EventFilter, *, by_index_of_its_own: bool = False
) -> list[ColumnElement[bool]]:
    """What to put into WHERE: of the events' own row alone.

    `by_index_of_its_own`: only the first ones in an order that another index has are wanted. SQLite would rather sort
    the events of all runs; it looks for no sum in an index.
    """
    part = Event.run_source_id + 0 if by_index_of_its_own else Event.run_source_id
    parts = run_sources_among(scope, connection, wanted.runs, wanted.sources)
    found: list[ColumnElement[bool]] = [part.in_(parts)]
    if wanted.rules:
        found.append(Event.rule.in_(wanted.rules))
    if wanted.kinds:
        found.append(Event.kind.in_(wanted.kinds))
    if wanted.class_names:
        found.append(Event.class_name.in_(wanted.class_names))
    if wanted.from_at is not None:
        found.append(Event.at >= wanted.from_at)
    if wanted.to_at is not None:
        found.append(Event.at < wanted.to_at)
    return found


def _rows() -> Any:
    """Events with what they belong to. The scope was checked when they were found."""
    member = and_(
        ObjectMember.track_id == Event.track_id,
        Event.at >= ObjectMember.from_at,
        or_(ObjectMember.to_at.is_(None), Event.at < ObjectMember.to_at),
    )
    seen = and_(Object.id == ObjectMember.object_id, Object.hidden.is_(False))
    return (
        select(
            Event.public_id,
            Event.at,
            Run.public_id.label("run"),
            Event.run_source_id,
            Source.public_id.label("source"),
            Source.name.label("source_name"),
            Event.rule,
            Event.kind,
            Event.value,
            Event.direction,
            Event.class_name,
            Event.x,
            Event.y,
            Track.public_id.label("track"),
            Track.local_id,
            Object.public_id.label("object"),
            func.coalesce(Object.label, Object.class_name).label("object_name"),
        )
        .join(RunSource, RunSource.id == Event.run_source_id)
        .join(Run, Run.id == RunSource.run_id)
        .join(Source, Source.id == RunSource.source_id)
        .outerjoin(Track, Track.id == Event.track_id)
        .outerjoin(ObjectMember, member)
        .outerjoin(Object, seen)
    )
