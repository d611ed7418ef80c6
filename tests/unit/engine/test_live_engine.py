"""The live engine: fresh frames, fair shares, streams that come, go and fail without the others noticing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from pipeline.asks import Asks, FeatureAsk
from pipeline.errors import BusyError, ContentError, HangError, ModelError, StoreError
from pipeline.events import Analyst, EventKind, Events
from pipeline.live_engine import LiveEngine, LiveStream
from pipeline.models.base import Detector
from pipeline.sinks.base import ChunkEnd, Result
from pipeline.sources.feed import CameraState
from tests.fakes import (
    DoubtfulFakeTracker,
    FakeDetector,
    FakeEmbedder,
    FakeFeed,
    FakeSegmenter,
    FakeTracker,
    RecordingSink,
)
from tests.promptness import allowed, promptly, until
from trackers.deepsort import DeepSort
from trackers.doubts import Doubts
from trackers.structures import Detections, Frame, Gap, State, Tracks


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


class Running:
    """An engine that runs in a thread, and what it tells."""

    def __init__(self, detector: Detector | None = None, **settings: Any) -> None:
        self.failed: list[tuple[int, Exception]] = []
        self.ended: list[int] = []
        self.error: BaseException | None = None
        self.engine = LiveEngine(
            detector or FakeDetector(),
            stream_failed=lambda number, error: self.failed.append((number, error)),
            stream_ended=self.ended.append,
            **settings,
        )
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.engine.run()
        except BaseException as error:  # noqa: BLE001 (looked at by the test)
            self.error = error

    def add(self, number: int, feed: FakeFeed, *sinks: RecordingSink, **more: Any) -> None:
        tracker = more.pop("tracker", None) or FakeTracker()
        self.engine.add(LiveStream(number, feed, tracker, sinks, **more))


@contextmanager
def running(detector: Detector | None = None, **settings: Any) -> Iterator[Running]:
    """Runs until the block ends; a failure that the test has not taken is raised."""
    one = Running(detector, **settings)
    one.thread.start()
    try:
        yield one
    except BaseException as error:
        error.add_note(f"streams failed: {one.failed}; the engine: {one.error!r}; {one.engine.report()}")
        raise
    finally:
        one.engine.stop()
        one.thread.join(allowed(20))
    assert not one.thread.is_alive()
    if one.error is not None:
        raise one.error


class Gathering(RecordingSink):
    """Stores only when it is told to, like the database."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.stored: list[tuple[int, ChunkEnd, float]] = []  # frames, how, when
        self.gaps: list[Gap] = []
        self.waiting = 0

    def write(self, result: Result) -> None:
        super().write(result)
        self.waiting += 1
        if result.state is not None:
            assert result.state == {}
            self.store(result.end)

    def cut(self, state: State, end: ChunkEnd = ChunkEnd.CUT) -> None:
        if self.waiting:
            self.store(end)

    def store(self, end: ChunkEnd) -> None:
        self.stored.append((self.waiting, end, time.monotonic()))
        self.waiting = 0

    def lost(self, gap: Gap) -> None:
        self.gaps.append(gap)


def indices(sink: RecordingSink) -> list[int]:
    return [result.frame.index for result in sink.results]


# what goes through


def test_every_frame_of_a_batch_feed_comes_through_in_order_described_and_marked() -> None:
    feed, sink, tracker = FakeFeed(policy="batch", mark=7), RecordingSink(), FakeTracker()
    for number in range(30):
        feed.push(seconds=number / 10)
    with running(segmenter=FakeSegmenter(), embedder=FakeEmbedder()) as one:
        one.add(3, feed, sink, tracker=tracker)
        until(lambda: len(sink.results) == 30)
    assert indices(sink) == list(range(30))
    assert all(len(result.detections.masks or ()) == len(result.detections) for result in sink.results)
    assert {result.frame.stream for result in sink.results} == {3}
    assert set(tracker.marks) == {7}
    assert all(features is not None for features in tracker.features)
    assert sink.ending == "finished"
    assert feed.closed == 1
    report = one.engine.report()
    assert report.batches.keys() <= {1, 2, 3, 4}
    assert sum(size * count for size, count in report.batches.items()) == 30


