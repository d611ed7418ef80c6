"""Reading: pages, filters, merged and split objects, and scopes that see nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from pipeline.errors import StoreError
from pipeline.store import queries, run_queries
from pipeline.store.database import Database, open_database
from pipeline.store.filters import ObjectFilter, ObjectOrder, Scope, conditions, ordering, scope_of
from pipeline.store.states import EmbeddingKind, RunStatus, SourceStatus
from pipeline.store.tables import Edit, EditObject, Model, Object, ObjectMember, Track
from pipeline.store.writer import RunWriter
from tests.integration.store.conftest import KINDS, NewUrl
from tests.integration.store.examples import DETECTOR, EMBEDDER, MASK, RUN, START, STEP, VIDEO, chunk
from trackers.structures import Evidence

OTHER = replace(VIDEO, name="b.mp4", uri_redacted="/videos/b.mp4", fingerprint="fingerprint-2")


def fill(database: Database, media_folder: Path) -> None:
    """Project default: a run with two sources of two tracks and one. Project secret: a run with one track."""
    ticks = iter(range(10, 1000))
    for project, sources in (("default", ((VIDEO, (1, 2)), (OTHER, (7,)))), ("secret", ((VIDEO, (1,)),))):
        record = replace(RUN, project=project)
        writer = RunWriter.begin(database, record, media_folder=media_folder, clock=lambda: next(ticks))
        writer.register_model(DETECTOR)
        model = writer.register_model(EMBEDDER)
        for number, (source, local_ids) in enumerate(sources):
            part = writer.add_source(source)
            given = chunk(
                0,
                50 if number else 100,
                local_ids=local_ids,
                model_id=model,
                crop_quality=0.25 + number / 2,
                evidence=number,
                class_id=number,
                score=0.5 + number / 4,
            )
            writer.write_chunk(part, given)
            writer.finish_source(part, SourceStatus.FINISHED)
        writer.finish_run(RunStatus.FINISHED)


@pytest.fixture(scope="module", params=KINDS)
def filled(
    request: pytest.FixtureRequest, new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A store that all tests of this file read, once for each kind of database."""
    with open_database(new_url(str(request.param))) as opened:
        fill(opened, tmp_path_factory.mktemp("media"))
        yield opened


@pytest.fixture
def connection(filled: Database) -> Iterator[Connection]:
    """A transaction on the filled store. What a test changes is undone."""
    with filled.engine.connect() as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def scope(connection: Connection) -> Scope:
    """What the project default may see."""
    return scope_of(connection, ["default"])


@pytest.fixture
def foreign(connection: Connection) -> Scope:
    """What the project secret may see."""
    return scope_of(connection, ["secret"])


def test_runs(scope: Scope, connection: Connection) -> None:
    assert run_queries.count_runs(scope, connection) == 1
    (run,) = run_queries.list_runs(scope, connection)
    assert (run.status, run.kind, run.parent, run.created_at) == (RunStatus.FINISHED, "files", None, 10)
    assert run.settings == RUN.settings
    detail = run_queries.run_detail(scope, connection, run.public_id)
    assert detail is not None
    assert [(s.name, s.tracks, s.next_frame, s.processed, s.damaged, s.status) for s in detail.sources] == [
        ("a.mp4", 2, 100, 100, 3, SourceStatus.FINISHED),
        ("b.mp4", 1, 50, 50, 3, SourceStatus.FINISHED),
    ]
    assert [(m.task, m.classes, m.input_size, m.dimension) for m in detail.models] == [
        ("detect", ("person", "car"), (640, 640), None),
        ("embed", (), (256, 128), 4),
    ]
    assert [source.name for source in run_queries.list_sources(scope, connection)] == ["a.mp4", "b.mp4"]


def test_a_page_shows_what_was_written(scope: Scope, connection: Connection) -> None:
    page = queries.page_objects(scope, connection, order=ObjectOrder.OLDEST)
    assert [(o.name, o.source_name, o.count, o.seconds, o.members) for o in page] == [
        ("person", "a.mp4", 100, 3.96, 1),
        ("person", "a.mp4", 100, 3.96, 1),
        ("car", "b.mp4", 50, 1.96, 1),
    ]
    assert [None if o.crop is None else o.crop.quality for o in page] == [0.25, 0.25, 0.75]


