"""Columns that must fit together, selection of rows, and what counts as a usable detection."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trackers.scenes import see
from trackers.structures import FARTHEST, Detections, Evidence, Frame, Masks, Stage, Tracks

THREE = Detections(
    boxes=np.arange(12, dtype=np.float32).reshape(3, 4),
    scores=np.array([0.1, 0.2, 0.3], np.float32),
    labels=np.array([5, 6, 7]),
    features=np.eye(3, dtype=np.float32),
    masks=Masks(np.array([[0, 0], [10, 10], [20, 20]]), tuple(np.full((2, row + 1), True) for row in range(3))),
)


def make_tracks(*stages: Stage) -> Tracks:
    count = len(stages)
    return Tracks(
        boxes=np.zeros((count, 4), np.float32),
        scores=np.zeros(count, np.float32),
        labels=np.zeros(count, np.int64),
        ids=np.arange(1, count + 1),
        stages=np.array(stages, np.int8),
        evidence=np.full(count, Evidence.DETECTED, np.int8),
        rows=np.full(count, -1),
    )


def test_boxes_need_four_columns() -> None:
    with pytest.raises(ValueError, match=r"boxes must be \(n, 4\), got \(2, 3\)"):
        Detections(np.zeros((2, 3), np.float32), np.zeros(2, np.float32), np.zeros(2, np.int64))
    with pytest.raises(ValueError, match=r"boxes must be \(n, 4\), got \(4,\)"):
        Detections(np.zeros(4, np.float32), np.zeros(4, np.float32), np.zeros(4, np.int64))


@pytest.mark.parametrize("column", ["scores", "labels", "features", "masks"])
def test_every_column_of_detections_needs_a_row_for_each_box(column: str) -> None:
    columns = {name: getattr(THREE, name) for name in ("boxes", "scores", "labels", "features", "masks")}
    columns[column] = columns[column][:2]
    with pytest.raises(ValueError, match=f"{column} has 2 rows, boxes 3"):
        Detections(**columns)


def test_every_column_of_tracks_needs_a_row_for_each_box() -> None:
    good = make_tracks(Stage.CONFIRMED, Stage.LOST)
    columns = {name: getattr(good, name) for name in ("boxes", "scores", "labels", "ids", "stages", "evidence", "rows")}
    with pytest.raises(ValueError, match="ids has 1 rows, boxes 2"):
        Tracks(**columns | {"ids": np.array([1])})


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        pytest.param(np.array([True, False, True]), [0, 2], id="mask"),
        pytest.param(np.array([2, 0, 0]), [2, 0, 0], id="rows, repeated"),
        pytest.param(slice(1, None), [1, 2], id="slice"),
        pytest.param(np.zeros(3, dtype=bool), [], id="nothing"),
        pytest.param(np.zeros(0, np.int64), [], id="no rows"),
    ],
)
def test_indexing_selects_the_same_rows_of_every_column(index: np.ndarray | slice, rows: list[int]) -> None:
    chosen = THREE[index]
    assert len(chosen) == len(rows)
    np.testing.assert_array_equal(chosen.boxes, THREE.boxes[rows])
    np.testing.assert_array_equal(chosen.scores, THREE.scores[rows])
    np.testing.assert_array_equal(chosen.labels, THREE.labels[rows])
    assert chosen.features is not None
    np.testing.assert_array_equal(chosen.features, np.eye(3)[rows])
    assert chosen.masks is not None
    assert [crop.shape[1] for crop in chosen.masks.crops] == [row + 1 for row in rows]
    assert chosen.masks.origins.tolist() == [[10 * row, 10 * row] for row in rows]


def test_absent_columns_stay_absent() -> None:
    chosen = see((0, 0, 1, 1), (2, 2, 3, 3))[np.array([True, False])]
    assert chosen.features is None
    assert chosen.masks is None


def test_usable_rows_are_finite_have_an_area_and_fit_an_image() -> None:
    nan, inf = np.nan, np.inf
    cases = {
        (0, 0, 1, 1): True,
        (-5, -5, -4, -4): True,  # outside the image is still somewhere
        (0, 0, 1e-45, 1e-45): True,  # the smallest there is
        (-FARTHEST, 0, FARTHEST, 1): True,
        (0, 0, 0, 1): False,
        (0, 0, 1, 0): False,
        (1, 0, 0, 1): False,
        (0, 1, 1, 0): False,
        (nan, 0, 1, 1): False,
        (0, 0, 1, nan): False,
        (0, 0, inf, 1): False,
        (-inf, 0, 1, 1): False,
        (-inf, -inf, inf, inf): False,
        (0, 0, 2 * FARTHEST, 1): False,
    }
    assert see(*cases).usable.tolist() == list(cases.values())


def test_a_score_that_is_no_number_makes_a_row_unusable() -> None:
    assert see(*[(0, 0, 1, 1)] * 4, scores=[0.0, np.nan, np.inf, 1.0]).usable.tolist() == [True, False, False, True]


def test_no_detections() -> None:
    bare, featured = Detections.empty(), Detections.empty(dimension=7)
    assert len(bare) == len(featured) == 0
    assert bare.features is None
    assert featured.features is not None
    assert featured.features.shape == (0, 7)
    assert bare.usable.shape == (0,)
    assert len(featured[np.zeros(0, dtype=bool)]) == 0


def test_no_tracks() -> None:
    nothing = Tracks.empty()
    assert len(nothing) == len(nothing.confirmed) == 0


def test_confirmed_tracks_are_those_located_in_this_frame() -> None:
    tracks = make_tracks(Stage.TENTATIVE, Stage.CONFIRMED, Stage.LOST, Stage.ENDED, Stage.CONFIRMED)
    assert tracks.confirmed.ids.tolist() == [2, 5]


def test_masks_need_an_origin_each() -> None:
    with pytest.raises(ValueError, match=r"origins must be \(1, 2\), got \(2, 2\)"):
        Masks(np.zeros((2, 2), np.int64), (np.ones((1, 1), dtype=bool),))


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        pytest.param((1, 1), [(1, 1), (1, 2), (2, 1), (2, 2)], id="inside"),
        pytest.param((-1, -1), [(0, 0)], id="over the top left corner"),
        pytest.param((3, 2), [(2, 3)], id="over the bottom right corner"),
        pytest.param((-9, 1), [], id="left of the frame"),
        pytest.param((9, 1), [], id="right of it"),
        pytest.param((1, -9), [], id="above it"),
        pytest.param((1, 9), [], id="below it"),
        pytest.param((4, 3), [], id="just outside"),
        pytest.param((5, 4), [], id="one further"),
    ],
)
def test_full_masks_show_the_part_inside_the_frame(origin: tuple[int, int], expected: list[tuple[int, int]]) -> None:
    pasted = Masks(np.array([origin]), (np.ones((2, 2), dtype=bool),)).full(3, 4)
    assert pasted.shape == (1, 3, 4)
    assert [tuple(place) for place in np.argwhere(pasted[0]).tolist()] == expected


@pytest.mark.parametrize("origin", [(0, 5), (6, 0), (6, 5), (0, -20), (-20, 0)])
def test_a_large_mask_wholly_outside_the_frame_shows_nothing(origin: tuple[int, int]) -> None:
    assert not Masks(np.array([origin]), (np.ones((9, 9), dtype=bool),)).full(3, 4).any()


def test_no_masks() -> None:
    masks = Masks(np.zeros((0, 2), np.int64), ())
    assert len(masks) == len(masks[np.zeros(0, dtype=bool)]) == 0
    assert masks.full(3, 4).shape == (0, 3, 4)


def test_a_frame_knows_its_size() -> None:
    frame = Frame(np.zeros((3, 4, 3), np.uint8), index=0, time=0.0, at=0)
    assert (frame.width, frame.height) == (4, 3)
