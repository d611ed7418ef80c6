"""Deleting runs: nothing of them is left, nothing of others is lost, and an interrupted deletion can be ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, insert, select, update

from pipeline.errors import StoreError
from pipeline.events import EventKind
from pipeline.store import deletion, review
from pipeline.store.chunk import GapColumns
from pipeline.store.database import Database
from pipeline.store.deletion import DELETING, delete_run, interrupted_deletions, plan_deletion
from pipeline.store.filters import Scope, scope_of
from pipeline.store.liveness import QUIET_SECONDS
from pipeline.store.queries import page_objects
from pipeline.store.run_queries import list_runs
from pipeline.store.states import MediaKind, RunStatus
from pipeline.store.tables import (
    Base,
    Checkpoint,
    DetectionChunk,
    EditObject,
    Media,
    Model,
    Object,
    ObjectMember,
    Project,
    Run,
    RunModel,
    RunSource,
    Source,
    Track,
)
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import DETECTOR, EMBEDDER, RUN, START, STEP, VIDEO, chunk, some_events

CAMERA = replace(VIDEO, kind="stream", name="gate", uri_redacted="rtsp://gate", fingerprint=None)
OTHER = replace(VIDEO, name="b.mp4", uri_redacted="/videos/b.mp4", fingerprint="fingerprint-2")


def begin(database: Database, folder: Path, *, parent: UUID | None = None) -> RunWriter:
    writer = RunWriter.begin(database, replace(RUN, parent=parent), media_folder=folder)
    writer.register_model(DETECTOR)
    return writer


def fill(writer: RunWriter, *sources: object, detect_hash: str = "detect-1", frames: int = 20) -> None:
    """Two tracks in each source, with embeddings, crops, events, gaps, a snapshot and detections."""
    model = writer.register_model(EMBEDDER)
    for source in sources or (VIDEO,):
        part = writer.add_source(source)  # type: ignore[arg-type]
        writer.add_session(part, 0, started_at=START)
        data = chunk(0, frames, model_id=model, crop_quality=0.5, detect_hash=detect_hash)
        at = data.observations.at[:1]
        data = replace(
            data,
            gaps=GapColumns(at, at + STEP, ("lost",)),
            events=some_events(data.observations.local_ids[:1].tolist(), ("door",), (EventKind.ENTER,)),
        )
        writer.write_chunk(part, data)


def finish(writer: RunWriter) -> UUID:
    writer.finish_run(RunStatus.FINISHED)
    return writer.public_id


def snapshot(database: Database, folder: Path, run: UUID) -> Path:
    """A picture of the run's first source, of no track."""
    path = folder / "snapshots" / "a.jpg"
    path.parent.mkdir()
    path.write_bytes(b"jpeg")
    with database.write() as connection:
        part = connection.scalars(select(RunSource.id).join(Run).where(Run.public_id == run)).first()
        row = {"public_id": uuid4(), "run_source_id": part, "kind": MediaKind.SNAPSHOT, "path": "snapshots/a.jpg"}
        connection.execute(insert(Media).values(**row, sha256="", bytes=4, from_at=START, to_at=START))
    return path


def scope(database: Database) -> Scope:
    with database.read() as connection:
        return scope_of(connection, ["default"])


def counts(database: Database) -> dict[str, int]:
    """Rows of every table that has any, but for those that no run owns."""
    with database.read() as connection:
        found = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in Base.metadata.sorted_tables
        }
    shared = (Project.__tablename__, Model.__tablename__)
    return {name: count for name, count in found.items() if count and name not in shared}


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def remove(database: Database, run: UUID, folder: Path, **more: Callable[[int, int], None]) -> deletion.Deletion:
    return delete_run(database, scope(database), run, media_folder=folder, **more)


def test_nothing_is_left_of_a_run(database: Database, tmp_path: Path) -> None:
    writer = begin(database, tmp_path)
    fill(writer, VIDEO, CAMERA)
    run = finish(writer)
    snapshot(database, tmp_path, run)
    assert len(files(tmp_path)) == 5
    assert {"events", "gaps", "embeddings", "detection_chunks", "sessions", "checkpoints"} <= counts(database).keys()
    steps: list[tuple[int, int]] = []
    done = remove(database, run, tmp_path, told=lambda gone, total: steps.append((gone, total)))
    assert (done.tracks, done.observations, done.media, done.sources) == (4, 80, 5, ("a.mp4", "gate"))
    assert steps == [(2, 4), (4, 4)]
    assert counts(database) == {}
    assert files(tmp_path) == []


def test_another_run_keeps_everything(database: Database, tmp_path: Path) -> None:
    kept = begin(database, tmp_path)
    fill(kept, VIDEO, CAMERA)
    finish(kept)
    before, left = counts(database), files(tmp_path)
    gone = begin(database, tmp_path)
    fill(gone, VIDEO, OTHER)
    remove(database, finish(gone), tmp_path)
    assert counts(database) == before
    assert files(tmp_path) == left


