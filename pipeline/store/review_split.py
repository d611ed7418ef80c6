"""Cutting an object in two at a time: which members go where, and the row of the new object."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, func, insert, or_, select

from pipeline.errors import StoreError
from pipeline.store.review_words import clock
from pipeline.store.tables import Object, ObjectMember, Observation, Track


def divided(connection: Connection, object_id: int, at: int) -> tuple[list[list[Any]], list[list[Any]]]:
    """Members before `at` and from `at` on. Raises StoreError where one side would have no observation."""
    within = and_(
        Observation.track_id == ObjectMember.track_id,
        Observation.at >= ObjectMember.from_at,
        or_(ObjectMember.to_at.is_(None), Observation.at < ObjectMember.to_at),
    )
    first = select(func.min(Observation.at)).where(within).correlate(ObjectMember).scalar_subquery()
    last = select(func.max(Observation.at)).where(within).correlate(ObjectMember).scalar_subquery()
    query = (
        select(Track.public_id, ObjectMember.from_at, ObjectMember.to_at, first.label("first"), last.label("last"))
        .join(Track, Track.id == ObjectMember.track_id)
        .where(ObjectMember.object_id == object_id)
    )
    earlier, later, seen = [], [], []
    for track, from_at, to_at, first_at, last_at in connection.execute(query):
        seen += [] if first_at is None else [first_at, last_at]
        if (from_at if first_at is None else first_at) >= at:
            later.append([str(track), from_at, to_at])
        elif last_at is None or last_at < at:
            earlier.append([str(track), from_at, to_at])
        else:
            earlier.append([str(track), from_at, at])
            later.append([str(track), at, to_at])
    if not seen or not min(seen) < at <= max(seen):
        bounds = f"; it was seen from {clock(min(seen))} to {clock(max(seen))}" if seen else ""
        raise StoreError(f"a split there would leave one side without observation{bounds}; choose a time between")
    return sorted(earlier), sorted(later)


def insert_hidden(connection: Connection, object_id: int, public_id: UUID) -> int:
    """A copy of an object's row under a new id, without members. Returns its row id."""
    columns = [column for column in Object.__table__.columns if column.name not in ("id", "public_id")]
    row = connection.execute(select(*columns).where(Object.id == object_id)).mappings().one()
    values = dict(row) | {"public_id": public_id, "hidden": True, "members": 0, "count": 0}
    return connection.execute(insert(Object).values(values).returning(Object.id)).scalar_one()
