"""What the database sink makes of results: chunks, gaps, exemplars, best pictures; and that it lets pictures go."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from sqlalchemy import select

from pipeline.errors import StoreError
from pipeline.models.base import ModelCard
from pipeline.sinks.base import ChunkEnd, Result
from pipeline.sinks.best_pictures import BestPictures
from pipeline.sinks.database import DatabaseSink
from pipeline.store import tables
from pipeline.store.chunk import FrameCounts
from pipeline.store.database import Database, open_database
from pipeline.store.records import Checkpoint, RunRecord, SourceRecord
from pipeline.store.writer import RunWriter
from tests.fakes import FakeSource, make_frame, make_tracks
from trackers.structures import Detections, FloatArray, Stage, State

DETECTOR = ModelCard("fake", "detect", "1", "a" * 64, "none", None, ("person",))
EMBEDDER = ModelCard("looks", "embed", "1", "b" * 64, "none", None, dimension=4)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "runs.db") as opened:
        yield opened


@pytest.fixture
def sink(store: Database, tmp_path: Path) -> DatabaseSink:
    writer = RunWriter.begin(store, RunRecord("files", {}, "hash", "0"), media_folder=tmp_path / "media")
    writer.register_model(DETECTOR)
    run_source = writer.add_source(SourceRecord("file", "fake", "fake", "fake"))
    embedder = writer.register_model(EMBEDDER)
    return DatabaseSink(
        writer, run_source, FakeSource(0), detect_hash="d", embedder_id=embedder, pictures=BestPictures()
    )


def direction(angle: float) -> FloatArray:
    return np.array([np.cos(angle), np.sin(angle), 0, 0], np.float32)


def result(
    index: int, *, feature: FloatArray | None = None, box: tuple[float, ...] = (10, 10, 30, 40), last: bool = False
) -> Result:
    """One confirmed track in frame `index`; the state is given with the last frame of a chunk."""
    features = None if feature is None else feature[None]
    detections = Detections(np.array([box], np.float32), np.array([0.8], np.float32), np.zeros(1, np.int64), features)
    state: State | None = {"tracker": np.array(index)} if last else None
    return Result(make_frame(index), detections, make_tracks(detections), state)


def test_a_jump_of_frame_numbers_is_a_gap_within_and_between_chunks(sink: DatabaseSink, store: Database) -> None:
    with sink:
        for index in (0, 1, 5, 6):
            sink.write(result(index, feature=direction(0), last=index == 6))
        for index in (10, 11):
            sink.write(result(index, feature=direction(0), last=index == 11))
    with store.read() as connection:
        gaps = connection.execute(select(tables.Gap.from_at, tables.Gap.to_at, tables.Gap.reason)).all()
        chunks = connection.execute(
            select(tables.DetectionChunk.first_frame, tables.DetectionChunk.end_frame).order_by("first_frame")
        ).all()
        next_frame = connection.scalar(select(tables.Checkpoint.next_frame))
    assert [(to_at - from_at) / 1e5 for from_at, to_at, _ in gaps] == [4, 4]  # 0.1 s a frame
    assert [reason for *_, reason in gaps] == ["3 frames could not be decoded"] * 2
    assert [tuple(chunk) for chunk in chunks] == [(0, 7), (7, 12)]
    assert next_frame == 12


def test_pictures_are_let_go_at_once(sink: DatabaseSink) -> None:
    living = []
    with sink:
        for index in range(20):
            one = result(index, feature=direction(0))
            living.append(weakref.ref(one.frame.image))
            sink.write(one)
            del one
            assert living[-1]() is None


def test_exemplars_differ_and_the_mean_points_between_them(sink: DatabaseSink, store: Database) -> None:
    angles = [0.0, 0.01, 1.0, 1.01, 0.0]
    with sink:
        for index, angle in enumerate(angles):
            sink.write(result(index, feature=direction(angle), last=index == len(angles) - 1))
    with store.read() as connection:
        rows = connection.execute(select(tables.Embedding.kind, tables.Embedding.vector)).all()
    exemplars = np.array([row.vector for row in rows if row.kind == "exemplar"])
    mean = next(row.vector for row in rows if row.kind == "mean")
    assert len(exemplars) == 2
    assert exemplars[0] @ exemplars[1] == pytest.approx(np.cos(1.0), abs=0.02)
    together = np.sum([direction(angle) for angle in angles], axis=0)
    np.testing.assert_allclose(mean, together / np.linalg.norm(together), atol=1e-5)


def test_an_object_that_was_never_described_has_no_embedding(sink: DatabaseSink, store: Database) -> None:
    with sink:
        sink.write(result(0, feature=np.full(4, np.nan, np.float32), last=True))
    with store.read() as connection:
        assert connection.scalars(select(tables.Embedding.id)).all() == []
        assert connection.scalars(select(tables.Track.local_id)).all() == [1]


def test_the_best_picture_shows_the_whole_large_object(sink: DatabaseSink, store: Database, tmp_path: Path) -> None:
    boxes = [(0, 10, 8, 20), (20, 5, 50, 45), (40, 10, 63, 30)]  # cut by the border, large, small
    with sink:
        for index, box in enumerate(boxes):
            sink.write(result(index, feature=direction(0), box=box, last=index == 2))
    with store.read() as connection:
        path = connection.scalar(select(tables.Media.path))
    assert cv2.imread(str(tmp_path / "media" / path)).shape == (40, 30, 3)


def test_what_was_gathered_since_the_last_chunk_is_not_stored_by_a_failing_run(
    sink: DatabaseSink, store: Database
) -> None:
    def fail() -> None:
        with sink:
            sink.write(result(0, feature=direction(0), last=True))
            sink.write(result(1, feature=direction(0)))
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    with store.read() as connection:
        assert connection.scalars(select(tables.Observation.frame)).all() == [0]
        assert connection.scalar(select(tables.Checkpoint.next_frame)) == 1


@pytest.mark.parametrize("stops", [(9,), (6,), (2, 6), (9, 12, 19)])
def test_restored_from_a_checkpoint_it_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, stops: tuple[int, ...]
) -> None:
    """Two stores: one written in one go, one with a new sink, restored from the checkpoint, after each stop.

    Chunks end with the frames 9 and 19; a stop elsewhere cuts one.
    """
    kept = []
    for name in ("whole", "resumed"):
        with open_database(tmp_path / f"{name}.db") as store:
            writer = RunWriter.begin(store, RunRecord("files", {}, "hash", "0"), media_folder=tmp_path / name)
            writer.register_model(DETECTOR)
            run_source = writer.add_source(SourceRecord("file", "fake", "fake", "fake"))
            embedder = writer.register_model(EMBEDDER)

            def new() -> DatabaseSink:
                return DatabaseSink(
                    writer,  # noqa: B023  called within the same turn of the loop
                    run_source,  # noqa: B023
                    FakeSource(0),
                    detect_hash="d",
                    embedder_id=embedder,  # noqa: B023
                    pictures=BestPictures(),
                )

            sink = new()
            for index in range(20):
                whole = index % 10 == 9
                stopped = name == "resumed" and index in stops
                one = result(index, feature=direction(index * 7 % 20 / 10), last=whole or stopped)
                sink.write(replace(one, end=ChunkEnd.WHOLE if whole else ChunkEnd.CUT))
                if stopped:
                    checkpoint = writer.checkpoint(run_source)
                    assert checkpoint is not None
                    assert checkpoint.next_frame == index + 1
                    sink = new()
                    sink.restore(checkpoint, FrameCounts(index + 1, index + 1))
            with store.read() as connection:
                track = connection.execute(
                    select(tables.Track.first_at, tables.Track.last_at, tables.Track.count, tables.Track.score_max)
                ).one()
                vectors = connection.execute(
                    select(tables.Embedding.kind, tables.Embedding.at, tables.Embedding.vector).order_by("kind", "at")
                ).all()
                crops = connection.scalars(select(tables.Media.sha256)).all()
        kept.append((tuple(track), [(row.kind, row.at, row.vector.tolist()) for row in vectors], crops))
    assert kept[0] == kept[1]


def test_the_highest_id_outlasts_a_stop(sink: DatabaseSink, store: Database, tmp_path: Path) -> None:
    with sink:
        one = result(0, feature=direction(0), last=True)
        sink.write(replace(one, tracks=replace(one.tracks, ids=np.array([7]))))
    with store.read() as connection:
        key = connection.scalar(select(tables.RunSource.id))
        run = connection.scalar(select(tables.Run.public_id))
    assert key is not None
    assert run is not None
    writer = RunWriter.attach(store, run, media_folder=tmp_path / "media")
    checkpoint = writer.checkpoint(key)
    assert checkpoint is not None
    resumed = DatabaseSink(writer, key, FakeSource(0), detect_hash="d")
    resumed.restore(checkpoint, FrameCounts(1, 1))
    with resumed:
        resumed.write(result(1, last=True))  # track 1 alone
    again = writer.checkpoint(key)
    assert again is not None
    assert int(again.state["sink.last_id"]) == 7


def test_a_checkpoint_of_another_format_is_refused(sink: DatabaseSink) -> None:
    with pytest.raises(StoreError, match=r"the checkpoint has format 2.*resume with the version that began the run"):
        sink.restore(Checkpoint(1, {}, 2), FrameCounts(1, 1))


def test_a_track_that_ends_unseen_is_marked(sink: DatabaseSink, store: Database) -> None:
    with sink:
        sink.write(result(0, feature=direction(0), last=True))
        one = result(1, feature=direction(0), last=True)
        ended = replace(one.tracks, stages=np.array([Stage.ENDED], np.int8), rows=np.array([-1]))
        sink.write(replace(one, detections=Detections.empty(dimension=4), tracks=ended))
    with store.read() as connection:
        assert connection.execute(select(tables.Track.ended, tables.Track.count)).one() == (True, 1)