@pytest.mark.parametrize(
    ("others", "left"),
    [
        ([], []),
        (["detect-1"], ["detect-1"]),
        (["detect-2"], ["detect-2"]),
        ([None], ["detect-1"]),  # it does not say (yet) what it wants
    ],
)
def test_detections_stay_while_a_run_may_want_them(
    database: Database, tmp_path: Path, others: list[str | None], left: list[str]
) -> None:
    writer = begin(database, tmp_path)
    fill(writer)
    for other in others:
        second = begin(database, tmp_path)
        if other is None:
            second.add_source(VIDEO)
        else:
            fill(second, detect_hash=other)
        finish(second)
    remove(database, finish(writer), tmp_path)
    with database.read() as connection:
        assert connection.scalars(select(DetectionChunk.detect_hash)).all() == left
        assert connection.scalars(select(Source.name)).all() == (["a.mp4"] if others else [])


def test_a_retrack_keeps_its_detections_and_loses_its_parent(database: Database, tmp_path: Path) -> None:
    parent = begin(database, tmp_path)
    fill(parent)
    child = begin(database, tmp_path, parent=finish(parent))
    fill(child)
    run = finish(child)
    remove(database, parent.public_id, tmp_path)
    with database.read() as connection:
        (row,) = list_runs(scope(database), connection)
        assert (row.public_id, row.parent) == (run, None)
        assert connection.execute(select(func.count()).select_from(DetectionChunk)).scalar_one() == 1


def test_a_merged_object_keeps_its_other_tracks(database: Database, tmp_path: Path) -> None:
    """The object lies in the deleted run and has a track of another one; and the other way round."""
    first, second = begin(database, tmp_path), begin(database, tmp_path)
    fill(first, frames=20)
    fill(second, frames=30)
    run, other = finish(first), finish(second)
    mine = scope(database)
    with database.read() as connection:
        objects = page_objects(mine, connection)
    by_run = {key: [row.public_id for row in objects if row.run == key] for key in (run, other)}
    with database.write() as connection:
        for pair in zip(by_run[run], by_run[other], strict=True):
            review.merge_objects(mine, connection, pair, actor="ann")
    with database.read() as connection:
        planned = plan_deletion(mine, connection, run)
        assert [(row.members, row.count) for row in page_objects(mine, connection)] == [(2, 50)] * 2
    assert (planned.shared, planned.protected) == (2, 0)
    remove(database, run, tmp_path)
    with database.read() as connection:
        rows = page_objects(mine, connection)
        assert [(row.members, row.count, row.run) for row in rows] == [(1, 30, other)] * 2
        left = connection.execute(select(func.count()).select_from(Object)).scalar_one()
        orphans = (
            select(func.count())
            .select_from(Object)
            .where(
                ~select(ObjectMember.object_id).where(ObjectMember.object_id == Object.id).exists(),
                Object.run_source_id.is_(None),
            )
        )
        assert connection.execute(orphans).scalar_one() == 0
        assert left >= 2
    with database.write() as connection, pytest.raises(StoreError, match="deleted"):
        review.undo(mine, connection, actor="ann")


def test_a_chunk_of_another_run_is_waited_for(database: Database, tmp_path: Path) -> None:
    """Its track is in the same object: what it adds is not lost when that is summed up."""
    gone, living = begin(database, tmp_path), begin(database, tmp_path)
    fill(gone, frames=20)
    fill(living, frames=30)
    run, other = finish(gone), finish(living)
    mine = scope(database)
    with database.write() as connection:
        objects = page_objects(mine, connection)
        pairs = zip(*([row.public_id for row in objects if row.run == key] for key in (run, other)), strict=True)
        for pair in list(pairs):
            review.merge_objects(mine, connection, pair, actor="ann")
    deleting = threading.Thread(target=remove, args=(database, run, tmp_path))
    with database.write() as connection:  # as a chunk does it: the source is locked, then tracks and objects grow
        query = select(RunSource.id).join(Run, Run.id == RunSource.run_id).where(Run.public_id == other)
        part = connection.execute(query.with_for_update(of=RunSource)).scalar_one()
        connection.execute(update(Track).where(Track.run_source_id == part).values(count=Track.count + 7))
        connection.execute(update(Object).where(Object.members == 2).values(count=Object.count + 7))
        deleting.start()
        deleting.join(1.0)
        assert deleting.is_alive()
    deleting.join()
    with database.read() as connection:
        assert [(row.members, row.count) for row in page_objects(mine, connection)] == [(1, 37)] * 2


