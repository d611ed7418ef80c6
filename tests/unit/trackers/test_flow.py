"""Optical flow: points and boxes after known maps of a picture, sparse and dense; what is covered, flat or outside."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.trackers.textures import moved, shift, texture, turn, warp
from trackers.corners import corners
from trackers.dense_flow import DenseFlow, grid
from trackers.flow import (
    FARTHEST_RETURN,
    LEAST_LIKENESS,
    BoxMotion,
    Followed,
    box_motion,
    correlation,
    follow,
    grey_picture,
)
from trackers.structures import FloatArray, ImageArray

Follow = Callable[[ImageArray, ImageArray, FloatArray], Followed]

BOXES = np.array([[40, 30, 120, 100], [150, 60, 210, 180], [230.5, 120.2, 290.3, 200.9]])
METHODS = [pytest.param(follow, id="sparse"), pytest.param(DenseFlow(preset="medium").follow, id="dense")]


def motion(method: Follow, before: ImageArray, after: ImageArray, boxes: FloatArray) -> BoxMotion:
    points = corners(before, boxes)
    return box_motion(boxes, points, method(before, after, points))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "affine",
    [
        pytest.param(shift(0, 0), id="nothing moves"),
        pytest.param(shift(3, -2), id="whole pixels"),
        pytest.param(shift(0.37, 0.81), id="parts of pixels"),
        pytest.param(shift(-11.3, 7.6), id="far"),
        pytest.param(turn(0, 1.04, around=(160, 120)), id="larger"),
        pytest.param(turn(0, 0.95, around=(40, 200)), id="smaller"),
        pytest.param(turn(2, 1, around=(160, 120)), id="turned"),
    ],
)
def test_points_go_where_the_map_takes_them(method: Follow, affine: FloatArray) -> None:
    before = texture()
    points = corners(before, BOXES)
    followed = method(before, warp(before, affine), points)
    off = np.linalg.norm(followed.points - moved(points, affine), axis=2)
    assert followed.sure.mean() > 0.95
    assert np.median(off) < 0.15
    assert np.quantile(off[followed.sure], 0.95) < 0.35


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("affine", "scale"),
    [
        pytest.param(shift(3.25, -2.5), 1.0, id="shifted"),
        pytest.param(turn(0, 1.05, around=(100, 90)), 1.05, id="larger"),
        pytest.param(turn(0, 0.94, around=(200, 50)), 0.94, id="smaller"),
        pytest.param(turn(2, 1.02, around=(160, 120)), 1.02, id="turned and larger"),
    ],
)
def test_boxes_move_and_grow_with_the_picture(method: Follow, affine: FloatArray, scale: float) -> None:
    before = texture()
    found = motion(method, before, warp(before, affine), BOXES)
    middles = moved((BOXES[:, :2] + BOXES[:, 2:]) / 2, affine)
    near = 0.15 if affine[0, 1] == 0 else 0.5  # median flow knows no turns: points that are off the middle pull at it
    np.testing.assert_allclose((found.boxes[:, :2] + found.boxes[:, 2:]) / 2, middles, atol=near)
    np.testing.assert_allclose(found.shifts, middles - (BOXES[:, :2] + BOXES[:, 2:]) / 2, atol=near)
    np.testing.assert_allclose(found.scales, scale, atol=0.004)
    sides = (BOXES[:, 2:] - BOXES[:, :2]) * scale
    np.testing.assert_allclose(found.boxes[:, 2:] - found.boxes[:, :2], sides, rtol=0.004)
    assert (found.confidences > 0.9).all()


def test_points_on_one_side_tell_as_well_where_the_middle_goes() -> None:
    before, affine = texture(), turn(0, 1.06, around=(0, 0))
    points = corners(before, BOXES[:1], front=np.array([[80.0, 0, 320, 240]]))  # the right half is covered
    found = box_motion(BOXES[:1], points, follow(before, warp(before, affine), points))
    np.testing.assert_allclose(found.boxes, BOXES[:1] * 1.06, atol=0.3)
    assert found.confidences[0] > 0.9


def test_median_flow_by_hand() -> None:
    # Everything moves by 2, -1 and grows by a tenth around the middle at 10, 10; the fifth point is lost.
    points = np.array([[[6, 8], [16, 8], [6, 18], [16, 18], [10, 10]]], np.float32)
    after = np.array([[[7.6, 6.8], [18.6, 6.8], [7.6, 17.8], [18.6, 17.8], [np.nan, np.nan]]], np.float32)
    followed = Followed(after, np.array([[0, 0, 0, 0, np.inf]], np.float32), np.array([[1, 1, 1, 1, -1]], np.float32))
    found = box_motion(np.array([[0.0, 0, 20, 20]]), points, followed)
    np.testing.assert_allclose(found.boxes, [[1, -2, 23, 20]], atol=1e-5)
    np.testing.assert_allclose(found.shifts, [[2, -1]], atol=1e-5)
    assert found.scales[0] == pytest.approx(1.1, abs=1e-6)
    assert found.confidences[0] == pytest.approx(4 / 5)


def test_three_points_tell_no_size() -> None:
    points = np.array([[[6, 8], [16, 8], [6, 18]]], np.float32)
    followed = Followed(points * np.float32(1.1), np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32))
    assert box_motion(np.array([[0.0, 0, 20, 20]]), points, followed).scales.tolist() == [1]


@pytest.mark.parametrize(
    ("returns", "likeness", "sure"),
    [
        pytest.param(FARTHEST_RETURN, LEAST_LIKENESS, True, id="just"),
        pytest.param(FARTHEST_RETURN * 1.01, 1, False, id="does not come back"),
        pytest.param(0, LEAST_LIKENESS * 0.99, False, id="looks otherwise"),
        pytest.param(np.inf, -1, False, id="lost"),
    ],
)
def test_a_sure_point_comes_back_and_looks_alike(returns: float, likeness: float, sure: bool) -> None:
    found = Followed(np.zeros((1, 2), np.float32), np.array([returns], np.float32), np.array([likeness], np.float32))
    assert found.sure.tolist() == [sure]


def test_one_wrong_point_of_nine_moves_nothing() -> None:
    points = grid(np.array([[0.0, 0, 30, 30]]), cells=3)
    after = points + np.float32([2, -1])
    after[0, 4] = [90, 70]
    followed = Followed(after, np.zeros((1, 9), np.float32), np.ones((1, 9), np.float32))
    found = box_motion(np.array([[0.0, 0, 30, 30]]), points, followed)
    np.testing.assert_allclose(found.boxes, [[2, -1, 32, 29]], atol=1e-5)
    assert found.confidences[0] == pytest.approx(8 / 9)


def test_guesses_find_what_is_far() -> None:
    before, far = texture(size=(640, 240)), shift(170, 0)
    points = corners(before, BOXES)
    after = warp(before, far)
    plain = follow(before, after, points)
    guided = follow(before, after, points, guesses=points + np.float32([165, 3]))
    assert plain.sure.mean() < 0.2
    assert guided.sure.mean() > 0.95
    np.testing.assert_allclose(np.median(guided.points - points, axis=(0, 1)), [170, 0], atol=0.05)


@pytest.mark.parametrize("method", METHODS)
def test_confidence_falls_with_the_share_that_is_covered(method: Follow) -> None:
    before, cover = texture(), texture(7)
    confidences = []
    for width in (0, 20, 40, 60, 80):
        after = warp(before, shift(1.5, 0.5))
        after[30:105, 40 : 40 + width] = cover[30:105, 40 : 40 + width]
        confidences.append(motion(method, before, after, BOXES[:1]).confidences[0])
    assert confidences[0] > 0.9
    assert (np.diff(confidences) < 0).all()
    assert confidences[-1] < 0.25


@pytest.mark.parametrize("method", METHODS)
def test_the_uncovered_half_tells_how_a_box_moves(method: Follow) -> None:
    before, after = texture(), warp(texture(), shift(2.5, 1.5))
    after[:, :75] = texture(7)[:, :75]
    found = motion(method, before, after, BOXES[:1])
    np.testing.assert_allclose(found.shifts, [[2.5, 1.5]], atol=0.7)
    assert 0.2 < found.confidences[0] < 0.8


@pytest.mark.parametrize("method", METHODS)
def test_what_disappears_is_not_followed(method: Follow) -> None:
    found = motion(method, texture(), texture(7), BOXES)
    assert (found.confidences < 0.25).all()
    assert np.isfinite(found.boxes).all()


@pytest.mark.parametrize("method", METHODS)
def test_without_texture_nothing_is_known(method: Follow) -> None:
    flat = np.full((240, 320), 90, np.uint8)
    found = motion(method, flat, flat, BOXES)
    np.testing.assert_array_equal(found.boxes, BOXES)
    assert found.confidences.tolist() == [0, 0, 0]
    assert found.scales.tolist() == [1, 1, 1]


@pytest.mark.parametrize("method", METHODS)
def test_boxes_at_and_beyond_borders_and_that_are_no_boxes(method: Follow) -> None:
    boxes = np.array(
        [
            [-30, -20, 60, 70],
            [280, 190, 380, 300],
            [-90, 10, -10, 80],
            [400, 10, 480, 80],
            [np.nan, 1, 9, 9],
            *BOXES[:1],
        ]
    )
    before = texture()
    found = motion(method, before, warp(before, shift(1.25, 2.5)), boxes)
    np.testing.assert_allclose(found.shifts[[0, 5]], [[1.25, 2.5]] * 2, atol=0.4)
    assert (found.confidences[[0, 5]] > 0.7).all()
    np.testing.assert_array_equal(found.boxes[2:5], boxes[2:5])
    assert found.confidences[2:5].tolist() == [0, 0, 0]
    assert found.shifts[2:5].tolist() == [[0, 0]] * 3


@pytest.mark.parametrize("method", METHODS)
def test_no_box_and_no_point(method: Follow) -> None:
    found = motion(method, texture(), texture(), np.zeros((0, 4)))
    assert (found.boxes.shape, found.shifts.shape, found.scales.shape) == ((0, 4), (0, 2), (0,))
    assert found.confidences.shape == (0,)
    points = np.zeros((3, 0, 2), np.float32)
    bare = box_motion(BOXES, points, method(texture(), texture(), points))
    np.testing.assert_array_equal(bare.boxes, BOXES)
    assert method(texture(), texture(), np.zeros((0, 2), np.float32)).points.shape == (0, 2)


def test_a_box_moves_as_it_does_alone() -> None:
    before = texture()
    after = warp(before, turn(1, 1.02, around=(100, 100)))
    together = motion(follow, before, after, BOXES)
    alone = [motion(follow, before, after, BOXES[each : each + 1]).boxes[0] for each in range(3)]
    np.testing.assert_allclose(together.boxes, alone, atol=1e-4)


def test_dense_flow_of_a_picture_too_small_for_it() -> None:
    tiny = texture(size=(20, 20))
    assert not DenseFlow().follow(tiny, tiny, np.array([[10.0, 10]])).sure.any()
    assert DenseFlow().field(tiny, tiny).shape == (20, 20, 2)


def test_the_grid_by_hand() -> None:
    points = grid(np.array([[0.0, 0, 20, 40], [10, 10, 14, 14]]), cells=2)
    assert points.tolist() == [
        [[5, 10], [15, 10], [5, 30], [15, 30]],
        [[11, 11], [13, 11], [11, 13], [13, 13]],
    ]
    assert grid(np.zeros((0, 4))).shape == (0, 64, 2)


@given(st.integers(0, 2**32), st.integers(2, 40))
def test_correlation_is_that_of_numpy(seed: int, length: int) -> None:
    a, b = np.random.default_rng(seed).normal(size=(2, 3, length))
    theirs = [np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(correlation(a, b), theirs, atol=1e-9)
    np.testing.assert_allclose(correlation(a, 3 * b + 5), theirs, atol=1e-9)
    assert correlation(a, np.ones_like(a)).tolist() == [0, 0, 0]


def test_grey_pictures_are_taken_as_they_are() -> None:
    grey = texture()
    assert grey_picture(grey) is grey
    np.testing.assert_array_equal(grey_picture(np.repeat(grey[:, :, None], 3, axis=2)), grey)
