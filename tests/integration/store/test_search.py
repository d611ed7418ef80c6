"""Similarity search against plain numpy over what the store holds, after everything that can change it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import delete, event, insert, select, update

from pipeline.errors import StoreError
from pipeline.store import queries, review
from pipeline.store.database import Database
from pipeline.store.filters import EVERYTHING, ObjectFilter, Scope, scope_of
from pipeline.store.search import Hit, SimilarityIndex
from pipeline.store.states import EmbeddingKind
from pipeline.store.tables import Embedding, Model, Object, ObjectMember, Run, Track
from pipeline.store.vector import Float32Array
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import DETECTOR, EMBEDDER, RUN, VIDEO, chunk
from tests.integration.store.reviewing import Reviewed, at, fill, run_of, write_run
from trackers.structures import FloatArray

DIMENSION = 4
QUERY = np.array([0.5, -1, 2, 0.25], np.float32)


@pytest.fixture
def reviewed(database: Database, tmp_path: Path) -> Reviewed:
    """Five objects with an exemplar each, and more exemplars of the first two."""
    reviewed = fill(database, tmp_path)
    for frame in (5, 30, 70):
        add_exemplars(reviewed, reviewed.objects[:2], frame, seed=frame)
    return reviewed


@pytest.fixture
def index(reviewed: Reviewed) -> SimilarityIndex:
    return SimilarityIndex(reviewed.database)


def model_of(reviewed: Reviewed) -> int:
    with reviewed.database.read() as connection:
        return connection.execute(select(Model.id).where(Model.task == "embed")).scalar_one()


def add_exemplars(reviewed: Reviewed, objects: tuple[UUID, ...], frame: int, *, seed: int) -> None:
    """One of each object's first track, seen in a frame."""
    rng = np.random.default_rng(seed)
    model = model_of(reviewed)
    with reviewed.database.write() as connection:
        for public_id in objects:
            held = select(ObjectMember.track_id).join(Object).where(Object.public_id == public_id)
            track = connection.scalars(held.order_by(ObjectMember.from_at)).first()
            row = {"track_id": track, "model_id": model, "at": at(frame), "kind": EmbeddingKind.EXEMPLAR}
            vector = rng.normal(size=DIMENSION).astype(np.float32)
            connection.execute(insert(Embedding).values(**row, quality=0.5, vector=vector))


def expected(
    reviewed: Reviewed, query: FloatArray, wanted: ObjectFilter = EVERYTHING, *, without: UUID | None = None
) -> list[tuple[UUID, float, int]]:
    """Object, distance and time: one exemplar after the other, as the store has them."""
    found = []
    with reviewed.database.read() as connection:
        for row in queries.page_objects(reviewed.scope, connection, wanted, limit=1000):
            key = connection.execute(select(Object.id).where(Object.public_id == row.public_id)).scalar_one()
            table = queries.embeddings_of_object(reviewed.scope, connection, row.public_id, model_id=model_of(reviewed))
            rows = [i for i, kind in enumerate(table.kinds) if kind == EmbeddingKind.EXEMPLAR]
            if rows and row.public_id != without:
                cosines = {i: max(cosine(table.vectors[i], one) for one in np.atleast_2d(query)) for i in rows}
                best = max(rows, key=lambda i: cosines[i])
                found.append((1 - cosines[best], key, row.public_id, int(table.at[best])))
    return [(public_id, distance, moment) for distance, _, public_id, moment in sorted(found)]


def cosine(a: FloatArray, b: FloatArray) -> float:
    a, b = a.astype(float), b.astype(float)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def vectors_of(reviewed: Reviewed, public_id: UUID) -> Float32Array:
    with reviewed.database.read() as connection:
        table = queries.embeddings_of_object(reviewed.scope, connection, public_id, model_id=model_of(reviewed))
    return table.vectors[[kind == EmbeddingKind.EXEMPLAR for kind in table.kinds]]


def check(found: list[Hit], right: list[tuple[UUID, float, int]]) -> None:
    assert [(hit.object.public_id, hit.at) for hit in found] == [(public_id, moment) for public_id, _, moment in right]
    assert [hit.distance for hit in found] == pytest.approx([distance for _, distance, _ in right], abs=1e-6)