@pytest.mark.parametrize("order", list(ObjectOrder))
def test_pages_neither_repeat_nor_skip(scope: Scope, connection: Connection, order: ObjectOrder) -> None:
    pages = [queries.page_objects(scope, connection, order=order, limit=1, offset=i)[0].public_id for i in range(3)]
    whole = [row.public_id for row in queries.page_objects(scope, connection, order=order)]
    assert pages == whole
    assert len(set(whole)) == 3
    assert queries.page_objects(scope, connection, order=order, offset=3) == []


def test_order(scope: Scope, connection: Connection) -> None:
    def first(order: ObjectOrder) -> str | None:
        return queries.page_objects(scope, connection, order=order, limit=1)[0].source_name

    assert first(ObjectOrder.LONGEST) == "a.mp4"
    assert first(ObjectOrder.SUREST) == "b.mp4"
    assert first(ObjectOrder.CLEAREST) == "b.mp4"


def explained(connection: Connection, wanted: ObjectFilter, order: ObjectOrder) -> str:
    """How the database would find the objects of a page, were the table large."""
    scope = scope_of(connection, ["default"])
    asked = select(Object.id).where(*conditions(scope, connection, wanted, order=order)).order_by(*ordering(order))
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL enable_seqscan = off"))
    statement = str(asked.limit(50).compile(connection, compile_kwargs={"literal_binds": True}))
    prefix = "EXPLAIN" if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    return "\n".join(str(row[-1]) for row in connection.execute(text(f"{prefix} {statement}")))


@pytest.mark.parametrize("order", [ObjectOrder.NEWEST, ObjectOrder.OLDEST])
def test_the_first_page_is_read_from_an_index(connection: Connection, order: ObjectOrder) -> None:
    plan = explained(connection, ObjectFilter(), order)
    assert "ix_objects_project_id_hidden_first_at_id" in plan
    assert "sort" not in plan.lower()
    assert "b-tree" not in plan.lower()


def test_other_pages_use_no_index_on_sqlite_only(connection: Connection) -> None:
    """SQLite would fetch row after row through it; PostgreSQL is free to choose."""
    wanted = ObjectFilter(min_score=0.5)
    for order in ObjectOrder:
        plan = explained(connection, wanted, order)
        walked = (
            "ix_objects_project_id" in plan and "COVERING" not in plan
        )  # what an index holds by itself is not fetched
        assert walked == (connection.dialect.name == "postgresql"), plan


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        (ObjectFilter(), 3),
        (ObjectFilter(names=("car",)), 1),
        (ObjectFilter(names=("cat",)), 0),
        (ObjectFilter(min_seconds=1.96), 3),
        (ObjectFilter(min_seconds=1.97), 2),
        (ObjectFilter(min_score=0.75), 1),
        (ObjectFilter(from_at=START + 49 * STEP), 3),
        (ObjectFilter(from_at=START + 49 * STEP + 1), 2),
        (ObjectFilter(to_at=START), 0),
        (ObjectFilter(to_at=START + 1), 3),
        (ObjectFilter(evidence=(Evidence.FLOW,)), 1),
        (ObjectFilter(evidence=(Evidence.FLOW, Evidence.DETECTED)), 3),
        (ObjectFilter(evidence=(Evidence.TARGET,)), 0),
        (ObjectFilter(names=("person",), min_score=0.75), 0),
    ],
)
def test_filters(scope: Scope, connection: Connection, wanted: ObjectFilter, number: int) -> None:
    assert queries.count_objects(scope, connection, wanted) == number
    assert len(queries.page_objects(scope, connection, wanted)) == number


def test_filter_by_run_and_source(scope: Scope, foreign: Scope, connection: Connection) -> None:
    run = run_queries.list_runs(scope, connection)[0].public_id
    sources = {row.name: row.public_id for row in run_queries.list_sources(scope, connection)}
    for wanted, number in (
        (ObjectFilter(runs=(run,)), 3),
        (ObjectFilter(runs=(uuid4(),)), 0),
        (ObjectFilter(sources=(sources["b.mp4"],)), 1),
        (ObjectFilter(runs=(run,), sources=(sources["a.mp4"],)), 2),
    ):
        assert queries.count_objects(scope, connection, wanted) == number
        assert queries.count_objects(foreign, connection, wanted) == 0


def test_names_are_counted(scope: Scope, connection: Connection) -> None:
    assert queries.count_names(scope, connection) == {"car": 1, "person": 2}
    connection.execute(update(Object).where(Object.class_name == "car").values(label="bus"))
    assert queries.count_names(scope, connection) == {"bus": 1, "person": 2}
    assert [row.name for row in queries.page_objects(scope, connection, ObjectFilter(names=("bus",)))] == ["bus"]


