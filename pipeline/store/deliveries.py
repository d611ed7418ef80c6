"""Deliveries: which events wait for whom, in order, and what became of the attempts to tell them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from pipeline.events import EventKind
from pipeline.store.filters import Scope
from pipeline.store.tables import Delivery, Event, Object, ObjectMember, Run, RunSource, Source, Track

AT_ONCE = 0  # due_at of what nobody has tried yet
_LONGEST_ERROR = 500  # letters of an error that are kept


@dataclass(frozen=True, slots=True)
class AlertTarget:
    """Somebody outside, and which events are for them. An empty filter lets all pass."""

    name: str
    cameras: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def wants(self, camera: str, rule: str, kind: str) -> bool:
        """Whether an event is for them."""
        pairs = ((self.cameras, camera), (self.rules, rule), (self.kinds, kind))
        return all(not wanted or value in wanted for wanted, value in pairs)


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """An event as a receiver is told of it."""

    public_id: UUID
    kind: EventKind
    rule: str
    camera: str
    at: int  # microseconds UTC
    run: UUID
    value: float | None = None
    direction: str | None = None
    class_name: str | None = None
    track: UUID | None = None
    object: UUID | None = None
    x: float | None = None  # pixels
    y: float | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that the caller alone may try until `lease_until` (microseconds UTC)."""

    delivery_id: int
    attempts: int  # before this one
    lease_until: int
    event: AlertEvent


