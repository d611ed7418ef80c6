"""The database sink behind a camera: cut often, it leaves what one whole chunk leaves; sessions, drops, absences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, select

from pipeline.errors import StoreError
from pipeline.models.base import ModelCard
from pipeline.sinks.base import ChunkEnd, GatheringSink, Result
from pipeline.sinks.best_pictures import BestPictures
from pipeline.sinks.database import DatabaseSink
from pipeline.store import tables
from pipeline.store.camera_rows import gaps_end
from pipeline.store.chunk import FrameCounts
from pipeline.store.database import Database
from pipeline.store.packing import unpack_detections
from pipeline.store.records import RunRecord, SourceRecord
from pipeline.store.stored_detections import stored_detections
from pipeline.store.writer import RunWriter
from tests.fakes import FakeSource, make_frame, make_tracks
from trackers.structures import Detections, FloatArray, Gap, Stage

DETECTOR = ModelCard("fake", "detect", "1", "a" * 64, "none", None, ("person",))
EMBEDDER = ModelCard("looks", "embed", "1", "b" * 64, "none", None, dimension=4)


class Camera:
    """A run's source and the sinks that write it."""

    def __init__(self, database: Database, folder: Path, name: str = "gate") -> None:
        self.database, self.counts = database, FakeSource(0)
        self.writer = RunWriter.begin(database, RunRecord("live", {}, "hash", "0"), media_folder=folder / "media")
        self.writer.register_model(DETECTOR)
        self.source = self.writer.add_source(SourceRecord("camera", name, f"rtsp://10.0.0.1/{name}", None))
        self.embedder = self.writer.register_model(EMBEDDER)

    def sink(self) -> DatabaseSink:
        return DatabaseSink(
            self.writer,
            self.source,
            self.counts,
            detect_hash="d",
            embedder_id=self.embedder,
            pictures=BestPictures(),
        )

    def rows(self, query: Any) -> list[tuple[Any, ...]]:
        with self.database.read() as connection:
            return [tuple(row) for row in connection.execute(query).all()]


@pytest.fixture
def camera(database: Database, tmp_path: Path) -> Camera:
    return Camera(database, tmp_path)


def direction(angle: float) -> FloatArray:
    return np.array([np.cos(angle), np.sin(angle), 0, 0], np.float32)


def result(index: int, *, end: ChunkEnd = ChunkEnd.NONE, box: tuple[float, ...] = (10, 10, 30, 40)) -> Result:
    """One track that turns and, from frame 30 on, is joined by another; the first one ends in frame 45."""
    boxes = np.array([box, (40, 5, 60, 35)], np.float32)[: 2 if index >= 30 else 1]
    boxes[:, 3] += index % 17 / 4
    features = np.stack([direction(index * 7 % 20 / 10 + row) for row in range(len(boxes))])
    scores = np.full(len(boxes), 0.5 + index % 11 / 30, np.float32)
    detections = Detections(boxes, scores, np.zeros(len(boxes), np.int64), features)
    tracks = make_tracks(detections)
    if index == 45:
        tracks = replace(tracks, stages=np.array([Stage.ENDED, Stage.CONFIRMED], np.int8))
    if index > 45:
        tracks = tracks[1:]
    return Result(make_frame(index), detections, tracks, None if end is ChunkEnd.NONE else {}, end)


def everything(camera: Camera) -> dict[str, list[Any]]:
    """What a reader of the store can see, but for ids."""
    track = tables.Track
    embedding, observation = tables.Embedding, tables.Observation
    return {
        "tracks": camera.rows(select(track.local_id, track.first_at, track.last_at, track.count, track.ended)),
        "embeddings": [
            (*row[:3], row[3].tolist())
            for row in camera.rows(
                select(track.local_id, embedding.kind, embedding.at, embedding.vector)
                .join(track)
                .order_by(track.local_id, embedding.kind, embedding.at)
            )
        ],
        "observations": camera.rows(select(observation.at, observation.x1, observation.y2).order_by("at", "x1")),
        "pictures": sorted(camera.rows(select(tables.Media.sha256))),
        "detections": [
            (first, end, [found.boxes.tolist() for found in unpack_detections(payload).detections])
            for first, end, payload in camera.rows(
                select(
                    tables.DetectionChunk.first_frame, tables.DetectionChunk.end_frame, tables.DetectionChunk.payload
                ).order_by("first_frame")
            )
        ],
    }