def track_of(scope: Scope, connection: Connection, public_id: UUID) -> UUID:
    """The only track of an object."""
    (member,) = queries.members_of_object(scope, connection, public_id)
    return member.track


def test_one_object(scope: Scope, connection: Connection) -> None:
    page = queries.page_objects(scope, connection, order=ObjectOrder.OLDEST)
    model_id = connection.execute(select(Model.id).where(Model.task == "embed")).scalar_one()
    for row, given in zip(page, (chunk(0, 100), chunk(0, 100), chunk(0, 50)), strict=True):
        assert queries.find_object(scope, connection, row.public_id) == row
        assert queries.best_crop(scope, connection, row.public_id) == row.crop
        table = queries.observations_of_object(scope, connection, row.public_id)
        assert len(table) == row.count
        np.testing.assert_array_equal(table.frames, given.detections.frames, strict=True)
        assert table.boxes.shape == (row.count, 4)
        first_mask = None if row is page[1] else MASK  # a chunk has one, of its first observation
        assert queries.masks_of_object(scope, connection, row.public_id) == (first_mask, *(None,) * (row.count - 1))
        vectors = queries.embeddings_of_object(scope, connection, row.public_id, model_id=model_id)
        assert set(vectors.kinds) == {EmbeddingKind.EXEMPLAR, EmbeddingKind.MEAN}
        assert vectors.vectors.shape == (2, 4)
        assert vectors.vectors.dtype == np.float32
        assert queries.objects_of_track(scope, connection, track_of(scope, connection, row.public_id)) == [row]


def test_pages_of_observations(scope: Scope, connection: Connection) -> None:
    public_id = queries.page_objects(scope, connection, order=ObjectOrder.OLDEST)[0].public_id
    whole = queries.observations_of_object(scope, connection, public_id)
    assert queries.count_observations(scope, connection, public_id) == len(whole) == 100
    pages = [queries.observations_of_object(scope, connection, public_id, limit=30, offset=n) for n in (0, 30, 60, 90)]
    assert [len(page) for page in pages] == [30, 30, 30, 10]
    np.testing.assert_array_equal(np.concatenate([page.at for page in pages]), whole.at)
    np.testing.assert_array_equal(np.concatenate([page.boxes for page in pages]), whole.boxes)
    behind = queries.observations_of_object(scope, connection, public_id, limit=30, offset=100)
    assert (len(behind), behind.boxes.shape) == (0, (0, 4))


def test_another_project_sees_nothing(scope: Scope, foreign: Scope, connection: Connection) -> None:
    mine = queries.page_objects(scope, connection)
    theirs = queries.page_objects(foreign, connection)
    assert (len(mine), len(theirs)) == (3, 1)
    assert not {row.public_id for row in mine} & {row.public_id for row in theirs}
    run = run_queries.list_runs(scope, connection)[0].public_id
    assert run_queries.run_detail(foreign, connection, run) is None
    assert [source.name for source in run_queries.list_sources(foreign, connection)] == ["a.mp4"]
    model_id = connection.execute(select(Model.id).where(Model.task == "embed")).scalar_one()
    for row in mine:
        track = track_of(scope, connection, row.public_id)
        assert queries.find_object(foreign, connection, row.public_id) is None
        assert queries.best_crop(foreign, connection, row.public_id) is None
        assert queries.members_of_object(foreign, connection, row.public_id) == []
        assert queries.objects_of_track(foreign, connection, track) == []
        assert len(queries.observations_of_object(foreign, connection, row.public_id)) == 0
        assert queries.count_observations(foreign, connection, row.public_id) == 0
        assert queries.masks_of_object(foreign, connection, row.public_id) == ()
        assert len(queries.embeddings_of_object(foreign, connection, row.public_id, model_id=model_id)) == 0


def test_no_project_sees_nothing(connection: Connection) -> None:
    nobody = Scope(())
    assert queries.count_objects(nobody, connection) == 0
    assert queries.page_objects(nobody, connection) == []
    assert run_queries.list_runs(nobody, connection) == []
    with pytest.raises(StoreError, match="no project 'absent'"):
        scope_of(connection, ["default", "absent"])


