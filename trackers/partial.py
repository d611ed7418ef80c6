"""Partial columns: features and masks that only some of a frame's detections have, as columns of all of them."""

from __future__ import annotations

import numpy as np

from trackers.structures import FloatArray, Index, Masks


def features_among(features: FloatArray, rows: Index, count: int) -> FloatArray:
    """(count, d) float32 features of which those at `rows` are `features` (k, d), the others rows of NaN."""
    spread = np.full((count, features.shape[1]), np.nan, np.float32)
    spread[rows] = features
    return spread


def masks_among(masks: Masks, rows: Index, count: int) -> Masks:
    """`count` masks of which those at `rows` are the k `masks`, the others crops without a pixel."""
    origins, crops = np.zeros((count, 2), np.int64), [np.zeros((0, 0), bool)] * count
    origins[rows] = masks.origins
    for row, crop in zip(np.arange(count)[rows].tolist(), masks.crops, strict=True):
        crops[row] = crop
    return Masks(origins, tuple(crops))


def no_masks(count: int) -> Masks:
    """`count` crops without a pixel."""
    return Masks(np.zeros((count, 2), np.int64), tuple(np.zeros((0, 0), bool) for _ in range(count)))