def test_only_the_wanted_classes_are_tracked() -> None:
    class Classes(FakeDetector):
        def detect(self, frames: Sequence[Frame]) -> list[Detections]:
            boxes = np.tile(np.array([[1, 1, 20, 20]], np.float32), (4, 1))
            return [Detections(boxes, np.ones(4, np.float32), np.arange(4)) for _ in frames]

    feeds, sinks = [FakeFeed("a"), FakeFeed("b")], [RecordingSink(), RecordingSink()]
    with running(Classes()) as one:
        one.add(0, feeds[0], sinks[0], labels={1, 3})
        one.add(1, feeds[1], sinks[1])
        for feed in feeds:
            feed.push()
        until(lambda: all(sink.results for sink in sinks))
    assert [sink.results[0].detections.labels.tolist() for sink in sinks] == [[1, 3], [0, 1, 2, 3]]
    assert sinks[0].results[0].tracks.rows.tolist() == [0, 1]


class Watcher:
    """Tells one event a frame."""

    def __init__(self, rule: str, *, fail_at: int | None = None) -> None:
        self.rule, self.before, self._fail_at = rule, "", fail_at

    def update(self, frame: Frame, tracks: Tracks) -> Events:
        if frame.index == self._fail_at:
            raise RuntimeError("the analyst broke")
        ids = tracks.ids[:1] if len(tracks) else np.zeros(1, np.int64)
        kinds = (EventKind.ENTER,)
        at = np.array([frame.at])
        return Events(at, ids, ids * 0, (self.rule,), kinds, np.zeros(1), ("",), np.zeros((1, 2), np.float32))

    def to_arrays(self) -> State:
        return {}

    def from_arrays(self, state: State) -> None:
        return

    def take_over(self, earlier: Analyst) -> None:
        assert isinstance(earlier, Watcher)
        self.before = earlier.rule


def test_events_are_told_and_the_analyst_can_be_exchanged() -> None:
    feed, sink = FakeFeed(policy="batch"), RecordingSink()
    with running() as one:
        one.add(0, feed, sink, analyst=Watcher("door"))
        feed.push()
        until(lambda: len(sink.results) == 1)
        gate = Watcher("gate")
        one.engine.set_analyst(0, gate)
        feed.push()
        until(lambda: len(sink.results) == 2)
        one.engine.set_analyst(0, None)
        feed.push()
        until(lambda: len(sink.results) == 3)
        assert one.engine.report().streams[0].events == 2
        with pytest.raises(KeyError):
            one.engine.set_analyst(9, None)
    assert [result.events.rules for result in sink.results] == [("door",), ("gate",), ()]
    assert gate.before == "door"


def test_gaps_and_another_size_reach_the_tracker() -> None:
    feed, tracker, sink = FakeFeed(policy="batch"), FakeTracker(), RecordingSink()
    outage = Gap(1_000_000, 3_500_000, "away")
    with running() as one:
        one.add(0, feed, sink, tracker=tracker)
        feed.push(seconds=0.0)
        feed.lose(outage)
        feed.push(seconds=2.5)
        feed.width = 32
        feed.push(seconds=2.6)
        feed.push(seconds=2.7)
        until(lambda: len(sink.results) == 4)
    assert tracker.gaps == [0.0, 2.5, np.inf, 0.0]
    assert sink.results[1].frame.gap == outage


# fairness and freshness


def test_a_fast_camera_never_starves_a_slow_one() -> None:
    """One camera always has another frame; five give one now and then. Each of these is in the next batch but one."""
    fast, slow = FakeFeed("fast", policy="batch"), [FakeFeed(f"slow {number}") for number in range(5)]
    for number in range(2000):
        fast.push(seconds=number / 100)
    detector, sinks = FakeDetector(seconds_each=0.002), [RecordingSink() for _ in range(6)]
    with running(detector) as one:
        one.add(0, fast, sinks[0])
        for number, feed in enumerate(slow, start=1):
            one.add(number, feed, sinks[number])
        for turn in range(1, 6):
            before = len(detector.batches)
            for feed in slow:
                feed.push()
            until(lambda turn=turn: all(len(sink.results) >= turn for sink in sinks[1:]))
            assert fast.taken < 2000  # it had frames all the time
            queued = {stream: number for number, batch in enumerate(detector.batches) for stream, _ in batch}
            # five cameras and the fast one are 6 in the queue, two batches of 4; one was under way, one being made
            assert all(queued[number] - before <= 4 for number in range(1, 6))
    assert len(sinks[0].results) > 20


