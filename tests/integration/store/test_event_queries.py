"""Pages of events, counts by time, and heat maps, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import Connection, func, insert, select, update

from pipeline.events import EventKind, Events
from pipeline.store.database import Database, open_database
from pipeline.store.event_queries import (
    EVERY_EVENT,
    EventFilter,
    EventRow,
    count_events,
    count_events_by_time,
    list_events,
    rule_names,
)
from pipeline.store.filters import Scope, scope_of
from pipeline.store.heat import heat_map
from pipeline.store.queries import objects_of_track
from pipeline.store.run_queries import list_runs, list_sources
from pipeline.store.tables import Object, Observation, Run, RunSource, Session
from pipeline.store.writer import RunWriter
from tests.integration.store.conftest import KINDS, NewUrl
from tests.integration.store.examples import DETECTOR, RUN, START, STEP, VIDEO, chunk

SECOND = 1_000_000
GATE = replace(VIDEO, kind="camera", name="gate", uri_redacted="rtsp://gate/", fingerprint="", width=None, height=None)


def happened() -> Events:
    """Two crossings, a stay that ends, and too many in the yard; times are seconds after START."""
    return Events(
        at=START + np.array([0, 1, 1, 70]) * SECOND,
        ids=np.array([1, 2, 1, 0]),
        labels=np.array([0, 1, 0, -1]),
        rules=("door", "door", "yard", "yard"),
        kinds=(EventKind.CROSS, EventKind.CROSS, EventKind.LEAVE, EventKind.COUNT),
        values=np.array([np.nan, np.nan, 4.5, 3]),
        directions=("in", "out", "", ""),
        points=np.array([[10, 20], [30, 40], [50, 60], [np.nan, np.nan]], np.float32),
    )


@pytest.fixture(scope="module", params=KINDS)
def filled(
    request: pytest.FixtureRequest, new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A file and a camera of the default project and a file of another one, each with the same events."""
    with open_database(new_url(str(request.param))) as opened:
        for project, kind, source in (
            ("default", "files", VIDEO),
            ("default", "live", GATE),
            ("secret", "files", VIDEO),
        ):
            record = replace(RUN, project=project, kind=kind)
            writer = RunWriter.begin(opened, record, media_folder=tmp_path_factory.mktemp("media"))
            writer.register_model(DETECTOR)
            part = writer.add_source(source)
            writer.add_session(part, 0, started_at=START)
            writer.write_chunk(part, replace(chunk(0, 50), events=happened()))
        yield opened


@pytest.fixture
def connection(filled: Database) -> Iterator[Connection]:
    """A transaction on the filled store. What a test changes is undone."""
    with filled.engine.connect() as opened:
        yield opened
        opened.rollback()


@pytest.fixture
def scope(connection: Connection) -> Scope:
    return scope_of(connection, ["default"])


def shown(rows: list[EventRow]) -> list[tuple[str, str, str]]:
    return [(row.source_name, row.rule, row.kind) for row in rows]


def test_the_newest_comes_first_with_all_it_belongs_to(connection: Connection, scope: Scope) -> None:
    camera = next(one for one in list_sources(scope, connection) if one.kind == "camera")
    rows = list_events(scope, connection, EventFilter(sources=(camera.public_id,)))
    assert [row.kind for row in rows[:1] + rows[-1:]] == [EventKind.COUNT, EventKind.CROSS]
    count, first = rows[0], rows[-1]
    assert (count.at, count.value, count.track, count.object, count.x) == (START + 70 * SECOND, 3, None, None, None)
    assert (first.rule, first.direction, first.class_name, first.local_id) == ("door", "in", "person", 1)
    assert (first.x, first.y, first.source, first.source_name) == (10, 20, camera.public_id, "gate")
    assert first.track is not None
    assert [one.public_id for one in objects_of_track(scope, connection, first.track)] == [first.object]
    assert first.object_name == "person"
    assert first.run == next(run for run in list_runs(scope, connection) if run.kind == "live").public_id


def test_an_object_that_was_deleted_is_no_longer_told(connection: Connection, scope: Scope) -> None:
    before = list_events(scope, connection)
    gone = before[-1].object
    connection.execute(update(Object).where(Object.public_id == gone).values(hidden=True))
    after = list_events(scope, connection)
    assert len(after) == len(before)
    assert (after[-1].object, after[-1].object_name, after[-1].track) == (None, None, before[-1].track)


def test_pages_neither_repeat_nor_skip(connection: Connection, scope: Scope) -> None:
    everything = list_events(scope, connection)
    assert len(everything) == count_events(scope, connection) == 8
    assert [row.at for row in everything] == sorted((row.at for row in everything), reverse=True)
    for limit in (1, 3, 8):
        paged, after = [], None
        while page := list_events(scope, connection, after=after, limit=limit):
            paged += page
            after = page[-1].place
        assert paged == everything


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        (EVERY_EVENT, 8),
        (EventFilter(rules=("door",)), 4),
        (EventFilter(rules=("nothing",)), 0),
        (EventFilter(kinds=(EventKind.LEAVE, EventKind.COUNT)), 4),
        (EventFilter(class_names=("car",)), 2),
        (EventFilter(from_at=START + SECOND, to_at=START + 70 * SECOND), 4),
        (EventFilter(runs=(uuid4(),)), 0),
        (EventFilter(sources=(uuid4(),)), 0),
    ],
)
def test_filters(connection: Connection, scope: Scope, wanted: EventFilter, number: int) -> None:
    assert count_events(scope, connection, wanted) == len(list_events(scope, connection, wanted)) == number
    assert sum(one.n for one in count_events_by_time(scope, connection, wanted, bucket_seconds=60)) == number


