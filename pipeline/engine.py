"""Engine: streams of frames through detector, segmenter, embedder, trackers and sinks, each stage in its own thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.asks import ALWAYS, Asks, asked_rows
from pipeline.backfill import Backfill, Tracked
from pipeline.channel import Cancelled, Channel
from pipeline.errors import DamagedSourceError, SourceError
from pipeline.events import Analyst
from pipeline.models.base import Detector, Embedder, Segmenter
from pipeline.report import EngineReport, StreamReport
from pipeline.schedule import AHEAD, Judge, MakeSchedule, every_nth
from pipeline.scheduling.course import Course
from pipeline.sinks.base import ChunkEnd, Result, Sink
from pipeline.sources.base import Source
from pipeline.stages import Follower, describe, outline, rounds
from trackers.doubts import Doubts
from trackers.structures import Detections, Frame, MultiObjectTracker, State

SIGNAL_INTERVAL = 0.1  # seconds; a waiting main thread runs signal handlers this often, wherever the signal arrived
PAUSE_INTERVAL = 0.05  # seconds between two looks of a paused reader
PROGRESS_INTERVAL = 0.1  # seconds between two calls of `progress` for one stream

Progress = Callable[[int, int, int], None]  # stream, frames done, tracks seen


@dataclass(frozen=True, slots=True)
class Stream:
    """One source, its tracker, and where its results go. The caller opens and closes the source.

    Frames before `first_frame` are only shown to a detector that learns from what it sees; tracker and sinks go on as
    they were after them.
    """

    source: Source
    tracker: MultiObjectTracker
    sinks: Sequence[Sink] = ()
    first_frame: int = 0
    analyst: Analyst | None = None
    left: State | None = None  # what an earlier part of the run has left: the schedule's arrays are in it, for one


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    """A frame on its way, with what the stages so far found out."""

    stream: int
    frame: Frame
    end: ChunkEnd
    looked: bool = True  # whether the detector is to look at it, or has
    decided: State | None = None  # the schedule's arrays after it, where a chunk ends with it
    detections: Detections = field(default_factory=Detections.empty)


class Engine:
    """Runs streams to their end: every frame, in order, with back-pressure.

    Batches take frames from the streams in turn, as long as each has some, until the detector has as many to look at
    as it takes at once, or AHEAD frames have come. So neither queue sizes nor thread timing change what any stage is
    given.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        detector: Detector,
        *,
        segmenter: Segmenter | None = None,
        embedder: Embedder | None = None,
        asks: Asks = ALWAYS,
        batch: int = 1,
        capacity: int = 4,
        chunk: int = 100,
        schedule: MakeSchedule | None = None,
        judge: Judge | None = None,
        lines: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """`asks`: which of segmenter and embedder look only where the tracker is unsure. They are asked then frame by
        frame, of all streams at once, right before their trackers take the frame.

        `batch`: frames given to the networks at once. `capacity`: items that may wait in front of a stage.

        `chunk`: frames whose indices have the same quotient by it are one chunk; a tracker's state is handed to the
        sinks with the last frame of each. `schedule`: which frames the detector looks at, None: all; between them the
        tracker carries what it has. `judge`: what tells the schedule of the tracks, where it needs to know. `lines`:
        between them nothing is carried, but put on the line to where the next one finds it; not beside a judge.
        `progress`: called from a thread of the engine, at most ten times a second for a stream.
        """
        if not streams or batch < 1 or chunk < 1:
            raise ValueError("an engine needs at least one stream, one frame a batch and one frame a chunk")
        self._streams = tuple(streams)
        self._detector = detector
        self._segmenter, self._embedder = segmenter, embedder
        self._asks = asks
        self._batch = batch
        # tracks have their say so many frames later, and their schedule counts on batches of one length
        self._longest = batch if judge is not None or batch == 1 else max(batch, AHEAD)
        self._chunk = chunk
        self._progress = progress
        self._frames = tuple(Channel[_Item](capacity) for _ in streams)
        waiting = max(1, capacity // self._longest)  # pictures are large
        self._detected = Channel[list[_Item]](waiting)
        self._embedded = Channel[list[_Item]](waiting)
        self._results = Channel[Result](capacity)
        self._followers = tuple(Follower(stream.tracker, stream.analyst) for stream in streams)
        make = schedule or every_nth(1)
        if judge is not None and detector.card.learns:
            raise ValueError("a detector that learns needs frames at even distances; no tracks say which")
        if judge is not None and lines:
            raise ValueError("a schedule that goes by the tracks cannot wait for its next look to know them")
        self._backfills = tuple(Backfill[_Item](follower, waits=lines) for follower in self._followers)
        self._courses = tuple(
            # a detector that learns is shown all frames again that it had seen before the first one, and no others
            Course(make(0 if detector.card.learns else stream.first_frame), judge, batch=batch)
            for stream in streams
        )
        for stream, course, backfill in zip(streams, self._courses, self._backfills, strict=True):
            if stream.left is not None:
                course.from_arrays(stream.left)
                backfill.from_arrays(stream.left)
        self._failure: BaseException | None = None
        self._failure_lock = threading.Lock()
        self._stopped = False
        self._paused = False
        self.report = EngineReport(tuple(StreamReport() for _ in streams))

    def run(self) -> EngineReport:
        """Process everything. Call once.

        The first failure of any stage is raised as itself, after all threads have ended and the sinks have taken
        back what was half written. A DamagedSourceError is raised only after everything that could be read, of all
        streams, has been written. A source without a frame raises SourceError.
        """
        started = time.perf_counter()
        try:
            with ExitStack() as sinks:
                for stream in self._streams:
                    for sink in stream.sinks:
                        sinks.enter_context(sink)
                self._run_threads()
        finally:
            self.report.seconds = time.perf_counter() - started
            self.report.stopped = self._stopped
            self._finish_report()
        for stream_report in self.report.streams:
            if stream_report.damage is not None:
                raise stream_report.damage
        return self.report

    def stop(self) -> None:
        """End early: frames already read are finished and written, but for those that wait for a look, which a run that
        goes on reads again. Safe in a signal handler: it takes no lock.
        """
        self._stopped = True
        for stream in self._streams:
            stream.source.stop()

    def pause(self) -> None:
        """Read no more until `go_on` or `stop`. What was read is finished. Safe from any thread."""
        self._paused = True

    def go_on(self) -> None:
        """End a pause. Safe from any thread."""
        self._paused = False

    def _run_threads(self) -> None:
        stages: list[tuple[str, Callable[[], None]]] = [
            ("write", self._write),
            ("track", self._track),
            ("embed", self._embed),
            ("detect", self._detect),
        ]
        stages += [(f"read {number}", self._reader(number)) for number in range(len(self._streams))]
        running: list[tuple[threading.Thread, threading.Event]] = []
        try:
            for name, work in stages:
                ended = threading.Event()
                thread = threading.Thread(target=self._guard, args=(name, work, ended), name=f"sightline {name}")
                running.append((thread, ended))
                thread.start()
            _wait(running)
        except BaseException as error:  # KeyboardInterrupt in this thread, or no more threads
            self._fail(error)
            raise
        finally:
            _wait(running)
            for thread, _ in running:
                if thread.ident is not None:
                    thread.join()
        if self._failure is not None:
            raise self._failure

    def _guard(self, name: str, work: Callable[[], None], ended: threading.Event) -> None:
        """Run one stage; its failure ends all others."""
        try:
            work()
        except Cancelled:
            return
        except BaseException as error:  # noqa: BLE001 (re-raised by `run`)
            error.add_note(f"in stage '{name}' of the engine")
            self._fail(error)
        finally:
            ended.set()

    def _fail(self, error: BaseException) -> None:
        with self._failure_lock:
            if self._failure is None:
                self._failure = error
        for stream in self._streams:
            stream.source.stop()
        channels: tuple[Channel[Any], ...] = (*self._frames, self._detected, self._embedded, self._results)
        for channel in channels:
            channel.cancel()
        for course in self._courses:
            course.cancel()

    def _reader(self, number: int) -> Callable[[], None]:
        return lambda: self._read(number)

    def _read(self, number: int) -> None:
        """One frame is held back, to know which one is the last of its chunk."""
        stream, channel, report = self._streams[number], self._frames[number], self.report.streams[number]
        held: Frame | None = None
        try:
            for frame in _timed(stream.source, report):
                if held is not None:
                    channel.put(_Item(number, held, self._end_between(stream, held, frame)))
                held = frame if frame.stream == number else replace(frame, stream=number)
                self._wait_while_paused()
        except DamagedSourceError as damage:
            report.damage = damage
        if held is not None:
            end = ChunkEnd.at_stop(held.index, self._chunk) if self._stopped else ChunkEnd.WHOLE
            channel.put(_Item(number, held, end))
        elif report.damage is None and not self._stopped and stream.first_frame == 0:
            raise SourceError(f"{stream.source.name} gave no frame; check that it holds pictures")
        channel.close()

    def _end_between(self, stream: Stream, held: Frame, following: Frame) -> ChunkEnd:
        """Whether a chunk ends between two frames."""
        if held.index < stream.first_frame:
            return ChunkEnd.NONE
        return ChunkEnd.between(held.index, following.index, self._chunk)

    def _wait_while_paused(self) -> None:
        """Polls, so that `pause` and `stop` need no lock that a signal handler could find taken."""
        while self._paused and not self._stopped and self._failure is None:
            time.sleep(PAUSE_INTERVAL)

    def _batches(self) -> Iterator[list[_Item]]:
        """Frames from the streams in turn, until a batch has as many to look at as the detector takes at once.

        A stream leaves the round when it has ended.
        """
        batch: list[_Item] = []
        looked = 0
        living = list(self._frames)
        while living:
            for channel in tuple(living):
                item = channel.get()
                if item is None:
                    living.remove(channel)
                    continue
                item = self._scheduled(item)
                batch.append(item)
                looked += item.looked
                if looked == self._batch or len(batch) == self._longest:
                    yield batch
                    batch, looked = [], 0
        if batch:
            yield batch

    def _detect(self) -> None:
        for batch in self._batches():
            asked = [item.frame for item in batch if item.looked]
            found: list[Detections] = []
            if asked:
                with self.report.stages["detect"].busy(len(asked)):
                    found = self._detector.detect(asked)
            items = _filled(batch, found)
            self._detected.put([item for item in items if item.frame.index >= self._streams[item.stream].first_frame])
        self._detected.close()

    def _scheduled(self, item: _Item) -> _Item:
        """The item, which says whether the detector is to look at it."""
        course = self._courses[item.stream]
        looked = course.wants(item.frame)
        return replace(item, looked=looked, decided=None if item.end is ChunkEnd.NONE else course.decided())

    def _embed(self) -> None:
        for batch in self._detected:
            self._embedded.put(batch if self._asks else self._examined(batch))
        self._embedded.close()

    def _examined(self, items: Sequence[_Item]) -> list[_Item]:
        """The items with masks and features. With `asks`, each stream's item is the one that its tracker takes next."""
        looked = [item for item in items if item.looked]
        if not looked or (self._segmenter is None and self._embedder is None):
            return [*items]
        frames, found = [item.frame for item in looked], [item.detections for item in looked]
        doubts = self._doubts(looked)
        if self._segmenter is not None:
            with self.report.stages["segment"].busy(len(looked)):
                found = outline(self._segmenter, frames, found, asked_rows(self._asks.masks, found, doubts))
        if self._embedder is not None:
            with self.report.stages["embed"].busy(len(looked)):
                found = describe(self._embedder, frames, found, asked_rows(self._asks.features, found, doubts))
        return _filled(items, found)

    def _doubts(self, items: Sequence[_Item]) -> list[Doubts | None]:
        if not self._asks:
            return [None] * len(items)
        with self.report.stages["track"].busy(0):
            return [self._followers[item.stream].doubts(item.frame, item.detections) for item in items]

    def _track(self) -> None:
        for batch in self._embedded:
            for items in rounds(batch, lambda item: item.stream) if self._asks else [batch]:
                for item in self._examined(items) if self._asks else items:
                    backfill = self._backfills[item.stream]
                    with self.report.stages["track"].busy(0 if backfill.waits(item, item.end) else 1):
                        results = [self._result(one) for one in backfill.take(item, item.end)]
                    for result in results:
                        self._results.put(result)
        self._results.close()

    def _result(self, tracked: Tracked[_Item]) -> Result:
        item, tracks, end = tracked.item, tracked.tracks, tracked.end
        self._courses[item.stream].tracked(item.frame, tracks, looked=item.looked)
        state = None if end is ChunkEnd.NONE else self._state(item)
        return Result(item.frame, item.detections, tracks, state, end, tracked.events, looked=item.looked)

    def _state(self, item: _Item) -> State:
        """Everything needed to go on after a frame, which is the last one that was tracked."""
        course, decided = self._courses[item.stream], item.decided or {}  # none where a cut comes before what waits
        arrays = self._followers[item.stream].to_arrays() | course.to_arrays(decided)
        return arrays | self._backfills[item.stream].to_arrays()

    def _write(self) -> None:
        told = [float("-inf")] * len(self._streams)
        for result in self._results:
            number = result.frame.stream
            with self.report.stages["write"].busy(1):
                for sink in self._streams[number].sinks:
                    sink.write(result)
                self.report.streams[number].add(result)
            now = time.monotonic()
            if now - told[number] >= PROGRESS_INTERVAL:
                told[number] = now
                self._tell(number)
        for number in range(len(self._streams)):
            self._tell(number)

    def _tell(self, number: int) -> None:
        if self._progress is not None:
            report = self.report.streams[number]
            self._progress(number, report.frames, report.tracks)

    def _finish_report(self) -> None:
        self.report.sum_reading()
        stages = self.report.stages
        stages["detect"].high_water = max(channel.high_water for channel in self._frames)
        stages["embed"].high_water = self._detected.high_water
        stages["track"].high_water = self._embedded.high_water
        stages["write"].high_water = self._results.high_water


def _filled(items: Sequence[_Item], found: Sequence[Detections]) -> list[_Item]:
    """The items, those that are looked at with what was found in them. ValueError where there is more or less of it."""
    looked = [item for item in items if item.looked]
    filled = iter([replace(item, detections=rows) for item, rows in zip(looked, found, strict=True)])
    return [next(filled) if item.looked else item for item in items]


def _wait(running: Sequence[tuple[threading.Thread, threading.Event]]) -> None:
    """Until the work of every thread that was started has ended. Signal handlers run meanwhile, and may raise.

    `Thread.join` alone would not do: interrupted by an exception, Python 3.11 takes the thread for ended
    (cpython issue 90882) and the next `join` returns at once.
    """
    for thread, ended in running:
        while thread.ident is not None and not ended.wait(SIGNAL_INTERVAL):
            pass


def _timed(source: Source, report: StreamReport) -> Iterator[Frame]:
    """The source's frames; the time it takes to make them counts as reading."""
    frames = iter(source)
    while True:
        with report.reading.busy(0):
            frame = next(frames, None)
        if frame is None:
            return
        report.reading.frames += 1
        yield frame
