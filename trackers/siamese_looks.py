"""What the networks of Siamese trackers are shown of a target, and what they tell it apart by."""

from __future__ import annotations

import numpy as np

from trackers.structures import FloatArray

_RADIUS = 2  # cells around a target's middle by which it is known again: 5 x 5, as far as a target reaches in its crop


def context_sides(sizes: FloatArray, context: float) -> FloatArray:
    """Side s (n,) of the square crop around boxes of sides w, h (n, 2): s^2 = (w + p)(h + p), p = `context` (w + h).

    Bertinetto et al. 2016, eq. 7, is `context` 0.5: there w + 2p and h + 2p with p = (w + h) / 4.
    """
    padded = sizes + context * sizes.sum(axis=-1, keepdims=True)
    return np.asarray(np.sqrt(padded.prod(axis=-1)))


def looks_at(maps: FloatArray, places: FloatArray, means: FloatArray) -> FloatArray:
    """What maps (n, c, rows, columns) show around places (n, 2) x y, less `means` (n, c): (n, 25 c) of unit length.

    5 x 5 cells are looked at. Places are in cells and may lie between them (bilinear); beyond the border the nearest
    cell is repeated.
    """
    count, _, rows, columns = maps.shape
    near = np.arange(-_RADIUS, _RADIUS + 1)
    x = np.clip(places[:, :1] + near, 0, columns - 1)[:, None, :]  # (n, 1, 5)
    y = np.clip(places[:, 1:] + near, 0, rows - 1)[:, :, None]  # (n, 5, 1)
    target = np.arange(count)[:, None, None]
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, bottom = np.minimum(left + 1, columns - 1), np.minimum(top + 1, rows - 1)
    a, b = (x - left)[..., None], (y - top)[..., None]
    upper = (1 - a) * maps[target, :, top, left] + a * maps[target, :, top, right]
    lower = (1 - a) * maps[target, :, bottom, left] + a * maps[target, :, bottom, right]
    seen = ((1 - b) * upper + b * lower - means[:, None, None, :]).reshape(count, -1)
    length = np.sqrt(np.einsum("nd,nd->n", seen, seen))[:, None]
    return np.asarray(np.divide(seen, length, out=np.zeros_like(seen), where=length > 0))
