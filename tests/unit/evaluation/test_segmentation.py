"""Average precision of masks, on squares whose overlap is worked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pipeline.evaluation.segmentation import PictureTruth, evaluate_masks
from trackers.structures import Detections, Masks

NAMES = ("person", "vehicle")


def square(x: int, y: int, side: int) -> Any:
    return [[x, y, x + side, y, x + side, y + side, x, y + side]]


def truth(*squares: tuple[int, int, int], crowd: bool = False) -> PictureTruth:
    count = len(squares)
    shapes = tuple(square(*one) for one in squares)
    return PictureTruth(100, 100, np.zeros(count, np.int64), shapes, (crowd,) * count)


def found(*squares: tuple[int, int, int], scores: tuple[float, ...] = ()) -> Detections:
    boxes = np.array([[x, y, x + side, y + side] for x, y, side in squares], np.float32).reshape(-1, 4)
    masks = Masks(
        np.array([[x, y] for x, y, _ in squares], np.int64).reshape(-1, 2),
        tuple(np.ones((side, side), bool) for _, _, side in squares),
    )
    sure = np.array(scores or [0.9] * len(squares), np.float32)
    return Detections(boxes, sure, np.zeros(len(squares), np.int64), masks=masks)


def test_what_is_found_to_the_pixel_is_perfect() -> None:
    person, vehicle = evaluate_masks([truth((10, 10, 40))], [found((10, 10, 40))], NAMES)
    assert person.objects == 1
    assert [person.masks.ap, person.masks.ap50, person.boxes.ap] == pytest.approx([1, 1, 1])
    assert vehicle.objects == 0
    assert math.isnan(vehicle.masks.ap)


def test_overlap_decides_at_which_threshold_it_counts() -> None:
    """32 of 40 columns shared: IoU 32 / 48 = .667, so it is found at .5, .55, .6 and .65, four of ten thresholds."""
    person = evaluate_masks([truth((10, 10, 40))], [found((18, 10, 40))], NAMES)[0]
    assert [person.masks.ap50, person.masks.ap75] == pytest.approx([1, 0])
    assert person.masks.ap == pytest.approx(0.4)
    assert person.boxes.ap == pytest.approx(0.4)


def test_a_surer_false_one_costs_half() -> None:
    """The only hit is the second of two: precision 1/2 at every recall."""
    person = evaluate_masks([truth((10, 10, 20))], [found((60, 60, 20), (10, 10, 20), scores=(0.9, 0.5))], NAMES)[0]
    assert person.masks.ap50 == pytest.approx(0.5)


def test_a_crowd_is_neither_to_be_found_nor_a_fault_to_find() -> None:
    crowd = truth((50, 50, 40), crowd=True)
    single = truth((5, 5, 20))
    both = PictureTruth(
        100, 100, np.zeros(2, np.int64), (*single.shapes, *crowd.shapes), (*single.crowds, *crowd.crowds)
    )
    person = evaluate_masks([both], [found((55, 55, 20), (5, 5, 20), scores=(0.9, 0.5))], NAMES)[0]
    assert person.objects == 1
    assert person.masks.ap50 == pytest.approx(1)


def test_nothing_found_is_nothing() -> None:
    person = evaluate_masks([truth((10, 10, 20))], [Detections.empty()], NAMES)[0]
    assert (person.masks.ap50, person.boxes.ap50) == (0.0, 0.0)
    assert evaluate_masks([], [], NAMES)[0].objects == 0


def test_masks_are_needed_and_pictures_must_match() -> None:
    bare = Detections(np.array([[0, 0, 9, 9]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="without masks"):
        evaluate_masks([truth((1, 1, 5))], [bare], NAMES)
    with pytest.raises(ValueError, match="1 pictures have truth and 0"):
        evaluate_masks([truth((1, 1, 5))], [], NAMES)
    wrong = PictureTruth(50, 50, np.zeros(1, np.int64), ({"size": [9, 9], "counts": [81]},), (False,))
    with pytest.raises(ValueError, match="does not fit"):
        evaluate_masks([wrong], [Detections.empty()], NAMES)
