"""The adaptive schedule: what asks for a look, what does not, and that it goes on as if it had not been interrupted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.engine import Engine, Stream
from pipeline.live.lane import Lane, LiveStream
from pipeline.schedule import SCHEDULE, EveryNth, Judge, Schedule, Verdict
from pipeline.scheduling.adaptive import Adaptive
from pipeline.scheduling.course import Course
from pipeline.scheduling.judge import TrackJudge, occupied
from pipeline.sinks.base import ChunkEnd
from tests.fakes import FakeDetector, FakeFeed, FakeSource, FakeTracker, RecordingSink, make_frame
from tests.promptness import promptly
from trackers.structures import Evidence, Frame, Gap, ImageArray, Stage, Tracks

WIDTH, HEIGHT = 128, 96
FPS = 10.0


def adaptive(*, heartbeat: float = 2.0, least: float = 0.0) -> Adaptive:
    return Adaptive(heartbeat_seconds=heartbeat, least_seconds=least, difference=12, newcomer=0.3)


def judge() -> TrackJudge:
    return TrackJudge(calm_seconds=0.5, doubt_seconds=0.2, meeting=0.2, missed=0.3, crowd=4)


def said(found: Tracks, *, looked: bool, before: Verdict | None = None) -> Verdict:
    return judge().verdict(picture(0), found, before or Verdict.none(), looked=looked)


def picture(index: int, *, box: tuple[int, int, int, int] | None = None, gap: Gap | None = None) -> Frame:
    """A grey picture with a white box."""
    image: ImageArray = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    if box is not None:
        image[box[1] : box[3], box[0] : box[2]] = 255
    return Frame(image, index, index / FPS, 0, gap=gap)


def tracks(
    *boxes: tuple[float, float, float, float], stage: Stage = Stage.CONFIRMED, by: Evidence = Evidence.FLOW
) -> Tracks:
    count = len(boxes)
    return Tracks(
        boxes=np.array(boxes, np.float32).reshape(count, 4),
        scores=np.ones(count, np.float32),
        labels=np.zeros(count, np.int64),
        ids=np.arange(1, count + 1),
        stages=np.full(count, stage, np.int8),
        evidence=np.full(count, by, np.int8),
        rows=np.full(count, -1),
    )


def mixed(
    *, located: Sequence[tuple[float, float, float, float]] = (), lost: Sequence[tuple[float, float, float, float]] = ()
) -> Tracks:
    some = tracks(*located, *lost)
    some.stages[len(located) :] = Stage.LOST
    return some


def test_a_still_scene_falls_to_a_heartbeat() -> None:
    schedule = adaptive()
    looked = [index for index in range(65) if schedule.wants(picture(index), Verdict.none())]
    assert looked == [0, 20, 40, 60]


def test_what_is_new_is_looked_at_at_once_and_what_stays_not_again() -> None:
    schedule = adaptive()
    shown = [picture(index, box=(40, 40, 60, 70) if index >= 5 else None) for index in range(20)]
    assert [frame.index for frame in shown if schedule.wants(frame, Verdict.none())] == [0, 5]


def test_what_is_much_smaller_than_tracks_asks_for_nothing() -> None:
    schedule = adaptive()
    large = Verdict(-np.inf, np.inf, 400.0, np.zeros((64, 64), dtype=bool))
    shown = [picture(index, box=(40, 40, 52, 52) if index >= 5 else None) for index in range(19)]
    assert [frame.index for frame in shown if schedule.wants(frame, large)] == [0]


def test_motion_that_a_track_explains_waits_for_its_verdict() -> None:
    boxes = [(20 + 2 * index, 30, 40 + 2 * index, 80) for index in range(12)]
    looked = {}
    for wait in (0.3, 0.5):
        schedule, last = adaptive(), Verdict.none()
        looked[wait] = []
        for index, box in enumerate(boxes):
            frame = picture(index, box=box)
            if schedule.wants(frame, last):
                looked[wait].append(index)
            last = Verdict(frame.time, wait, 300.0, occupied(np.array([box], np.float32), WIDTH, HEIGHT))
    assert looked == {0.3: [0, 3, 6, 9], 0.5: [0, 5, 10]}


def test_never_sooner_than_asked_but_after_a_gap_or_another_size() -> None:
    schedule = adaptive(least=0.5)
    shaken = [picture(index, box=(0, 0, WIDTH, HEIGHT) if index % 2 else None) for index in range(8)]
    assert [frame.index for frame in shaken if schedule.wants(frame, Verdict.none())] == [0, 5]
    assert schedule.wants(picture(8, gap=Gap(0, 1, "away")), Verdict.none())
    small = Frame(np.full((48, 64, 3), 90, np.uint8), 9, 0.9, 0)
    assert schedule.wants(small, Verdict.none())


@pytest.mark.parametrize(
    ("found", "looked", "wait"),
    [
        (tracks(), True, 0.5),
        (tracks((0, 0, 20, 40), (60, 0, 80, 40)), False, 0.5),
        (tracks((0, 0, 20, 40), (8, 0, 28, 40)), False, 0.2),  # they meet
        (tracks((0, 0, 20, 40), by=Evidence.PREDICTED), False, 0.2),  # flow has lost it
        (tracks((0, 0, 20, 40), by=Evidence.PREDICTED), True, 0.5),
        (tracks((0, 0, 20, 40), stage=Stage.TENTATIVE), True, 0.0),
        (tracks((0, 0, 20, 40), stage=Stage.LOST), True, 0.5),
        (mixed(located=[(0, 0, 20, 40)], lost=[(60, 0, 80, 40)]), True, 0.5),
        (mixed(located=[(0, 0, 20, 40)], lost=[(8, 0, 28, 40)]), True, 0.2),  # it may be hidden
        (mixed(lost=[(0, 0, 20, 40), (8, 0, 28, 40)]), True, 0.5),  # nobody is there to hide them
        (mixed(located=[(0, 0, 20, 40)], lost=[(0, 0, 20, 40)]), True, 0.5),  # the located one follows it now
    ],
)
def test_tracks_in_doubt_wait_less(found: Tracks, looked: bool, wait: float) -> None:
    assert said(found, looked=looked).wait == wait


@pytest.mark.parametrize(
    ("found", "missed", "hidden", "expected"),
    [(3, 0, 0, False), (3, 1, 0, False), (2, 1, 0, True), (2, 0, 1, True), (2, 0, 0, False), (0, 0, 0, False)],
)
def test_a_look_that_misses_too_many_asks_for_every_frame(found: int, missed: int, hidden: int, expected: bool) -> None:
    row = [(30.0 * index, 0.0, 30.0 * index + 20, 40.0) for index in range(found + missed)]
    some = mixed(located=row, lost=[(4.0, 0.0, 24.0, 40.0)][:hidden])
    some.evidence[:found] = Evidence.DETECTED
    assert said(some, looked=True).missed == expected


def test_until_the_next_look_what_the_last_one_missed_counts() -> None:
    gone = said(tracks((0, 0, 20, 40)), looked=True)
    assert gone.missed
    assert said(tracks((0, 0, 20, 40)), looked=False, before=gone).missed
    found = said(tracks((0, 0, 20, 40), by=Evidence.DETECTED), looked=True, before=gone)
    assert not found.missed
    assert not said(tracks((0, 0, 20, 40)), looked=False, before=found).missed


def test_what_was_missed_is_looked_for_in_every_frame_with_motion() -> None:
    missed = Verdict(0.0, 0.5, 300.0, np.ones((64, 64), dtype=bool), missed=True)
    schedule, still = adaptive(), adaptive()
    moving = [picture(index, box=(10 * index, 30, 10 * index + 20, 80)) for index in range(7)]
    assert [frame.index for frame in moving if schedule.wants(frame, missed)] == [*range(7)]
    assert [index for index in range(25) if still.wants(picture(index), missed)] == [0, 20]


def test_a_crowd_that_moves_is_looked_at_in_every_frame() -> None:
    row = [(30.0 * index, 0.0, 30.0 * index + 20, 40.0) for index in range(4)]
    assert [said(tracks(*row[:count]), looked=True).crowd for count in (3, 4)] == [False, True]
    assert not said(tracks(*row, stage=Stage.LOST), looked=True).crowd
    schedule = adaptive(least=0.2)
    crowd = Verdict(0.0, 0.5, 300.0, np.ones((64, 64), dtype=bool), crowd=True)
    moving = [picture(index, box=(10 * index, 30, 10 * index + 20, 80)) for index in range(7)]
    assert [frame.index for frame in moving if schedule.wants(frame, crowd)] == [0, 2, 4, 6]
    still = adaptive()
    assert [index for index in range(25) if still.wants(picture(index), crowd)] == [0, 20]


def test_located_tracks_explain_motion_around_them() -> None:
    seen = said(tracks((32, 24, 64, 72)), looked=True)
    assert seen.size == pytest.approx(16 * 32)
    rows, columns = np.nonzero(seen.occupied)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 55, 12, 35)  # a quarter of a side around it
    assert not said(tracks((32, 24, 64, 72), stage=Stage.LOST), looked=True).occupied.any()


class Moving(FakeSource):
    """A white box that crosses, waits, and crosses again."""

    def __iter__(self):  # type: ignore[no-untyped-def]
        for index in self._range:
            place = min(index, 20) + max(index - 50, 0)
            frame = make_frame(index, width=WIDTH, height=HEIGHT)
            frame.image[30:60, 2 * place : 2 * place + 20] = 255
            yield frame


def run(count: int, first: int = 0, state=None, *, capacity: int = 4, pause: float = 0.0, batch: int = 1):  # type: ignore[no-untyped-def]
    """Frames that were looked at, and the state at each end of a chunk, by the frame to go on with."""
    sink, detector, tracker = RecordingSink(seconds_each=pause), FakeDetector(), FakeTracker()
    stream = Stream(Moving(count, first=first), tracker, [sink], first, left=state)
    made: list[Schedule] = []

    def make(_: int) -> Schedule:
        made.append(adaptive())
        return made[-1]

    Engine([stream], detector, schedule=make, judge=judge(), capacity=capacity, batch=batch, chunk=10).run()
    looked = [result.frame.index for result in sink.results if result.looked]
    states = {result.frame.index + 1: result.state for result in sink.results if result.end is ChunkEnd.WHOLE}
    assert [index for asked in detector.batches for _, index in asked] == looked
    return looked, states


@pytest.mark.parametrize("batch", [1, 3])
def test_neither_queues_nor_time_change_a_decision(batch: int) -> None:
    looked, _ = run(80, batch=batch)
    assert 5 < len(looked) < 60
    for capacity, pause in ((1, 0.0), (9, 0.0), (2, 0.002)):
        assert run(80, capacity=capacity, pause=pause, batch=batch)[0] == looked


@pytest.mark.parametrize("batch", [1, 3])
def test_a_run_that_goes_on_decides_as_if_it_had_not_been_interrupted(batch: int) -> None:
    looked, states = run(80, batch=batch)
    for first in (10, 30, 50, 60):
        kept = {name: array for name, array in states[first].items() if name.startswith(SCHEDULE)}
        assert run(80, first, kept, batch=batch)[0] == [index for index in looked if index >= first]


WHOLE = (0.0, 0.0, float(WIDTH), float(HEIGHT))


def moving(index: int) -> Frame:
    return picture(index, box=(10 * index, 30, 10 * index + 20, 80))


@pytest.mark.parametrize(("by", "wanted"), [(Evidence.FLOW, True), (Evidence.DETECTED, False)])
def test_a_stop_changes_nothing_of_what_a_look_has_missed(by: Evidence, wanted: bool) -> None:
    course, twin = Course(adaptive(), judge()), Course(adaptive(), judge())
    for index in range(3):
        course.wants(moving(index))
        course.tracked(moving(index), tracks(WHOLE, by=by), looked=index == 0)
    twin.from_arrays(course.to_arrays(course.decided()))
    for index in range(3, 6):
        assert [one.wants(moving(index)) for one in (course, twin)] == [wanted, wanted]
        for one in (course, twin):
            one.tracked(moving(index), tracks(WHOLE), looked=False)


def test_a_camera_looks_until_what_was_missed_is_found() -> None:
    lane = Lane(LiveStream(0, FakeFeed(), FakeTracker(), []), adaptive(), judge())
    assert lane.wants(moving(0))
    lane.tracked(moving(0), tracks(WHOLE), looked=True)
    lane.tracked(moving(1), tracks(WHOLE), looked=False)
    assert lane.wants(moving(2))
    lane.tracked(moving(2), tracks(WHOLE, by=Evidence.DETECTED), looked=True)
    assert [lane.wants(moving(index)) for index in range(3, 7)] == [False] * 4


def test_another_schedules_state_is_refused() -> None:
    _, states = run(20)
    with pytest.raises(ValueError, match="lag of 2 frames"):
        run(20, 10, states[10], batch=2)
    with pytest.raises(ValueError, match="not chosen by this adaptive"):
        adaptive().from_arrays({})
    with pytest.raises(ValueError, match="chosen by an adaptive"):
        EveryNth(2).from_arrays(adaptive().to_arrays())


def test_a_failing_tracker_ends_who_waits_for_it() -> None:
    class Failing(TrackJudge):
        def verdict(self, frame: Frame, found: Tracks, before: Verdict, *, looked: bool) -> Verdict:
            if frame.index == 5:
                raise RuntimeError("no verdict")
            return super().verdict(frame, found, before, looked=looked)

    broken: Judge = Failing(calm_seconds=0.5, doubt_seconds=0.2, meeting=0.2, missed=0.3, crowd=4)
    stream = Stream(Moving(80), FakeTracker(), [RecordingSink()])
    with promptly(5), pytest.raises(RuntimeError, match="no verdict"):
        Engine([stream], FakeDetector(), schedule=lambda _: adaptive(), judge=broken).run()
