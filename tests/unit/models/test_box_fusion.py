"""Weighted boxes fusion, by numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.models.box_fusion import fuse
from trackers.structures import FloatArray

BOTH, ONE = (2, 2.0), (1, 1.0)


def boxes(*rows: tuple[float, float, float, float]) -> FloatArray:
    return np.array(rows, np.float32).reshape(-1, 4)


def scores(*numbers: float) -> FloatArray:
    return np.array(numbers, np.float32)


def test_two_detectors_that_see_one_object_give_the_mean_weighted_by_score() -> None:
    # IoU 100 / 120; C = (.8 + .4) / 2 = .6; y2 = (.8 * 10 + .4 * 12) / 1.2 = 10.667
    found = fuse(boxes((0, 0, 10, 10), (0, 0, 10, 12)), scores(0.8, 0.4), np.zeros(2, int), iou=0.55, counts=[BOTH])
    np.testing.assert_allclose(found.boxes, [[0, 0, 10, 32 / 3]], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.6], rtol=1e-6)
    assert found.strongest.tolist() == [0]


def test_what_one_of_two_detectors_sees_is_believed_half() -> None:
    found = fuse(boxes((0, 0, 10, 10)), scores(0.8), np.zeros(1, int), iou=0.55, counts=[BOTH])
    np.testing.assert_allclose(found.scores, [0.4], rtol=1e-6)


def test_what_only_one_of_them_knows_is_believed_whole() -> None:
    found = fuse(boxes((0, 0, 10, 10)), scores(0.8), np.ones(1, int), iou=0.55, counts=[BOTH, ONE])
    np.testing.assert_allclose(found.scores, [0.8], rtol=1e-6)
    assert found.labels.tolist() == [1]


def test_more_boxes_than_detectors_count_as_one_a_detector() -> None:
    # three boxes of two detectors: C = (.9 + .6 + .3) / 3 = .6, and min(3, 2) / 2 = 1
    same = boxes(*[(0, 0, 10, 10)] * 3)
    found = fuse(same, scores(0.9, 0.6, 0.3), np.zeros(3, int), iou=0.55, counts=[BOTH])
    np.testing.assert_allclose(found.scores, [0.6], rtol=1e-6)


def test_shares_weigh_corners_and_scores() -> None:
    # C_i = .5 and 2 * .5 = 1: y2 = (.5 * 10 + 1 * 12) / 1.5; C = 1.5 / 2 * min(2, 2) / (1 + 2) = .5
    found = fuse(
        boxes((0, 0, 10, 10), (0, 0, 10, 12)),
        scores(0.5, 0.5),
        np.zeros(2, int),
        iou=0.55,
        shares=np.array([1.0, 2.0]),
        counts=[(2, 3.0)],
    )
    np.testing.assert_allclose(found.boxes[0, 3], 17 / 1.5, rtol=1e-6)
    np.testing.assert_allclose(found.scores, [0.5], rtol=1e-6)
    assert found.strongest.tolist() == [1]


def test_a_box_is_compared_with_the_mean_so_far() -> None:
    """The third overlaps the first by 10 / 16, but the mean of the first two, which ends at 11.5, by 11.5 / 16."""
    three = boxes((0, 0, 10, 10), (0, 0, 13, 10), (0, 0, 16, 10))
    together = fuse(three, scores(0.8, 0.8, 0.1), np.zeros(3, int), iou=0.7)
    apart = fuse(three[[0, 2]], scores(0.8, 0.1), np.zeros(2, int), iou=0.7)
    assert (len(together.boxes), len(apart.boxes)) == (1, 2)


def test_classes_stay_apart_and_the_strongest_comes_first() -> None:
    found = fuse(
        boxes((0, 0, 10, 10), (0, 0, 10, 10), (50, 0, 60, 10)), scores(0.2, 0.5, 0.9), np.array([0, 1, 0]), iou=0.5
    )
    assert found.labels.tolist() == [0, 1, 0]
    assert found.strongest.tolist() == [2, 1, 0]


def test_nothing_gives_nothing() -> None:
    found = fuse(boxes(), scores(), np.zeros(0, int), iou=0.5, counts=[BOTH])
    assert (found.boxes.shape, found.scores.shape, found.labels.shape) == ((0, 4), (0,), (0,))


def test_boxes_without_a_score_are_no_trouble() -> None:
    found = fuse(boxes((0, 0, 10, 10), (0, 0, 10, 10)), scores(0, 0), np.zeros(2, int), iou=0.5)
    assert found.boxes.tolist() == [[0, 0, 10, 10]]
    assert found.scores.tolist() == [0]


def test_a_box_without_a_score_moves_no_other() -> None:
    # eq. 2: (.9 * (0, 0, 10, 10) + 0 * (2, 0, 12, 10)) / .9; eq. 1: C = .9 / 2
    found = fuse(boxes((0, 0, 10, 10), (2, 0, 12, 10)), scores(0.9, 0), np.zeros(2, int), iou=0.5)
    np.testing.assert_allclose(found.boxes, [[0, 0, 10, 10]], atol=1e-6)
    np.testing.assert_allclose(found.scores, [0.45], rtol=1e-6)


def test_of_boxes_without_a_score_the_first_stays() -> None:
    found = fuse(boxes((0, 0, 10, 10), (2, 0, 12, 10)), scores(0, 0), np.zeros(2, int), iou=0.5)
    assert found.boxes.tolist() == [[0, 0, 10, 10]]


@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_fused_boxes_lie_within_those_that_went_in(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 40, (count, 2))
    given_boxes = np.concatenate([corners, corners + random.uniform(1, 40, (count, 2))], axis=1).astype(np.float32)
    found = fuse(given_boxes, random.uniform(0.05, 1, count).astype(np.float32), random.integers(0, 2, count), iou=0.4)
    assert 1 <= len(found.boxes) <= count
    assert (found.boxes.min(axis=0) >= given_boxes.min(axis=0) - 1e-3).all()
    assert (found.boxes.max(axis=0) <= given_boxes.max(axis=0) + 1e-3).all()
    assert found.scores.tolist() == pytest.approx(sorted(found.scores.tolist(), reverse=True))
