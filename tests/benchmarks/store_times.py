"""How long the store's queries and the page's views take, each with arguments drawn at random."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
from sqlalchemy import Connection, func, select

from pipeline.page.views import PROJECTS, TRACKS_A_SHEET, Views
from pipeline.store import filters, queries, run_queries, tables
from pipeline.store.database import Database
from pipeline.store.filters import EVERYTHING, ObjectFilter, ObjectOrder, Scope
from trackers.structures import Evidence

T = TypeVar("T")

Query = Callable[[Scope, Connection], object]


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one query or view."""

    name: str
    p50: float
    p95: float
    most: float
    worst: str  # arguments of the slowest call


@dataclass(frozen=True, slots=True)
class Case:
    """One query or view. `draw` gives its arguments in words and the call."""

    name: str
    draw: Callable[[], tuple[str, Callable[[], object]]]


def time_everything(
    database: Database, media_folder: Path, *, times: int, only: str = "", seed: int = 0
) -> Iterator[Timing]:
    """Do each case `times` times; a Timing as soon as it is known."""
    with database.read() as connection:
        chance = Chance(connection, np.random.default_rng(seed))
    for case in [*_queries(database, chance), *_views(database, media_folder, chance)]:
        if only in case.name:
            yield _time(case, times)


class Chance:
    """What a user might ask for next."""

    def __init__(self, connection: Connection, rng: np.random.Generator) -> None:
        self._rng = rng
        self.scope = filters.scope_of(connection, PROJECTS)
        self._runs = connection.scalars(select(tables.Run.public_id).order_by(tables.Run.id)).all()
        self._sources = connection.scalars(select(tables.Source.public_id).order_by(tables.Source.id)).all()
        self._objects = connection.scalar(select(func.max(tables.Object.id))) or 0
        self._names = list(queries.count_names(self.scope, connection))
        self.sheets = queries.count_objects(self.scope, connection) // TRACKS_A_SHEET + 1
        first = func.min(tables.Object.first_at), func.max(tables.Object.last_at)
        self._first_at, self._last_at = connection.execute(select(*first)).one()
        self.embedders = connection.scalars(select(tables.Model.id).where(tables.Model.dim.is_not(None))).all()
        longest = select(tables.Object.public_id).where(~tables.Object.hidden).order_by(tables.Object.count.desc())
        self.longest = connection.scalars(longest.limit(20)).all()
        merged = select(tables.Object.public_id).where(~tables.Object.hidden, tables.Object.members > 1)
        self.merged = connection.scalars(merged.order_by(tables.Object.id).limit(200)).all()

    def one(self, values: Sequence[T]) -> T:
        """Any of them."""
        return values[int(self._rng.integers(len(values)))]

    def maybe(self, values: Sequence[T]) -> tuple[T, ...]:
        """One of them in half of all cases, else none."""
        return (self.one(values),) if values and self._rng.random() < 0.5 else ()

    def number(self, end: int) -> int:
        """From 0 to below `end`."""
        return int(self._rng.integers(max(end, 1)))

    def run(self) -> UUID:
        """A run's public id."""
        return self.one(self._runs)

    def object(self, connection: Connection) -> UUID:
        """A visible object's public id."""
        near = select(tables.Object.public_id).where(tables.Object.id >= 1 + self.number(self._objects))
        shown = near.where(~tables.Object.hidden).order_by(tables.Object.id).limit(1)
        found = connection.scalar(shown)
        return self.object(connection) if found is None else found

    def filter(self) -> ObjectFilter:
        """Each field asks for something in about half of all cases."""
        hours = self.maybe([3600 * 1_000_000, 600 * 1_000_000, 6 * 3600 * 1_000_000])
        from_at = self._first_at + self.number(self._last_at - self._first_at)
        return ObjectFilter(
            runs=self.maybe(self._runs),
            sources=self.maybe(self._sources),
            names=self.maybe(self._names),
            from_at=from_at if hours else None,
            to_at=from_at + hours[0] if hours else None,
            min_seconds=sum(self.maybe([1.0, 5.0, 30.0])),
            min_score=sum(self.maybe([0.3, 0.6, 0.9])),
            evidence=self.maybe(list(Evidence)),
        )

    def order(self) -> ObjectOrder:
        """Any."""
        return self.one(list(ObjectOrder))


