"""Frames between two looks: they wait, lie on lines, and a run that goes on comes to what it would have come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from pipeline.backfill import BACKFILL, MOST_WAITING, Backfill, Tracked
from pipeline.engine import Engine, Stream
from pipeline.schedule import Schedule, every_nth
from pipeline.scheduling.judge import TrackJudge
from pipeline.sinks.base import ChunkEnd, Result
from pipeline.stages import Follower
from tests.fakes import FakeDetector, FakeSource, FakeTracker, RecordingSink, make_frame
from trackers.deepsort import DeepSort
from trackers.structures import Detections, Evidence, Frame, Gap, State, Tracks

FPS = 10.0


@dataclass(frozen=True)
class Seen:
    frame: Frame
    looked: bool
    detections: Detections


class Walker(FakeDetector):
    """One person who walks to the right, three pixels a frame, and is seen wherever the detector looks."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        super().detect(frames)
        return [one_walker(frame.index) for frame in frames]


def one_walker(index: int) -> Detections:
    box = np.array([[3.0 * index, 50, 3.0 * index + 40, 150]], np.float32)
    return Detections(box, np.array([0.9], np.float32), np.zeros(1, np.int64))


def seen(index: int, *, every: int = 4, gap: Gap | None = None, width: int = 64) -> Seen:
    frame = replace(make_frame(index, width=width), gap=gap)
    looked = index % every == 0
    return Seen(frame, looked, one_walker(index) if looked else Detections.empty())


def taken(backfill: Backfill[Seen], items: Sequence[Seen], *, end: ChunkEnd = ChunkEnd.WHOLE) -> list[Tracked[Seen]]:
    """All that comes of these frames, the last of which ends so."""
    return [
        one
        for number, item in enumerate(items, 1)
        for one in backfill.take(item, end if number == len(items) else ChunkEnd.NONE)
    ]


def indices(found: Sequence[Tracked[Seen]]) -> list[int]:
    return [one.item.frame.index for one in found]


def lefts(results: Sequence[Result]) -> dict[int, float]:
    """Left edges of who is located, by frame."""
    confirmed = {result.frame.index: result.tracks.confirmed for result in results}
    return {index: round(float(tracks.boxes[0, 0]), 2) for index, tracks in confirmed.items() if len(tracks)}


def run(
    count: int,
    first: int = 0,
    left: State | None = None,
    *,
    stop_after: int | None = None,
    chunk: int = 10,
    every: int = 4,
) -> tuple[list[Result], dict[int, State]]:
    """Results, and the states by the frame to go on with. `stop_after`: the run is stopped once it has read so many."""

    class Source(FakeSource):
        def __iter__(self) -> Iterator[Frame]:
            for frame in super().__iter__():
                if stop_after is not None and frame.index == stop_after:
                    engine.stop()
                yield frame

    tracker, sink = DeepSort(shadow_seconds=0.0), RecordingSink()
    if left is not None:
        tracker.from_arrays({name: array for name, array in left.items() if not name.startswith(BACKFILL)})
    stream = Stream(Source(count, first=first), tracker, [sink], first, left=left)
    engine = Engine([stream], Walker(), schedule=every_nth(every), chunk=chunk, lines=True)
    engine.run()
    states = {result.frame.index + 1: result.state for result in sink.results if result.state is not None}
    return sink.results, states


def told(results: Sequence[Result]) -> list[tuple[Any, ...]]:
    """What the sinks got, comparable."""
    return [
        (one.frame.index, one.tracks.ids.tolist(), one.tracks.boxes.tolist(), one.tracks.evidence.tolist(), one.looked)
        for one in results
    ]


def test_between_two_looks_boxes_lie_on_the_line() -> None:
    results, _ = run(17, chunk=100)
    assert [result.frame.index for result in results] == list(range(17))
    found = lefts(results)
    assert sorted(found) == list(range(17))  # who is there from the first frame on is believed at once
    for first in (0, 4, 8, 12):
        steps = np.diff([found[index] for index in range(first, first + 5)])
        np.testing.assert_allclose(steps, steps[0], atol=0.02)
        np.testing.assert_allclose(steps[0], 3, atol=0.5)
    evidence = {result.frame.index: result.tracks.confirmed.evidence.tolist() for result in results}
    assert evidence[5] == evidence[7] == [Evidence.INTERPOLATED]
    assert evidence[8] == [Evidence.DETECTED]


def test_lines_go_by_time_and_not_by_number() -> None:
    backfill = Backfill[Seen](Follower(DeepSort()), waits=True)
    items = [seen(index) for index in range(9)]
    late = replace(items[5], frame=replace(items[5].frame, time=0.75))
    found = taken(backfill, [*items[:5], late, items[8]])
    boxes = {one.item.frame.index: one.tracks.confirmed.boxes[0, 0] for one in found if len(one.tracks.confirmed)}
    assert (boxes[5] - boxes[4]) / (boxes[8] - boxes[4]) == pytest.approx(0.35 / 0.4)