def test_a_merged_object_has_the_tracks_of_both(scope: Scope, connection: Connection) -> None:
    kept, _, gone = queries.page_objects(scope, connection, order=ObjectOrder.OLDEST)
    keys = {row.public_id: row.id for row in connection.execute(select(Object.id, Object.public_id))}
    moved = update(ObjectMember).where(ObjectMember.object_id == keys[gone.public_id])
    connection.execute(moved.values(object_id=keys[kept.public_id]))
    connection.execute(update(Object).where(Object.id == keys[gone.public_id]).values(hidden=True, members=0))
    connection.execute(update(Object).where(Object.id == keys[kept.public_id]).values(members=2))
    assert queries.count_objects(scope, connection) == 2
    assert queries.find_object(scope, connection, gone.public_id) is None
    assert len(queries.observations_of_object(scope, connection, kept.public_id)) == 150
    crop = queries.best_crop(scope, connection, kept.public_id)
    assert crop is not None
    assert crop.quality == 0.75
    members = queries.members_of_object(scope, connection, kept.public_id)
    assert [(member.source_name, member.local_id) for member in members] == [("a.mp4", 1), ("b.mp4", 7)]
    sources = {row.name: row.public_id for row in run_queries.list_sources(scope, connection)}
    assert queries.count_objects(scope, connection, ObjectFilter(sources=(sources["b.mp4"],))) == 1
    assert queries.count_objects(scope, connection, ObjectFilter(sources=(sources["a.mp4"],))) == 2


def test_the_history_of_an_object(scope: Scope, connection: Connection) -> None:
    (kept, gone), project = connection.scalars(select(Object.id).limit(2)).all(), scope.project_ids[0]
    row = {"project_id": project, "actor": "eve", "before": {}, "after": {}}
    edit = insert(Edit).returning(Edit.id)
    merge = connection.execute(edit.values(**row, at=1, op="merge")).scalar_one()
    undo = connection.execute(edit.values(**row, at=2, op="undo", undoes_id=merge)).scalar_one()
    touched = [{"edit_id": merge, "object_id": key} for key in (kept, gone)] + [{"edit_id": undo, "object_id": kept}]
    connection.execute(insert(EditObject), touched)
    history = select(Edit.op).join(EditObject).where(EditObject.object_id == kept).order_by(Edit.id)
    assert connection.scalars(history).all() == ["merge", "undo"]
    with pytest.raises(IntegrityError):  # an edit is undone once
        connection.execute(edit.values(**row, at=3, op="undo", undoes_id=merge))


def test_a_split_object_has_a_part_of_the_track(database: Database, tmp_path: Path) -> None:
    fill(database, tmp_path)
    moment = START + 60 * STEP
    with database.write() as connection:
        scope = scope_of(connection, ["default"])
        whole = queries.page_objects(scope, connection, order=ObjectOrder.OLDEST)[0]
        run = run_queries.list_runs(scope, connection)[0].public_id
        track = track_of(scope, connection, whole.public_id)
        track_id = connection.execute(select(Track.id).where(Track.public_id == track)).scalar_one()
        connection.execute(update(ObjectMember).where(ObjectMember.track_id == track_id).values(to_at=moment))
        columns = [column for column in Object.__table__.columns if column.name not in ("id", "public_id")]
        row = dict(connection.execute(select(*columns).where(Object.public_id == whole.public_id)).mappings().one())
        late = row | {"public_id": uuid4(), "first_at": moment, "count": 40}
        late_id = connection.execute(insert(Object).values(**late).returning(Object.id)).scalar_one()
        connection.execute(insert(ObjectMember).values(object_id=late_id, track_id=track_id, from_at=moment))
        parts = queries.objects_of_track(scope, connection, track)
        assert [part.public_id for part in parts] == [whole.public_id, late["public_id"]]
        tables = [queries.observations_of_object(scope, connection, part.public_id) for part in parts]
        assert [table.frames.tolist() for table in tables] == [list(range(60)), list(range(60, 100))]
        assert [queries.count_observations(scope, connection, part.public_id) for part in parts] == [60, 40]
        assert [part.crop is None for part in parts] == [True, False]  # the crop was taken in the last frame
    # A run that still goes on adds to the part with the open end.
    writer = RunWriter.attach(database, run, media_folder=tmp_path)
    writer.write_chunk(writer.add_source(VIDEO), chunk(100, 110, local_ids=(1,)))
    with database.read() as connection:
        parts = queries.objects_of_track(scope, connection, track)
        assert [(part.first_at, part.count) for part in parts] == [(START, 100), (moment, 50)]
        assert parts[1].last_at == START + 109 * STEP
