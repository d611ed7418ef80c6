"""What a run writes is what is read back; a chunk is there once, whatever happens between."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import event, func, inspect, select, text, update

from pipeline.errors import OutputError, StoreError
from pipeline.events import EventKind
from pipeline.store.batches import BATCH
from pipeline.store.chunk import (
    ChunkData,
    FrameCounts,
    FrameDetections,
    GapColumns,
    ObservationColumns,
    TrackColumns,
)
from pipeline.store.database import Database, open_database
from pipeline.store.packing import unpack_detections
from pipeline.store.records import SourceRecord
from pipeline.store.states import RequestedState, RunStatus, SourceStatus
from pipeline.store.tables import (
    Base,
    DetectionChunk,
    Embedding,
    Event,
    Gap,
    Media,
    Object,
    Observation,
    Run,
    RunSource,
    Session,
    Source,
    Track,
)
from pipeline.store.vector import INDEX_PREFIX
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import DETECTOR, EMBEDDER, MASK, RUN, START, STEP, VIDEO, chunk, some_events


@pytest.fixture
def writer(database: Database, tmp_path: Path) -> RunWriter:
    """A run that has begun."""
    return RunWriter.begin(database, RUN, media_folder=tmp_path / "media")


def counted(database: Database) -> dict[str, int]:
    """Rows by table."""
    with database.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in Base.metadata.sorted_tables
        }


def test_a_chunk_comes_back(database: Database, writer: RunWriter) -> None:
    writer.register_model(DETECTOR)
    model = writer.register_model(EMBEDDER)
    source = writer.add_source(VIDEO)
    given = chunk(0, 100, model_id=model, crop_quality=0.5)
    assert writer.write_chunk(source, given)
    with database.read() as connection:
        tracks = connection.execute(select(Track).order_by(Track.local_id)).all()
        rows = connection.execute(select(Observation).order_by(Observation.at, Observation.track_id)).all()
        vectors = connection.execute(select(Embedding.vector).order_by(Embedding.id)).scalars().all()
        payload = connection.execute(select(DetectionChunk.payload)).scalar_one()
        names = connection.scalars(select(Object.class_name)).all()
        counters = connection.execute(select(RunSource)).one()
    assert [(row.local_id, row.first_at, row.last_at, row.count) for row in tracks] == [
        (1, START, START + 99 * STEP, 100),
        (2, START, START + 99 * STEP, 100),
    ]
    np.testing.assert_array_equal([[r.x1, r.y1, r.x2, r.y2] for r in rows], given.observations.boxes)
    assert [r.frame for r in rows] == given.observations.frames.tolist()
    assert [r.at for r in rows] == given.observations.at.tolist()
    assert [r.det_row for r in rows] == given.observations.det_rows.tolist()
    assert [r.mask_rle for r in rows][:2] == [MASK, None]
    np.testing.assert_array_equal(np.stack(vectors), given.embeddings[0].vectors, strict=True)
    found = unpack_detections(payload)
    np.testing.assert_array_equal(found.detections[99].boxes, given.detections.detections[99].boxes, strict=True)
    assert names == ["person", "person"]
    counts = (counters.frames_read, counters.processed, counters.dropped, counters.repaired, counters.damaged)
    assert counts == (101, 100, 1, 2, 3)
    assert counters.status == SourceStatus.RUNNING


def test_the_same_chunk_again_is_skipped(database: Database, writer: RunWriter) -> None:
    source = writer.add_source(VIDEO)
    assert writer.write_chunk(source, chunk(0, 100, crop_quality=0.5))
    before = counted(database)
    assert not writer.write_chunk(source, chunk(0, 100, crop_quality=0.5))
    assert counted(database) == before


@pytest.mark.parametrize(("first", "end"), [(0, 150), (50, 150), (101, 150)])
def test_chunks_must_follow_each_other(writer: RunWriter, first: int, end: int) -> None:
    source = writer.add_source(VIDEO)
    writer.write_chunk(source, chunk(0, 100))
    whole = replace(chunk(first, first + 10), end_frame=end)
    with pytest.raises(StoreError, match="do not begin at frame 100"):
        writer.write_chunk(source, whole)


def test_a_second_chunk_goes_on(database: Database, writer: RunWriter) -> None:
    model = writer.register_model(EMBEDDER)
    source = writer.add_source(VIDEO)
    writer.write_chunk(source, chunk(0, 100, model_id=model))
    writer.write_chunk(source, chunk(100, 150, local_ids=(1, 3), model_id=model, evidence=3, score=0.75))
    with database.read() as connection:
        tracks = connection.execute(select(Track).order_by(Track.local_id)).all()
        objects = connection.execute(select(Object).order_by(Object.id)).all()
        kinds = connection.execute(select(Embedding.kind, func.count()).group_by(Embedding.kind)).all()
    assert [(t.local_id, t.count, t.evidence_bits) for t in tracks] == [
        (1, 150, 0b1001),
        (2, 100, 0b1),
        (3, 150, 0b1000),
    ]
    assert [(o.count, o.evidence_bits, o.last_at) for o in objects] == [
        (150, 0b1001, START + 149 * STEP),
        (100, 0b1, START + 99 * STEP),
        (150, 0b1000, START + 149 * STEP),
    ]
    assert [o.score_max for o in objects] == [0.75, 0.5, 0.75]
    assert {tuple(row) for row in kinds} == {("exemplar", 4), ("mean", 3)}


def test_nothing_at_all_is_a_chunk(database: Database, writer: RunWriter) -> None:
    source = writer.add_source(VIDEO)
    empty = ChunkData(
        0, 3, "hash", FrameDetections.empty(), TrackColumns.empty(), ObservationColumns.empty(), FrameCounts()
    )
    assert writer.write_chunk(source, empty)
    assert writer.write_chunk(source, chunk(3, 5, local_ids=()))
    assert counted(database)["tracks"] == 0
    saved = writer.checkpoint(source)
    assert saved is not None
    assert saved.next_frame == 5


def test_the_checkpoint_comes_back(database: Database, writer: RunWriter, tmp_path: Path) -> None:
    source = writer.add_source(VIDEO)
    assert writer.checkpoint(source) is None
    writer.write_chunk(source, replace(chunk(0, 10), state_format=4))
    resumed = RunWriter.resume(
        database, writer.public_id, beaten_at=beaten_at(database, writer.public_id), media_folder=tmp_path
    )
    saved = resumed.checkpoint(source)
    assert saved is not None
    assert (saved.next_frame, saved.format_version) == (10, 4)
    np.testing.assert_array_equal(saved.state["mean"], np.full((2, 8), 10.0), strict=True)
    assert resumed.add_source(VIDEO) == source
    assert resumed.write_chunk(source, chunk(10, 20))


def test_a_failure_within_a_chunk_leaves_nothing(database: Database, writer: RunWriter) -> None:
    source = writer.add_source(VIDEO)
    before = counted(database)
    good = chunk(0, 100, crop_quality=0.5)
    twice = replace(good.observations, at=np.full(len(good.observations), START))
    with pytest.raises(StoreError, match=r"cannot write frames 0 to 100 in .*contradicts"):
        writer.write_chunk(source, replace(good, observations=twice))
    assert counted(database) == before
    assert writer.write_chunk(source, good)


def test_a_crash_between_file_and_row_leaves_no_file_over(
    database: Database, writer: RunWriter, tmp_path: Path
) -> None:
    source = writer.add_source(VIDEO)
    good = chunk(0, 100, crop_quality=0.5)
    broken = replace(good, state={"unstorable": np.array([{}], dtype=object)})  # fails after the crops are written
    with pytest.raises(StoreError, match="unstorable"):
        writer.write_chunk(source, broken)
    assert counted(database)["media"] == 0
    assert len(list((tmp_path / "media").rglob("*.jpg"))) == 2
    assert writer.write_chunk(source, good)
    assert_media_agree(database, tmp_path / "media")


def assert_media_agree(database: Database, folder: Path) -> None:
    """Every row has its file and every file its row."""
    with database.read() as connection:
        rows = connection.execute(select(Media)).all()
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    assert {row.path for row in rows} == files.keys()
    for row in rows:
        content = files[row.path].read_bytes()
        assert (row.sha256, row.bytes) == (hashlib.sha256(content).hexdigest(), len(content))


def test_a_better_crop_takes_the_place(database: Database, writer: RunWriter, tmp_path: Path) -> None:
    source = writer.add_source(VIDEO)
    for number, quality in enumerate((0.5, 0.75, 0.25)):
        writer.write_chunk(source, chunk(number * 10, number * 10 + 10, crop_quality=quality))
        assert_media_agree(database, tmp_path / "media")
    with database.read() as connection:
        assert connection.scalars(select(Media.quality)).all() == [0.75, 0.75]
        assert connection.scalars(select(Track.best_quality)).all() == [0.75, 0.75]
        assert connection.scalars(select(Object.best_quality)).all() == [0.75, 0.75]


def test_a_crop_that_cannot_be_written_undoes_the_chunk(database: Database, writer: RunWriter, tmp_path: Path) -> None:
    source = writer.add_source(VIDEO)
    (tmp_path / "media").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write the crop"):
        writer.write_chunk(source, chunk(0, 100, crop_quality=0.5))
    assert counted(database)["tracks"] == 0


def test_gaps_and_events(database: Database, writer: RunWriter) -> None:
    source = writer.add_source(VIDEO)
    gaps = GapColumns(np.array([START]), np.array([START + 5]), ("stream lost",))
    events = some_events([2, 0], ("gate", "hall"), (EventKind.ENTER, EventKind.COUNT))
    writer.write_chunk(source, replace(chunk(0, 10), gaps=gaps, events=events))
    with database.read() as connection:
        assert connection.execute(select(Gap.from_at, Gap.to_at, Gap.reason)).one() == (START, START + 5, "stream lost")
        found = connection.execute(select(Track.local_id, Event.rule).outerjoin_from(Event, Track).order_by(Event.id))
        assert [tuple(row) for row in found] == [(2, "gate"), (None, "hall")]


def test_rows_of_an_unknown_track_are_refused(writer: RunWriter) -> None:
    source = writer.add_source(VIDEO)
    good = chunk(0, 10)
    with pytest.raises(StoreError, match=r"track 1 has observations but no summary in the same chunk \(and 1 more"):
        writer.write_chunk(source, replace(good, tracks=TrackColumns.empty()))
    stray = some_events([9], ("gate",), (EventKind.ENTER,))
    with pytest.raises(StoreError, match="track 9 has rows but was never summarised"):
        writer.write_chunk(source, replace(good, events=stray))


def test_vectors_must_fit_the_model(writer: RunWriter) -> None:
    detector, source = writer.register_model(DETECTOR), writer.add_source(VIDEO)
    with pytest.raises(StoreError, match="length 4 do not fit model"):
        writer.write_chunk(source, chunk(0, 10, model_id=detector))


def test_two_runs_over_one_file_share_its_detections(database: Database, tmp_path: Path) -> None:
    for _ in range(2):
        writer = RunWriter.begin(database, RUN, media_folder=tmp_path)
        writer.write_chunk(writer.add_source(VIDEO), chunk(0, 10))
    rows = counted(database)
    assert (rows["runs"], rows["sources"], rows["run_sources"], rows["detection_chunks"]) == (2, 1, 2, 1)


def test_a_camera_keeps_the_detections_of_each_run(database: Database, tmp_path: Path) -> None:
    camera = SourceRecord("stream", "gate", "rtsp://***:***@10.0.0.4/stream", None)
    for _ in range(2):
        writer = RunWriter.begin(database, RUN, media_folder=tmp_path)
        writer.write_chunk(writer.add_source(camera), chunk(0, 10))
    rows = counted(database)
    assert (rows["sources"], rows["detection_chunks"]) == (1, 2)


def test_no_password_gets_in(database: Database, writer: RunWriter) -> None:
    with pytest.raises(StoreError, match="holds a password") as caught:
        writer.add_source(SourceRecord("stream", "gate", "rtsp://admin:hunter2@10.0.0.4/stream", None))
    assert "hunter2" not in str(caught.value)
    assert counted(database)["sources"] == 0


@pytest.mark.parametrize(
    "uri", ["rtsp://u:p/hunter2@h/s", "rtsp://h/s?user=a&password=hunter2", "http://h/?token=hunter2"]
)
def test_no_password_gets_in_by_another_door(database: Database, writer: RunWriter, uri: str) -> None:
    with pytest.raises(StoreError, match="holds a password") as caught:
        writer.add_source(SourceRecord("stream", "gate", uri, None))
    assert "hunter2" not in str(caught.value)
    assert counted(database)["sources"] == 0


@pytest.mark.parametrize(
    "uri",
    ["//[odd/name@2x.mp4", "http://cam.local:8080/clip@2x.mp4", "rtsp://***:***@10.0.0.4/", "rtsp://***@10.0.0.4/"],
)
def test_addresses_without_a_password_get_in(database: Database, tmp_path: Path, uri: str) -> None:
    writer = RunWriter.begin(database, RUN, media_folder=tmp_path)
    assert writer.add_source(replace(VIDEO, uri_redacted=uri))


def test_models_are_known_by_name_and_hash(database: Database, writer: RunWriter, tmp_path: Path) -> None:
    first = writer.register_model(EMBEDDER)
    other = RunWriter.begin(database, RUN, media_folder=tmp_path)
    assert other.register_model(EMBEDDER) == first
    assert other.register_model(EMBEDDER) == first
    with pytest.raises(StoreError, match="already has another model for the task 'embed'"):
        other.register_model(replace(EMBEDDER, sha256="ef" * 32))
    with pytest.raises(StoreError, match="other classes or another vector length"):
        writer.register_model(replace(EMBEDDER, dimension=5))


def test_the_index_of_a_model_leaves_out_means(postgres_url: str, tmp_path: Path) -> None:
    with open_database(postgres_url) as database:
        model = RunWriter.begin(database, RUN, media_folder=tmp_path).register_model(EMBEDDER)
        with database.read() as connection:
            made = connection.execute(
                text("SELECT indexdef FROM pg_indexes WHERE indexname = :name"), {"name": f"{INDEX_PREFIX}{model}"}
            ).scalar_one()
    assert f"model_id = {model}" in made
    assert "'exemplar'" in made


def test_postgresql_gets_an_index_for_each_model(postgres_url: str, tmp_path: Path) -> None:
    with open_database(postgres_url) as database:
        writer = RunWriter.begin(database, RUN, media_folder=tmp_path)
        model = writer.register_model(EMBEDDER)
        with database.read() as connection:
            names = {index["name"] for index in inspect(connection).get_indexes("embeddings")}
        assert f"{INDEX_PREFIX}{model}" in names


def test_sessions_are_there_once(database: Database, writer: RunWriter) -> None:
    source = writer.add_source(VIDEO)
    for _ in range(2):
        writer.add_session(source, 0, started_at=START, time_base="1/90000")
    writer.add_session(source, 1, started_at=START + 5, time_offset=2.5)
    with database.read() as connection:
        found = connection.execute(select(Session.n, Session.time_offset, Session.time_base).order_by(Session.n)).all()
    assert [tuple(row) for row in found] == [(0, 0.0, "1/90000"), (1, 2.5, None)]


def test_the_life_of_a_run(database: Database, tmp_path: Path) -> None:
    ticks = iter(range(1000, 2000))
    writer = RunWriter.begin(database, RUN, media_folder=tmp_path, clock=lambda: next(ticks))
    source = writer.add_source(VIDEO)
    assert writer.heartbeat() is RequestedState.RUN
    writer.set_status(RunStatus.PAUSED)
    writer.finish_source(source, SourceStatus.DAMAGED, error="broke off")
    writer.finish_run(RunStatus.FINISHED)
    with database.read() as connection:
        run = connection.execute(select(Run)).one()
        part = connection.execute(select(RunSource)).one()
    assert (run.status, run.created_at, run.finished_at, run.heartbeat_at) == ("finished", 1000, 1003, 1003)
    assert run.settings == {"tracker": {"name": "deepsort"}}
    assert (part.status, part.error, part.finished_at) == ("damaged", "broke off", 1002)
    resumed = RunWriter.resume(database, writer.public_id, beaten_at=1003, media_folder=tmp_path, clock=lambda: 5000)
    with database.read() as connection:
        run = connection.execute(select(Run)).one()
    assert (run.status, run.finished_at, run.heartbeat_at) == ("running", None, 5000)
    assert resumed.public_id == writer.public_id


def beaten_at(database: Database, run: UUID) -> int | None:
    """The last heartbeat of a run."""
    with database.read() as connection:
        return connection.scalar(select(Run.heartbeat_at).where(Run.public_id == run))


def test_sources_are_named_together_or_not_at_all(database: Database, writer: RunWriter) -> None:
    other = replace(VIDEO, name="other", uri_redacted="/videos/other.mp4")
    secret = replace(VIDEO, uri_redacted="http://me:geheim@host/x.mp4")
    with pytest.raises(StoreError, match="holds a password"):
        writer.add_sources([VIDEO, secret])
    with database.read() as connection:
        assert connection.scalars(select(RunSource.id)).all() == []
    one, two = writer.add_sources([VIDEO, other])
    assert one != two
    assert writer.add_sources([other, VIDEO]) == [two, one]
    assert writer.add_sources([]) == []


def test_only_one_of_two_processes_resumes_a_run(database: Database, writer: RunWriter, tmp_path: Path) -> None:
    seen = beaten_at(database, writer.public_id)
    RunWriter.resume(database, writer.public_id, beaten_at=seen, media_folder=tmp_path)
    with pytest.raises(StoreError, match="another process has just resumed it"):
        RunWriter.resume(database, writer.public_id, beaten_at=seen, media_folder=tmp_path)


def test_a_worker_that_begins_after_its_run_was_taken_over_writes_nothing(
    database: Database, writer: RunWriter, tmp_path: Path
) -> None:
    source = writer.add_source(VIDEO)
    before = writer.holder
    with database.write() as connection:
        connection.execute(update(Run).where(Run.public_id == writer.public_id).values(pid=1, host="elsewhere"))
    late = RunWriter.attach(database, writer.public_id, media_folder=tmp_path, holder=before)
    with pytest.raises(StoreError, match="taken over by process 1 on elsewhere"):
        late.write_chunk(source, chunk(0, 10))
    RunWriter.attach(database, writer.public_id, media_folder=tmp_path).write_chunk(source, chunk(0, 10))


def test_a_process_whose_run_was_taken_over_writes_no_more(database: Database, writer: RunWriter) -> None:
    """It was asleep for so long that it seemed gone."""
    source = writer.add_source(VIDEO)
    writer.write_chunk(source, chunk(0, 10))
    with database.write() as connection:
        connection.execute(update(Run).where(Run.public_id == writer.public_id).values(pid=1, host="elsewhere"))
    for write in (
        lambda: writer.write_chunk(source, chunk(10, 20)),
        writer.heartbeat,
        lambda: writer.set_status(RunStatus.PAUSED),
        lambda: writer.finish_source(source, SourceStatus.FAILED),
        lambda: writer.finish_run(RunStatus.FAILED),
    ):
        with pytest.raises(StoreError, match="taken over by process 1 on elsewhere"):
            write()
    with database.read() as connection:
        assert connection.scalar(select(Run.status)) == RunStatus.RUNNING
        assert connection.scalar(select(RunSource.status)) == SourceStatus.RUNNING


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        (SourceStatus.FINISHED, True),
        (SourceStatus.DAMAGED, True),
        (SourceStatus.STOPPED, False),
        (SourceStatus.FAILED, False),
    ],
)
def test_tracks_end_with_their_source(
    database: Database, writer: RunWriter, tmp_path: Path, *, status: SourceStatus, ended: bool
) -> None:
    source, other = writer.add_source(VIDEO), writer.add_source(replace(VIDEO, fingerprint="fingerprint-2"))
    for part in (source, other):
        writer.write_chunk(part, chunk(0, 10))
    RunWriter.begin(database, RUN, media_folder=tmp_path).finish_source(source, status)  # another run's: nothing
    with database.read() as connection:
        assert not any(connection.scalars(select(Track.ended)))
    writer.finish_source(source, status)
    with database.read() as connection:
        found = connection.execute(select(Track.run_source_id, Track.ended).order_by(Track.id)).all()
    assert [tuple(row) for row in found] == [(source, ended)] * 2 + [(other, False)] * 2


def test_a_label_outside_the_classes_is_refused(database: Database, writer: RunWriter) -> None:
    source = writer.add_source(VIDEO)
    writer.write_chunk(source, chunk(0, 10, class_id=7))  # no detector yet
    writer.register_model(DETECTOR)
    for wrong in (-3, 2):
        for local_ids in ((1, 2), (3,)):
            with pytest.raises(StoreError, match=f"has 2 classes, but a track has the label {wrong}"):
                writer.write_chunk(source, chunk(10, 20, local_ids=local_ids, class_id=wrong))
    with database.read() as connection:
        assert connection.scalars(select(Object.class_name)).all() == ["class 7"] * 2


def test_many_tracks_in_one_chunk(database: Database, writer: RunWriter) -> None:
    """No statement takes more ids than databases allow."""
    model, source = writer.register_model(EMBEDDER), writer.add_source(VIDEO)
    longest: dict[str, int] = {}

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if not many:
            verb = statement.split()[0]
            longest[verb] = max(longest.get(verb, 0), len(parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    many = tuple(range(1, BATCH + 2))
    writer.write_chunk(source, chunk(0, 1, local_ids=many, model_id=model, crop_quality=0.5))
    assert counted(database)["media"] == len(many)
    writer.write_chunk(source, chunk(1, 2, local_ids=many, model_id=model, crop_quality=0.5))
    assert counted(database)["embeddings"] == 3 * len(many)
    assert BATCH <= longest["SELECT"] <= BATCH + 2
    assert BATCH <= longest["DELETE"] <= BATCH + 2


def test_an_old_crop_that_stays_is_only_logged(
    database: Database, writer: RunWriter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = writer.add_source(VIDEO)
    writer.write_chunk(source, chunk(0, 10, local_ids=(1, 2), crop_quality=0.5))
    with database.read() as connection:
        old = [tmp_path / "media" / path for path in connection.scalars(select(Media.path).order_by(Media.id))]
    old[0].unlink()
    (old[0] / "in the way").mkdir(parents=True)
    assert writer.write_chunk(source, chunk(10, 20, local_ids=(1, 2), crop_quality=0.75))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(old[0]) in caplog.text
    assert not old[1].exists()
    assert counted(database)["media"] == 2


def test_runs_share_detections_but_not_their_clock(database: Database, tmp_path: Path) -> None:
    """The same file, said to begin five seconds later the second time."""
    for later in (0, 5_000_000):
        writer = RunWriter.begin(database, RUN, media_folder=tmp_path)
        source = writer.add_source(VIDEO)
        writer.add_session(source, 0, started_at=START + later)
        given = chunk(0, 10)
        seen = replace(given.observations, at=given.observations.at + later)
        tracks = replace(given.tracks, first_at=given.tracks.first_at + later, last_at=given.tracks.last_at + later)
        writer.write_chunk(source, replace(given, observations=seen, tracks=tracks))
    with database.read() as connection:
        shared = unpack_detections(connection.execute(select(DetectionChunk.payload)).scalar_one())
        assert "at" not in {field.name for field in fields(shared)}
        for source, started_at in connection.execute(select(Session.run_source_id, Session.started_at)):
            kept = connection.scalars(
                select(Observation.at).where(Observation.run_source_id == source).distinct().order_by(Observation.at)
            )
            assert (started_at + np.round(shared.times * 1e6).astype(np.int64)).tolist() == kept.all()


def test_words_are_checked(database: Database, writer: RunWriter) -> None:
    source = writer.add_source(VIDEO)
    with pytest.raises(StoreError, match="'asleep' is no SourceStatus; the words are pending, running"):
        mark(database, source, "asleep")
    with database.write() as connection:
        connection.execute(text("UPDATE run_sources SET status = 'asleep'"))
    with pytest.raises(StoreError, match="'asleep' is no SourceStatus"), database.read() as connection:
        connection.scalars(select(RunSource.status)).all()


def mark(database: Database, source: int, word: str) -> None:
    """Write a word past the types."""
    with database.write() as connection:
        connection.execute(update(RunSource).where(RunSource.id == source).values(status=word))


def test_runs_that_do_not_exist(database: Database, writer: RunWriter, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no run"):
        RunWriter.attach(database, uuid4(), media_folder=tmp_path)
    with pytest.raises(StoreError, match="was deleted, or another process"):
        RunWriter.resume(database, uuid4(), beaten_at=1, media_folder=tmp_path)
    with pytest.raises(StoreError, match="to track again"):
        RunWriter.begin(database, replace(RUN, parent=uuid4()), media_folder=tmp_path)
    with pytest.raises(StoreError, match="to track again in this project"):
        RunWriter.begin(database, replace(RUN, parent=writer.public_id, project="other"), media_folder=tmp_path)
    other = RunWriter.begin(database, replace(RUN, parent=writer.public_id), media_folder=tmp_path)
    with pytest.raises(StoreError, match="has no source"):
        other.write_chunk(writer.add_source(VIDEO), chunk(0, 10))


def test_a_source_keeps_what_was_known_of_it(database: Database, writer: RunWriter) -> None:
    writer.add_source(VIDEO)
    writer.add_source(replace(VIDEO, width=None, fps=30.0))
    with database.read() as connection:
        assert tuple(connection.execute(select(Source.width, Source.fps)).one()) == (640, 30.0)
