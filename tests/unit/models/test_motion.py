"""pipeline.models.motion on drawn pictures: people-sized blocks in front of a textured, noisy wall."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.models.motion import MotionDetector, blobs, merge
from trackers.geometry import iou_matrix
from trackers.structures import Detections, Frame, ImageArray

HEIGHT, WIDTH = 180, 320
Box = tuple[int, int, int, int]


class Wall:
    """A fixed camera: the same wall, fresh noise in every picture."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._wall = self._rng.integers(60, 180, (HEIGHT, WIDTH, 3)).astype(np.float32)

    def picture(self, *boxes: Box, light: float = 0.0) -> ImageArray:
        image = self._wall + self._rng.normal(0, 2, self._wall.shape) + light
        for number, (x1, y1, x2, y2) in enumerate(boxes):
            image[y1:y2, x1:x2] = (20, 30, 220) if number % 2 == 0 else (230, 240, 20)
        return np.clip(image, 0, 255).astype(np.uint8)


def walk(step: int) -> Box:
    return 20 + 6 * step, 60, 44 + 6 * step, 132


def run(
    detector: MotionDetector, wall: Wall, seconds: list[float], boxes: list[list[Box]], stream: int = 0
) -> list[Detections]:
    frames = [
        Frame(wall.picture(*some), index, second, 0, stream)
        for index, (second, some) in enumerate(zip(seconds, boxes, strict=True))
    ]
    return [found for frame in frames for found in detector.detect([frame])]


def test_a_walker_is_one_full_box() -> None:
    found = run(MotionDetector(), Wall(), [i / 10 for i in range(40)], [[]] * 10 + [[walk(i)] for i in range(30)])
    assert all(len(one) == 0 for one in found[:10])
    for step, one in enumerate(found[10:]):
        assert len(one) == 1
        assert iou_matrix(one.boxes, np.array([walk(step)], np.float32))[0, 0] > 0.8
        assert 0.7 < one.scores[0] <= 1


def test_boxes_come_in_the_frames_own_pixels() -> None:
    small = run(
        MotionDetector(work_width=160), Wall(), [i / 10 for i in range(20)], [[]] * 10 + [[walk(i)] for i in range(10)]
    )
    assert iou_matrix(small[-1].boxes, np.array([walk(9)], np.float32)).max() > 0.75


def test_learning_goes_by_seconds_not_by_frames() -> None:
    """Who stops is seen until absorb_seconds have passed, at 5 frames a second as at 20."""
    gone = []
    for fps in (5, 20):
        seconds = [i / fps for i in range(12 * fps)]
        boxes = [[(100, 60, 124, 132)] if second >= 2 else [] for second in seconds]
        found = run(MotionDetector(absorb_seconds=4, settle_seconds=0), Wall(), seconds, boxes)
        gone.append(max(second for second, one in zip(seconds, found, strict=True) if len(one)) - 2)
    assert gone[0] == pytest.approx(4, abs=1)
    assert gone[1] == pytest.approx(4, abs=1)


def test_streams_have_their_own_background() -> None:
    steps = [i / 10 for i in range(30)]
    walking = [[walk(i)] for i in range(30)]
    alone = run(MotionDetector(), Wall(1), steps, walking)
    both, first, second = MotionDetector(), Wall(1), Wall(2)
    for index, (at, boxes) in enumerate(zip(steps, walking, strict=True)):
        mixed = both.detect([Frame(first.picture(*boxes), index, at, 0, 0), Frame(second.picture(), index, at, 0, 1)])
        np.testing.assert_array_equal(mixed[0].boxes, alone[index].boxes)
        assert len(mixed[1]) == 0


def test_nothing_is_reported_while_warming_up() -> None:
    detector = MotionDetector(warm_up_frames=8)
    assert detector.card.learns
    found = run(detector, Wall(), [i / 10 for i in range(8)], [[walk(i)] for i in range(8)])
    assert [len(one) for one in found] == [0] * 8


def test_light_that_changes_is_no_object() -> None:
    detector, wall = MotionDetector(), Wall()
    for index in range(10):
        detector.detect([Frame(wall.picture(), index, index / 10, 0)])
    found = [detector.detect([Frame(wall.picture(light=60), index, index / 10, 0)])[0] for index in range(10, 30)]
    assert sum(len(one) for one in found) == 0


def test_a_stream_that_starts_again_is_learned_anew() -> None:
    detector = MotionDetector()
    run(detector, Wall(1), [i / 10 for i in range(20)], [[]] * 20)
    again = run(detector, Wall(2), [i / 10 for i in range(5)], [[]] * 5)
    assert sum(len(one) for one in again) == 0


def test_a_source_of_one_frame_leaves_no_background_to_the_next() -> None:
    settings = {"warm_up_frames": 2}
    steps, boxes = [i / 10 for i in range(6)], [[]] + [[walk(i)] for i in range(5)]
    alone = run(MotionDetector(**settings), Wall(2), steps, boxes)
    detector = MotionDetector(**settings)
    run(detector, Wall(1), [0.0], [[]])
    after = run(detector, Wall(2), steps, boxes)
    assert [len(one) > 0 for one in alone] == [len(one) > 0 for one in after] == [False, False, True, True, True, True]
    for a, b in zip(alone, after, strict=True):
        np.testing.assert_array_equal(a.boxes, b.boxes)
        np.testing.assert_array_equal(a.scores, b.scores)


def test_fragments_of_a_body_are_joined_and_neighbours_are_not() -> None:
    parts = np.array([[10, 10, 30, 40], [12, 45, 28, 80], [60, 10, 80, 80], [84, 10, 104, 80]], np.float32)
    boxes, pixels = merge(parts, np.array([100, 200, 300, 400], np.float32))
    np.testing.assert_array_equal(boxes, [[10, 10, 30, 80], [60, 10, 80, 80], [84, 10, 104, 80]])
    np.testing.assert_array_equal(pixels, [300, 300, 400])


def test_two_persons_one_above_the_other_stay_two() -> None:
    persons = np.array([[10, 10, 30, 70], [12, 75, 32, 135]], np.float32)
    boxes, _ = merge(persons, np.ones(2, np.float32))
    assert len(boxes) == 2


def test_blobs_of_an_empty_and_a_full_mask() -> None:
    boxes, pixels = blobs(np.zeros((20, 30), np.uint8), 0.01)
    assert boxes.shape == (0, 4)
    assert pixels.shape == (0,)
    boxes, pixels = blobs(np.full((20, 30), 255, np.uint8), 0.01)
    np.testing.assert_array_equal(boxes, [[0, 0, 30, 20]])
    np.testing.assert_array_equal(pixels, [600])


def test_the_smallest_frame_and_no_frame() -> None:
    detector = MotionDetector()
    assert detector.detect([]) == []
    assert len(detector.detect([Frame(np.zeros((1, 1, 3), np.uint8), 0, 0.0, 0)])[0]) == 0


@pytest.mark.parametrize(
    "wrong", [{"min_area": 0.0}, {"absorb_seconds": 0.0}, {"work_width": 1}, {"warm_up_frames": -1}]
)
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        MotionDetector(**wrong)
