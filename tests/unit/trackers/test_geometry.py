"""Boxes: overlaps worked by hand, their symmetries, and no box at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.trackers import scenes
from trackers import geometry
from trackers.structures import FloatArray, IntArray, Masks

Matrix = Callable[[FloatArray, FloatArray], FloatArray]
MATRICES: list[Matrix] = [geometry.iou_matrix, geometry.giou_matrix, geometry.covered_matrix]
NONE = np.zeros((0, 4))
SQUARE = np.array([[0.0, 0.0, 10.0, 10.0]])


@pytest.mark.parametrize(
    ("other", "iou", "giou", "covered"),
    [
        pytest.param((0, 0, 10, 10), 1, 1, 1, id="itself"),
        # 50 shared, 150 together, the hull holds nothing else
        pytest.param((5, 0, 15, 10), 50 / 150, 50 / 150, 0.5, id="half beside"),
        # 25 shared, 175 together, hull 15 x 15
        pytest.param((5, 5, 15, 15), 25 / 175, 25 / 175 - 50 / 225, 0.25, id="over a corner"),
        pytest.param((2, 2, 7, 7), 0.25, 0.25, 0.25, id="inside"),
        pytest.param((-10, -10, 20, 20), 1 / 9, 1 / 9, 1, id="around"),
        pytest.param((10, 0, 20, 10), 0, 0, 0, id="touching"),
        # hull 30 x 10, of which 200 are covered
        pytest.param((20, 0, 30, 10), 0, -1 / 3, 0, id="apart"),
        pytest.param((5, 5, 5, 5), 0, 0, 0, id="a point inside"),
    ],
)
def test_overlap_by_hand(other: tuple[float, ...], iou: float, giou: float, covered: float) -> None:
    box = np.array([other], float)
    assert geometry.iou_matrix(SQUARE, box)[0, 0] == pytest.approx(iou)
    assert geometry.giou_matrix(SQUARE, box)[0, 0] == pytest.approx(giou)
    assert geometry.covered_matrix(SQUARE, box)[0, 0] == pytest.approx(covered)


def test_two_points_in_one_place_do_not_overlap() -> None:
    point = np.array([[3.0, 3.0, 3.0, 3.0]])
    for matrix in MATRICES:
        assert matrix(point, point)[0, 0] == 0


def test_matrices_have_a_row_for_each_of_the_first_boxes() -> None:
    a = np.array([[0.0, 0, 2, 2], [10, 10, 12, 12]])
    b = np.array([[0.0, 0, 2, 2], [0, 0, 2, 1], [10, 10, 12, 12]])
    assert geometry.iou_matrix(a, b).tolist() == [[1, 0.5, 0], [0, 0, 1]]
    assert geometry.intersections(a, b).tolist() == [[4, 2, 0], [0, 0, 4]]


def test_the_middle_of_a_box() -> None:
    boxes = np.array([[[0.0, 0, 4, 10], [-3, 1, -1, 2]]])
    assert geometry.centres(boxes[0]).tolist() == [[2, 5], [-2, 1.5]]
    assert geometry.centres(boxes).shape == (1, 2, 2)
    assert geometry.centres(NONE).shape == (0, 2)


@given(scenes.boxes(), scenes.boxes())
def test_areas_shared_by_pairs_are_those_of_the_matrix(a: FloatArray, b: FloatArray) -> None:
    rows, columns = np.indices((len(a), len(b))).reshape(2, -1)
    shared = geometry.intersection_pairs(a[rows], b[columns])
    np.testing.assert_array_equal(shared, geometry.intersections(a, b).ravel())
    assert (shared <= np.minimum(geometry.areas(a)[rows], geometry.areas(b)[columns])).all()


def test_the_area_of_a_box_turned_inside_out_is_zero() -> None:
    assert geometry.areas(np.array([[0.0, 0, 3, 4], [3, 4, 0, 0], [3, 0, 0, 4]])).tolist() == [12, 0, 0]


@given(scenes.boxes(), scenes.boxes())
def test_iou_and_giou_are_symmetric(a: FloatArray, b: FloatArray) -> None:
    np.testing.assert_array_equal(geometry.iou_matrix(a, b), geometry.iou_matrix(b, a).T)
    np.testing.assert_array_equal(geometry.giou_matrix(a, b), geometry.giou_matrix(b, a).T)


@given(scenes.boxes(), scenes.boxes())
def test_overlaps_stay_in_range(a: FloatArray, b: FloatArray) -> None:
    iou, giou, covered = (matrix(a, b) for matrix in MATRICES)
    assert ((iou >= 0) & (iou <= 1)).all()
    assert ((giou > -1) & (giou <= iou)).all()
    assert ((covered >= iou) & (covered <= 1)).all()


@given(scenes.boxes())
def test_a_box_overlaps_itself_wholly(boxes: FloatArray) -> None:
    for matrix in MATRICES:
        assert (np.diag(matrix(boxes, boxes)) == 1).all()


@given(scenes.boxes(), scenes.boxes(), st.integers(-5000, 5000), st.integers(-5000, 5000))
def test_overlaps_do_not_depend_on_where_the_origin_is(a: FloatArray, b: FloatArray, x: int, y: int) -> None:
    shift = np.array([x, y, x, y])
    for matrix in MATRICES:
        np.testing.assert_array_equal(matrix(a + shift, b + shift), matrix(a, b))


@given(scenes.boxes(), scenes.boxes(), st.floats(0.01, 100))
def test_overlaps_do_not_depend_on_the_size_of_a_pixel(a: FloatArray, b: FloatArray, scale: float) -> None:
    for matrix in MATRICES:
        np.testing.assert_allclose(matrix(a * scale, b * scale), matrix(a, b), atol=1e-9)


@given(scenes.boxes(), scenes.boxes())
def test_single_precision_gives_nearly_the_same(a: FloatArray, b: FloatArray) -> None:
    for matrix in MATRICES:
        np.testing.assert_allclose(matrix(a.astype(np.float32), b.astype(np.float32)), matrix(a, b), atol=1e-5)


def test_boxes_as_large_as_usable_ones_get_do_not_overflow_single_precision() -> None:
    huge = np.array([[-1e9, -1e9, 1e9, 1e9], [0, 0, 1, 1]], np.float32)
    iou = geometry.iou_matrix(huge, huge)
    assert iou.dtype == np.float32
    np.testing.assert_allclose(iou, np.eye(2), atol=1e-6)
    assert np.isfinite(geometry.giou_matrix(huge, huge)).all()


@given(scenes.boxes(most=12), scenes.boxes(most=12))
def test_boxes_that_meet_are_found_once_and_no_others(a: FloatArray, b: FloatArray) -> None:
    rows, columns = geometry.meeting(a, b)
    met = (
        (a[:, None, :2] <= b[None, :, 2:]).all(axis=2) & (b[None, :, :2] <= a[:, None, 2:]).all(axis=2)
        if len(a) and len(b)
        else np.zeros((len(a), len(b)), dtype=bool)
    )
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == list(zip(*met.nonzero(), strict=True))
    assert (np.diff(rows) >= 0).all()
    np.testing.assert_array_equal(geometry.iou_pairs(a[rows], b[columns]), geometry.iou_matrix(a, b)[rows, columns])


def test_meeting_by_hand() -> None:
    a = np.array([[0.0, 0, 10, 10], [100, 100, 110, 110]])
    b = np.array([[90.0, 90, 99, 99], [10, 10, 20, 20], [5, 5, 5, 5], [-1000, 105, 1000, 106], [2, 11, 8, 20]])
    rows, columns = geometry.meeting(a, b)  # a corner in common, a point inside, a beam through
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 3)]
    assert geometry.iou_pairs(a[:1], b[:1]).tolist() == [0]
    assert geometry.iou_pairs(b[2:3], b[2:3]).tolist() == [0]  # both empty


def test_clipping_cuts_at_the_borders() -> None:
    boxes = np.array([[-5, -5, 5, 5], [95, 45, 105, 55], [200, 200, 300, 300], [1, 2, 3, 4]], np.float32)
    clipped = geometry.clip_boxes(boxes, 100, 50)
    assert clipped.tolist() == [[0, 0, 5, 5], [95, 45, 100, 50], [100, 50, 100, 50], [1, 2, 3, 4]]
    assert clipped.dtype == np.float32


def test_left_top_width_height_by_hand() -> None:
    assert geometry.to_xywh(np.array([[1.0, 2, 11, 22]])).tolist() == [[1, 2, 10, 20]]
    assert geometry.from_xywh(np.array([[1.0, 2, 10, 20]])).tolist() == [[1, 2, 11, 22]]


@given(scenes.boxes())
def test_left_top_width_height_and_back(boxes: FloatArray) -> None:
    np.testing.assert_array_equal(geometry.from_xywh(geometry.to_xywh(boxes)), boxes)


IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])
QUARTER_TURN = np.array([[0.0, -1, 0], [1, 0, 0]])  # x to y, y to -x
SHEAR = np.array([[1.0, 0.5, 0], [0, 1, 0]])


@pytest.mark.parametrize(
    ("affine", "expected"),
    [
        pytest.param(IDENTITY, (1, 2, 3, 6), id="identity"),
        pytest.param(np.array([[1.0, 0, 10], [0, 1, -1]]), (11, 1, 13, 5), id="shift"),
        pytest.param(2 * IDENTITY, (2, 4, 6, 12), id="zoom"),
        pytest.param(QUARTER_TURN, (-6, 1, -2, 3), id="quarter turn"),
        pytest.param(SHEAR, (2, 2, 6, 6), id="shear"),  # corners (1+1, 2) .. (3+3, 6)
    ],
)
def test_warping_gives_the_hull_of_the_moved_corners(affine: FloatArray, expected: tuple[float, ...]) -> None:
    assert geometry.warp_boxes(np.array([[1.0, 2, 3, 6]]), affine).tolist() == [list(expected)]


def test_suppression_keeps_the_best_of_those_that_overlap() -> None:
    # IoU of neighbours, shifted by 2 of 10: 8 / 12 = 0.67; of the first and the third, by 4: 6 / 14 = 0.43.
    boxes = np.array([[0.0, 0, 10, 10], [2, 0, 12, 10], [4, 0, 14, 10], [50, 0, 60, 10]])
    labels = np.zeros(4, np.int64)
    best_first = geometry.suppress(boxes, np.array([0.9, 0.8, 0.7, 0.95]), labels, iou=0.5)
    assert best_first.tolist() == [3, 0, 2]  # the third stays: its only rival is gone
    best_in_the_middle = geometry.suppress(boxes, np.array([0.8, 0.9, 0.7, 0.1]), labels, iou=0.5)
    assert best_in_the_middle.tolist() == [1, 3]


def test_suppression_stays_within_a_class() -> None:
    boxes = np.repeat(SQUARE, 3, axis=0)
    assert geometry.suppress(boxes, np.array([0.5, 0.6, 0.7]), np.array([0, 1, 0]), iou=0.5).tolist() == [2, 1]


def test_suppression_lets_an_overlap_of_exactly_the_limit_stand() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 5]])
    scores, labels = np.array([0.9, 0.8]), np.zeros(2, np.int64)
    assert geometry.suppress(boxes, scores, labels, iou=0.5).tolist() == [0, 1]
    assert geometry.suppress(boxes, scores, labels, iou=0.49).tolist() == [0]


def test_of_equal_scores_suppression_keeps_the_first() -> None:
    assert geometry.suppress(np.repeat(SQUARE, 3, axis=0), np.full(3, 0.5), np.zeros(3, int), iou=0.5).tolist() == [0]


def _suppress_one_by_one(boxes: FloatArray, scores: FloatArray, labels: IntArray, iou: float) -> list[int]:
    kept: list[int] = []
    for row in np.argsort(-scores, kind="stable"):
        rivals = [other for other in kept if labels[other] == labels[row]]
        if all(geometry.iou_matrix(boxes[[other]], boxes[[row]])[0, 0] <= iou for other in rivals):
            kept.append(int(row))
    return kept


@given(scenes.boxes(most=12), st.integers(0, 2**32), st.sampled_from([0.0, 0.3, 0.7]))
def test_suppression_agrees_with_the_definition(boxes: FloatArray, seed: int, iou: float) -> None:
    rng = np.random.default_rng(seed)
    near = np.concatenate([boxes, boxes + rng.integers(-20, 20, boxes.shape[:1])[:, None]])  # so that some overlap
    scores, labels = rng.random(len(near)), rng.integers(0, 2, len(near))
    kept = geometry.suppress(near, scores, labels, iou=iou)
    assert kept.tolist() == _suppress_one_by_one(near, scores, labels, iou)


def test_no_box_at_all() -> None:
    for matrix in [*MATRICES, geometry.intersections]:
        assert matrix(NONE, SQUARE).shape == (0, 1)
        assert matrix(SQUARE, NONE).shape == (1, 0)
        assert matrix(NONE, NONE).shape == (0, 0)
    assert geometry.areas(NONE).shape == (0,)
    for same in (geometry.to_xywh(NONE), geometry.from_xywh(NONE), geometry.clip_boxes(NONE, 10, 10)):
        assert same.shape == (0, 4)
    assert geometry.warp_boxes(NONE, QUARTER_TURN).shape == (0, 4)
    assert geometry.suppress(NONE, np.zeros(0), np.zeros(0, np.int64), iou=0.5).shape == (0,)


def blobs(rng: np.random.Generator, count: int) -> Masks:
    """Masks of odd shapes, some of them beyond the corner of the picture, some without a pixel."""
    sides = rng.integers(0, 30, (count, 2))
    crops = tuple(rng.random((height, width)) < 0.6 for width, height in sides.tolist())
    return Masks(rng.integers(-9, 60, (count, 2)), crops)


@pytest.mark.parametrize("seed", range(3))
def test_overlap_of_masks_is_that_of_their_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    some, others = blobs(rng, 25), blobs(rng, 12)
    moved = [Masks(masks.origins + 10, masks.crops) for masks in (some, others)]  # so that all lies in one picture
    a, b = (masks.full(110, 110).reshape(len(masks), -1).astype(np.float64) for masks in moved)
    for found, x, y in (
        (geometry.mask_iou_matrix(some, others), a, b),
        (geometry.mask_iou_matrix(some), a, a),
    ):
        shared = x @ y.T
        union = x.sum(axis=1)[:, None] + y.sum(axis=1) - shared
        np.testing.assert_allclose(found, shared / np.maximum(union, 1), atol=1e-12)


def test_no_mask_overlaps_none() -> None:
    none = Masks(np.zeros((0, 2), np.int64), ())
    some = blobs(np.random.default_rng(0), 3)
    assert geometry.mask_iou_matrix(none).shape == (0, 0)
    assert geometry.mask_iou_matrix(none, some).shape == (0, 3)
    assert geometry.mask_iou_matrix(some, none).shape == (3, 0)
