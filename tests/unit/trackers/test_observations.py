"""What was measured last and before that, in numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trackers.scenes import person
from trackers.geometry import centres
from trackers.observations import DEPTH, Observations, unit_vectors
from trackers.structures import FloatArray


def boxes(*places: tuple[float, float]) -> FloatArray:
    return np.array([person(x, y) for x, y in places])


def walked(times: FloatArray, xs: FloatArray, *, span: float) -> Observations:
    """One track, measured at these times and places, and at no frames between."""
    store = Observations(span=span)
    store.start(boxes((float(xs[0]), 100)), float(times[0]))
    for time, x in zip(times[1:], xs[1:], strict=True):
        store.add(np.array([0]), boxes((float(x), 100)), float(time))
    return store


def test_nobody() -> None:
    store = Observations(span=0.1)
    store.start(np.zeros((0, 4)), 0.0)
    store.add(np.zeros(0, np.int64), np.zeros((0, 4)), 0.1)
    store.warp(np.array([[1.0, 0, 5], [0, 1, 0]]))
    store.keep(np.zeros(0, bool))
    assert len(store) == 0
    assert store.before(1.0).shape == (0, 4)
    assert store.directions.shape == (0, 2)


def test_the_last_box_and_the_frames_since() -> None:
    store = Observations(span=0.1)
    store.start(boxes((100, 100), (300, 100)), 0.0)
    store.add(np.array([1]), boxes((304, 100)), 0.1)
    store.add(np.array([1]), boxes((308, 100)), 0.2)
    np.testing.assert_array_equal(store.boxes, boxes((100, 100), (308, 100)))
    np.testing.assert_array_equal(store.times, [0.0, 0.2])
    np.testing.assert_array_equal(store.missed, [2, 0])
    store.start(boxes((500, 100)), 0.2)
    store.add(np.array([0]), boxes((110, 100)), 0.3)
    np.testing.assert_array_equal(store.missed, [0, 1, 1])


@pytest.mark.parametrize(
    ("seconds", "x"),
    [
        pytest.param(0.4, 110, id="three frames before the next one: 0.1 s, as exactly as sums of floats are"),
        pytest.param(0.45, 120, id="not quite so long ago"),
        pytest.param(0.5, 120, id="two of them are too old"),
        pytest.param(0.95, 130, id="all are: the last"),
    ],
)
def test_a_box_from_one_span_before(seconds: float, x: float) -> None:
    store = walked(np.array([0.0, 0.1, 0.2, 0.3]), np.array([100, 110, 120, 130]), span=0.3)
    np.testing.assert_array_equal(store.before(seconds), boxes((x, 100)))


def test_the_direction_is_that_of_one_span() -> None:
    # 10 px right a frame, then 10 px down: over three frames (20, 10) / sqrt(500).
    store = Observations(span=0.3)
    store.start(boxes((0, 0)), 0.0)
    for number, place in enumerate([(10, 0), (20, 0), (30, 0), (30, 10)], start=1):
        store.add(np.array([0]), boxes(place), number / 10)
    np.testing.assert_array_equal(store.earlier, boxes((10, 0)))
    np.testing.assert_allclose(store.directions, [[20 / 500**0.5, 10 / 500**0.5]])


def test_a_direction_stays_while_nothing_is_seen() -> None:
    store = walked(np.array([0.0, 0.1]), np.array([100, 90]), span=0.1)
    for number in range(2, 20):
        store.add(np.zeros(0, np.int64), np.zeros((0, 4)), number / 10)
    np.testing.assert_array_equal(store.directions, [[-1, 0]])
    store.add(np.array([0]), boxes((90, 130)), 2.0)  # nothing within the span: since the last, then
    np.testing.assert_array_equal(store.directions, [[0, 1]])


def test_who_was_seen_once_or_stands_still_goes_nowhere() -> None:
    store = walked(np.array([0.0]), np.array([100]), span=0.1)
    np.testing.assert_array_equal(store.directions, [[0, 0]])
    store.add(np.array([0]), boxes((100, 100)), 0.1)
    np.testing.assert_array_equal(store.directions, [[0, 0]])


def test_only_so_many_boxes_are_kept() -> None:
    times = np.arange(3 * DEPTH) / 1000
    store = walked(times, np.arange(3 * DEPTH), span=1.0)
    assert store.past.shape == (1, DEPTH, 4)
    np.testing.assert_array_equal(store.before(times[-1]), boxes((2 * DEPTH, 100)))


def test_camera_motion_carries_all_boxes() -> None:
    store = walked(np.array([0.0, 0.1]), np.array([100, 110]), span=0.1)
    # A quarter turn to the left and twice as large: x y -> 2y + 7, -2x.
    store.warp(np.array([[0.0, 2, 7], [-2, 0, 0]]))
    np.testing.assert_allclose(store.boxes, [person(207, -220, width=80, height=200)])
    np.testing.assert_allclose(store.earlier, [person(207, -200, width=80, height=200)])
    np.testing.assert_allclose(store.before(0.1), store.earlier)
    np.testing.assert_allclose(store.directions, [[0, -1]], atol=1e-12)


def test_dropped_tracks_leave_no_gap() -> None:
    store = Observations(span=0.1)
    store.start(boxes((1, 1), (2, 2), (3, 3)), 0.0)
    store.keep(np.array([True, False, True]))
    np.testing.assert_array_equal(store.boxes, boxes((1, 1), (3, 3)))
    np.testing.assert_array_equal(store.before(0.05), boxes((1, 1), (3, 3)))


def test_middles_and_unit_vectors() -> None:
    np.testing.assert_array_equal(centres(np.array([[[0.0, 0, 10, 20]]])), [[[5, 10]]])
    np.testing.assert_allclose(unit_vectors(np.array([[3.0, 4], [0, 0], [0, -1e-300]])), [[0.6, 0.8], [0, 0], [0, -1]])
