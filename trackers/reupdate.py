"""Observation-centric re-update (Cao et al. 2023, sec. 4.1): what a filter missed is told it afterwards.

A filter that only predicts drifts, and so does its covariance. When a track is found again at t2 after it was last
seen at t1, the filter goes back to its state of t1 and is fed boxes on the straight way between the two measured ones,

    z(t) = z(t1) + (t - t1) / (t2 - t1) (z(t2) - z(t1)),  t1 < t < t2                              (eq. 6, sec. 5.1)

each a step of predicting and correcting (eq. 7). The paper has one for each frame between; here they lie at equal
times.
"""

from __future__ import annotations

import numpy as np

from trackers import kalman
from trackers.structures import BoolArray, FloatArray, IntArray, State

MOST = 60  # virtual boxes at most: at high rates of frames fewer tell the filter as much


class Anchors:
    """The filter's state of every track when it was last seen. Row i is track i."""

    def __init__(self, model: kalman.MotionModel) -> None:
        self.model = model
        self.mean: FloatArray = np.zeros((0, model.size))
        self.covariance: FloatArray = np.zeros((0, model.size, model.size))

    def take(self, kept: BoolArray, seen: BoolArray, mean: FloatArray, covariance: FloatArray) -> None:
        """End a frame. `kept`: which of the tracks known and new go on; the other columns are of those (n,).

        States of the tracks that were `seen` in this frame, new ones among them, take the place of older ones.
        """
        known = kept[: len(self.mean)]
        old_mean, old_covariance = self.mean[known], self.covariance[known]
        self.mean, self.covariance = mean.copy(), covariance.copy()
        stale = np.flatnonzero(~seen)  # never a new one, and new ones come last
        self.mean[stale], self.covariance[stale] = old_mean[stale], old_covariance[stale]

    def warp(self, affine: FloatArray) -> None:
        """Carry the states through a camera motion (2, 3)."""
        self.mean, self.covariance = kalman.warp(self.model, self.mean, self.covariance, affine)

    def to_arrays(self) -> State:
        """All columns."""
        return {"mean": self.mean.copy(), "covariance": self.covariance.copy()}

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        self.mean, self.covariance = state["mean"].copy(), state["covariance"].copy()


def replay(
    model: kalman.MotionModel,
    mean: FloatArray,
    covariance: FloatArray,
    before: FloatArray,
    after: FloatArray,
    seconds: FloatArray,
    missed: IntArray,
) -> tuple[FloatArray, FloatArray]:
    """Predictions for the time at which the tracks were found again: mean (n, d), covariance (n, d, d).

    `mean`, `covariance`: when they were last seen. `before`, `after` (n, 4): the boxes measured then and now.
    `seconds` (n,): the time between. `missed` (n,): frames between, and so virtual boxes, up to MOST.
    """
    mean, covariance = mean.copy(), covariance.copy()
    before, after = np.asarray(before, np.float64), np.asarray(after, np.float64)
    steps = np.minimum(missed, MOST) + 1
    pace, way = seconds / steps, (after - before) / steps[:, None]
    for step in range(1, int(steps.max(initial=0)) + 1):
        rows = np.flatnonzero(steps >= step)
        boxes = before[rows] + (step - 1) * way[rows]
        heights = boxes[:, 3] - boxes[:, 1]
        mean[rows], covariance[rows] = kalman.predict(model, mean[rows], covariance[rows], pace[rows], heights)
        inner = steps[rows] > step  # the last step leads to what was really measured
        rows, boxes = rows[inner], boxes[inner] + way[rows[inner]]
        mean[rows], covariance[rows] = kalman.update(model, mean[rows], covariance[rows], boxes)
    return mean, covariance