def test_the_stream_that_has_waited_longest_comes_first() -> None:
    """While the detector is busy with the first frame, cameras become ready in a certain order."""
    gate = threading.Event()

    class Held(FakeDetector):
        def detect(self, frames: Sequence[Frame]) -> list[Detections]:
            assert gate.wait(120)
            return super().detect(frames)

    detector, feeds = Held(), [FakeFeed(f"camera {number}") for number in range(6)]
    sinks = [RecordingSink() for _ in feeds]
    with running(detector, batch=2) as one:
        for number, feed in enumerate(feeds):
            one.add(number, feed, sinks[number])
        feeds[0].push()
        until(lambda: feeds[0].taken == 1)
        for number in (4, 2, 5, 1, 3):
            feeds[number].push()
        gate.set()
        until(lambda: all(sink.results for sink in sinks))
    assert [stream for batch in detector.batches for stream, _ in batch] == [0, 4, 2, 5, 1, 3]
    assert max(len(batch) for batch in detector.batches) == 2


def test_a_lone_camera_does_not_wait_for_others_and_two_share_batches() -> None:
    lone, sink = FakeFeed(), RecordingSink()
    with running(max_wait=allowed(0.5)) as one:
        one.add(0, lone, sink)
        lone.play(20, 10)
        until(lambda: len(sink.results) >= 8)
        assert one.engine.report().streams[0].to_track.p50 < allowed(0.2)
    detector, feeds, sinks = FakeDetector(), [FakeFeed("a"), FakeFeed("b")], [RecordingSink(), RecordingSink()]
    with running(detector, max_wait=allowed(0.5)) as one:
        for number, feed in enumerate(feeds):
            one.add(number, feed, sinks[number])
        for _ in range(10):
            for feed in feeds:
                feed.push()
                time.sleep(0.01)
            until(lambda: feeds[0].taken == feeds[1].taken == feeds[0].read)
    together = [batch for batch in detector.batches if len(batch) == 2]
    assert len(together) >= 8
    assert {tuple(sorted(stream for stream, _ in batch)) for batch in together} == {(0, 1)}


def test_with_a_slow_detector_lag_stays_bounded_and_drops_are_counted() -> None:
    """4 cameras of 25 frames/s, a detector that takes 50 ms a frame: 20 of 100 frames can be processed a second."""
    feeds, sinks = [FakeFeed(f"camera {number}") for number in range(4)], [Gathering() for _ in range(4)]
    with running(FakeDetector(seconds_each=0.05), store_seconds=0.2) as one:
        for number, feed in enumerate(feeds):
            one.add(number, feed, sinks[number])
        for feed in feeds:
            feed.play(25, 10_000)
        until(lambda: all(len(sink.results) >= 12 for sink in sinks))
        report = one.engine.report()
    for number, feed in enumerate(feeds):
        assert report.streams[number].to_track.p50 < 1.0  # of frames that line up, half would be later
        assert report.streams[number].to_track.p99 < allowed(1.0)
        assert report.streams[number].frames < 30
        assert feed.dropped["stale"] > 20
        assert feed.taken == len(sinks[number].results)  # all that was taken was finished
        assert indices(sinks[number]) == list(range(feed.taken))
    assert max(report.batches) <= 5
    assert report.batches[4] + report.batches.get(5, 0) > 5  # 5 frames of 50 ms are a quarter of a second


def test_the_slower_the_network_the_smaller_the_batches() -> None:
    """120 ms a frame: two of them take about a quarter of a second."""
    feeds, sink = [FakeFeed(f"camera {number}") for number in range(6)], RecordingSink()
    with running(FakeDetector(seconds_each=0.12), batch=6) as one:
        for number, feed in enumerate(feeds):
            one.add(number, feed, sink if number == 0 else RecordingSink())
        for feed in feeds:
            feed.play(25, 10_000)
        until(lambda: sum(one.engine.report().batches.values()) >= 15)
        report = one.engine.report()
    assert sum(count for size, count in report.batches.items() if size <= 2) > 0.5 * sum(report.batches.values())
    assert report.streams[0].to_track.p50 < allowed(0.8)


def test_slow_sinks_hold_back_the_cameras_not_the_memory() -> None:
    feed, sink = FakeFeed(), RecordingSink(seconds_each=0.05)
    with running(batch=1) as one:
        one.add(0, feed, sink)
        feed.play(100, 1000)
        time.sleep(2)
        report = one.engine.report()
    assert report.streams[0].to_track.p99 < allowed(1.0)
    assert feed.dropped["stale"] > 60
    assert feed.taken == len(sink.results)