def check_all(reviewed: Reviewed, index: SimilarityIndex) -> None:
    """Search by a vector and by every visible object, in the index and in one that reads everything anew."""
    model = model_of(reviewed)
    right = expected(reviewed, QUERY)
    with reviewed.database.read() as connection:
        visible = [row.public_id for row in queries.page_objects(reviewed.scope, connection)]
    for one in (index, SimilarityIndex(reviewed.database)):
        check(one.similar_to_vector(reviewed.scope, QUERY, model_id=model), right)
        for public_id in visible:
            vectors = vectors_of(reviewed, public_id)
            near = expected(reviewed, vectors, without=public_id) if len(vectors) else []
            check(one.similar_to_object(reviewed.scope, public_id), near)


def test_search_is_exact(reviewed: Reviewed, index: SimilarityIndex) -> None:
    check_all(reviewed, index)
    hits = index.similar_to_vector(reviewed.scope, QUERY, model_id=model_of(reviewed))
    assert len(hits) == 5
    with reviewed.database.read() as connection:
        for hit in hits:
            assert queries.find_object(reviewed.scope, connection, hit.object.public_id) == hit.object


def test_models(reviewed: Reviewed, index: SimilarityIndex) -> None:
    (model,) = index.models(reviewed.scope)
    assert (model.model_id, model.name, model.version) == (model_of(reviewed), "reid", "onnx 1")
    assert (model.dimension, model.exemplars) == (4, 5 + 6)
    assert [model.exemplars for model in index.models(reviewed.foreign)] == [1]
    assert index.models(Scope(())) == []


def test_runs_without_embedder(database: Database, tmp_path: Path) -> None:
    writer = RunWriter.begin(database, RUN, media_folder=tmp_path)
    writer.register_model(DETECTOR)
    writer.write_chunk(writer.add_source(VIDEO), chunk(0, 10))
    index = SimilarityIndex(database)
    with database.read() as connection:
        scope = Scope((connection.execute(select(Run.project_id)).scalar_one(),))
        first, *_ = queries.page_objects(scope, connection)
    assert index.models(scope) == []
    assert index.similar_to_object(scope, first.public_id) == []
    with pytest.raises(StoreError, match="no model 1 that describes looks"):
        index.similar_to_vector(scope, QUERY, model_id=1)
    writer.register_model(EMBEDDER)  # used, but nothing was described yet
    assert index.models(scope) == []
    assert index.similar_to_vector(scope, QUERY, model_id=2) == []
    assert index.similar_to_object(scope, first.public_id, model_id=2) == []


def test_equal_ones_come_in_the_order_they_were_made(reviewed: Reviewed, index: SimilarityIndex) -> None:
    with reviewed.database.write() as connection:
        connection.execute(update(Embedding).values(vector=QUERY))
    hits = index.similar_to_vector(reviewed.scope, 3 * QUERY, model_id=model_of(reviewed))
    assert [hit.object.public_id for hit in hits] == list(reviewed.objects)
    assert [hit.distance for hit in hits] == pytest.approx([0] * 5, abs=1e-7)
    assert min(hit.distance for hit in hits) >= 0
    assert [hit.at for hit in hits] == [at(99), at(99), at(99), at(49), at(49)]  # the exemplar that was stored first
    limited = index.similar_to_object(reviewed.scope, reviewed.objects[2], limit=3)
    assert [hit.object.public_id for hit in limited] == [reviewed.objects[i] for i in (0, 1, 3)]


def test_limits(reviewed: Reviewed, index: SimilarityIndex) -> None:
    whole = index.similar_to_vector(reviewed.scope, QUERY, model_id=model_of(reviewed))
    for limit in (-1, 0, 1, 3, 5, 1000):
        found = index.similar_to_vector(reviewed.scope, QUERY, model_id=model_of(reviewed), limit=limit)
        assert found == whole[: max(limit, 0)]