def test_edits_stay_in_the_log(database: Database, tmp_path: Path) -> None:
    writer = begin(database, tmp_path)
    fill(writer)
    run, mine = finish(writer), scope(database)
    with database.write() as connection:
        one = page_objects(mine, connection)[0].public_id
        review.set_label(mine, connection, [one], label="dog", actor="ann")
    remove(database, run, tmp_path)
    with database.read() as connection:
        assert [row.op for row in review.history(mine, connection)] == ["label"]
        assert connection.execute(select(func.count()).select_from(EditObject)).scalar_one() == 0


def test_protected_objects_are_told_of(database: Database, tmp_path: Path) -> None:
    writer = begin(database, tmp_path)
    fill(writer)
    run = finish(writer)
    with database.write() as connection:
        keys = connection.scalars(select(Object.id)).all()
        connection.execute(update(Object).where(Object.id == keys[0]).values(protected=True))
    with database.read() as connection:
        assert plan_deletion(scope(database), connection, run).protected == 1


def test_a_run_at_work_is_left_alone(database: Database, tmp_path: Path) -> None:
    writer = begin(database, tmp_path)  # this process: alive
    fill(writer)
    before = counts(database)
    with pytest.raises(StoreError, match="it is at work"):
        remove(database, writer.public_id, tmp_path)
    assert counts(database) == before
    with database.read() as connection:
        beat = connection.execute(select(Run.heartbeat_at)).scalar_one()
    later = beat + int((QUIET_SECONDS + 1) * 1e6)
    delete_run(database, scope(database), writer.public_id, media_folder=tmp_path, now=later)
    assert counts(database) == {}


def test_a_run_is_left_alone_while_it_is_tracked_again(database: Database, tmp_path: Path) -> None:
    parent = begin(database, tmp_path)
    fill(parent)
    run = finish(parent)
    child = begin(database, tmp_path, parent=run)
    with pytest.raises(StoreError, match=f"run {child.public_id} is tracking it again"):
        remove(database, run, tmp_path)
    finish(child)
    remove(database, run, tmp_path)


def test_foreign_and_unknown_runs(database: Database, tmp_path: Path) -> None:
    writer = begin(database, tmp_path)
    fill(writer)
    run, before = finish(writer), counts(database)
    for wanted, who in ((uuid4(), scope(database)), (run, Scope(()))):
        with pytest.raises(StoreError, match="there is no run"):
            delete_run(database, who, wanted, media_folder=tmp_path)
    assert counts(database) == before


def test_an_interrupted_deletion_is_ended_later(database: Database, tmp_path: Path) -> None:
    writer = begin(database, tmp_path)
    fill(writer, VIDEO, OTHER)
    run, mine = finish(writer), scope(database)

    def pull_the_plug(gone: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remove(database, run, tmp_path, told=pull_the_plug)
    with database.read() as connection:
        assert interrupted_deletions(mine, connection) == [run]
        (row,) = list_runs(mine, connection)
        assert (row.kind, row.status) == (DELETING, RunStatus.FAILED)
        assert "delete it again" in (row.error or "")
        assert len(page_objects(mine, connection)) == 2
    remove(database, run, tmp_path)
    assert counts(database) == {}
    assert files(tmp_path) == []
    with database.read() as connection:
        assert interrupted_deletions(mine, connection) == []


def test_a_very_long_track_goes_in_steps(database: Database, tmp_path: Path) -> None:
    """Longer than a transaction may be: the others go together, this one bit by bit."""
    writer = begin(database, tmp_path)
    fill(writer, frames=20)
    run = finish(writer)
    steps: list[int] = []
    delete_run(
        database,
        scope(database),
        run,
        media_folder=tmp_path,
        step=8,
        told=lambda gone, total: steps.append(gone),
    )
    assert steps == [0, 0, 1, 1, 1, 2]
    assert counts(database) == {}
    assert files(tmp_path) == []


def test_others_write_meanwhile(database: Database, tmp_path: Path) -> None:
    """A second run stores its chunks between the steps of a deletion."""
    writer = begin(database, tmp_path)
    fill(writer, frames=100)
    run, mine = finish(writer), scope(database)
    busy = begin(database, tmp_path)
    place = busy.add_source(replace(OTHER, fingerprint="busy"))
    gone = threading.Event()

    def delete_it() -> None:
        delete_run(database, mine, run, media_folder=tmp_path, step=5)
        gone.set()

    thread = threading.Thread(target=delete_it)
    thread.start()
    written = 0
    while not gone.is_set() or not written:
        busy.write_chunk(place, chunk(written, written + 10))
        written += 10
    thread.join()
    finish(busy)
    assert written > 20
    left = counts(database)
    assert (left["runs"], left["run_sources"], left["observations"], left["sources"]) == (1, 1, 2 * written, 1)


def test_a_run_without_anything(database: Database, tmp_path: Path) -> None:
    run = finish(begin(database, tmp_path))
    assert remove(database, run, tmp_path).tracks == 0
    assert counts(database) == {}
    with database.read() as connection:
        for table in (RunModel, Checkpoint):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0
