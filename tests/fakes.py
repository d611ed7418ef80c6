"""Stand-ins for sources, networks, trackers and sinks: small, exact, and able to fail on command."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import numpy as np

from pipeline.models.base import ModelCard
from pipeline.peer_process.worker import TrackerError
from pipeline.sinks.base import Result
from pipeline.sources.base import StartOrigin, microseconds
from pipeline.sources.feed import CameraState, DropReason, FeedStatus
from pipeline.store.filters import Scope
from pipeline.store.states import RequestedState
from pipeline.tracker_benchmark.peers.shots import Entry
from trackers.doubts import Doubts
from trackers.structures import (
    Detections,
    Evidence,
    FloatArray,
    Frame,
    Gap,
    ImageArray,
    IntArray,
    Masks,
    Stage,
    State,
    Tracks,
)

START = datetime(2026, 11, 2, 8, 30, tzinfo=UTC)


def make_frame(index: int, *, width: int = 64, height: int = 48, fps: float = 10.0, mark: int = 0) -> Frame:
    """A black frame whose first pixel says (mark, index, 0)."""
    image = np.zeros((height, width, 3), np.uint8)
    image[0, 0, :2] = mark, index % 256
    seconds = index / fps
    return Frame(image, index, seconds, microseconds(START) + round(seconds * 1e6))


class FakeSource:
    """`count` frames, then the given end. `mark` tells sources apart."""

    kind = "file"
    codec = "none"
    start_at = START
    start_origin = StartOrigin.GIVEN
    repaired = 0
    damaged = 0
    dropped = 0
    time_base: Fraction | None = None
    time_offset = 0.0

    def __init__(
        self,
        count: int,
        *,
        mark: int = 0,
        error: BaseException | None = None,
        seconds_each: float = 0.0,
        width: int = 64,
        height: int = 48,
        fps: float = 10.0,
        first: int = 0,
    ) -> None:
        """`first`: index of the first frame to give; `count` is that of all."""
        self.name = self.uri = self.fingerprint = f"fake{mark}"
        self.frame_count: int | None = count - first
        self._range = range(first, count)
        self.duration: float | None = count / fps
        self.width, self.height, self.fps = width, height, fps
        self._mark, self._error, self._pause = mark, error, seconds_each
        self.given = 0
        self.stopped = False

    def __iter__(self) -> Iterator[Frame]:
        for index in self._range:
            if self.stopped:
                return
            time.sleep(self._pause)
            self.given += 1
            yield make_frame(index, width=self.width, height=self.height, fps=self.fps, mark=self._mark)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        self.stopped = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return


class FakeFeed:
    """A camera whose frames a test pushes, or that plays by itself. Live: keeps the freshest; batch: keeps all."""

    def __init__(
        self,
        name: str = "gate",
        *,
        mark: int = 0,
        policy: str = "live",
        width: int = 64,
        height: int = 48,
        outage: Gap | None = None,
        fail_on: str | None = None,
        close_seconds: float = 0.0,
        pictures: Sequence[ImageArray] = (),
    ) -> None:
        """`mark`: of its pictures, which are black, or else those given, in turn. `outage`: what `close` returns."""
        self.name, self.uri = name, f"rtsp://10.0.0.1/{name}"
        self.width, self.height = width, height
        self.state = CameraState.CONNECTING
        self.session = 0
        self.repaired = self.damaged = self.read = self.taken = 0
        self.dropped: Counter[str] = Counter()
        self.closed = 0
        self._mark, self._policy, self._outage, self._fail_on = mark, policy, outage, fail_on
        self._close_seconds, self._pictures = close_seconds, pictures
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._frames: deque[Frame] = deque()
        self._gap: Gap | None = None
        self._fresh: Callable[[], None] = lambda: None
        self._over = threading.Event()
        self._player: threading.Thread | None = None

    def push(self, *, seconds: float | None = None, at: int | None = None, mark: int | None = None) -> None:
        """A new frame was decoded; by default now."""
        if self._pictures:
            image = self._pictures[self.read % len(self._pictures)].copy()
        else:
            image = np.zeros((self.height, self.width, 3), np.uint8)
            image[0, 0, :2] = self._mark if mark is None else mark, self.read % 256
        taken = time.monotonic() - self._began if seconds is None else seconds
        now = time.time_ns() // 1000 if at is None else at
        with self._lock:
            self.state = CameraState.LIVE
            self.read += 1
            gap, self._gap = self._gap, None
            frame = Frame(image, 0, taken, now, session=self.session, gap=gap)
            if self._policy == "live" and self._frames:
                stale = self._frames.pop()
                frame = replace(frame, gap=gap or stale.gap)
                self.dropped[DropReason.STALE] += 1
            self._frames.append(frame)
        self._fresh()

    def lose(self, gap: Gap) -> None:
        """The connection is lost; the next frame is of a new one, after `gap`."""
        with self._lock:
            self.session += 1
            self._gap = gap

    def play(self, fps: float, count: int) -> None:
        """Push frames from a thread of its own, in real time."""

        def work() -> None:
            began = time.monotonic()
            for number in range(count):
                if self._over.wait(max(0.0, began + number / fps - time.monotonic())):
                    return
                self.push()

        self._player = threading.Thread(target=work, name=f"play {self.name}")
        self._player.start()

    def start(self, fresh: Callable[[], None]) -> None:
        if self._fail_on == "start":
            raise RuntimeError("the feed cannot be started")
        self._fresh = fresh
        if self._frames:
            fresh()

    def take(self) -> Frame | None:
        if self._fail_on == "take":
            raise RuntimeError("the feed broke")
        with self._lock:
            if not self._frames:
                return None
            frame = replace(self._frames.popleft(), index=self.taken)
            self.taken += 1
            return frame

    def status(self) -> FeedStatus:
        with self._lock:
            return FeedStatus(
                self.state,
                0,
                frames_read=self.read,
                frames_taken=self.taken,
                dropped=dict(self.dropped),
                repaired=self.repaired,
                damaged=self.damaged,
            )

    def pause(self) -> None:
        self.state = CameraState.PAUSED

    def go_on(self) -> None:
        self.state = CameraState.LIVE

    def close(self) -> Gap | None:
        self._over.set()
        time.sleep(self._close_seconds)
        if self._player is not None:
            self._player.join()
        self.closed += 1
        if self._fail_on == "close":
            raise RuntimeError("the feed cannot be closed")
        return self._outage


class FakeDetector:
    """Finds `index % (most + 1)` boxes in a frame, placed by the frame's mark and index. Notes every batch."""

    card = ModelCard("fake", "detect", "1", "0" * 64, "none", None, ("thing",))

    def __init__(self, *, most: int = 3, seconds_each: float = 0.0, fail_at: int | None = None) -> None:
        self.batches: list[list[tuple[int, int]]] = []
        self._most, self._pause, self._fail_at = most, seconds_each, fail_at

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.batches.append([(frame.stream, frame.index) for frame in frames])
        time.sleep(self._pause * len(frames))
        if any(frame.index == self._fail_at for frame in frames):
            raise RuntimeError("the detector broke")
        return [self._found(frame) for frame in frames]

    def _found(self, frame: Frame) -> Detections:
        count = frame.index % (self._most + 1)
        left = int(frame.image[0, 0, 0]) + 10.0 * np.arange(count, dtype=np.float32)
        boxes = np.stack([left, left * 0 + frame.index % 20, left + 8, left * 0 + frame.index % 20 + 16], axis=1)
        scores = np.linspace(0.9, 0.5, count, dtype=np.float32)
        return Detections(boxes.astype(np.float32), scores, np.zeros(count, np.int64))