def test_filters_come_before_the_limit(reviewed: Reviewed, index: SimilarityIndex) -> None:
    first, second, third, car, other = reviewed.objects
    for wanted, among in (
        (ObjectFilter(names=("car",)), {car, other}),
        (ObjectFilter(min_seconds=2.0), {first, second, third}),
        (ObjectFilter(names=("cat",)), set()),
    ):
        found = index.similar_to_vector(reviewed.scope, QUERY, model_id=model_of(reviewed), wanted=wanted, limit=2)
        check(found, expected(reviewed, QUERY, wanted)[:2])
        assert {hit.object.public_id for hit in found} <= among
        assert len(found) == min(2, len(among))
    alone = index.similar_to_object(reviewed.scope, car, wanted=ObjectFilter(names=("car",)))
    assert [hit.object.public_id for hit in alone] == [other]


def test_what_a_filter_lets_through_is_found_behind_many_others(database: Database, tmp_path: Path) -> None:
    """The objects that are wanted are the least alike of 2,000."""
    number = 2000
    writer = RunWriter.begin(database, RUN, media_folder=tmp_path)
    writer.register_model(DETECTOR)
    model = writer.register_model(EMBEDDER)
    writer.write_chunk(writer.add_source(VIDEO), chunk(0, 2, local_ids=tuple(range(1, number + 1)), model_id=model))
    with database.write() as connection:
        scope = Scope((connection.execute(select(Run.project_id)).scalar_one(),))
        table = connection.execute(
            select(Embedding.id, Embedding.vector, ObjectMember.object_id)
            .join(ObjectMember, ObjectMember.track_id == Embedding.track_id)
            .where(Embedding.kind == EmbeddingKind.EXEMPLAR)
        ).all()
        last = sorted(table, key=lambda row: cosine(row.vector, QUERY))[:30]
        marked = [row.object_id for row in last]
        connection.execute(update(Object).where(Object.id.in_(marked)).values(label="rare"))
    index = SimilarityIndex(database)
    found = index.similar_to_vector(scope, QUERY, model_id=model, wanted=ObjectFilter(names=("rare",)), limit=24)
    with database.read() as connection:
        keys = {row.public_id: row.id for row in connection.execute(select(Object.public_id, Object.id))}
    assert [keys[hit.object.public_id] for hit in found] == marked[::-1][:24]


def test_a_part_of_a_track_has_the_exemplars_of_its_time(reviewed: Reviewed, index: SimilarityIndex) -> None:
    first, *_ = reviewed.objects
    check_all(reviewed, index)
    with reviewed.database.write() as connection:
        edited = review.split_object(reviewed.scope, connection, first, at=at(30), actor="eve")
    (late,) = set(edited.objects) - {first}
    check_all(reviewed, index)
    assert (len(vectors_of(reviewed, first)), len(vectors_of(reviewed, late))) == (1, 3)
    found = index.similar_to_object(reviewed.scope, late)
    assert first in {hit.object.public_id for hit in found}


def test_what_edits_change_is_seen_at_once(reviewed: Reviewed, index: SimilarityIndex) -> None:
    first, second, third, car, other = reviewed.objects
    check_all(reviewed, index)
    with reviewed.database.write() as connection:
        review.merge_objects(reviewed.scope, connection, [second, car], actor="eve")
    check_all(reviewed, index)
    found = index.similar_to_object(reviewed.scope, first)
    assert {hit.object.public_id for hit in found} == {second, third, other}
    with pytest.raises(StoreError, match=f"no track {car}"):
        index.similar_to_object(reviewed.scope, car)
    with reviewed.database.write() as connection:
        review.delete_objects(reviewed.scope, connection, [second], actor="eve")
    assert {hit.object.public_id for hit in index.similar_to_object(reviewed.scope, first)} == {third, other}
    for _ in range(2):
        with reviewed.database.write() as connection:
            review.undo(reviewed.scope, connection, actor="eve")
        check_all(reviewed, index)
    with reviewed.database.write() as connection:
        review.redo(reviewed.scope, connection, actor="eve")
    check_all(reviewed, index)


def test_what_a_run_adds_is_seen_at_once(reviewed: Reviewed, index: SimilarityIndex) -> None:
    check_all(reviewed, index)
    for begin in (50, 60):
        written = chunk(begin, begin + 10, local_ids=(7, 8, 9), model_id=model_of(reviewed), class_id=1)
        reviewed.living.write_chunk(reviewed.living_source, written)
        check_all(reviewed, index)
    assert len(index.similar_to_vector(reviewed.scope, QUERY, model_id=model_of(reviewed))) == 6