# streams apart from each other


def moving(frames: Sequence[Frame]) -> list[Detections]:
    """Two people who walk as the frame's time says, looking different for each camera."""
    found = []
    for frame in frames:
        mark, x = int(frame.image[0, 0, 0]), 100 + 40 * frame.time
        boxes = np.array([[x, 50 + mark, x + 40, 150 + mark], [900 - x, 300, 940 - x, 400 + mark]], np.float32)
        found.append(Detections(boxes, np.array([0.9, 0.8], np.float32), np.zeros(2, np.int64)))
    return found


class Walkers(FakeDetector):
    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return moving(frames)


def test_two_interleaved_streams_give_what_each_gives_alone() -> None:
    def watch(marks: Sequence[int]) -> dict[int, list[tuple[Any, ...]]]:
        feeds = {mark: FakeFeed(f"camera {mark}", mark=mark, policy="batch") for mark in marks}
        sinks = {mark: RecordingSink() for mark in marks}
        for mark, feed in feeds.items():
            for number in range(60):
                if number == 30:
                    feed.lose(Gap(0, 2_000_000, "away"))
                feed.push(seconds=number * (0.05 + mark / 1000) + (2 if number >= 30 else 0), at=number)
        with running(Walkers(), batch=3) as one:
            for mark in marks:
                one.add(mark, feeds[mark], sinks[mark], tracker=DeepSort())
            until(lambda: all(len(sink.results) == 60 for sink in sinks.values()))
        return {
            mark: [
                (result.tracks.ids.tolist(), result.tracks.stages.tolist(), result.tracks.boxes.tolist())
                for result in sink.results
            ]
            for mark, sink in sinks.items()
        }

    together = watch([10, 20])
    assert together == watch([10]) | watch([20])
    ids = {track for one in together[10] for track in one[0]}
    assert ids == {1, 2, 3, 4}  # new ones after the gap


@pytest.mark.parametrize("broken", ["tracker", "analyst", "sink", "content", "feed", "closing a sink"])
def test_a_failure_within_a_stream_ends_that_stream_alone(broken: str) -> None:
    good, bad = FakeFeed("good"), FakeFeed("bad", fail_on="take" if broken == "feed" else None)
    sinks = (
        RecordingSink(),
        Gathering(
            fail_at=3 if broken == "sink" else None,
            fail_on="exit" if broken == "closing a sink" else None,
            on_write=lambda result: content(result) if broken == "content" else None,
        ),
    )

    def content(result: Result) -> None:
        if result.frame.index == 3:
            raise ContentError("a box is not a number")

    tracker = FakeTracker()
    with running() as one:
        one.add(1, good, sinks[0])
        analyst = Watcher("door", fail_at=3 if broken == "analyst" else None)
        one.add(2, bad, sinks[1], tracker=tracker, analyst=analyst)
        for number in range(5):
            good.push()
            bad.push(seconds=1.0 if broken == "tracker" and number == 3 else None)
            if broken == "tracker" and number == 2:
                tracker._fail_at = 1.0
            until(lambda number=number: len(sinks[0].results) == number + 1)
            until(lambda: bad.taken == bad.read or bool(one.failed))  # else the next would take its place
        if broken == "closing a sink":
            one.engine.remove(2)
        until(lambda: len(one.failed) == 1)
        assert one.engine.report().streams.keys() == {1}
        good.push()
        until(lambda: len(sinks[0].results) == 6)
        one.engine.remove(2)  # is gone already
    number, error = one.failed[0]
    assert number == 2
    assert "broke" in str(error) or "not a number" in str(error) or "cannot be closed" in str(error)
    assert bad.closed == 1
    assert sinks[1].ending == ("finished" if broken == "closing a sink" else "taken back")
    assert sinks[0].ending == "finished"
    if broken in ("tracker", "analyst"):  # what came before the failure is stored
        assert sum(frames for frames, *_ in sinks[1].stored) == 3


