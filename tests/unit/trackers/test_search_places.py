"""Where a lost target is looked for."""

from __future__ import annotations

import numpy as np
import pytest

from trackers.geometry import centres
from trackers.search_places import fitting, in_turn, labels_of, places_in_reach
from trackers.structures import Detections

PICTURE = np.zeros((240, 320, 3), np.uint8)
BOX = np.array([100.0, 100, 140, 110])  # mean side 20: places are 40 pixels apart


def test_places_by_hand() -> None:
    places = centres(places_in_reach(BOX, 45, PICTURE))
    np.testing.assert_allclose(places[0], [120, 105])
    assert {tuple(place) for place in places} == {(120, 105), (80, 105), (160, 105), (120, 65), (120, 145)}


def test_the_nearest_come_first_and_none_is_beyond_reach() -> None:
    places = centres(places_in_reach(BOX, 130, PICTURE))
    away = np.linalg.norm(places - [120, 105], axis=1)
    assert (np.diff(away) >= 0).all()
    assert away.max() <= 130
    assert len(places) > 20


def test_all_have_the_size_of_the_target_and_lie_in_the_picture() -> None:
    places = places_in_reach(BOX, 1e6, PICTURE)
    np.testing.assert_allclose(places[:, 2:] - places[:, :2], [[40, 10]] * len(places))
    assert (centres(places) >= 0).all()
    assert (centres(places) <= [320, 240]).all()
    # no point of the picture is further from a place than half a diagonal of the grid, but for the border's rest
    points = np.stack(np.meshgrid(np.arange(40, 280), np.arange(40, 200)), axis=-1).reshape(-1, 2)
    gaps = np.linalg.norm(points[:, None] - centres(places)[None], axis=2).min(axis=1)
    assert gaps.max() <= 40 / np.sqrt(2) + 1e-9


@pytest.mark.parametrize("reach", [0.0, 39.9])
def test_what_cannot_be_far_is_looked_for_where_it_is_expected(reach: float) -> None:
    np.testing.assert_allclose(places_in_reach(BOX, reach, PICTURE), BOX[None])


def test_a_place_beyond_the_border_is_moved_to_it() -> None:
    places = places_in_reach(BOX + np.array([500, 0, 500, 0]), 0, PICTURE)
    np.testing.assert_allclose(centres(places), [[320, 105]])


def test_turns_come_to_all_and_begin_again() -> None:
    places = np.arange(28.0).reshape(7, 4)
    seen = [in_turn(places, turn, 3) for turn in range(7)]
    assert all(len(some) == 3 for some in seen)
    np.testing.assert_array_equal(np.unique(np.concatenate(seen[:3]), axis=0), places)
    np.testing.assert_array_equal(seen[2], places[[6, 0, 1]])


def test_few_places_are_all_looked_at() -> None:
    places = np.arange(8.0).reshape(2, 4)
    np.testing.assert_array_equal(in_turn(places, 5, 3), places)
    assert in_turn(places[:0], 1, 3).shape == (0, 4)


def seen(*boxes: tuple[float, ...], labels: tuple[int, ...] = ()) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.ones(count, np.float32),
        np.array(labels or [2] * count, np.int64).reshape(-1),
    )


def test_a_box_has_the_class_of_what_overlaps_it_most() -> None:
    boxes = np.array([BOX, BOX + 100, BOX + 4])
    found = seen((100, 100, 140, 110), (104, 104, 144, 114), labels=(1, 3))
    assert labels_of(boxes, found, unknown=-1).tolist() == [1, -1, 3]
    assert labels_of(boxes, seen(), unknown=-1).tolist() == [-1, -1, -1]
    assert labels_of(boxes[:0], found, unknown=-1).shape == (0,)


def test_detections_that_fit_come_by_distance() -> None:
    found = seen(
        (160, 100, 200, 110),
        (110, 100, 150, 110),
        (110, 100, 191, 110),  # too wide
        (110, 100, 129, 110),  # too narrow
        (300, 100, 340, 110),  # too far
        (100, 100, 140, 110),  # of another class
        labels=(2, 2, 2, 2, 2, 5),
    )
    np.testing.assert_array_equal(fitting(found, label=2, box=BOX, reach=100), found.boxes[[1, 0]])
    assert fitting(found, label=2, box=BOX, reach=0).shape == (0, 4)
    assert fitting(seen(), label=2, box=BOX, reach=100).shape == (0, 4)


def test_no_more_detections_are_looked_at_than_can_be() -> None:
    found = seen(*[(100 + step, 100, 140 + step, 110) for step in range(30)])
    np.testing.assert_array_equal(fitting(found, label=2, box=BOX, reach=100), found.boxes[:8])
