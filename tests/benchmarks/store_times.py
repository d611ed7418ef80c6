"""The store's queries, searches and edits as cases to be timed. Edits are taken back: the store stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, select

from pipeline.store import queries, review, run_queries
from pipeline.store.database import Database
from pipeline.store.filters import EVERYTHING, ObjectFilter, ObjectOrder, Scope
from pipeline.store.search import SimilarityIndex
from pipeline.store.states import Verdict
from pipeline.store.tables import Object
from tests.benchmarks.chance import Chance, in_words
from tests.benchmarks.timing import Case

SHEET = 24  # objects
_ACTOR = "benchmark"

Query = Callable[[Scope, Connection], object]


def store_cases(database: Database, chance: Chance) -> Iterator[Case]:
    """All of them; each call is a transaction of its own, as a request's."""
    yield from _pages(database, chance)
    yield from _objects(database, chance)
    yield from _runs(database, chance)
    yield from _searches(database, chance)
    yield from _edits(database, chance)


def _pages(database: Database, chance: Chance) -> Iterator[Case]:
    def page(name: str, wanted: Callable[[], ObjectFilter], order: Callable[[], ObjectOrder], sheets: int) -> Case:
        def draw() -> tuple[str, Query]:
            chosen, by, offset = wanted(), order(), chance.number(sheets) * SHEET
            return f"{by}, from {offset}, {in_words(chosen)}", lambda scope, connection: queries.page_objects(
                scope, connection, chosen, order=by, limit=SHEET, offset=offset
            )

        return _reading(database, chance, name, draw)

    def count() -> tuple[str, Query]:
        wanted = chance.filter()
        return in_words(wanted), lambda scope, connection: queries.count_objects(scope, connection, wanted)

    sheets = chance.total // SHEET + 1
    yield _reading(database, chance, "count_objects, everything", lambda: ("", queries.count_objects))
    yield _reading(database, chance, "count_objects, filtered", count)
    yield page("page_objects, everything, first sheet, newest", lambda: EVERYTHING, lambda: ObjectOrder.NEWEST, 1)
    for order in ObjectOrder:
        yield page(f"page_objects, everything, any sheet, {order}", lambda: EVERYTHING, lambda by=order: by, sheets)
    yield page("page_objects, filtered, any order", chance.filter, chance.order, 20)
    yield _reading(database, chance, "count_names", lambda: ("", queries.count_names))


def _objects(database: Database, chance: Chance) -> Iterator[Case]:
    def of(name: str, query: Callable[[Scope, Connection, UUID], object], draw: Callable[[], UUID]) -> Case:
        def drawn() -> tuple[str, Query]:
            chosen = draw()
            return str(chosen), lambda scope, connection: query(scope, connection, chosen)

        return _reading(database, chance, name, drawn)

    def embeddings(scope: Scope, connection: Connection, public_id: UUID) -> object:
        return queries.embeddings_of_object(scope, connection, public_id, model_id=chance.embedders[0])

    def history(scope: Scope, connection: Connection, public_id: UUID) -> object:
        return review.history(scope, connection, public_id=public_id)

    yield of("find_object", queries.find_object, chance.object)
    yield of("members_of_object", queries.members_of_object, chance.object)
    yield of("observations_of_object", queries.observations_of_object, chance.object)
    yield of("observations_of_object, the longest", queries.observations_of_object, lambda: chance.one(chance.longest))
    if chance.merged:
        yield of("observations_of_object, merged", queries.observations_of_object, lambda: chance.one(chance.merged))
    yield of("objects_of_track", queries.objects_of_track, chance.track)
    if chance.embedders:
        yield of("embeddings_of_object", embeddings, chance.object)
    yield of("history, of an object", history, chance.object)
    yield _reading(database, chance, "history", lambda: ("", review.history))


def _runs(database: Database, chance: Chance) -> Iterator[Case]:
    def detail() -> tuple[str, Query]:
        run = chance.run()
        return str(run), lambda scope, connection: run_queries.run_detail(scope, connection, run)

    yield _reading(database, chance, "count_runs", lambda: ("", run_queries.count_runs))
    yield _reading(database, chance, "list_runs", lambda: ("", run_queries.list_runs))
    yield _reading(database, chance, "run_detail", detail)
    yield _reading(database, chance, "list_sources", lambda: ("", run_queries.list_sources))


def _searches(database: Database, chance: Chance) -> Iterator[Case]:
    index, scope = SimilarityIndex(database), chance.scope

    def like_object(wanted: ObjectFilter) -> tuple[str, Callable[[], object]]:
        chosen = chance.object()
        return f"{chosen} {in_words(wanted)}", lambda: index.similar_to_object(scope, chosen, wanted=wanted)

    yield Case("search: models", lambda: ("", lambda: index.models(scope)))
    models = index.models(scope)
    if not models:
        return
    model_id, vector = models[0].model_id, chance.vector(models[0].dimension)
    # the first time reads all vectors
    like_vector = partial(index.similar_to_vector, scope, vector, model_id=model_id)
    yield Case("search: like a vector", lambda: ("", like_vector))
    yield Case("search: like an object", lambda: like_object(EVERYTHING))
    yield Case("search: like an object, filtered", lambda: like_object(chance.filter()))


def _edits(database: Database, chance: Chance) -> Iterator[Case]:
    def edit(name: str, number: int, act: Callable[[Connection, list[UUID]], object]) -> Case:
        def draw() -> tuple[str, Callable[[], object]]:
            chosen = chance.objects(number)

            def call() -> None:
                with suppress(_TakenBack), database.write() as connection:
                    act(connection, chosen)
                    raise _TakenBack

            return " ".join(map(str, chosen)), call

        return Case(name, draw)

    scope = chance.scope

    def split(connection: Connection, objects: list[UUID]) -> object:
        extent = select(Object.first_at, Object.last_at).where(Object.public_id == objects[0])
        first_at, last_at = connection.execute(extent).one()
        return review.split_object(scope, connection, objects[0], at=(first_at + last_at + 1) // 2, actor=_ACTOR)

    yield edit("edit: label", 3, lambda c, some: review.set_label(scope, c, some, label="postman", actor=_ACTOR))
    yield edit(
        "edit: verdict", 3, lambda c, some: review.set_verdict(scope, c, some, verdict=Verdict.UNSURE, actor=_ACTOR)
    )
    yield edit("edit: merge", 3, lambda c, some: review.merge_objects(scope, c, some, actor=_ACTOR))
    yield edit("edit: split", 1, split)
    yield edit("edit: delete", 3, lambda c, some: review.delete_objects(scope, c, some, actor=_ACTOR))
    yield edit("edit: undo", 0, lambda c, _: review.undo(scope, c, actor=_ACTOR))


class _TakenBack(Exception):  # noqa: N818 - no error: it leaves a transaction without a trace
    pass


def _reading(database: Database, chance: Chance, name: str, draw: Callable[[], tuple[str, Query]]) -> Case:
    """A query in a transaction of its own."""

    def drawn() -> tuple[str, Callable[[], object]]:
        words, query = draw()

        def call() -> object:
            with database.read() as connection:
                return query(chance.scope, connection)

        return words, call

    return Case(name, drawn)