def test_streams_come_and_go_while_others_go_on() -> None:
    staying, sink, ids = FakeFeed("staying", mark=10), RecordingSink(), set[int]()
    with running(Walkers(), store_seconds=60) as one:
        one.add(0, staying, sink, tracker=DeepSort())
        staying.play(50, 10_000)
        for number in range(1, 8):
            guest, seen = FakeFeed(f"guest {number}", mark=20), Gathering()
            one.add(number, guest, seen, tracker=DeepSort())
            guest.play(100, 10_000)
            until(lambda seen=seen: len(seen.results) >= 5)
            one.engine.remove(number)
            assert guest.closed == 1
            assert seen.ending == "finished"
            assert len(seen.results) == guest.taken == sum(frames for frames, *_ in seen.stored)
            assert seen.stored[-1][1] is ChunkEnd.WHOLE
            count = len(seen.results)
            ids |= {track for result in seen.results for track in result.tracks.ids.tolist()}
            guest.push()
            time.sleep(0.02)
            assert len(seen.results) == count
        assert one.engine.report().streams.keys() == {0}
        with pytest.raises(ValueError, match="already a stream 0"):
            one.add(0, FakeFeed(), RecordingSink())
    assert {track for result in sink.results for track in result.tracks.ids.tolist()} == {1, 2}
    assert ids == {1, 2}  # each guest's own
    times = [result.frame.time for result in sink.results]
    assert max(np.diff(times)) < allowed(0.5)
    with pytest.raises(BusyError, match="stopping"):
        one.add(99, FakeFeed(), RecordingSink())


def test_a_stream_whose_sink_or_feed_cannot_be_opened_is_refused_and_leaves_nothing() -> None:
    with running() as one:
        first = RecordingSink()
        with pytest.raises(RuntimeError, match="sink cannot be opened"):
            one.add(1, FakeFeed(), first, RecordingSink(fail_on="enter"))
        assert first.ending == "taken back"
        with pytest.raises(RuntimeError, match="feed cannot be started"):
            one.add(1, FakeFeed(fail_on="start"), first)
        assert first.ending == "taken back"
        assert one.engine.report().streams == {}


def test_a_stream_can_be_removed_before_the_engine_runs() -> None:
    one, feed, sink = Running(), FakeFeed(outage=Gap(1, 2, "never came")), Gathering()
    one.add(0, feed, sink)
    one.engine.remove(0)
    assert (feed.closed, sink.ending, sink.gaps) == (1, "finished", [Gap(1, 2, "never came")])


def test_a_feed_that_is_over_gives_all_it_has_and_its_stream_ends() -> None:
    feed, sink = FakeFeed(policy="batch"), RecordingSink()
    with running(FakeDetector(seconds_each=0.005)) as one:
        one.add(4, feed, sink)
        for number in range(100):
            feed.push(seconds=number / 10)
        feed.state = CameraState.ENDED
        until(lambda: one.ended == [4])
    assert indices(sink) == list(range(100))
    assert sink.ending == "finished"
    assert feed.closed == 1
    assert one.failed == []


# storing


def test_what_is_gathered_is_stored_soon_also_when_the_camera_falls_silent() -> None:
    feed, sink = FakeFeed(), Gathering()
    with running(store_seconds=0.2) as one:
        one.add(0, feed, sink)
        feed.push()
        pushed = time.monotonic()
        until(lambda: bool(sink.stored))
        frames, end, stored = sink.stored[0]
        assert (frames, end) == (1, ChunkEnd.CUT)
        assert 0.15 < stored - pushed < allowed(0.6)
        time.sleep(0.5)
        assert len(sink.stored) == 1  # nothing new
        report = one.engine.report().streams[0]
        assert report.to_store.count == 1
        assert 0.15 < report.to_store.p50 < allowed(0.6)


def test_chunks_are_cut_by_time_and_whole_by_number() -> None:
    feed, sink = FakeFeed(policy="batch"), Gathering()
    with running(store_seconds=0.1, chunk=10) as one:
        one.add(0, feed, sink)
        for number in range(25):
            feed.push(seconds=number / 10)
            if number == 4:  # no frame comes for longer than `store_seconds`
                until(lambda: bool(sink.stored))
                assert sink.stored[0][1] is ChunkEnd.CUT
        until(lambda: len(sink.results) == 25)
    whole = [result.frame.index for result in sink.results if result.end is ChunkEnd.WHOLE]
    assert whole == [9, 19]
    assert sum(frames for frames, *_ in sink.stored) == 25


def test_an_outage_at_the_end_is_told() -> None:
    outage, sink = Gap(5, 9, "no route"), Gathering()
    with running() as one:
        one.add(0, FakeFeed(outage=outage), sink)
    assert sink.gaps == [outage]
    assert sink.results == []