def test_exemplars_that_a_chunk_replaces(reviewed: Reviewed, index: SimilarityIndex) -> None:
    """SQLite gives the new ones the row ids of the old."""
    model = model_of(reviewed)
    reviewed.living.write_chunk(reviewed.living_source, chunk(50, 60, local_ids=(7, 8), model_id=model, class_id=1))
    check_all(reviewed, index)
    written = chunk(60, 62, local_ids=(7, 8), model_id=model, class_id=1)
    reviewed.living.write_chunk(reviewed.living_source, replace(written, exemplars_from=at(50)))
    check_all(reviewed, index)


def test_a_deleted_run_is_gone_though_its_row_ids_come_again(
    reviewed: Reviewed, index: SimilarityIndex, tmp_path: Path
) -> None:
    check_all(reviewed, index)
    with reviewed.database.write() as connection:
        before = connection.execute(select(Embedding.id, Embedding.track_id, Embedding.at)).all()
        connection.execute(delete(Object).where(Object.public_id.in_(reviewed.objects[3:])))
        connection.execute(delete(Run).where(Run.id == run_of(connection, "b.mp4")))
        connection.execute(delete(Embedding).where(Embedding.at < at(99)))  # of a.mp4: the lower ids stay
    write_run(reviewed.database, tmp_path, "default", (7, 8), end=50, number=1)
    model = model_of(reviewed)
    with reviewed.database.write() as connection:
        rows = select(Embedding.id, Embedding.track_id, Embedding.at)
        again = connection.execute(rows.where(Embedding.at == at(49))).all()
        assert {tuple(row) for row in again} <= {tuple(row) for row in before} or connection.dialect.name != "sqlite"
        ids = [row.id for row in again]
        connection.execute(update(Embedding).where(Embedding.id.in_(ids)).values(vector=-QUERY))
    check_all(reviewed, index)
    nearest = index.similar_to_vector(reviewed.scope, -QUERY, model_id=model, limit=2)
    assert [hit.distance for hit in nearest] == pytest.approx([0, 0], abs=1e-6)


def test_deleted_tracks(reviewed: Reviewed, index: SimilarityIndex) -> None:
    check_all(reviewed, index)
    with reviewed.database.write() as connection:
        held = select(ObjectMember.track_id).join(Object).where(Object.public_id == reviewed.objects[1])
        connection.execute(delete(Track).where(Track.id.in_(connection.scalars(held).all())))
        connection.execute(delete(Object).where(Object.public_id == reviewed.objects[1]))
    check_all(reviewed, index)
    assert len(index.similar_to_vector(reviewed.scope, QUERY, model_id=model_of(reviewed))) == 4


def test_scopes(reviewed: Reviewed, index: SimilarityIndex) -> None:
    model = model_of(reviewed)
    (only,) = index.similar_to_vector(reviewed.foreign, QUERY, model_id=model)
    assert only.object.public_id == reviewed.hidden_project
    assert index.similar_to_object(reviewed.foreign, reviewed.hidden_project) == []
    strange: list[tuple[Scope, UUID]] = [
        (reviewed.foreign, reviewed.objects[0]),
        (reviewed.scope, reviewed.hidden_project),
        (reviewed.scope, uuid4()),
        (Scope(()), reviewed.objects[0]),
    ]
    for scope, public_id in strange:
        with pytest.raises(StoreError, match=f"no track {public_id}"):
            index.similar_to_object(scope, public_id)
    with pytest.raises(StoreError, match="no model"):
        index.similar_to_vector(Scope(()), QUERY, model_id=model)
    with pytest.raises(StoreError, match="no model 99"):
        index.similar_to_object(reviewed.scope, reviewed.objects[0], model_id=99)


