"""The engine: every frame once and in order, whatever the queues; clean ends of every kind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from pipeline.engine import Engine, Stream
from pipeline.errors import DamagedSourceError, SourceError
from pipeline.schedule import every_nth
from pipeline.sinks.base import ChunkEnd
from tests.fakes import FakeDetector, FakeEmbedder, FakeSegmenter, FakeSource, FakeTracker, RecordingSink
from tests.promptness import allowed, until


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def seen(sink: RecordingSink) -> list[tuple[Any, ...]]:
    """What a sink got, comparable."""
    return [
        (
            result.frame.index,
            result.frame.time,
            result.tracks.ids.tolist(),
            result.tracks.boxes.tolist(),
            None if result.state is None else result.state["times"].tolist(),
        )
        for result in sink.results
    ]


def two_streams(sinks: tuple[RecordingSink, RecordingSink]) -> list[Stream]:
    return [
        Stream(FakeSource(23, mark=1), FakeTracker(), [sinks[0]]),
        Stream(FakeSource(9, mark=2), FakeTracker(), [sinks[1]]),
    ]


def test_every_frame_reaches_every_sink_in_order() -> None:
    sinks = [RecordingSink(), RecordingSink()]
    tracker = FakeTracker()
    stream = Stream(FakeSource(50), tracker, sinks)
    report = Engine([stream], FakeDetector(), segmenter=FakeSegmenter(), embedder=FakeEmbedder()).run()
    for sink in sinks:
        assert [result.frame.index for result in sink.results] == list(range(50))
        assert all(len(result.detections.masks or ()) == len(result.detections) for result in sink.results)
        assert sink.ending == "finished"
    assert tracker.times == [index / 10 for index in range(50)]
    assert all(rows is not None and rows.shape == (i % 4, 4) for i, rows in enumerate(tracker.features))
    assert (report.frames, report.detections, report.tracks) == (50, sum(i % 4 for i in range(50)), 3)
    assert {name: stage.frames for name, stage in report.stages.items()} == dict.fromkeys(report.stages, 50)
    assert not report.stopped


def test_frames_without_an_object_pass() -> None:
    sink, tracker = RecordingSink(), FakeTracker()
    report = Engine([Stream(FakeSource(3), tracker, [sink])], FakeDetector(most=0)).run()
    assert [len(result.tracks) for result in sink.results] == [0, 0, 0]
    assert tracker.features == [None, None, None]
    assert (report.detections, report.tracks) == (0, 0)


@pytest.mark.parametrize("batch", [1, 4])
def test_queue_sizes_and_timing_change_nothing(batch: int) -> None:
    outcomes, batches = [], []
    for capacity, pause in ((1, 0.0), (8, 0.0), (2, 0.001)):
        sinks = RecordingSink(seconds_each=pause), RecordingSink()
        detector = FakeDetector()
        Engine(two_streams(sinks), detector, batch=batch, capacity=capacity).run()
        outcomes.append([seen(sink) for sink in sinks])
        batches.append(detector.batches)
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert batches[0] == batches[1] == batches[2]


def test_batches_take_streams_in_turn_and_are_full_until_the_last() -> None:
    detector = FakeDetector()
    Engine(two_streams((RecordingSink(), RecordingSink())), detector, batch=5).run()
    assert [len(batch) for batch in detector.batches] == [5, 5, 5, 5, 5, 5, 2]
    order = [frame for batch in detector.batches for frame in batch]
    assert order[:18] == [(stream, index) for index in range(9) for stream in (0, 1)]
    assert order[18:] == [(0, index) for index in range(9, 23)]


def test_two_streams_give_what_each_gives_alone() -> None:
    together = RecordingSink(), RecordingSink()
    streams = two_streams(together)
    Engine(streams, FakeDetector(), batch=3).run()
    for number, (count, mark) in enumerate(((23, 1), (9, 2))):
        alone = RecordingSink()
        Engine([Stream(FakeSource(count, mark=mark), FakeTracker(), [alone])], FakeDetector()).run()
        assert seen(together[number]) == seen(alone)
        assert {result.frame.stream for result in together[number].results} == {number}
        assert set(streams[number].tracker.marks) == {mark}  # type: ignore[attr-defined]


def test_state_comes_with_the_end_of_each_chunk_and_the_last_frame() -> None:
    sink = RecordingSink()
    Engine([Stream(FakeSource(23), FakeTracker(), [sink])], FakeDetector(), chunk=10).run()
    states = {result.frame.index: len(result.state["times"]) for result in sink.results if result.state is not None}
    assert states == {9: 10, 19: 20, 22: 23}


def test_back_pressure_bounds_what_is_in_flight() -> None:
    source = FakeSource(60)
    ahead = []
    sink = RecordingSink(
        seconds_each=0.001, on_write=lambda result: ahead.append(source.given - result.frame.index - 1)
    )
    report = Engine([Stream(source, FakeTracker(), [sink])], FakeDetector(), capacity=2).run()
    # four channels of 2, one item in the hands of each of five stages, one frame held back by the reader
    assert max(ahead) <= 4 * 2 + 5 + 1
    assert max(stage.high_water for stage in report.stages.values()) == 2


BREAKING: dict[str, Callable[[RecordingSink], Engine]] = {
    "read 0": lambda sink: Engine(
        [Stream(FakeSource(20, error=OSError("the source broke")), FakeTracker(), [sink])], FakeDetector()
    ),
    "detect": lambda sink: Engine([Stream(FakeSource(500), FakeTracker(), [sink])], FakeDetector(fail_at=7)),
    "embed": lambda sink: Engine(
        [Stream(FakeSource(500), FakeTracker(), [sink])], FakeDetector(), embedder=FakeEmbedder(fail_at=7)
    ),
    "track": lambda sink: Engine([Stream(FakeSource(500), FakeTracker(fail_at_seconds=0.7), [sink])], FakeDetector()),
    "write": lambda sink: Engine(
        [Stream(FakeSource(500), FakeTracker(), [sink, RecordingSink(fail_at=7)])], FakeDetector()
    ),
}


@pytest.mark.parametrize("stage", BREAKING)
def test_a_failure_in_any_stage_is_raised_as_itself(stage: str) -> None:
    sink = RecordingSink()
    with pytest.raises((RuntimeError, OSError), match="broke") as caught:
        BREAKING[stage](sink).run()
    assert f"in stage '{stage}' of the engine" in caught.value.__notes__
    assert sink.ending == "taken back"
    assert len(sink.results) <= 20


def test_between_the_frames_it_looks_at_tracks_are_carried() -> None:
    detector, tracker, sink = FakeDetector(), FakeTracker(), RecordingSink()
    Engine(
        [Stream(FakeSource(8), tracker, [sink])], detector, embedder=FakeEmbedder(), batch=2, schedule=every_nth(3)
    ).run()
    assert [index for batch in detector.batches for _, index in batch] == [0, 3, 6]
    assert len(tracker.times) == 3
    assert len(tracker.carried) == 5
    assert sorted(tracker.times + tracker.carried) == [result.frame.time for result in sink.results]
    assert [result.frame.index for result in sink.results] == list(range(8))
    assert [len(result.detections) for result in sink.results] == [0, 0, 0, 3, 0, 0, 2, 0]  # frame 6 has 2
    assert all((result.detections.features is None) == (result.frame.index % 3 > 0) for result in sink.results)


def test_looks_at_frames_apart_are_made_together_as_far_as_pictures_may_wait() -> None:
    detector, sink = FakeDetector(), RecordingSink()
    Engine([Stream(FakeSource(24), FakeTracker(), [sink])], detector, batch=4, schedule=every_nth(5)).run()
    assert [[index for _, index in batch] for batch in detector.batches] == [[0, 5, 10, 15], [20]]
    rarely = FakeDetector()
    Engine([Stream(FakeSource(24), FakeTracker())], rarely, batch=4, schedule=every_nth(6)).run()
    assert [[index for _, index in batch] for batch in rarely.batches] == [[0, 6, 12], [18]]
    assert [result.frame.index for result in sink.results] == list(range(24))


def test_a_detector_that_learns_sees_what_it_had_seen_again() -> None:
    class Learns(FakeDetector):
        card = replace(FakeDetector.card, learns=True)

    whole, resumed = Learns(), Learns()
    Engine([Stream(FakeSource(16), FakeTracker(), [RecordingSink()])], whole, schedule=every_nth(3)).run()
    Engine(
        [Stream(FakeSource(16), FakeTracker(), [RecordingSink()], first_frame=8)], resumed, schedule=every_nth(3)
    ).run()
    assert resumed.batches == whole.batches


def test_a_detector_that_loses_a_frame_is_a_failure() -> None:
    class Forgetful(FakeDetector):
        def detect(self, frames: Any) -> Any:
            return super().detect(frames)[:-1]

    with pytest.raises(ValueError, match="zip"):
        Engine([Stream(FakeSource(3), FakeTracker())], Forgetful()).run()


def test_a_failing_sink_end_takes_back_the_others() -> None:
    first, second = RecordingSink(), RecordingSink(fail_on="exit")
    with pytest.raises(RuntimeError, match="cannot be closed"):
        Engine([Stream(FakeSource(3), FakeTracker(), [first, second])], FakeDetector()).run()
    assert first.ending == "taken back"


def test_a_sink_that_cannot_be_opened_ends_the_run_before_any_work() -> None:
    first, source = RecordingSink(), FakeSource(3)
    with pytest.raises(RuntimeError, match="cannot be opened"):
        Engine([Stream(source, FakeTracker(), [first, RecordingSink(fail_on="enter")])], FakeDetector()).run()
    assert (first.ending, source.given) == ("taken back", 0)


def test_damage_is_raised_after_everything_read_is_written() -> None:
    sinks = RecordingSink(), RecordingSink()
    damaged = FakeSource(6, mark=1, error=DamagedSourceError("cut off after 6 frames"))
    engine = Engine(
        [Stream(damaged, FakeTracker(), [sinks[0]]), Stream(FakeSource(11, mark=2), FakeTracker(), [sinks[1]])],
        FakeDetector(),
        batch=4,
    )
    with pytest.raises(DamagedSourceError, match="cut off after 6"):
        engine.run()
    assert [len(sink.results) for sink in sinks] == [6, 11]
    assert [sink.ending for sink in sinks] == ["finished", "finished"]
    assert sinks[0].results[-1].state is not None
    assert [stream.damage is not None for stream in engine.report.streams] == [True, False]
    assert engine.report.frames == 17


def test_an_empty_source_is_an_error() -> None:
    sink = RecordingSink()
    with pytest.raises(SourceError, match="fake0 gave no frame"):
        Engine([Stream(FakeSource(0), FakeTracker(), [sink])], FakeDetector()).run()
    assert sink.ending == "taken back"


def test_stop_finishes_what_is_in_flight_and_closes_the_sinks() -> None:
    source = FakeSource(10_000)
    sink = RecordingSink(on_write=lambda result: engine.stop() if result.frame.index == 5 else None)
    engine = Engine([Stream(source, FakeTracker(), [sink])], FakeDetector(), chunk=1000)
    report = engine.run()
    assert report.stopped
    assert sink.ending == "finished"
    assert [result.frame.index for result in sink.results] == list(range(source.given))
    assert 6 <= source.given < 100
    assert sink.results[-1].state is not None


@pytest.mark.parametrize(("count", "end"), [(18, ChunkEnd.CUT), (20, ChunkEnd.WHOLE), (21, ChunkEnd.CUT)])
def test_a_stop_cuts_no_chunk_that_is_full(count: int, end: ChunkEnd) -> None:
    class Stopping(FakeSource):
        def __iter__(self):  # type: ignore[no-untyped-def]
            yield from super().__iter__()
            engine.stop()

    sink = RecordingSink()
    engine = Engine([Stream(Stopping(count), FakeTracker(), [sink])], FakeDetector(), chunk=10)
    assert engine.run().stopped
    assert len(sink.results) == count
    assert sink.results[-1].end is end


def test_stop_before_the_first_frame_is_no_error() -> None:
    source = FakeSource(5)
    engine = Engine([Stream(source, FakeTracker())], FakeDetector())
    engine.stop()
    report = engine.run()
    assert (report.frames, report.stopped) == (0, True)


def test_an_interrupt_in_the_caller_ends_everything() -> None:
    sink = RecordingSink(
        seconds_each=0.002,
        on_write=lambda result: os.kill(os.getpid(), signal.SIGINT) if result.frame.index == 5 else None,
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            Engine([Stream(FakeSource(10_000), FakeTracker(), [sink])], FakeDetector()).run()
    finally:
        signal.signal(signal.SIGINT, before)
    assert sink.ending == "taken back"


def test_a_signal_handler_can_stop_a_run() -> None:
    sink = RecordingSink(
        seconds_each=0.002,
        on_write=lambda result: os.kill(os.getpid(), signal.SIGTERM) if result.frame.index == 5 else None,
    )
    engine = Engine([Stream(FakeSource(10_000), FakeTracker(), [sink])], FakeDetector())
    before = signal.signal(signal.SIGTERM, lambda number, frame: engine.stop())
    try:
        report = engine.run()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert report.stopped
    assert sink.ending == "finished"
    assert len(sink.results) == report.frames < 10_000


def test_progress_is_called_for_every_stream_but_not_for_every_frame() -> None:
    calls: list[tuple[int, int, int]] = []
    Engine(
        two_streams((RecordingSink(), RecordingSink())),
        FakeDetector(),
        progress=lambda *call: calls.append(call),
    ).run()
    assert calls[-2:] == [(0, 23, 3), (1, 9, 3)]
    assert len(calls) < 20


def test_a_failing_progress_callback_ends_the_run() -> None:
    def broken(stream: int, frames: int, tracks: int) -> None:
        raise RuntimeError("progress broke")

    with pytest.raises(RuntimeError, match="progress broke"):
        Engine([Stream(FakeSource(300), FakeTracker())], FakeDetector(), progress=broken).run()


def test_a_frame_is_written_while_later_ones_are_detected() -> None:
    detected, waited = threading.Event(), []

    class Signalling(FakeDetector):
        def detect(self, frames: Any) -> Any:
            if frames[0].index == 3:
                detected.set()
            return super().detect(frames)

    sink = RecordingSink(on_write=lambda result: waited.append(detected.wait(120)) if result.frame.index == 0 else None)
    Engine([Stream(FakeSource(8), FakeTracker(), [sink])], Signalling()).run()
    assert waited == [True]


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"chunk": 0}, {"capacity": 0}])
def test_sizes_below_one_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="least"):
        Engine([Stream(FakeSource(1), FakeTracker())], FakeDetector(), **wrong)


def test_a_pause_reads_no_more_until_it_ends() -> None:
    sink = RecordingSink(on_write=lambda result: engine.pause() if result.frame.index == 4 else None)
    engine = Engine([Stream(FakeSource(400), FakeTracker(), [sink])], FakeDetector(), capacity=1)
    runner = threading.Thread(target=engine.run)
    runner.start()
    until(lambda: len(sink.results) >= 5)
    time.sleep(allowed(0.2))  # what was read before comes through
    before = len(sink.results)
    time.sleep(0.2)
    assert len(sink.results) == before < 400
    engine.go_on()
    runner.join(120)
    assert [result.frame.index for result in sink.results] == list(range(400))


def test_a_pause_can_be_stopped() -> None:
    sink = RecordingSink()
    engine = Engine([Stream(FakeSource(50), FakeTracker(), [sink])], FakeDetector())
    engine.pause()
    threading.Timer(0.1, engine.stop).start()
    assert engine.run().stopped
    assert sink.ending == "finished"


def test_frames_before_the_first_are_shown_to_the_detector_alone() -> None:
    sink, detector, tracker = RecordingSink(), FakeDetector(), FakeTracker()
    stream = Stream(FakeSource(25), tracker, [sink], first_frame=12)
    Engine([stream], detector, embedder=FakeEmbedder(), batch=5, chunk=10).run()
    assert [index for batch in detector.batches for _, index in batch] == list(range(25))
    assert [result.frame.index for result in sink.results] == list(range(12, 25))
    assert tracker.times == [index / 10 for index in range(12, 25)]
    assert [result.frame.index for result in sink.results if result.end is ChunkEnd.WHOLE] == [19, 24]


def test_a_stream_that_was_done_already_gives_nothing() -> None:
    sink = RecordingSink()
    report = Engine([Stream(FakeSource(7), FakeTracker(), [sink], first_frame=7)], FakeDetector()).run()
    assert (sink.results, report.frames, sink.ending) == ([], 0, "finished")


def test_a_stop_cuts_a_chunk() -> None:
    sink = RecordingSink(on_write=lambda result: engine.stop() if result.frame.index == 20 else None)
    engine = Engine([Stream(FakeSource(1000), FakeTracker(), [sink])], FakeDetector(seconds_each=0.001), chunk=100)
    engine.run()
    last = sink.results[-1]
    assert last.state is not None
    assert last.end is ChunkEnd.CUT