# failures of what is shared


class Odd(FakeDetector):
    """Fails on a batch with a frame of a certain mark."""

    def __init__(self, bad: int, error: type[Exception] = ModelError) -> None:
        super().__init__()
        self.bad, self._error = bad, error

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        found = super().detect(frames)
        if any(frame.image[0, 0, 0] == self.bad for frame in frames):
            raise self._error("too odd")
        return found


@pytest.mark.parametrize("stage", ["detector", "embedder"])
def test_one_odd_frame_is_left_out_counted_and_a_gap(stage: str) -> None:
    class OddEmbedder(FakeEmbedder):
        def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[Any]:
            if any(frame.image[0, 0, 0] == 66 for frame in frames):
                raise ModelError("too odd")
            return super().embed(frames, detections)

    feeds, sinks = [FakeFeed("a", policy="batch"), FakeFeed("b", policy="batch")], [RecordingSink(), RecordingSink()]
    for number in range(12):
        for which, feed in enumerate(feeds):
            feed.push(seconds=number / 10, at=number * 100_000, mark=66 if which == 1 and number == 5 else 0)
    with running(Odd(66 if stage == "detector" else -1), embedder=OddEmbedder()) as one:
        for number, feed in enumerate(feeds):
            one.add(number, feed, sinks[number])
        until(lambda: len(sinks[0].results) == 12 and len(sinks[1].results) == 11)
        streams = one.engine.report().streams
    assert indices(sinks[0]) == list(range(12))
    assert indices(sinks[1]) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert (streams[0].odd_frames, streams[1].odd_frames) == (0, 1)
    assert streams[1].odd_error == f"{stage}: too odd"
    assert sinks[1].results[5].frame.gap == Gap(400_000, 600_000, "1 frames could not be processed")
    assert one.failed == []