@pytest.mark.parametrize(
    ("vector", "message"),
    [
        (np.ones(3), "3 numbers cannot be compared with model"),
        (np.ones((1, 4)), "must have the shape"),
        (np.zeros(4), "no direction"),
        (np.array([1, np.nan, 0, 0]), "NaN"),
    ],
)
def test_vectors_that_are_none(reviewed: Reviewed, index: SimilarityIndex, vector: FloatArray, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        index.similar_to_vector(reviewed.scope, vector, model_id=model_of(reviewed))


def test_each_model_compares_its_own(reviewed: Reviewed, index: SimilarityIndex) -> None:
    """An object is compared by the model that described it most often, unless another is asked for."""
    other = reviewed.living.register_model(
        replace(EMBEDDER, name="other", task="embed2", sha256="ee" * 32, dimension=2)
    )
    first, second, *_ = reviewed.objects
    with reviewed.database.write() as connection:
        tracks = connection.scalars(select(Track.id).order_by(Track.id)).all()[1:3]  # the first is the other project's
        for track, vector in zip(tracks, ([1, 0], [0.6, 0.8]), strict=True):
            row = {"track_id": track, "model_id": other, "at": at(3), "kind": EmbeddingKind.EXEMPLAR, "quality": 1}
            connection.execute(insert(Embedding).values(**row, vector=np.array(vector, np.float32)))
    (hit,) = index.similar_to_object(reviewed.scope, first, model_id=other)
    assert (hit.object.public_id, hit.at) == (second, at(3))
    assert hit.distance == pytest.approx(0.4, abs=1e-6)
    assert [(model.name, model.exemplars) for model in index.models(reviewed.scope)] == [("reid", 11), ("other", 2)]
    check_all(reviewed, index)


def test_a_warm_index_reads_no_vectors(reviewed: Reviewed, index: SimilarityIndex) -> None:
    index.warm(reviewed.scope)
    asked: list[str] = []
    engine = reviewed.database.engine
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(str(given[2])))
    found = index.similar_to_vector(reviewed.scope, QUERY, model_id=model_of(reviewed))
    assert [(hit.object.public_id, hit.at) for hit in found] == [(one, at) for one, _, at in expected(reviewed, QUERY)]
    searching = asked[: asked.index(next(sql for sql in asked if "objects.verdict" in sql))]
    assert searching
    assert not any("embeddings.vector" in sql or "vector_send" in sql for sql in searching)


def test_nothing_to_warm(database: Database) -> None:
    with database.read() as connection:
        scope = scope_of(connection, ["default"])
    SimilarityIndex(database).warm(scope)
    SimilarityIndex(database).warm(Scope(()))


def test_threads_share_an_index(reviewed: Reviewed, index: SimilarityIndex) -> None:
    """While edits merge and part two objects, every answer is one of the two states."""
    _, second, _, car, _ = reviewed.objects
    model = model_of(reviewed)
    states = [expected(reviewed, QUERY)]
    with reviewed.database.write() as connection:
        review.merge_objects(reviewed.scope, connection, [second, car], actor="eve")
    states.append(expected(reviewed, QUERY))
    answers = [[(public_id, moment) for public_id, _, moment in state] for state in states]
    assert answers[0] != answers[1]
    over = threading.Event()

    def ask(_: int) -> list[list[tuple[UUID, int]]]:
        said = []
        while not over.is_set():
            hits = index.similar_to_vector(reviewed.scope, QUERY, model_id=model)
            said.append([(hit.object.public_id, hit.at) for hit in hits])
        return said

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask, i) for i in range(3)]
        try:
            for _ in range(5):
                with reviewed.database.write() as connection:
                    review.undo(reviewed.scope, connection, actor="eve")
                with reviewed.database.write() as connection:
                    review.redo(reviewed.scope, connection, actor="eve")
        finally:
            over.set()
        said = [one for future in asking for one in future.result()]
    assert said
    assert all(one in answers for one in said)
    check_all(reviewed, index)


def test_a_damaged_vector_is_told(reviewed: Reviewed, index: SimilarityIndex) -> None:
    with reviewed.database.write() as connection:
        connection.execute(update(Model).where(Model.task == "embed").values(dim=7))
    with pytest.raises(StoreError, match="a stored feature vector has 4 numbers, its model gives 7"):
        index.similar_to_vector(reviewed.scope, np.ones(7), model_id=model_of(reviewed))
