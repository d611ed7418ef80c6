"""The re-update against filterpy, fed with the virtual trajectory box by box."""

from __future__ import annotations

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from tests.unit.trackers.scenes import person
from trackers import kalman
from trackers.reupdate import MOST, replay
from trackers.structures import FloatArray

MODEL = kalman.XYSR7


def known_states() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Two tracks that walked for a second, and their last boxes: mean, covariance, boxes."""
    boxes = np.array([person(100, 100), person(500, 300, width=60, height=150)])
    mean, covariance = kalman.initiate(MODEL, boxes)
    for _ in range(30):
        heights = boxes[:, 3] - boxes[:, 1]
        mean, covariance = kalman.predict(MODEL, mean, covariance, 1 / 30, heights)
        boxes = boxes + np.array([[2.0, 0, 2, 0], [-1, 1, -1, 1]])
        mean, covariance = kalman.update(MODEL, mean, covariance, boxes)
    return mean, covariance, boxes


def xysr(box: FloatArray) -> FloatArray:
    x1, y1, x2, y2 = box
    return np.array([(x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) * (y2 - y1), (x2 - x1) / (y2 - y1)])


def filterpy_replay(
    mean: FloatArray, covariance: FloatArray, virtual: list[FloatArray], seconds: float
) -> tuple[FloatArray, FloatArray]:
    """`virtual`: the box measured last, then those between. One step of `seconds` after each."""
    oracle = KalmanFilter(dim_x=7, dim_z=4)
    oracle.x, oracle.P, oracle.H = mean[:, None].copy(), covariance.copy(), np.eye(4, 7)
    step = np.eye(7)
    step[[0, 1, 2], [4, 5, 6]] = seconds
    for number, box in enumerate(virtual):
        height = box[3] - box[1]
        units = height ** np.array(MODEL.units)
        drift, acceleration = (units * MODEL.drift_std) ** 2, ((units * MODEL.acceleration_std) ** 2)[:3]
        noise = np.diag(np.concatenate([drift * seconds, acceleration * seconds]))
        noise[[0, 1, 2], [0, 1, 2]] += acceleration * seconds**3 / 3
        noise[[0, 1, 2, 4, 5, 6], [4, 5, 6, 0, 1, 2]] = np.tile(acceleration * seconds**2 / 2, 2)
        if number:
            oracle.update(xysr(box)[:, None], R=np.diag((units * MODEL.measurement_std) ** 2))
        oracle.predict(F=step, Q=noise)
    return oracle.x[:, 0], oracle.P


def test_it_is_what_filterpy_makes_of_the_virtual_boxes() -> None:
    mean, covariance, before = known_states()
    after = before + np.array([[40.0, 8, 44, 16], [-12, 0, -12, 0]])
    # The first missed 3 frames of 0.04 s each, so it is told of boxes at 1/4, 2/4 and 3/4 of the way; the second one.
    ours, spread = replay(MODEL, mean, covariance, before, after, np.array([0.16, 0.08]), np.array([3, 1]))
    for row, shares in enumerate([(0, 1 / 4, 2 / 4, 3 / 4), (0, 1 / 2)]):
        virtual = [before[row] + share * (after[row] - before[row]) for share in shares]
        theirs, theirs_spread = filterpy_replay(mean[row], covariance[row], virtual, 0.04)
        np.testing.assert_allclose(ours[row], theirs, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(spread[row], theirs_spread, rtol=1e-8, atol=1e-9)


def test_without_a_missed_frame_it_is_a_prediction() -> None:
    mean, covariance, before = known_states()
    ours = replay(MODEL, mean, covariance, before, before + 9, np.array([0.1, 0.2]), np.array([0, 0]))
    heights = before[:, 3] - before[:, 1]
    theirs = kalman.predict(MODEL, mean, covariance, np.array([0.1, 0.2]), heights)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_filter_that_ran_away_comes_back() -> None:
    mean, covariance, before = known_states()
    assert mean[0, 4] == pytest.approx(60, rel=0.05)  # px/s to the right
    after = before.copy()  # but it had stopped
    stopped, _ = replay(MODEL, mean, covariance, before, after, np.array([1.0, 1.0]), np.array([29, 29]))
    alone, _ = kalman.predict(MODEL, mean, covariance, 1.0, before[:, 3] - before[:, 1])
    assert alone[0, 0] - before[0, [0, 2]].mean() == pytest.approx(60, rel=0.05)
    assert abs(stopped[0, 0] - before[0, [0, 2]].mean()) < 1
    assert abs(stopped[0, 4]) < 60 / 4


def test_nothing_given_is_changed_and_nobody_is_nothing() -> None:
    mean, covariance, before = known_states()
    copies = mean.copy(), covariance.copy(), before.copy()
    replay(MODEL, mean, covariance, before, before + 5, np.array([0.5, 0.5]), np.array([4, 9]))
    for given, copy in zip((mean, covariance, before), copies, strict=True):
        np.testing.assert_array_equal(given, copy)
    nobody = replay(MODEL, mean[:0], covariance[:0], before[:0], before[:0], np.zeros(0), np.zeros(0, np.int64))
    assert [array.shape for array in nobody] == [(0, 7), (0, 7, 7)]


def test_the_work_is_bounded() -> None:
    mean, covariance, before = known_states()
    seconds = np.array([1.0, 1.0])
    endless = replay(MODEL, mean, covariance, before, before + 5, seconds, np.array([10**12, 10**12]))
    most = replay(MODEL, mean, covariance, before, before + 5, seconds, np.array([MOST, MOST]))
    for one, other in zip(endless, most, strict=True):
        np.testing.assert_array_equal(one, other)