def test_trackers_are_asked_what_is_to_be_described() -> None:
    """Where the embedder fails on a frame, that one is left out and its tracker never takes it."""

    class OddEmbedder(FakeEmbedder):
        def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[Any]:
            if any(frame.image[0, 0, 0] == 66 for frame in frames):
                raise ModelError("too odd")
            return super().embed(frames, detections)

    class Forgiving(DoubtfulFakeTracker):
        def doubts(self, detections: Detections, seconds: float, *, gap: float = 0.0) -> Doubts:
            self.asked = self.times.copy()  # of the odd frame it is asked, but never gets it
            return super().doubts(detections, seconds, gap=gap)

    feeds, sinks = [FakeFeed("a", policy="batch"), FakeFeed("b", policy="batch")], [RecordingSink(), RecordingSink()]
    for number in range(12):
        for which, feed in enumerate(feeds):
            feed.push(seconds=number / 10, at=number * 100_000, mark=66 if which == 1 and number == 6 else 0)
    broken = DoubtfulFakeTracker(fail_at_seconds=0.3)
    asks = Asks(features=FeatureAsk(1.0))
    with running(embedder=OddEmbedder(), segmenter=FakeSegmenter(), asks=asks) as one:
        for number, tracker in enumerate((broken, Forgiving())):
            one.add(number, feeds[number], sinks[number], tracker=tracker)
        until(lambda: len(sinks[1].results) == 11 and sinks[0].ending is not None)
    assert indices(sinks[0]) == [0, 1, 2]
    assert [(number, str(error)) for number, error in one.failed] == [(0, "the tracker knows nothing")]
    assert indices(sinks[1]) == [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    for result in sinks[1].results:
        assert result.detections.features is not None
        described = np.isfinite(result.detections.features).all(axis=1).tolist()
        assert described == [row > 0 for row in range(result.frame.index % 4)]
        assert len(result.detections.masks or ()) == len(result.detections)  # this one is not asked, but told


def test_a_camera_of_which_every_frame_is_odd_ends_alone() -> None:
    good, bad = FakeFeed("good", policy="batch"), FakeFeed("bad", policy="batch", mark=66)
    sinks = RecordingSink(), RecordingSink()
    with running(Odd(66), batch=2) as one:
        one.add(0, good, sinks[0])
        one.add(1, bad, sinks[1])
        for number in range(12):
            good.push()
            if number < 8:
                bad.push()
            until(lambda number=number: len(sinks[0].results) == number + 1)
        until(lambda: [number for number, _ in one.failed] == [1])
    assert sinks[0].ending == "finished"


def test_a_camera_on_whose_frames_the_embedder_alone_fails_ends_too() -> None:
    """The detector before it is well each time, which must not make the embedder's failures forgotten."""

    class OddEmbedder(FakeEmbedder):
        def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[Any]:
            if any(frame.image[0, 0, 0] == 66 for frame in frames):
                raise ModelError("too odd")
            return super().embed(frames, detections)

    good, bad = FakeFeed("good", policy="batch"), FakeFeed("bad", policy="batch", mark=66)
    sinks = RecordingSink(), RecordingSink()
    with running(FakeDetector(), embedder=OddEmbedder(), batch=2) as one:
        one.add(0, good, sinks[0])
        one.add(1, bad, sinks[1])
        for number in range(12):
            good.push()
            if number < 8:
                bad.push()
            until(lambda number=number: len(sinks[0].results) == number + 1)
        until(lambda: [number for number, _ in one.failed] == [1])
    assert sinks[0].ending == "finished"


@pytest.mark.parametrize("cameras", [1, 3])
def test_a_detector_that_fails_on_everything_ends_the_engine_with_its_cause(cameras: int) -> None:
    feeds, sinks = [FakeFeed(str(n), mark=66, policy="batch") for n in range(cameras)], [Gathering() for _ in range(3)]
    detector = Odd(66)
    detector.bad = -1

    def run() -> None:
        with running(detector, store_seconds=60) as one:
            for number, feed in enumerate(feeds):
                one.add(number, feed, sinks[number])
            feeds[0].push()
            until(lambda: len(sinks[0].results) == 1)
            detector.bad = 66
            for feed in feeds * 12:
                feed.push()
            one.thread.join(allowed(10))

    with pytest.raises(ModelError, match="too odd") as caught:
        run()
    notes = "\n".join(caught.value.__notes__)
    assert "5 frames in a row" in notes
    assert "stage 'detect'" in notes
    assert sinks[0].stored[0][:2] == (1, ChunkEnd.WHOLE)  # what was tracked before is stored
    assert {sink.ending for sink in sinks[:cameras]} == {"taken back"}
    assert [feed.closed for feed in feeds] == [1] * cameras


def test_a_store_that_fails_ends_the_engine() -> None:
    def full(result: Result) -> None:
        raise StoreError("the disk is full")

    sinks = RecordingSink(on_write=full), Gathering()

    def run() -> None:
        with running(store_seconds=60) as one:
            for number, sink in enumerate(sinks):
                feed = FakeFeed(str(number))
                one.add(number, feed, sink)
                feed.push()
            one.thread.join(allowed(10))

    with pytest.raises(StoreError, match="disk is full"):
        run()
    assert [sink.ending for sink in sinks] == ["taken back"] * 2


# stopping


def test_a_stop_finishes_and_stores_what_was_taken_within_a_second() -> None:
    feeds, sinks = [FakeFeed(f"{n}", close_seconds=0.3) for n in range(8)], [Gathering() for _ in range(8)]
    with running(FakeDetector(seconds_each=0.01), store_seconds=60) as one:
        for number, feed in enumerate(feeds):
            one.add(number, feed, sinks[number])
            feed.play(30, 10_000)
        until(lambda: all(len(sink.results) > 3 for sink in sinks))
        with promptly(1.0):
            one.engine.stop()
            one.thread.join(allowed(10))
    for feed, sink in zip(feeds, sinks, strict=True):
        assert feed.taken == len(sink.results) == sum(frames for frames, *_ in sink.stored)
        assert sink.ending == "finished"
        assert feed.closed == 1


def terminate(result: Result) -> None:
    """Send this process a signal once some frames are through."""
    if result.frame.index == 5:
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_ends_it_in_the_main_thread() -> None:
    one, feed, sink = Running(), FakeFeed(), Gathering(on_write=terminate)
    one.add(0, feed, sink)
    feed.play(50, 10_000)
    before = signal.signal(signal.SIGTERM, lambda *_: one.engine.stop())
    try:
        with promptly(1.4):
            one.engine.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert feed.taken == len(sink.results) == sum(frames for frames, *_ in sink.stored) > 0
    assert sink.ending == "finished"


def test_an_interrupt_in_the_main_thread_is_raised_after_everything_was_left() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    one, feed, sink = Running(), FakeFeed(), Gathering(on_write=terminate)
    one.add(0, feed, sink)
    feed.play(50, 10_000)
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            one.engine.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert sum(frames for frames, *_ in sink.stored) == len(sink.results)
    assert sink.ending == "taken back"
    assert feed.closed == 1


@pytest.mark.parametrize("stage", ["detect", "track", "write"])
def test_a_stage_that_hangs_is_named_and_does_not_hold_up_the_stop(stage: str) -> None:
    free = threading.Event()

    class Stuck(FakeDetector):
        def detect(self, frames: Sequence[Frame]) -> list[Detections]:
            if stage == "detect" and any(frame.index == 2 for frame in frames):
                free.wait(120)
            return super().detect(frames)

    class StuckTracker(FakeTracker):
        def update(self, *args: Any, **more: Any) -> Tracks:
            if stage == "track" and len(self.times) == 2:
                free.wait(120)
            return super().update(*args, **more)

    def stuck(result: Result) -> None:
        if stage == "write" and result.frame.index == 2:
            free.wait(120)

    feed, sink = FakeFeed("gate"), Gathering(on_write=stuck)
    one = Running(Stuck(), hang_seconds=0.3, store_seconds=60)
    one.add(0, feed, sink, tracker=StuckTracker())
    one.thread.start()
    for number in range(3):
        feed.push()
        until(lambda number=number: feed.taken == number + 1)
        until(lambda number=number: number == 2 or len(sink.results) == number + 1)
    until(lambda: any(told.startswith(f"{stage} (gate, for ") for told in one.engine.report().hanging))
    with promptly(2.5):
        one.engine.stop()
        one.thread.join(allowed(19))
    assert isinstance(one.error, HangError)
    assert f"{stage} (gate" in str(one.error)
    assert feed.closed == 1
    if stage != "write":  # what came before is stored
        assert sum(frames for frames, *_ in sink.stored) == 2
        assert sink.ending == "finished"
    free.set()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("sightline")])