def test_of_one_run(connection: Connection, scope: Scope) -> None:
    for run in list_runs(scope, connection):
        rows = list_events(scope, connection, EventFilter(runs=(run.public_id,)))
        assert {row.run for row in rows} == {run.public_id}
        assert len(rows) == 4


def test_counts_by_time(connection: Connection, scope: Scope) -> None:
    counts = count_events_by_time(scope, connection, bucket_seconds=60)
    assert len(counts) > 1
    assert count_events_by_time(scope, connection, bucket_seconds=60, limit=1)[0] in counts
    assert len(count_events_by_time(scope, connection, bucket_seconds=60, limit=1)) == 1
    minute = START - START % (60 * SECOND)
    late = (START + 70 * SECOND) // (60 * SECOND) * 60 * SECOND
    assert [(one.start_at, one.rule, one.kind, one.direction, one.n) for one in counts] == [
        (minute, "door", "cross", "in", 2),
        (minute, "door", "cross", "out", 2),
        (minute, "yard", "leave", None, 2),
        (late, "yard", "count", None, 2),
    ]
    with pytest.raises(ValueError, match="at least a second"):
        count_events_by_time(scope, connection, bucket_seconds=0)


def test_outside_the_scope_there_is_nothing(connection: Connection, scope: Scope) -> None:
    assert rule_names(scope, connection) == ["door", "yard"]
    assert rule_names(scope, connection, EventFilter(kinds=(EventKind.CROSS,))) == ["door"]
    for empty in (Scope(()), Scope((999,))):
        assert list_events(empty, connection) == []
        assert count_events_by_time(empty, connection, bucket_seconds=60) == []
        assert rule_names(empty, connection) == []


def test_heat_is_where_feet_were(connection: Connection, scope: Scope) -> None:
    """Two tracks of 20x20 pixels in a picture of 640x480: feet at (10, 30) and (60, 80), one pixel further a frame."""
    file = next(one for one in list_sources(scope, connection) if one.kind == "video")
    heat = heat_map(scope, connection, file.public_id, START, START + 10 * STEP, columns=64)
    assert heat.shape == (48, 64)
    expected = np.zeros((48, 64))
    expected[3, 1] = expected[8, 6] = 10
    np.testing.assert_array_equal(heat, expected)
    whole = heat_map(scope, connection, file.public_id, columns=64)
    assert whole.sum() == 100
    assert heat_map(scope, connection, file.public_id, START + 90 * SECOND, None).sum() == 0
    assert heat_map(scope, connection, file.public_id, run=uuid4()).sum() == 0
    assert heat_map(scope, connection, uuid4()).shape == (36, 64)
    assert heat_map(Scope(()), connection, file.public_id).sum() == 0


def test_heat_takes_the_size_of_the_session(connection: Connection, scope: Scope) -> None:
    camera = next(one for one in list_sources(scope, connection) if one.kind == "camera")
    assert heat_map(scope, connection, camera.public_id).sum() == 0  # nobody told how large its picture was
    parts = update(Session).values(width=320, height=240)
    connection.execute(parts)
    heat = heat_map(scope, connection, camera.public_id, START, START + 5 * STEP, columns=32)
    assert heat.shape == (24, 32)
    assert heat[3, 1] == heat[8, 6] == 5


def test_heat_of_feet_beyond_the_picture_counts_at_its_edge(connection: Connection, scope: Scope) -> None:
    file = next(one for one in list_sources(scope, connection) if one.kind == "video")
    connection.execute(update(Observation).values(x1=-400, x2=-300, y2=1000))
    assert heat_map(scope, connection, file.public_id, columns=8)[5, 0] == 100


def test_a_newer_run_over_a_file_takes_the_place_of_the_older_one(connection: Connection, scope: Scope) -> None:
    file = next(one for one in list_sources(scope, connection) if one.kind == "video")
    source = connection.execute(select(RunSource.__table__).where(RunSource.id == 1)).mappings().one()
    newer = connection.scalar(select(func.max(RunSource.run_id)).where(RunSource.id < 3))
    values = {name: value for name, value in source.items() if name != "id"} | {"run_id": newer}
    connection.execute(insert(RunSource).values(**values))
    assert heat_map(scope, connection, file.public_id, run=list_runs(scope, connection)[-1].public_id).sum() == 100
    connection.execute(update(Run).where(Run.id == newer).values(kind="retrack"))
    assert heat_map(scope, connection, file.public_id).sum() == 0  # it has seen nothing yet


def test_of_many_sightings_some_seconds_stand_for_all(connection: Connection, scope: Scope) -> None:
    """A frame a second, 50 of them."""
    file = next(one for one in list_sources(scope, connection) if one.kind == "video")
    connection.execute(update(Observation).values(at=START + 100 * SECOND + (Observation.at - START) * 25))
    whole, sampled = (heat_map(scope, connection, file.public_id, sample=few, columns=640) for few in (100, 20))
    assert sampled.sum() == pytest.approx(whole.sum())
    assert (sampled[whole == 0] == 0).all()
    assert 0 < np.count_nonzero(sampled) < np.count_nonzero(whole)