class DeliveryState(StrEnum):
    """What became of a delivery so far."""

    WAITING = "waiting"  # not tried yet
    FAILED = "failed"  # the receiver could not be reached or had no time; tried again
    REFUSED = "refused"  # the receiver will not have it; tried again seldom
    ARRIVED = "arrived"


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A line of a table of deliveries. Times in microseconds UTC."""

    event: UUID
    target: str
    camera: str
    rule: str
    kind: EventKind
    at: int
    attempts: int
    due_at: int
    delivered_at: int | None
    refused_at: int | None
    error: str | None

    @property
    def state(self) -> DeliveryState:
        """What became of it."""
        if self.delivered_at is not None:
            return DeliveryState.ARRIVED
        if self.refused_at is not None:
            return DeliveryState.REFUSED
        return DeliveryState.WAITING if self.error is None else DeliveryState.FAILED


@dataclass(frozen=True, slots=True)
class Backlog:
    """What has not arrived at one target."""

    waiting: int = 0
    refused: int = 0


def write_deliveries(
    connection: Connection, targets: Sequence[AlertTarget], camera: str, events: Sequence[tuple[int, str, str]]
) -> None:
    """Let events wait for all whom they concern. `events`: row id, rule and kind of each."""
    rows = [
        {"event_id": event_id, "target": target.name, "due_at": AT_ONCE}
        for event_id, rule, kind in events
        for target in targets
        if target.wants(camera, rule, kind)
    ]
    if rows:
        connection.execute(insert(Delivery), rows)


def is_due(scope: Scope, connection: Connection, target: str, *, now: int) -> bool:
    """Whether `claim` is worth its lock."""
    head = connection.execute(_head(scope, target, now)).one_or_none()
    return head is not None and _free(head, now)


def claim(scope: Scope, connection: Connection, target: str, *, now: int, lease: int) -> Claim | None:
    """The oldest event that waits for a target, for `lease` microseconds the caller's alone; in a write transaction.

    None where nothing waits, where the oldest is not due yet, and where another dispatcher is at it: those after it
    wait with it, so that a receiver sees events in their order. What was refused holds up nobody.
    """
    head = connection.execute(_head(scope, target, now).with_for_update(of=Delivery)).one_or_none()
    if head is None or not _free(head, now):
        return None
    until = now + lease
    connection.execute(update(Delivery).where(Delivery.id == head.id).values(lease_until=until))
    return Claim(head.id, head.attempts, until, _event(connection, head.event_id))


def mark_delivered(connection: Connection, claimed: Claim, *, now: int) -> None:
    """It has arrived."""
    _settle(connection, _undelivered(claimed), delivered_at=now, refused_at=None, error=None)


def mark_failed(connection: Connection, claimed: Claim, *, error: str, due_at: int) -> None:
    """It has not arrived; it and all after it are tried again from `due_at` on. Only while the claim holds."""
    _settle(connection, _held(claimed), due_at=due_at, refused_at=None, error=error[:_LONGEST_ERROR])


def mark_refused(connection: Connection, claimed: Claim, *, error: str, now: int, due_at: int) -> None:
    """The receiver will not have it. It alone is tried again from `due_at` on. Only while the claim holds."""
    _settle(connection, _held(claimed), due_at=due_at, refused_at=now, error=error[:_LONGEST_ERROR])


def release(connection: Connection, claimed: Claim) -> None:
    """Give a claim back that was not tried to its end."""
    connection.execute(update(Delivery).where(_held(claimed)).values(lease_until=None))


def retry_now(scope: Scope, connection: Connection, *, targets: Sequence[str], now: int) -> int:
    """Let everything that waits for the targets, or was refused, be due at once. Returns how many that are.

    What somebody is trying at the moment is left to them.
    """
    where = _left(scope, targets, now)
    done = connection.execute(update(Delivery).where(*where).values(due_at=AT_ONCE, refused_at=None, lease_until=None))
    return done.rowcount


def drop(scope: Scope, connection: Connection, target: str, *, now: int) -> int:
    """Forget everything that waits for a target, or was refused; its events stay. Returns how many that were.

    What somebody is trying at the moment is left to them.
    """
    return connection.execute(delete(Delivery).where(*_left(scope, [target], now))).rowcount


def backlogs(scope: Scope, connection: Connection) -> dict[str, Backlog]:
    """What has not arrived, by target; targets for which nothing waits are left out."""
    query = (
        select(Delivery.target, func.count(), func.count(Delivery.refused_at))
        .where(Delivery.delivered_at.is_(None), _within(scope))
        .group_by(Delivery.target)
    )
    return {target: Backlog(count - no, no) for target, count, no in connection.execute(query)}


def list_deliveries(
    scope: Scope, connection: Connection, *, states: Sequence[DeliveryState], limit: int
) -> list[DeliveryRow]:
    """The newest of those in one of the states, newest first."""
    event = (Event.public_id, Delivery.target, Source.name, Event.rule, Event.kind, Event.at)
    own = (Delivery.attempts, Delivery.due_at, Delivery.delivered_at, Delivery.refused_at, Delivery.error)
    some = select(Delivery.id).where(or_(*(_IN_STATE[state] for state in states)), _within(scope))
    order = Delivery.id.desc()
    if DeliveryState.ARRIVED not in states:  # these are few and have an index, which SQLite takes for no plain id
        some, order = some.where(Delivery.delivered_at.is_(None)), (Delivery.id + 0).desc()
    newest = connection.scalars(some.order_by(order).limit(limit)).all()
    query = (
        _scoped(select(*event, *own), scope)
        .join(Source, Source.id == RunSource.source_id)
        .where(Delivery.id.in_(newest))
        .order_by(Delivery.id.desc())
    )
    return [DeliveryRow(*row) for row in connection.execute(query)]


_ON_ITS_WAY = (Delivery.delivered_at.is_(None), Delivery.refused_at.is_(None))
_IN_STATE = {
    DeliveryState.WAITING: and_(*_ON_ITS_WAY, Delivery.error.is_(None)),
    DeliveryState.FAILED: and_(*_ON_ITS_WAY, Delivery.error.is_not(None)),
    DeliveryState.REFUSED: and_(Delivery.delivered_at.is_(None), Delivery.refused_at.is_not(None)),
    DeliveryState.ARRIVED: Delivery.delivered_at.is_not(None),
}


def _left(scope: Scope, targets: Sequence[str], now: int) -> tuple[ColumnElement[bool], ...]:
    """Conditions on deliveries: what has not arrived at the targets and nobody is trying."""
    idle = or_(Delivery.lease_until.is_(None), Delivery.lease_until <= now)
    return Delivery.target.in_(targets), Delivery.delivered_at.is_(None), idle, _within(scope)


def _within(scope: Scope) -> ColumnElement[bool]:
    """Whether a delivery is of the scope. No join: that would begin with all events there ever were."""
    return exists().where(
        Event.id == Delivery.event_id,
        RunSource.id == Event.run_source_id,
        Run.id == RunSource.run_id,
        Run.project_id.in_(scope.project_ids),
    )


def _scoped(query: Select[*tuple[Any, ...]], scope: Scope) -> Select[*tuple[Any, ...]]:
    return (
        query.select_from(Delivery)
        .join(Event, Event.id == Delivery.event_id)
        .join(RunSource, RunSource.id == Event.run_source_id)
        .join(Run, Run.id == RunSource.run_id)
        .where(Run.project_id.in_(scope.project_ids))
    )


def _head(scope: Scope, target: str, now: int) -> Select[*tuple[Any, ...]]:
    """The delivery that comes next, due or not."""
    columns = (Delivery.id, Delivery.event_id, Delivery.attempts, Delivery.due_at, Delivery.lease_until)
    return (
        _scoped(select(*columns), scope)
        .where(Delivery.target == target, Delivery.delivered_at.is_(None))
        .where(or_(Delivery.refused_at.is_(None), Delivery.due_at <= now))
        .order_by(Delivery.id)
        .limit(1)
    )


def _free(head: Any, now: int) -> bool:
    return head.due_at <= now and (head.lease_until is None or head.lease_until <= now)


def _event(connection: Connection, event_id: int) -> AlertEvent:
    """With the object that shows its track at the moment."""
    part = and_(
        ObjectMember.track_id == Event.track_id,
        ObjectMember.from_at <= Event.at,
        or_(ObjectMember.to_at.is_(None), Event.at < ObjectMember.to_at),
    )
    names = (Event.public_id, Event.kind, Event.rule, Source.name, Event.at, Run.public_id)
    details = (Event.value, Event.direction, Event.class_name, Track.public_id, Object.public_id, Event.x, Event.y)
    query: Select[*tuple[Any, ...]] = (
        select(*names, *details)
        .select_from(Event)
        .join(RunSource, RunSource.id == Event.run_source_id)
        .join(Run, Run.id == RunSource.run_id)
        .join(Source, Source.id == RunSource.source_id)
        .outerjoin(Track, Track.id == Event.track_id)
        .outerjoin(ObjectMember, part)
        .outerjoin(Object, Object.id == ObjectMember.object_id)
        .where(Event.id == event_id)
        .limit(1)
    )
    return AlertEvent(*connection.execute(query).one())


def _undelivered(claimed: Claim) -> ColumnElement[bool]:
    return and_(Delivery.id == claimed.delivery_id, Delivery.delivered_at.is_(None))


def _held(claimed: Claim) -> ColumnElement[bool]:
    """Not by somebody else meanwhile, because the lease ran out."""
    return and_(_undelivered(claimed), Delivery.lease_until == claimed.lease_until)


def _settle(connection: Connection, where: ColumnElement[bool], **values: Any) -> None:
    counted = {"attempts": Delivery.attempts + 1, "lease_until": None}
    connection.execute(update(Delivery).where(where).values(**counted, **values))
