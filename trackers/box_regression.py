"""Bounding-box regression: from what a roughly placed box shows to where the target's box is (Girshick et al. 2014)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from trackers.geometry import centres, to_xywh
from trackers.patches import boxes_around
from trackers.structures import FloatArray

_FARTHEST = 0.5  # sides that a box is moved, and logarithm of the factor by which it grows, at most


@dataclass(frozen=True, slots=True, eq=False)
class BoxRegression:
    """A linear map from features to a box's shift and growth."""

    mean: FloatArray  # (d,) of the features that it was learned from
    weights: FloatArray  # (d, 4)
    offset: FloatArray  # (4,) what it answers to the mean


def learned(features: FloatArray, boxes: FloatArray, truth: FloatArray, *, regularisation: float) -> BoxRegression:
    """The map that takes the boxes (n, 4) with the features (n, d) to the target's box `truth` (4,), n > 0.

    Ridge regression (Girshick et al. 2014, app. C, eq. 5): least squares plus `regularisation` times the weights'. It
    is solved for as many unknowns as there are boxes: W = X' (X X' + lambda)^-1 T, X and T less their means.
    """
    wanted = displacements(boxes, truth)
    mean, offset = features.mean(axis=0, dtype=np.float64), wanted.mean(axis=0)
    centred = features - mean
    products = centred @ centred.T + regularisation * np.eye(len(boxes))
    weights = centred.T @ scipy.linalg.solve(products, wanted - offset, assume_a="pos")
    return BoxRegression(mean, weights, offset)


def placed(boxes: FloatArray, features: FloatArray, regression: BoxRegression) -> FloatArray:
    """Where the target's boxes are (n, 4), by what the boxes (n, 4) show: features (n, d).

    Girshick et al. 2014, app. C, eq. 1 to 4; moves of more than half a side are cut short.
    """
    moves = (features - regression.mean) @ regression.weights + regression.offset
    moves = np.clip(moves, -_FARTHEST, _FARTHEST)
    sides = to_xywh(boxes)[:, 2:]
    return boxes_around(centres(boxes) + moves[:, :2] * sides, sides * np.exp(moves[:, 2:]))


def displacements(boxes: FloatArray, truth: FloatArray) -> FloatArray:
    """What takes each box (n, 4) to `truth` (4,): dx / w, dy / h, log growth of w and of h (n, 4).

    Girshick et al. 2014, app. C, eq. 6 to 9.
    """
    sides, true_sides = to_xywh(boxes)[:, 2:], truth[2:] - truth[:2]
    return np.concatenate([(centres(truth) - centres(boxes)) / sides, np.log(true_sides / sides)], axis=1)