def test_cut_every_few_frames_a_camera_leaves_what_whole_chunks_leave(database: Database, tmp_path: Path) -> None:
    left = []
    for name, every in (("whole", 1000), ("cut", 7), ("cut each frame", 1)):
        camera = Camera(database, tmp_path, name)
        sink = camera.sink()
        assert isinstance(sink, GatheringSink)
        with sink:
            for index in range(60):
                end = ChunkEnd.WHOLE if index % 20 == 19 else ChunkEnd.NONE
                if end is ChunkEnd.NONE and index % every == every - 1:
                    end = ChunkEnd.CUT
                sink.write(result(index, end=end))
                if index == 33 and every == 7:
                    sink.cut({})  # the camera is silent for a while
                    sink.cut({})
        found = everything(camera)
        mine = {key: found[key] for key in found}
        left.append(mine)
        with database.write() as connection:  # the next one begins with an empty store
            connection.execute(tables.Run.__table__.delete())
    assert left[0]["detections"][0][:2] == (0, 20)
    assert len(left[0]["embeddings"]) > 5
    assert left[1] == left[0]
    assert left[2] == left[0]


@pytest.mark.parametrize("last_cut", [58, 59])
def test_what_waited_for_its_chunk_is_stored_at_the_end(database: Database, tmp_path: Path, last_cut: int) -> None:
    """Also where the last frames were cut already, and no other comes."""
    left = []
    for name, cuts in (("whole", ()), ("cut", (10, 35, last_cut))):
        camera = Camera(database, tmp_path, name)
        with camera.sink() as sink:
            for index in range(60):
                sink.write(result(index, end=ChunkEnd.CUT if index in cuts else ChunkEnd.NONE))
            sink.cut({}, ChunkEnd.WHOLE)
            sink.cut({}, ChunkEnd.WHOLE)  # there is nothing more to store
        found = everything(camera)
        del found["detections"]  # in the pieces in which they were cut
        left.append(found)
        with database.write() as connection:
            connection.execute(delete(tables.Run))
    assert left[0] == left[1]
    assert len(left[0]["embeddings"]) > 2
    assert left[0]["pictures"]


def test_what_is_cut_can_be_read_at_once_and_has_no_holes(camera: Camera) -> None:
    sink = camera.sink()
    with sink:
        for index in range(25):
            sink.write(result(index, end=ChunkEnd.WHOLE if index == 9 else ChunkEnd.NONE))
            if index % 4 == 3:
                sink.cut({})
                with camera.database.read() as connection:
                    found = list(stored_detections(connection, camera.source, end_frame=index + 1))
                assert [frame for chunk in found for frame in chunk.frames.tolist()] == list(range(index + 1))
        sink.cut({}, ChunkEnd.WHOLE)
    track = tables.Track
    assert camera.rows(select(track.count, track.last_at)) == [(25, make_frame(24).at)]
    ranges = select(tables.DetectionChunk.first_frame, tables.DetectionChunk.end_frame).order_by("first_frame")
    assert camera.rows(ranges) == [(0, 10), (10, 25)]


def test_the_checkpoint_of_a_camera_is_small_and_nobody_can_resume_it(camera: Camera) -> None:
    with camera.sink() as sink:
        for index in range(60):
            sink.write(result(index))
        sink.cut({})
    [(state,)] = camera.rows(select(tables.Checkpoint.state))
    assert len(state) < 1000
    checkpoint = camera.writer.checkpoint(camera.source)
    assert checkpoint is not None
    assert checkpoint.next_frame == 60
    with pytest.raises(StoreError, match="never come again"):
        camera.sink().restore(checkpoint, FrameCounts())


def test_each_connection_is_a_session_with_its_clock_and_size(camera: Camera) -> None:
    away = Gap(make_frame(2).at, make_frame(80).at, "no route to host")

    def frames() -> Iterator[Result]:
        for index in range(3):
            yield result(index)
        for index in range(3, 6):
            one = result(index, box=(100, 60, 180, 230))
            frame = make_frame(index, width=320, height=240)
            frame = replace(frame, at=frame.at + 7_700_000, session=1, gap=away if index == 3 else None)
            yield replace(one, frame=frame)

    with camera.sink() as sink:
        for one in frames():
            sink.write(one)
        sink.cut({})
    session = tables.Session
    start = make_frame(0).at
    assert camera.rows(select(session.n, session.started_at, session.width, session.height).order_by("n")) == [
        (0, start, 64, 48),
        (1, start + 7_700_000, 320, 240),
    ]
    gap = tables.Gap
    assert camera.rows(select(gap.from_at, gap.to_at, gap.reason)) == [(away.from_at, away.to_at, away.reason)]
    [(width, height)] = camera.rows(select(tables.Media.width, tables.Media.height))
    assert (width, height) == (80, 172)  # cut out of the larger picture: 60 to 230 + 5/4, of frame 5


def test_drops_are_read_but_not_processed(camera: Camera) -> None:
    with camera.sink() as sink:
        for index in range(4):
            camera.counts.dropped, camera.counts.repaired, camera.counts.damaged = 3 * index, index, 2 * index
            sink.write(result(index))
            sink.cut({})
    counts = camera.writer.progress(camera.source).counts
    assert counts == FrameCounts(read=4 + 9, processed=4, dropped=9, repaired=3, damaged=6)