def _queries(database: Database, chance: Chance) -> Iterator[Case]:
    """Each in a transaction of its own, as a request does it."""

    def case(name: str, draw: Callable[[Connection], tuple[str, Query]]) -> Case:
        def drawn() -> tuple[str, Callable[[], object]]:
            with database.read() as connection:
                words, query = draw(connection)

            def call() -> object:
                with database.read() as connection:
                    return query(chance.scope, connection)

            return words, call

        return Case(name, drawn)

    def filtered(name: str, query: Callable[[Scope, Connection, ObjectFilter], object]) -> Case:
        def draw(_connection: Connection) -> tuple[str, Query]:
            wanted = chance.filter()
            return _words(wanted), lambda scope, connection: query(scope, connection, wanted)

        return case(name, draw)

    def page(name: str, wanted: Callable[[], ObjectFilter], order: Callable[[], ObjectOrder], sheets: int) -> Case:
        def draw(_connection: Connection) -> tuple[str, Query]:
            chosen, by, offset = wanted(), order(), chance.number(sheets) * TRACKS_A_SHEET
            return f"{by}, from {offset}, {_words(chosen)}", lambda scope, connection: queries.page_objects(
                scope, connection, chosen, order=by, limit=TRACKS_A_SHEET, offset=offset
            )

        return case(name, draw)

    def of_object(name: str, query: Callable[[Scope, Connection, UUID], object], among: Sequence[UUID] = ()) -> Case:
        def draw(connection: Connection) -> tuple[str, Query]:
            chosen = chance.one(among) if among else chance.object(connection)
            return str(chosen), lambda scope, connection: query(scope, connection, chosen)

        return case(name, draw)

    def embeddings(scope: Scope, connection: Connection, public_id: UUID) -> object:
        return queries.embeddings_of_object(scope, connection, public_id, model_id=chance.embedders[0])

    def track(connection: Connection) -> tuple[str, Query]:
        held = select(tables.Track.public_id).join(tables.ObjectMember, tables.ObjectMember.track_id == tables.Track.id)
        shown = held.join(tables.Object, tables.Object.id == tables.ObjectMember.object_id)
        chosen = connection.execute(shown.where(tables.Object.public_id == chance.object(connection))).scalars().first()
        assert chosen is not None
        return str(chosen), lambda scope, connection: queries.objects_of_track(scope, connection, chosen)

    def of_run(name: str, query: Callable[[Scope, Connection, UUID], object]) -> Case:
        def draw(_connection: Connection) -> tuple[str, Query]:
            run = chance.run()
            return str(run), lambda scope, connection: query(scope, connection, run)

        return case(name, draw)

    sheets = chance.sheets
    yield case("count_objects, everything", lambda _: ("", queries.count_objects))
    yield filtered("count_objects, filtered", queries.count_objects)
    yield page("page_objects, everything, first sheet, newest", lambda: EVERYTHING, lambda: ObjectOrder.NEWEST, 1)
    for order in ObjectOrder:
        yield page(f"page_objects, everything, any sheet, {order}", lambda: EVERYTHING, lambda by=order: by, sheets)
    yield page("page_objects, filtered, any order", chance.filter, chance.order, 20)
    yield case("count_names", lambda _: ("", queries.count_names))
    yield of_object("find_object", queries.find_object)
    yield of_object("members_of_object", queries.members_of_object)
    yield of_object("observations_of_object", queries.observations_of_object)
    yield of_object("observations_of_object, the longest", queries.observations_of_object, chance.longest)
    if chance.merged:
        yield of_object("observations_of_object, merged", queries.observations_of_object, chance.merged)
    yield case("objects_of_track", track)
    if chance.embedders:
        yield of_object("embeddings_of_object", embeddings)
    yield case("count_runs", lambda _: ("", run_queries.count_runs))
    yield case("list_runs", lambda _: ("", run_queries.list_runs))
    yield of_run("run_detail", run_queries.run_detail)
    yield case("list_sources", lambda _: ("", run_queries.list_sources))


def _views(database: Database, media_folder: Path, chance: Chance) -> Iterator[Case]:
    views = Views(database, media_folder)

    def drawn_object() -> UUID:
        with database.read() as connection:
            return chance.object(connection)

    def tracks(wanted: ObjectFilter, order: ObjectOrder, number: int) -> tuple[str, Callable[[], object]]:
        return f"{order}, sheet {number}, {_words(wanted)}", lambda: views.tracks(wanted, order, number)

    def track(public_id: UUID) -> tuple[str, Callable[[], object]]:
        return str(public_id), lambda: views.track(public_id)

    yield Case("page: runs", lambda: ("", lambda: views.runs(0)))
    yield Case("page: choices", lambda: ("", views.choices))
    yield Case("page: tracks, first sheet", lambda: tracks(EVERYTHING, ObjectOrder.NEWEST, 0))
    yield Case(
        "page: tracks, any sheet and order", lambda: tracks(EVERYTHING, chance.order(), chance.number(chance.sheets))
    )
    yield Case("page: tracks, filtered", lambda: tracks(chance.filter(), chance.order(), chance.number(20)))
    yield Case("page: track", lambda: track(drawn_object()))
    yield Case("page: track, the longest", lambda: track(chance.one(chance.longest)))


def _time(case: Case, times: int) -> Timing:
    found = []
    for _ in range(times):
        words, call = case.draw()
        started = time.perf_counter()
        call()
        found.append(((time.perf_counter() - started) * 1e3, words))
    spent = np.array([milliseconds for milliseconds, _ in found])
    return Timing(case.name, *np.percentile(spent, [50, 95, 100]).tolist(), worst=max(found)[1])


def _words(wanted: ObjectFilter) -> str:
    """What a filter asks for."""
    asked = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
    return " ".join(f"{name}={_short(value)}" for name, value in asked.items() if value not in ((), None, 0.0))


def _short(value: Any) -> str:
    return ",".join(str(one)[-6:] for one in value) if isinstance(value, tuple) else str(value)
