"""Rows of recordings: entered once, listed, summed up, protected, and gone with their run."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event, text

from pipeline.errors import StoreError
from pipeline.recordings import adopt_orphans
from pipeline.store import review
from pipeline.store.database import Database
from pipeline.store.deletion import delete_run, plan_deletion
from pipeline.store.filters import ObjectOrder, Scope
from pipeline.store.leftovers import find_leftovers, remove_leftovers
from pipeline.store.queries import page_objects
from pipeline.store.segment_reasons import Reason, reasons
from pipeline.store.segments import (
    add_segment,
    find_segment,
    protect_segment,
    recorded,
    recorded_cameras,
    remove_segments,
    run_sources_of,
    segments,
)
from pipeline.store.states import RunStatus, SourceStatus
from tests.integration.recording.feeding import Recording, feed
from tests.integration.store.examples import START
from tests.integration.store.recorded import MINUTE, SECOND, RecordedStore, another_run, fill


@pytest.fixture
def store(database: Database, tmp_path: Path) -> RecordedStore:
    return fill(database, tmp_path / "media")


def test_nothing_is_recorded(store: RecordedStore) -> None:
    with store.database.read() as connection:
        assert segments(store.scope, connection) == []
        assert recorded_cameras(store.scope, connection) == []
        kept = recorded(store.scope, connection, "gate")
        assert (kept.segments, kept.bytes, kept.from_at, kept.to_at) == (0, 0, None, None)
        assert recorded(store.scope, connection, "nobody").segments == 0
        assert reasons(store.scope, connection, [], [], before=0, after=0) == {}
    with store.database.write() as connection:
        assert remove_segments(connection, []) == []


def test_a_path_is_entered_once(store: RecordedStore) -> None:
    path = store.add(0)
    with store.database.write() as connection:
        again = add_segment(connection, run_source_id=store.gate, path=path, from_at=0, to_at=1, size=7)
    assert not again
    assert [(row.path, row.from_at, row.bytes) for row in store.rows()] == [(path, START, 100)]


def test_a_time_range(store: RecordedStore) -> None:
    for minute in (0, 1, 2, 3):
        store.add(minute)
    store.add(1, part=store.yard)
    with store.database.read() as connection:
        query = {"from_at": START + MINUTE, "to_at": START + 3 * MINUTE}
        one = segments(store.scope, connection, camera="gate", **query)
        assert [row.from_at for row in one] == [START + MINUTE, START + 2 * MINUTE]
        assert len(segments(store.scope, connection, **query)) == 3
        assert [row.camera for row in segments(store.scope, connection, run_source_id=store.yard)] == ["yard"]
        assert len(segments(store.scope, connection, source=one[0].source)) == 4
        newest = segments(store.scope, connection, camera="gate", newest_first=True, limit=1)
        assert newest[0].from_at == START + 3 * MINUTE
        assert segments(Scope((99,)), connection) == []
        assert find_segment(store.scope, connection, one[0].public_id) == one[0]
        assert find_segment(Scope((99,)), connection, one[0].public_id) is None


def test_sums_go_over_all_runs_of_a_camera(store: RecordedStore) -> None:
    store.add(0, size=10)
    store.add(5, size=20, part=another_run(store))
    store.add(1, size=40, part=store.yard)
    with store.database.read() as connection:
        gate, yard = recorded_cameras(store.scope, connection)
        assert recorded(store.scope, connection, "gate") == gate
        assert len(run_sources_of(store.scope, connection, "gate")) == 2
    assert (gate.camera, gate.segments, gate.bytes) == ("gate", 2, 30)
    assert (gate.from_at, gate.to_at) == (START, START + 6 * MINUTE)
    assert (yard.segments, yard.bytes) == (1, 40)


def test_sums_are_read_from_their_index(store: RecordedStore) -> None:
    query = "SELECT count(*), sum(bytes) FROM media WHERE media.kind = 'segment' AND run_source_id IN (1, 2)"
    if store.database.engine.dialect.name == "sqlite":
        with store.database.read() as connection:
            plan = str(connection.execute(text(f"EXPLAIN QUERY PLAN {query}")).all())
        assert "COVERING INDEX ix_media_segments" in plan


def test_reasons(store: RecordedStore) -> None:
    for minute in (0, 1, 2, 3, 4):
        store.add(minute, protected=minute == 4)
    store.add_event(2.1)
    around = {"before": 10 * SECOND, "after": 10 * SECOND}
    with store.database.read() as connection:
        parts = run_sources_of(store.scope, connection, "gate")
        first = page_objects(store.scope, connection, order=ObjectOrder.OLDEST)[0].public_id

    def why(*, lasting_only: bool = False) -> list[Reason | None]:
        rows = store.rows()
        with store.database.read() as connection:
            found = reasons(store.scope, connection, rows, parts, lasting_only=lasting_only, **around)
        return [found.get(row.id) for row in rows]

    happened = Reason.EVENT
    assert why() == [None, happened, happened, None, Reason.PROTECTED]
    with store.database.write() as connection:
        review.set_label(store.scope, connection, [first], label="Ann", actor="me")
    assert why() == [Reason.REVIEWED, happened, happened, None, Reason.PROTECTED]
    with store.database.write() as connection:
        review.set_label(store.scope, connection, [first], label=None, actor="me")
    assert why()[0] is Reason.REVIEWED, "it was edited"
    assert why(lasting_only=True) == [None, None, None, None, Reason.PROTECTED]
    with store.database.write() as connection:
        review.set_protected(store.scope, connection, [first], on=True, actor="me")
    assert why(lasting_only=True) == [Reason.PROTECTED_TRACK, None, None, None, Reason.PROTECTED]


def test_reasons_are_found_without_walking_all_objects_and_tracks(store: RecordedStore) -> None:
    """What a hundred times as many tracks would make a hundred times as slow."""
    if store.database.engine.dialect.name != "sqlite":
        return
    store.add(0)
    rows = store.rows()
    with store.database.read() as connection:
        asked: list[tuple[str, Any]] = []
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
        for lasting_only in (False, True):
            reasons(store.scope, connection, rows, [store.gate], before=1, after=1, lasting_only=lasting_only)
        plans = [
            str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", given).all()) for query, given in list(asked)
        ]
    assert len(plans) >= 4
    assert any("INDEX ix_objects_reviewed" in plan for plan in plans)
    assert not any(
        walk in plan for plan in plans for walk in ("SCAN objects", "SCAN tracks", "SEARCH tracks USING INDEX")
    )


def test_protecting_a_track_can_be_undone(store: RecordedStore) -> None:
    with store.database.read() as connection:
        first = page_objects(store.scope, connection, order=ObjectOrder.OLDEST)[0]
    with store.database.write() as connection:
        done = review.set_protected(store.scope, connection, [first.public_id], on=True, actor="me")
        assert (done.summary, done.objects) == ("1 track protected", (first.public_id,))
        with pytest.raises(StoreError, match="is protected and cannot be deleted"):
            review.delete_objects(store.scope, connection, [first.public_id], actor="me")
    with store.database.write() as connection:
        undone = review.undo(store.scope, connection, actor="me")
        assert undone is not None
        assert undone.summary == "undone: 1 track protected"
    with store.database.write() as connection:
        again = review.set_protected(store.scope, connection, [first.public_id], on=False, actor="me")
        assert again.summary == "1 track protected no longer"
        review.delete_objects(store.scope, connection, [first.public_id], actor="me")


def test_protecting_a_segment(store: RecordedStore) -> None:
    store.add(0)
    (row,) = store.rows()
    with store.database.write() as connection:
        assert protect_segment(store.scope, connection, row.public_id, on=True).protected
        assert remove_segments(connection, [row.id]) == []
        assert not protect_segment(store.scope, connection, row.public_id, on=False).protected
        with pytest.raises(StoreError, match="there is no segment"):
            protect_segment(store.scope, connection, uuid4(), on=True)
        assert remove_segments(connection, [row.id]) == [row.id]


def test_a_deleted_run_takes_its_recordings(store: RecordedStore) -> None:
    mine, theirs = store.add(0, protected=True), store.add(3, part=another_run(store))
    store.writer.finish_source(store.gate, SourceStatus.STOPPED)
    store.writer.finish_run(RunStatus.STOPPED)
    with store.database.read() as connection:
        plan = plan_deletion(store.scope, connection, store.writer.public_id)
    assert (plan.media, plan.protected_media) == (1, 1)
    delete_run(store.database, store.scope, store.writer.public_id, media_folder=store.media)
    assert store.files() == {theirs}
    assert [row.path for row in store.rows()] == [theirs]
    assert not (store.media / mine).exists()


def test_files_without_a_row_are_leftovers(store: RecordedStore) -> None:
    known, lost = store.add(0), store.add(1)
    part = (store.media / known).with_name(".221320_000000.mp4.part")
    part.write_bytes(b"x")
    with store.database.write() as connection:
        remove_segments(connection, [row.id for row in store.rows() if row.path == lost])
    assert find_leftovers(store.database, store.media) == []
    found = find_leftovers(store.database, store.media, min_age=-1.0)
    assert {one.path for one in found} == {store.media / lost, part}
    remove_leftovers(found)
    assert store.files() == {known}


def test_what_a_killed_service_left_is_adopted(store: RecordedStore, shared: Path) -> None:
    """Five segments: one is known, one lost its row to retention before that, one is complete, one unfinished, one is
    being written by somebody else, one holds nothing.
    """
    recording = Recording(store.media)
    recorder = recording.recorder(seconds=16.0)
    feed(recorder, shared / "data/mot15/PETS09-S2L1/video.mp4", start=START)
    recorder.close()
    removed, known, complete, unfinished, _ = recording.segments
    with store.database.write() as connection:
        add_segment(
            connection,
            run_source_id=store.gate,
            path=known.path.as_posix(),
            from_at=known.from_at,
            to_at=known.to_at,
            size=known.bytes,
        )
    later = another_run(store, seconds=(45,))
    day = (store.media / known.path).parent
    part = day / f".{unfinished.path.name}.part"
    (store.media / unfinished.path).rename(part)
    empty = day / ".230000_000000.mp4.part"
    empty.write_bytes(b"")
    cut = day / ".230001_000000.mp4.part"
    cut.write_bytes((store.media / complete.path).read_bytes()[:200])
    other = Recording(store.media)
    writing = other.recorder(seconds=100.0)
    feed(writing, shared / "data/mot15/PETS09-S2L1/video.mp4", start=START + 1000 * SECOND)

    done = adopt_orphans(store.database, store.media, ["gate", "yard", "nobody"])
    assert (done.entered, done.removed) == (3, 2)
    rows = store.rows()
    assert [row.path for row in rows] == [one.path.as_posix() for one in recording.segments[1:]]
    assert [row.from_at for row in rows] == [one.from_at for one in recording.segments[1:]]
    for row, segment in zip(rows[1:], recording.segments[2:], strict=True):
        assert abs(row.to_at - segment.to_at) <= 20
        assert (row.bytes, row.width, row.height) == (segment.bytes, 480, 360)
    assert [row.run_source_id for row in rows] == [store.gate, store.gate, later, later]
    assert (store.media / unfinished.path).is_file()
    assert not empty.exists()
    assert not cut.exists()
    assert (store.media / removed.path).is_file(), "a leftover, which is asked for before it goes"
    assert adopt_orphans(store.database, store.media, ["gate"]).entered == 0
    writing.close()
    assert len(other.segments) == 1


def test_what_cannot_be_opened_is_left_as_it_is(store: RecordedStore, caplog: pytest.LogCaptureFixture) -> None:
    """Folders with names of recordings, as nothing else is refused to everybody; behind them there is an empty file."""
    day = store.media / "recordings" / "gate" / "2023-11-14"
    refused = [day / "221320_000000.mp4", day / ".221420_000000.mp4.part"]
    for folder in refused:
        folder.mkdir(parents=True)
    empty = day / ".221520_000000.mp4.part"
    empty.write_bytes(b"")
    done = adopt_orphans(store.database, store.media, ["gate"])
    assert (done.entered, done.removed) == (0, 1)
    assert all(folder.is_dir() for folder in refused)
    assert not empty.exists()
    assert caplog.text.count("is left as it is: Is a directory; check its rights") == 2
