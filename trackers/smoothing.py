"""Rauch-Tung-Striebel smoothing of one track's boxes, with filterpy: every box in the light of those after it, too.

The filter of trackers/kalman.py runs forwards over the track; then, backwards from its last state (Rauch, Tung &
Striebel 1965, eqs. 3.28 to 3.30),

    C_k = P_k F^T P'_k+1^-1,  x_k|N = x_k + C_k (x_k+1|N - x'_k+1),  P_k|N = P_k + C_k (P_k+1|N - P'_k+1) C_k^T

where x' and P' are predictions. Where nothing was measured the filter only predicts, so that the smoothed state there
is the best interpolation that the motion model knows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from filterpy.kalman import KalmanFilter

from trackers import kalman
from trackers.structures import BoolArray, FloatArray

_ROUNDING = 1e-12  # share of its variance that a component never shares with others


def distrust(model: kalman.MotionModel, noise: float) -> kalman.MotionModel:
    """The model with `noise` times its measurement variance."""
    x, y, third, fourth = (float(deviation * np.sqrt(noise)) for deviation in model.measurement_std)
    return replace(model, measurement_std=(x, y, third, fourth))


def smooth(model: kalman.MotionModel, times: FloatArray, measured: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Smoothed states of one track: mean (n, d), covariance (n, d, d).

    `times` (n,): seconds, rising. `measured` (n, 4): boxes x1 y1 x2 y2, NaN where none was measured; the first row must
    be one. ValueError where it is not, or times do not rise.
    """
    if not len(times):
        return np.zeros((0, model.size)), np.zeros((0, model.size, model.size))
    seen = np.asarray(np.isfinite(measured).all(axis=1))
    if not seen[0]:
        raise ValueError("the first row of a track that is smoothed must be measured")
    if not (np.diff(times) > 0).all():
        raise ValueError("the times of a track that is smoothed must rise")
    heights = _last_heights(measured, seen)
    transitions, noises = transition(model, times, heights)
    mean, covariance = kalman.initiate(model, measured[:1])
    filtering = KalmanFilter(dim_x=model.size, dim_z=kalman.MEASURED)
    filtering.x, filtering.P = mean[0], covariance[0]
    filtering.H, filtering.inv = np.eye(kalman.MEASURED, model.size), _inverse
    positions = kalman.to_measurements(model, measured)
    seen[0] = False  # the first box is in the first state already
    boxes = [position if was else None for position, was in zip(positions, seen, strict=True)]
    variances = kalman.measurement_variance(model, heights)
    means, covariances, _, _ = filtering.batch_filter(
        boxes, Fs=transitions, Qs=noises, Rs=[np.diag(variance) for variance in variances]
    )
    means, covariances, _, _ = filtering.rts_smoother(means, covariances, Fs=transitions, Qs=noises, inv=_inverse)
    return np.asarray(means), np.asarray(covariances)


def transition(model: kalman.MotionModel, times: FloatArray, heights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """F and Q (n, d, d) of the step into each row: from the row before it, and into the first from itself.

    `heights` (n,): box height at each row's last measurement, pixels; the step out of a row takes that row's.
    """
    steps = np.diff(times, prepend=times[:1])
    before = np.concatenate([heights[:1], heights[:-1]])
    still = np.zeros((len(times), model.size, model.size))
    noise = kalman.predict(model, still[:, 0], still, steps, before)[1]  # F 0 F^T + Q
    matrices = still + np.eye(model.size)
    moving = np.arange(model.velocities)
    matrices[:, moving, kalman.MEASURED + moving] = steps[:, None]
    return matrices, noise


def _inverse(covariance: FloatArray) -> FloatArray:
    """Inverse of a covariance (d, d) in units of its own deviations, where pixels and areas in them do no harm.

    As in kalman.update each variance grows by 1e-12 of itself, so that wholly correlated components have an inverse.
    """
    deviations = np.sqrt(np.diag(covariance))
    units = np.outer(deviations, deviations)
    return np.asarray(np.linalg.inv(covariance / units + _ROUNDING * np.eye(len(covariance))) / units)


def _last_heights(measured: FloatArray, seen: BoolArray) -> FloatArray:
    """Height of the box measured last, up to and including each row (n,), pixels.

    At least a hundredth of the track's tallest: noise scales with it, and noises of all magnitudes have no inverse.
    """
    rows = np.maximum.accumulate(np.where(seen, np.arange(len(seen)), 0))
    heights = np.asarray(measured[rows, 3] - measured[rows, 1], np.float64)
    return np.asarray(np.maximum(heights, heights.max() / 100))