def test_a_hanging_feed_is_removed_without_the_others_noticing() -> None:
    written: list[float] = []
    good, slow = FakeFeed("good"), FakeFeed("slow", close_seconds=1.0)
    sink = RecordingSink(on_write=lambda _: written.append(time.monotonic()))
    with running() as one:
        one.add(0, good, sink)
        one.add(1, slow, RecordingSink())
        good.play(50, 10_000)
        until(lambda: len(sink.results) > 5)
        before = len(sink.results)
        removal = threading.Thread(target=one.engine.remove, args=(1,))
        removal.start()
        while removal.is_alive():
            slow.push()  # it sends until its connection ends
            time.sleep(0.02)
        removal.join()
        assert len(sink.results) > before + 10  # in a second; the frames are 50 a second
        assert 1 not in one.engine.report().streams
    assert max(np.diff([result.frame.time for result in sink.results])) < allowed(0.5)
    assert max(np.diff(written)) < allowed(0.5)


def test_a_feed_that_does_not_close_is_left_anyway() -> None:
    stuck, sink = FakeFeed("stuck", close_seconds=2 + allowed(0.5)), RecordingSink()
    with running() as one:
        one.add(1, stuck, sink)
        stuck.push()
        until(lambda: len(sink.results) == 1)
        one.engine.remove(1)
        assert stuck.closed == 0
        assert sink.ending == "finished"
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("sightline")])


def test_a_feed_that_is_over_leaves_also_while_there_is_too_much_to_do() -> None:
    busy, over = [FakeFeed(f"busy {number}") for number in range(4)], FakeFeed("over")
    with running(FakeDetector(seconds_each=0.02), batch=1) as one:
        for number, feed in enumerate([*busy, over]):
            one.add(number, feed, RecordingSink())
        for feed in busy:
            feed.play(100, 10_000)
        over.push()
        until(lambda: over.taken == 1)
        over.state = CameraState.ENDED
        until(lambda: 4 not in one.engine.report().streams)


def test_a_stop_before_anything_began_and_an_engine_without_streams() -> None:
    with running() as one:
        one.engine.stop()
        one.thread.join(allowed(5))
        assert not one.thread.is_alive()
    report = one.engine.report()
    assert report.streams == {}
    assert report.stages["detect"].busy.p99 == 0.0


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in ({"batch": 0}, {"chunk": 0}, {"max_wait": -1}, {"store_seconds": 0}, {"hang_seconds": 0}):
        with pytest.raises(ValueError, match="live engine needs"):
            Running(**wrong)
