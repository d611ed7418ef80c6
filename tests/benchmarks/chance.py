"""What a user of a large store might ask for next: any run, any track, filters of all kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
from sqlalchemy import func, select

from pipeline.store import filters, queries
from pipeline.store.database import Database
from pipeline.store.filters import ObjectFilter, ObjectOrder
from pipeline.store.states import Verdict
from pipeline.store.tables import Model, Object, ObjectMember, Run, Source, Track
from trackers.structures import Evidence

T = TypeVar("T")

_HOUR = 3600 * 1_000_000  # microseconds


class Chance:
    """Draws from what is stored."""

    def __init__(self, database: Database, rng: np.random.Generator) -> None:
        self._database, self._rng = database, rng
        shown = select(Object.public_id).where(Object.hidden.is_(False))
        with database.read() as connection:
            self.scope = filters.scope_of(connection, ["default"])
            self.total = queries.count_objects(self.scope, connection)
            self._runs = connection.scalars(select(Run.public_id).order_by(Run.id)).all()
            self._sources = connection.scalars(select(Source.public_id).order_by(Source.id)).all()
            self._names = list(queries.count_names(self.scope, connection))
            self._last_key = connection.scalar(select(func.max(Object.id))) or 0
            extent = select(func.min(Object.first_at), func.max(Object.last_at))
            self._first_at, self._last_at = connection.execute(extent).one()
            self.embedders = connection.scalars(select(Model.id).where(Model.dim.is_not(None))).all()
            self.longest = connection.scalars(shown.order_by(Object.count.desc()).limit(20)).all()
            self.merged = connection.scalars(shown.where(Object.members > 1).order_by(Object.id).limit(200)).all()

    def one(self, values: Sequence[T]) -> T:
        """Any of them."""
        return values[int(self._rng.integers(len(values)))]

    def maybe(self, values: Sequence[T]) -> tuple[T, ...]:
        """One of them in a third of all cases, else none."""
        return (self.one(values),) if values and self._rng.random() < 1 / 3 else ()

    def number(self, end: int) -> int:
        """From 0 to below `end`."""
        return int(self._rng.integers(max(end, 1)))

    def run(self) -> UUID:
        """A run's public id."""
        return self.one(self._runs)

    def runs(self) -> tuple[UUID, UUID]:
        """Two different runs."""
        first, second = self._rng.choice(len(self._runs), 2, replace=False).tolist()
        return self._runs[first], self._runs[second]

    def objects(self, number: int = 1) -> list[UUID]:
        """Visible objects of two observations and more that were stored one after the other."""
        begin = 1 + self.number(self._last_key - 100)
        usable = select(Object.public_id).where(Object.id >= begin, Object.hidden.is_(False), Object.count > 1)
        with self._database.read() as connection:
            return list(connection.scalars(usable.order_by(Object.id).limit(number)))

    def object(self) -> UUID:
        """One of them."""
        return self.objects()[0]

    def track(self) -> UUID:
        """A track of a visible object."""
        members = select(Track.public_id).join(ObjectMember, ObjectMember.track_id == Track.id)
        shown = members.join(Object, Object.id == ObjectMember.object_id)
        with self._database.read() as connection:
            return connection.scalars(shown.where(Object.public_id == self.object())).all()[0]

    def vector(self, dimension: int) -> Any:
        """(dimension,) float32 of unit length."""
        vector = self._rng.normal(size=dimension)
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def filter(self) -> ObjectFilter:
        """Each field asks for something in a third of all cases."""
        length = self.maybe([_HOUR // 6, _HOUR, 6 * _HOUR])
        from_at = self._first_at + self.number(self._last_at - self._first_at)
        return ObjectFilter(
            runs=self.maybe(self._runs),
            sources=self.maybe(self._sources),
            names=self.maybe(self._names),
            from_at=from_at if length else None,
            to_at=from_at + length[0] if length else None,
            min_seconds=sum(self.maybe([1.0, 5.0, 30.0])),
            min_score=sum(self.maybe([0.3, 0.6, 0.9])),
            evidence=self.maybe(list(Evidence)),
            verdicts=self.maybe(["", *map(str, Verdict)]),
        )

    def order(self) -> ObjectOrder:
        """Any."""
        return self.one(list(ObjectOrder))


def in_words(wanted: ObjectFilter) -> str:
    """What a filter asks for."""
    asked = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
    return " ".join(f"{name}={_short(value)}" for name, value in asked.items() if value not in ((), None, 0.0))


def _short(value: Any) -> str:
    return ",".join(str(one)[-6:] for one in value) if isinstance(value, tuple) else str(value)
