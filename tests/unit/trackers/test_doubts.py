"""What deepsort is unsure of before it takes a frame: scenes worked by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.trackers.scenes import Box, assert_same, person, random_walk, see
from trackers.bytetrack import ByteTrack
from trackers.calibration import ScoreCalibration
from trackers.deepsort import DeepSort
from trackers.doubts import DoubtfulTracker, Doubts
from trackers.structures import Detections, Masks

STEP = 0.1  # seconds a frame
RED, BLUE = (1.0, 0.0), (0.0, 1.0)
NONE = (np.nan, np.nan)
LEFT, RIGHT = person(100), person(500)


def make(**changes: float) -> DeepSort:
    return DeepSort(calibration=ScoreCalibration(known=([0.0, 1.0], [0.0, 1.0])), **changes)  # type: ignore[arg-type]


def settled(*boxes: Box, tracker: DeepSort | None = None) -> tuple[DeepSort, float]:
    """A tracker that has seen these, red and blue in turn, in five frames; the time of the next one."""
    tracker = tracker or make()
    features = [(RED, BLUE)[number % 2] for number in range(len(boxes))]
    for number in range(5):
        tracker.update(see(*boxes, features=features), number * STEP)
    return tracker, 5 * STEP


def unsure(tracker: DeepSort, time: float, *boxes: Box, scores: float = 0.9) -> list[bool]:
    return tracker.doubts(see(*boxes, scores=scores), time).unsure.tolist()


def test_who_stands_alone_is_sure_and_told_when_described_last() -> None:
    tracker, time = settled(LEFT, RIGHT)
    for number in range(2):
        tracker.update(see(LEFT, RIGHT, features=[RED, NONE]), time + number * STEP)
    doubts = tracker.doubts(see(RIGHT, LEFT), time + 2 * STEP)
    assert doubts.unsure.tolist() == [False, False]
    np.testing.assert_allclose(doubts.undescribed, [3 * STEP, STEP])
    assert doubts.unmasked.tolist() == [np.inf, np.inf]


def test_nothing_is_known_of_the_first_frame_and_of_newcomers() -> None:
    assert unsure(make(), 0.0, LEFT, RIGHT) == [True, True]
    assert unsure(make(), 0.0) == []
    tracker, time = settled(LEFT)
    doubts = tracker.doubts(see(LEFT, RIGHT), time)
    assert doubts.unsure.tolist() == [False, True]
    assert doubts.undescribed[1] == np.inf
    tracker.update(see(LEFT, RIGHT, features=[RED, BLUE]), time)
    assert unsure(tracker, time + STEP, LEFT, RIGHT) == [False, True]  # not believed yet
    assert unsure(tracker, time + STEP) == []


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ((person(100), person(130)), [True, True]),  # within each other's reach
        ((person(100), person(112), person(500)), [True, True, False]),  # of one who stood alone, two boxes
        ((person(100, width=16), person(500)), [True, False]),  # seen where the track is, but much of it is missing
    ],
)
def test_who_may_be_another_is_unsure(boxes: tuple[Box, ...], expected: list[bool]) -> None:
    tracker, time = settled(*(boxes[:2] if len(boxes) == 2 and boxes[1] != RIGHT else (LEFT, RIGHT)))
    assert unsure(tracker, time, *boxes) == expected


def test_who_was_out_of_sight_is_unsure_when_back() -> None:
    tracker, time = settled(LEFT, RIGHT)
    tracker.update(see(RIGHT, features=[BLUE]), time)
    assert unsure(tracker, time + STEP, LEFT, RIGHT) == [True, False]


def test_a_lost_track_near_by_does_not_count_unless_it_is_as_near() -> None:
    for missing, expected in ((person(145), False), (person(103), True)):
        tracker, time = settled(LEFT, missing)
        tracker.update(see(LEFT, features=[RED]), time)
        assert unsure(tracker, time + STEP, LEFT) == [expected]


def test_weak_and_broken_boxes_are_unsure() -> None:
    tracker, time = settled(LEFT)
    weak = tracker.doubts(see(LEFT, RIGHT, scores=(0.3, 0.9)), time)
    assert (weak.unsure.tolist(), weak.compared.tolist()) == ([True, True], [False, True])
    assert unsure(tracker, time, (0, 0, np.nan, 5), LEFT) == [True, False]


def test_who_has_hidden_another_is_unsure_until_they_are_told_apart() -> None:
    tracker, time = settled(person(100, 110), person(112, 100))
    for step in range(1, 12):
        features = [RED, NONE] if step < 10 else [RED, BLUE]
        walker = person(112 + 12 * step)
        if step == 10:
            assert unsure(tracker, time, person(100, 110), walker) == [True, True]
        elif step == 11:
            assert unsure(tracker, time, person(100, 110), walker) == [False, False]
        tracker.update(see(person(100, 110), walker, features=features), time)
        time += STEP


def test_a_time_without_pictures_that_ends_tracks_leaves_nothing_sure() -> None:
    tracker, time = settled(LEFT)
    found = see(LEFT)
    assert tracker.doubts(found, time, gap=1.0).unsure.tolist() == [False]
    assert tracker.doubts(found, time, gap=np.inf).unsure.tolist() == [True]


def test_masks_have_times_of_their_own() -> None:
    tracker, time = make(), 0.0
    found = see(LEFT, features=[RED])
    mask = Masks(found.boxes[:, :2].astype(np.int64), (np.ones((100, 40), bool),))
    for masks in (None, mask, None, None):
        tracker.update(replace(found, masks=masks), time)
        time += STEP
    doubts = tracker.doubts(found, time)
    np.testing.assert_allclose([doubts.undescribed[0], doubts.unmasked[0]], [STEP, 3 * STEP])


def test_asking_changes_nothing_and_is_answered_alike_after_a_resumption() -> None:
    asked, silent = make(), make()
    for number, found in enumerate(random_walk(3, 60, dimension=8)):
        first = asked.doubts(found, number * STEP)
        assert_alike(first, asked.doubts(found, number * STEP))
        resumed = make()
        resumed.from_arrays(asked.to_arrays())
        assert_alike(first, resumed.doubts(found, number * STEP))
        assert_same(asked.update(found, number * STEP), silent.update(found, number * STEP))
    for name, column in silent.to_arrays().items():
        np.testing.assert_array_equal(asked.to_arrays()[name], column)


def assert_alike(one: Doubts, other: Doubts) -> None:
    for name in ("unsure", "compared", "undescribed", "unmasked"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def lone_walkers() -> Iterator[Detections]:
    """Three who never come near each other."""
    for number in range(80):
        yield see(*(person(100 + 200 * i, 100 + number) for i in range(3)), features=[RED, BLUE, RED])


def test_lone_walkers_keep_their_ids_when_only_what_is_asked_about_is_described() -> None:
    always, asked = make(), make()
    described = 0
    for number, found in enumerate(lone_walkers()):
        doubts = asked.doubts(found, number * STEP)
        rows = doubts.unsure | (doubts.undescribed > 1.0)
        described += int(rows.sum())
        assert found.features is not None
        part = replace(found, features=np.where(rows[:, None], found.features, np.nan))
        assert_same(always.update(found, number * STEP), asked.update(part, number * STEP))
    assert described <= 3 * (80 // 10 + 2)


def test_which_trackers_can_be_asked() -> None:
    assert isinstance(make(), DoubtfulTracker)
    assert not isinstance(ByteTrack(), DoubtfulTracker)
