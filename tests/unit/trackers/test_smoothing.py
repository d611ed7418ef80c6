"""Smoothed tracks against filterpy on matrices set by hand, against least squares, and at the ends of what can be."""

from __future__ import annotations

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter, rts_smoother
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.trackers.scenes import person
from trackers import kalman
from trackers.smoothing import distrust, smooth, transition
from trackers.structures import FloatArray

MODELS = [
    pytest.param(kalman.XYAH8, id="xyah8"),
    pytest.param(kalman.XYWH8, id="xywh8"),
    pytest.param(kalman.XYSR7, id="xysr7"),
]
every_model = pytest.mark.parametrize("model", MODELS)
NOTHING = (np.nan,) * 4
TOLERANCE = 1e-9


def walk(seed: int, count: int, *, share_seen: float = 0.7) -> tuple[FloatArray, FloatArray]:
    """Times and noisy boxes of someone who walks, at uneven times, not seen in every one."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.01, 0.5, count))
    centre = np.cumsum(rng.normal(2, 3, (count, 2)), axis=0) + 200
    sides = rng.uniform((30, 80), (50, 120), (count, 2))
    boxes = np.concatenate([centre - sides / 2, centre + sides / 2], axis=1)
    boxes[1:][rng.random(count - 1) > share_seen] = np.nan
    return times, boxes


def test_a_hand_set_constant_velocity_case_is_as_filterpy_has_it() -> None:
    # x of a box 100 px high, as [x, v]: in units of 1 px, d = (0.274 * 100)^2, a = (0.5 * 100)^2, R = (0.08 * 100)^2.
    times = np.array([0.0, 0.1, 0.3, 0.4, 0.8])
    x = np.array([10.0, 16.0, 21.0, np.nan, 42.0])
    drift, acceleration, noise = 27.4**2, 50.0**2, 8.0**2
    steps = np.diff(times, prepend=0.0)
    transitions = [np.array([[1, t], [0, 1]]) for t in steps]
    noises = [
        np.array(
            [
                [drift * t + acceleration * t**3 / 3, acceleration * t**2 / 2],
                [acceleration * t**2 / 2, acceleration * t],
            ]
        )
        for t in steps
    ]
    by_hand = KalmanFilter(dim_x=2, dim_z=1)
    by_hand.x, by_hand.P = np.array([10.0, 0.0]), np.diag([10.0**2, 187.5**2])
    by_hand.H, by_hand.R = np.array([[1.0, 0.0]]), np.array([[noise]])
    measured = [None, 16.0, 21.0, None, 42.0]
    means, covariances, _, _ = by_hand.batch_filter(measured, Fs=transitions, Qs=noises)
    # This function of filterpy's takes the step out of each row, where its filter takes the step into it.
    expected, spread, _, _ = rts_smoother(means, covariances, [*transitions[1:], np.eye(2)], [*noises[1:], np.eye(2)])

    boxes = np.array([NOTHING if np.isnan(value) else person(value) for value in x])
    mean, covariance = smooth(kalman.XYWH8, times, boxes)
    np.testing.assert_allclose(mean[:, [0, 4]], expected, rtol=TOLERANCE)
    np.testing.assert_allclose(covariance[:, [[0], [4]], [0, 4]], spread, rtol=TOLERANCE)
    assert mean[1, 0] != pytest.approx(means[1, 0], abs=0.1)  # what came later moved it


def least_squares(model: kalman.MotionModel, times: FloatArray, boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance of all states at once, from the joint Gaussian of their noises: no recursion at all."""
    size, count = model.size, len(times)
    mean, covariance = kalman.initiate(model, boxes[:1])
    information = np.zeros((count * size, count * size))
    vector = np.zeros(count * size)
    information[:size, :size] = np.linalg.inv(covariance[0])
    vector[:size] = information[:size, :size] @ mean[0]
    height = boxes[0, 3] - boxes[0, 1]
    for k in range(1, count):
        step = times[k] - times[k - 1]
        move = np.eye(size)
        move[: model.velocities, 4:] = step * np.eye(model.velocities)
        noise = kalman.predict(model, np.zeros((1, size)), np.zeros((1, size, size)), step, np.array([height]))[1][0]
        relation = np.hstack([-move, np.eye(size)])
        part = slice((k - 1) * size, (k + 1) * size)
        information[part, part] += relation.T @ np.linalg.inv(noise) @ relation
        if np.isfinite(boxes[k]).all():
            height = boxes[k, 3] - boxes[k, 1]
            certainty = np.diag(1 / kalman.measurement_variance(model, np.array([height]))[0])
            rows = slice(k * size, k * size + 4)
            information[rows, rows] += certainty
            vector[rows] += certainty @ kalman.to_measurements(model, boxes[k : k + 1])[0]
    spread = np.linalg.inv(information)
    blocks = [spread[k * size : (k + 1) * size, k * size : (k + 1) * size] for k in range(count)]
    return (spread @ vector).reshape(count, size), np.array(blocks)