def test_an_outage_at_the_end_is_a_gap_also_where_no_frame_ever_came(camera: Camera) -> None:
    with camera.sink() as sink:
        sink.cut({}, ChunkEnd.WHOLE)
        sink.lost(Gap(10, 20, "connection refused"))
    gap = tables.Gap
    assert camera.rows(select(gap.from_at, gap.to_at, gap.reason)) == [(10, 20, "connection refused")]


def test_a_camera_that_comes_back_into_the_run_is_counted_on(camera: Camera) -> None:
    with camera.sink() as first:
        for index in range(40):
            first.write(result(index))
        first.cut({}, ChunkEnd.WHOLE)
    checkpoint = camera.writer.checkpoint(camera.source)
    assert checkpoint is not None
    second = camera.sink()
    second.follow(checkpoint)
    with second:
        for index in range(5):
            one = result(index)
            late = replace(one.frame, at=one.frame.at + 60_000_000)
            second.write(replace(one, frame=late))
        second.cut({}, ChunkEnd.WHOLE)
    track, observation, session = tables.Track, tables.Observation, tables.Session
    assert camera.rows(select(track.local_id, track.count).order_by("local_id")) == [(1, 40), (2, 10), (3, 5)]
    frames = camera.rows(select(observation.frame).join(track).where(track.local_id == 3).order_by("frame"))
    assert frames == [(40,), (41,), (42,), (43,), (44,)]
    sessions = camera.rows(select(session.n, session.started_at).order_by("n"))
    start = make_frame(0).at
    assert sessions == [(0, start), (1, start)]  # time went on
    gap = tables.Gap
    assert camera.rows(select(gap.from_at, gap.to_at, gap.reason)) == [
        (make_frame(39).at, start + 60_000_000, "the camera was not watched")
    ]
    with camera.database.read() as connection:
        chunks = list(stored_detections(connection, camera.source, end_frame=45))
    times = np.concatenate([chunk.times for chunk in chunks])
    assert len(times) == 45
    assert (np.diff(times) > 0).all()
    again = camera.writer.checkpoint(camera.source)
    assert again is not None
    assert (again.next_frame, int(again.state["sink.last_id"])) == (45, 3)


def test_a_camera_that_comes_back_tells_the_outage_in_which_it_was_left_once(camera: Camera) -> None:
    start, last = make_frame(0).at, make_frame(3).at
    with camera.sink() as first:
        for index in range(4):
            first.write(result(index))
        first.cut({}, ChunkEnd.WHOLE)
        first.lost(Gap(last, last + 20_000_000, "connection refused"))
    checkpoint = camera.writer.checkpoint(camera.source)
    assert checkpoint is not None
    second = camera.sink()
    with camera.database.read() as connection:
        second.follow(checkpoint, told_until=gaps_end(connection, camera.source))
    with second:
        one = result(0)
        second.write(replace(one, frame=replace(one.frame, at=start + 60_000_000)))
        second.cut({}, ChunkEnd.WHOLE)
    gap = tables.Gap
    assert camera.rows(select(gap.from_at, gap.to_at, gap.reason).order_by("from_at")) == [
        (last, last + 20_000_000, "connection refused"),
        (last + 20_000_000, start + 60_000_000, "the camera was not watched"),
    ]


def test_a_new_track_can_be_found_at_once_and_its_looks_improve_when_the_chunk_is_whole(camera: Camera) -> None:
    track, embedding, media = tables.Track, tables.Embedding, tables.Media
    looks = select(track.local_id, embedding.kind, embedding.at).join(track).order_by("local_id", "kind", "at")
    pictures = select(track.local_id, media.from_at).join(track).order_by("local_id")

    with camera.sink() as sink:
        for index in range(60):
            sink.write(result(index, end=ChunkEnd.WHOLE if index == 49 else ChunkEnd.NONE))
            if index == 2:
                sink.cut({})
                first = camera.rows(looks), camera.rows(pictures)
            if index == 20:
                sink.cut({})
                assert (camera.rows(looks), camera.rows(pictures)) == first
            if index == 33:
                sink.cut({})
                second = camera.rows(looks), camera.rows(pictures)
            if index == 49:
                whole = camera.rows(looks), camera.rows(pictures)
    assert {local_id for local_id, *_ in first[0]} == {1}
    assert {kind for _, kind, _ in first[0]} == {"exemplar", "mean"}
    assert second[0][: len(first[0])] == first[0]
    assert {local_id for local_id, *_ in second[0]} == {local_id for local_id, _ in second[1]} == {1, 2}
    means = {local_id: when for local_id, kind, when in whole[0] if kind == "mean"}
    assert means == {1: make_frame(45).at - 100_000, 2: make_frame(49).at}  # of all that was seen
    assert len(whole[0]) > len(second[0])
    assert whole[1] != second[1]