def test_the_tracker_sees_looks_and_ends_of_chunks() -> None:
    tracker, sink = FakeTracker(), RecordingSink()
    stream = Stream(FakeSource(23), tracker, [sink])
    report = Engine([stream], FakeDetector(), schedule=every_nth(4), chunk=10, lines=True).run()
    assert tracker.times == [0.0, 0.4, 0.8, 1.2, 1.6, 2.0]
    assert tracker.carried == [0.9, 1.9, 2.2]
    assert report.stages["track"].frames == 9
    assert report.stages["write"].frames == report.frames == 23
    assert [result.frame.index for result in sink.results] == list(range(23))
    assert [result.frame.index for result in sink.results if result.state is not None] == [9, 19, 22]


def test_nothing_lies_across_a_gap_or_a_change_of_size() -> None:
    away = Gap(0, 1, "away")
    for broken in ({"gap": away}, {"width": 32}):
        tracker = FakeTracker()
        backfill = Backfill[Seen](Follower(tracker), waits=True)
        items = [*map(seen, range(6)), seen(6, **broken), seen(7, **{"width": broken.get("width", 64)}), seen(8)]  # type: ignore[arg-type]
        found = taken(backfill, items[:8])
        assert indices(found) == list(range(8))
        assert tracker.carried == [0.5, 0.6, 0.7]  # the last before it, the first after it, and the end
        assert tracker.times == [0.0, 0.4]


def test_no_more_wait_than_there_is_room_for() -> None:
    tracker = FakeTracker()
    backfill = Backfill[Seen](Follower(tracker), waits=True)
    items = [seen(index, every=1000) for index in range(2 * MOST_WAITING + 2)]
    assert indices(taken(backfill, items)) == list(range(len(items)))
    assert tracker.carried == [(MOST_WAITING + 1) / FPS, (2 * MOST_WAITING + 1) / FPS]


def test_without_waiting_every_frame_is_tracked_as_it_comes() -> None:
    tracker = FakeTracker()
    backfill = Backfill[Seen](Follower(tracker), waits=False)
    for index in range(6):
        assert indices(list(backfill.take(seen(index), ChunkEnd.NONE))) == [index]
    assert (tracker.times, tracker.carried) == ([0.0, 0.4], [0.1, 0.2, 0.3, 0.5])
    assert backfill.to_arrays() == {}


@pytest.mark.parametrize("chunk", [7, 10, 12])
def test_a_run_that_goes_on_after_a_chunk_comes_to_the_same(chunk: int) -> None:
    whole, states = run(50, chunk=chunk)
    for first, state in states.items():
        if first < 50:
            rest, _ = run(50, first, state, chunk=chunk)
            assert told(rest) == told(whole[first:])


@pytest.mark.parametrize("stop_after", range(20, 31))
def test_a_run_that_was_stopped_anywhere_goes_on_to_the_same(stop_after: int) -> None:
    whole, _ = run(50)
    begun, states = run(50, stop_after=stop_after)
    going_on = len(begun)
    assert going_on <= stop_after + 1
    assert begun[-1].frame.index + 1 == going_on == max(states)
    assert told(begun) == told(whole[:going_on])
    rest, _ = run(50, going_on, states[going_on])
    assert told(rest) == told(whole[going_on:])


def test_a_stop_right_after_a_run_went_on_loses_nothing() -> None:
    whole, states = run(50)
    begun, _ = run(50, 30, states[30], stop_after=31)  # 30 and 31 wait for 32, which never comes
    assert begun == []
    rest, _ = run(50, 30, states[30])
    assert told(rest) == told(whole[30:])


def test_a_schedule_that_goes_by_tracks_cannot_wait() -> None:
    judge = TrackJudge(calm_seconds=0.5, doubt_seconds=0.2, meeting=0.2, missed=0.3, crowd=4)

    def make(first: int) -> Schedule:
        return every_nth(2)(first)

    with pytest.raises(ValueError, match="cannot wait"):
        Engine([Stream(FakeSource(3), FakeTracker())], FakeDetector(), schedule=make, judge=judge, lines=True)


def test_tracks_of_no_frame_are_no_state() -> None:
    backfill = Backfill[Seen](Follower(FakeTracker()), waits=True)
    assert backfill.to_arrays() == {}
    backfill.from_arrays({})
    assert indices(taken(backfill, [seen(1), seen(2)])) == [1, 2]  # nothing to draw a line from
    kept = backfill.to_arrays()
    assert {name.split(".")[0] + "." for name in kept} == {BACKFILL}
    assert len(kept) == len(Tracks.__dataclass_fields__) + 1