@pytest.mark.parametrize("model", MODELS[:2])  # XYSR7's last component has no process noise: Q is not invertible
@pytest.mark.parametrize("seed", range(3))
def test_smoothing_is_the_least_squares_solution(model: kalman.MotionModel, seed: int) -> None:
    model = distrust(model, 8.0)
    times, boxes = walk(seed, 12)
    mean, covariance = smooth(model, times, boxes)
    expected, spread = least_squares(model, times, boxes)
    np.testing.assert_allclose(mean, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(covariance, spread, rtol=1e-5, atol=1e-6 * spread.max())


@every_model
def test_matrices_move_states_as_the_filter_does(model: kalman.MotionModel) -> None:
    rng = np.random.default_rng(2)
    times, heights = np.array([0.0, 0.1, 0.5]), np.array([100.0, 50.0, 70.0])
    mean, root = rng.normal(size=(2, model.size)), rng.normal(size=(2, model.size, model.size))
    covariance = root @ root.transpose(0, 2, 1)
    moves, noises = transition(model, times, heights)
    np.testing.assert_array_equal(moves[0], np.eye(model.size))
    np.testing.assert_array_equal(noises[0], np.zeros((model.size, model.size)))
    expected = kalman.predict(model, mean, covariance, np.array([0.1, 0.4]), np.array([100.0, 50.0]))
    np.testing.assert_allclose(np.einsum("kij,kj->ki", moves[1:], mean), expected[0], rtol=1e-12)
    np.testing.assert_allclose(moves[1:] @ covariance @ moves[1:].transpose(0, 2, 1) + noises[1:], expected[1])


@every_model
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), share=st.floats(0, 1))
def test_asking_at_more_times_changes_nothing_at_the_others(model: kalman.MotionModel, seed: int, share: float) -> None:
    times, boxes = walk(seed, 15)
    denser = np.sort(np.concatenate([times, times[:-1] + share * np.diff(times) * 0.9 + 1e-3]))
    known = np.isin(denser, times)
    more = np.full((len(denser), 4), np.nan)
    more[known] = boxes
    plain, filled = smooth(model, times, boxes), smooth(model, denser, more)
    for ours, theirs in zip(plain, filled, strict=True):
        np.testing.assert_allclose(theirs[known], ours, rtol=1e-6, atol=1e-6)


def test_a_hole_in_a_straight_walk_is_filled_along_it() -> None:
    times = np.arange(40) / 10
    boxes = np.array([person(100 + 60 * time, 100 + 20 * time) for time in times])
    seen = boxes.copy()
    seen[15:25] = np.nan
    found = kalman.to_boxes(kalman.XYWH8, smooth(kalman.XYWH8, times, seen)[0])
    np.testing.assert_allclose(found[15:25], boxes[15:25], atol=0.5)


def test_noise_is_smoothed_away_more_where_boxes_are_distrusted() -> None:
    rng = np.random.default_rng(4)
    times = np.arange(100) / 25
    true = np.array([person(100 + 50 * time) for time in times])
    noisy = true + rng.normal(0, 4, true.shape)

    def error(noise: float) -> float:
        model = distrust(kalman.XYWH8, noise)
        return float(np.abs(kalman.to_boxes(model, smooth(model, times, noisy)[0]) - true).mean())

    errors = [error(noise) for noise in (0.01, 1.0, 8.0)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.5 * np.abs(noisy - true).mean()


def test_distrust_multiplies_the_variance() -> None:
    heights = np.array([10.0, 100.0])
    doubled = kalman.measurement_variance(distrust(kalman.XYAH8, 2.0), heights)
    np.testing.assert_allclose(doubled, 2 * kalman.measurement_variance(kalman.XYAH8, heights))


@every_model
def test_nothing_and_one_box(model: kalman.MotionModel) -> None:
    mean, covariance = smooth(model, np.zeros(0), np.zeros((0, 4)))
    assert mean.shape == (0, model.size)
    assert covariance.shape == (0, model.size, model.size)
    box = np.array([person(50)])
    mean, covariance = smooth(model, np.array([3.0]), box)
    np.testing.assert_allclose(kalman.to_boxes(model, mean), box)
    np.testing.assert_array_equal(covariance, kalman.initiate(model, box)[1])


def test_what_cannot_be_smoothed_is_refused() -> None:
    boxes = np.array([NOTHING, person(50)])
    with pytest.raises(ValueError, match="first row"):
        smooth(kalman.XYWH8, np.array([0.0, 1.0]), boxes)
    with pytest.raises(ValueError, match="must rise"):
        smooth(kalman.XYWH8, np.array([1.0, 1.0]), boxes[::-1])


@every_model
@pytest.mark.parametrize("seed", range(10))
def test_boxes_of_all_sizes_give_finite_states(model: kalman.MotionModel, seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 60
    sides = 10 ** rng.uniform(-3, 6, (count, 2))
    centre = rng.normal(0, 10 ** rng.uniform(0, 8), (count, 2))
    boxes = np.concatenate([centre - sides / 2, centre + sides / 2], axis=1)
    times = np.cumsum(10 ** rng.uniform(-6, 4, count))
    mean, covariance = smooth(model, times, boxes)
    assert np.isfinite(mean).all()
    assert np.isfinite(covariance).all()