class ScriptedDetector:
    """Finds in frame i what `script(i)` says. Notes the frames it was shown."""

    def __init__(
        self, script: Callable[[int], Detections], classes: tuple[str, ...], *, fail_at: int | None = None
    ) -> None:
        self.card = ModelCard("scripted", "detect", "1", "0" * 64, "none", None, classes)
        self.shown: list[int] = []
        self._script, self._fail_at = script, fail_at

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.shown += [frame.index for frame in frames]
        if any(frame.index == self._fail_at for frame in frames):
            raise RuntimeError("the detector broke")
        return [self._script(frame.index) for frame in frames]


class FakeEmbedder:
    """Gives every box the same unit vector."""

    card = ModelCard("fake", "embed", "1", "0" * 64, "none", None, dimension=4)

    def __init__(self, *, fail_at: int | None = None) -> None:
        self._fail_at = fail_at

    def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[FloatArray]:
        if any(frame.index == self._fail_at for frame in frames):
            raise RuntimeError("the embedder broke")
        return [np.tile(np.eye(4, dtype=np.float32)[0], (len(found), 1)) for found in detections]


class FakeSegmenter:
    """Says that the whole of a box is the object's, cut at whole pixels."""

    card = ModelCard("fake", "segment", "1", "0" * 64, "none", None)

    def __init__(self, *, fail_at: int | None = None) -> None:
        self._fail_at = fail_at

    def segment(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[Masks]:
        if any(frame.index == self._fail_at for frame in frames):
            raise RuntimeError("the segmenter broke")
        return [self._whole(found.boxes.astype(np.int64)) for found in detections]

    def _whole(self, corners: IntArray) -> Masks:
        sides = (corners[:, 2:] - corners[:, :2]).tolist()
        return Masks(corners[:, :2], tuple(np.ones((height, width), bool) for width, height in sides))


class BlindSegmenter:
    """Gives every box a mask without a pixel."""

    card = ModelCard("blind", "segment", "1", "0" * 64, "none", None)

    def segment(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[Masks]:
        return [
            Masks(found.boxes[:, :2].astype(np.int64), (np.zeros((0, 0), bool),) * len(found)) for found in detections
        ]


class FakeTracker:
    """Makes detection i track i + 1, confirmed. Keeps what it was given."""

    def __init__(self, *, fail_at_seconds: float | None = None) -> None:
        self.times: list[float] = []
        self.carried: list[float] = []
        self.gaps: list[float] = []
        self.marks: list[int] = []
        self.features: list[FloatArray | None] = []
        self._fail_at = fail_at_seconds

    def update(
        self,
        detections: Detections,
        seconds: float,
        *,
        image: ImageArray | None = None,
        camera_motion: FloatArray | None = None,
        gap: float = 0.0,
    ) -> Tracks:
        assert image is not None
        assert not self.times or seconds > self.times[-1]
        if seconds == self._fail_at:
            raise RuntimeError("the tracker broke")
        self.times.append(seconds)
        self.gaps.append(gap)
        self.marks.append(int(image[0, 0, 0]))
        self.features.append(detections.features)
        return make_tracks(detections)

    def carry(
        self,
        seconds: float,
        *,
        image: ImageArray | None = None,
        camera_motion: FloatArray | None = None,
        gap: float = 0.0,
    ) -> Tracks:
        assert image is not None
        self.carried.append(seconds)
        return Tracks.empty()

    def to_arrays(self) -> State:
        return {"times": np.array(self.times)}

    def from_arrays(self, state: State) -> None:
        self.times = state["times"].tolist()


class DoubtfulFakeTracker(FakeTracker):
    """Is unsure of all but the first row, of which it learned something in every third frame."""

    def __init__(self, *, fail_at_seconds: float | None = None) -> None:
        """`fail_at_seconds`: when it cannot say what it is unsure of."""
        super().__init__()
        self.asked: list[float] = []
        self._cannot_say_at = fail_at_seconds

    def doubts(self, detections: Detections, seconds: float, *, gap: float = 0.0) -> Doubts:
        if seconds == self._cannot_say_at:
            raise RuntimeError("the tracker knows nothing")
        assert self.times == self.asked, "it has taken every frame that it was asked about"
        self.asked.append(seconds)
        count = len(detections)
        first = np.arange(count) == 0
        ages = np.where(first, 0.1 * (len(self.asked) % 3), np.inf)
        return Doubts(~first, np.ones(count, dtype=bool), ages, ages)


def make_tracks(detections: Detections) -> Tracks:
    """Detection i as confirmed track i + 1."""
    count = len(detections)
    return Tracks(
        boxes=detections.boxes,
        scores=detections.scores,
        labels=detections.labels,
        ids=np.arange(1, count + 1),
        stages=np.full(count, Stage.CONFIRMED, np.int8),
        evidence=np.full(count, Evidence.DETECTED, np.int8),
        rows=np.arange(count),
    )


class RecordingSink:
    """Keeps results (without pictures) and how it was left: "open", "finished" or "taken back"."""

    def __init__(
        self,
        *,
        fail_at: int | None = None,
        fail_on: str | None = None,
        seconds_each: float = 0.0,
        on_write: Callable[[Result], None] | None = None,
    ) -> None:
        self.results: list[Result] = []
        self.ending = "closed"
        self.threads: set[str] = set()
        self._fail_at, self._fail_on, self._pause, self._on_write = fail_at, fail_on, seconds_each, on_write

    def __enter__(self) -> Self:
        if self._fail_on == "enter":
            raise RuntimeError("the sink cannot be opened")
        self.ending = "open"
        return self

    def write(self, result: Result) -> None:
        time.sleep(self._pause)
        self.threads.add(threading.current_thread().name)
        if result.frame.index == self._fail_at:
            raise RuntimeError("the sink broke")
        small = replace(result.frame, picture=result.frame.image[:1, :1].copy())
        self.results.append(replace(result, frame=small))
        if self._on_write is not None:
            self._on_write(result)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ending = "finished" if error is None else "taken back"
        if self._fail_on == "exit":
            raise RuntimeError("the sink cannot be closed")


class FakeRunControl:
    """Starts nothing. Notes what was asked for, waits for `held`, and fails with `error`, if they are given."""

    def __init__(self, *, error: Exception | None = None, held: threading.Event | None = None) -> None:
        self._held = held
        self.calls: list[tuple[object, ...]] = []
        self.run = UUID(int=0x018F_0000_0000_7000_8000_0000_0000_0001)
        self._error = error

    def start(self, addresses: Sequence[str], *, config: str = "default", overrides: Sequence[str] = ()) -> UUID:
        self._note("start", tuple(addresses), config, tuple(overrides))
        return self.run

    def follow(
        self,
        address: str,
        *,
        box: Sequence[float],
        start_frame: int = 0,
        tracker: str = "correlation",
        label: str = "",
        overrides: Sequence[str] = (),
    ) -> UUID:
        self._note("follow", address, tuple(box), start_frame, tracker, label, tuple(overrides))
        return self.run

    def resume(self, run: UUID) -> None:
        self._note("resume", run)

    def request(self, run: UUID, wanted: RequestedState) -> None:
        self._note("request", run, wanted)

    def _note(self, *call: object) -> None:
        self.calls.append(call)
        if self._held is not None:
            assert self._held.wait(120)
        if self._error is not None:
            raise self._error


class FakePictures:
    """Describes every picture by the same vector. Keeps the pictures' shapes."""

    def __init__(self, vector: FloatArray) -> None:
        self._vector = vector
        self.shapes: list[tuple[int, ...]] = []

    def vector_of(self, picture: ImageArray, scope: Scope, *, model_id: int) -> FloatArray:
        self.shapes.append(picture.shape)
        return self._vector


class FakeTrackerWorker:
    """Answers as a process of trackers does, at once: the seconds it was told for each tracker, by turns."""

    def __init__(self, seconds: dict[str, list[list[float]]]) -> None:
        self.seconds = seconds  # by tracker: of each turn, of each frame; an empty turn fails
        self.asked: list[str] = []

    def time(self, entry: Entry, frames: Path, *, skip: int, limit: float) -> list[float]:
        """As `Worker.time`."""
        assert frames.is_file()
        self.asked.append(entry.name)
        turn = self.seconds[entry.name].pop(0)
        if not turn:
            raise TrackerError("it fell over")
        return turn


class SilentWatcher:
    """Says nothing of a training (see `learning.Watcher`). `stepped`: is told the number of each step, from 1."""

    def __init__(self, stepped: Callable[[int], None] | None = None) -> None:
        self._told, self._steps = stepped, 0

    def epoch_began(self, epoch: int, steps: int) -> None:
        """See Watcher."""

    def stepped(self, loss: float) -> None:
        """See Watcher."""
        self._steps += 1
        if self._told is not None:
            self._told(self._steps)

    def epoch_ended(self, row: Mapping[str, float]) -> None:
        """See Watcher."""
