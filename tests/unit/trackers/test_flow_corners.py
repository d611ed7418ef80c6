"""Points worth following: where they lie, in masks and behind boxes, without texture, at borders."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trackers.textures import texture
from trackers.corners import corners
from trackers.structures import FloatArray, Masks

FLAT = np.full((240, 320), 90, np.uint8)


def row(*box: float) -> FloatArray:
    return np.array([box], np.float64)


def test_each_cell_holds_one_point() -> None:
    points = corners(texture(), row(40, 30, 160, 90), cells=3)[0]
    cells = np.floor((points - [40, 30]) / [40, 20])
    assert cells.tolist() == [[x, y] for y in range(3) for x in range(3)]


def test_the_point_is_the_corner() -> None:
    picture = FLAT.copy()
    picture[100:, 150:] = 200  # its corner lies between the pixels: at 150, 100
    points = corners(picture, row(100, 60, 200, 140), cells=1)
    assert np.abs(points[0, 0] - [150, 100]).max() <= 100 / 5 / 2  # as near as the places that are looked at
    near = corners(picture, row(140, 92, 160, 108), cells=1)
    np.testing.assert_allclose(near[0, 0], [150, 100], atol=2.5)


def test_without_texture_points_are_a_grid() -> None:
    points = corners(FLAT, row(40, 30, 160, 90), cells=3)[0]
    across, down = np.meshgrid([60, 100, 140], [40, 60, 80])
    assert np.abs(points - np.stack([across, down], axis=2).reshape(-1, 2)).max() <= 0.5  # the pixel at the middle


def test_points_keep_to_the_mask() -> None:
    crop = np.zeros((60, 120), dtype=bool)
    crop[:, 40:80] = True
    masks = Masks(np.array([[40, 30]]), (crop,))
    points = corners(texture(), row(40, 30, 160, 90), cells=3, masks=masks)[0]
    assert np.isfinite(points).all(axis=1).tolist() == [False, True, False] * 3
    assert ((points[1::3, 0] > 80) & (points[1::3, 0] < 120)).all()


@pytest.mark.parametrize("shape", [(0, 0), (1, 1)])
def test_an_empty_mask_has_no_points(shape: tuple[int, int]) -> None:
    masks = Masks(np.array([[40, 30]]), (np.zeros(shape, dtype=bool),))
    assert np.isnan(corners(texture(), row(40, 30, 160, 90), masks=masks)).all()


def test_no_points_where_another_box_is_in_front() -> None:
    boxes = np.concatenate([row(40, 30, 160, 90), row(40, 30, 160, 90)])
    left, right = (40, 30, 100, 90), (100, 30, 160, 90)
    everywhere = corners(texture(), boxes, front=np.array([left]))
    assert (np.nan_to_num(everywhere[:, :, 0], nan=999) > 100).all()
    own = corners(texture(), boxes, front=np.array([[left, [np.nan] * 4], [right, [np.nan] * 4]]))
    assert np.nanmin(own[0, :, 0]) > 100 > np.nanmax(own[1, :, 0])
    hidden = corners(texture(), boxes, front=np.array([left, right]))
    assert np.isnan(hidden).all()
    np.testing.assert_array_equal(corners(texture(), boxes, front=np.zeros((0, 4))), corners(texture(), boxes))


def test_only_what_is_in_the_picture_counts() -> None:
    points = corners(texture(), row(-60, -60, 60, 60), cells=2)[0]
    cells = np.floor(points / 30)
    assert cells.tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
    beyond = corners(texture(), row(300, 200, 900, 900), cells=2)[0]
    assert ((beyond > [300, 200]) & (beyond < [320, 240])).all()


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((-90, 10, -10, 80), id="left of the picture"),
        pytest.param((330, 10, 380, 80), id="right of it"),
        pytest.param((320, 10, 380, 80), id="touching it"),
        pytest.param((50, 50, 50, 90), id="a line"),
        pytest.param((90, 90, 50, 50), id="inside out"),
        pytest.param((np.nan, 10, 60, 80), id="not a number"),
        pytest.param((10, 10, np.inf, 80), id="endless"),
    ],
)
def test_a_box_that_shows_nothing_has_no_points(box: tuple[float, ...]) -> None:
    both = np.concatenate([row(*box), row(40, 30, 160, 90)])
    points = corners(texture(), both)
    assert np.isnan(points[0]).all()
    np.testing.assert_array_equal(points[1:], corners(texture(), both[1:]))


def test_a_box_has_the_points_it_has_alone() -> None:
    boxes = np.array([[10, 10, 60, 90], [40, 30, 160, 90], [0, 0, 320, 240], [250.5, 150.5, 260.2, 170.7]])
    together = corners(texture(), boxes)
    alone = np.concatenate([corners(texture(), boxes[each : each + 1]) for each in range(len(boxes))])
    np.testing.assert_allclose(together, alone)


def test_no_box_at_all() -> None:
    none = np.zeros((0, 4))
    assert corners(texture(), none, cells=5).shape == (0, 25, 2)
    assert corners(texture(), none, masks=Masks(np.zeros((0, 2), np.int64), ()), front=none).shape == (0, 36, 2)
