"""Points worth following: the best corner in each cell of a grid over a box, its middle where there is no texture."""

from __future__ import annotations

import cv2
import numpy as np

from trackers.structures import BoolArray, FloatArray, ImageArray, IntArray, Masks

_SAMPLES = 5  # a cell is looked at in so many places along each side
_BLOCK = 5  # pixels; side of the square over which gradients are summed
_MARGIN = 8  # pixels around a box that its gradients may depend on


def corners(
    grey: ImageArray,
    boxes: FloatArray,
    *,
    cells: int = 6,
    masks: Masks | None = None,
    front: FloatArray | None = None,
) -> FloatArray:
    """Points (n, cells * cells, 2) float32 x y in each box (n, 4), in pixels as boxes are; NaN where there is none.

    The part of a box that lies in the picture `grey` (height, width) is cut into cells, `cells` along each side. Of
    each the point is taken whose smaller eigenvalue of the gradients' matrix is greatest (Shi & Tomasi 1994);
    of equal ones that nearest to the cell's middle. `masks`: no points outside of them. `front`: boxes (k, 4), or
    (n, k, 4) for each of its own, in which no points are taken; a row of NaN counts for none.
    """
    height, width = grey.shape
    inside = np.clip(np.nan_to_num(boxes.astype(np.float64), nan=0.0), 0, [width, height, width, height])
    inside[~np.asarray(np.isfinite(boxes).all(axis=1))] = 0
    usable = np.asarray((inside[:, 2:] > inside[:, :2]).all(axis=1))
    steps = (np.arange(cells * _SAMPLES) + 0.5) / (cells * _SAMPLES)
    along = inside[:, :2, None] + (inside[:, 2:] - inside[:, :2])[:, :, None] * steps
    columns = np.minimum(along[:, 0].astype(np.int64), width - 1)
    rows = np.minimum(along[:, 1].astype(np.int64), height - 1)
    allowed = np.broadcast_to(usable[:, None, None], (len(boxes), len(steps), len(steps))).copy()
    if masks is not None:
        allowed &= _masked(masks, columns, rows)
    if front is not None and front.shape[-2] > 0:
        allowed &= ~_within(np.broadcast_to(front, (len(boxes), *front.shape[-2:])), columns, rows)
    strength = _texture(grey, inside[usable])[rows[:, :, None], columns[:, None, :]]
    best = _best(np.where(allowed, strength, -1), cells)
    row, column = np.divmod(best, len(steps))
    each = np.arange(len(boxes))[:, None]
    points = np.stack([columns[each, column], rows[each, row]], axis=2).astype(np.float32) + np.float32(0.5)
    points[~allowed[each, row, column]] = np.nan
    return points


def _best(strength: FloatArray, cells: int) -> IntArray:
    """Where in a raster (n, side, side), counted row by row, each of the cells is strongest (n, cells * cells)."""
    count, side = strength.shape[:2]
    split = strength.reshape(count, cells, _SAMPLES, cells, _SAMPLES).transpose(0, 1, 3, 2, 4)
    down, right = np.indices((_SAMPLES, _SAMPLES)).reshape(2, -1)
    middle = (_SAMPLES - 1) / 2
    order = np.argsort((down - middle) ** 2 + (right - middle) ** 2, kind="stable")  # the first of equal ones wins
    best = order[split.reshape(count, cells * cells, _SAMPLES * _SAMPLES)[:, :, order].argmax(axis=2)]
    cell_down, cell_right = np.indices((cells, cells)).reshape(2, -1)
    return np.asarray((cell_down * _SAMPLES + down[best]) * side + cell_right * _SAMPLES + right[best])


def _texture(grey: ImageArray, boxes: FloatArray) -> FloatArray:
    """The smaller eigenvalue of the gradients' matrix (height, width) float32, within these boxes at least."""
    height, width = grey.shape
    if ((boxes[:, 2:] - boxes[:, :2]) + 2 * _MARGIN).prod(axis=1).sum() > height * width:
        return np.asarray(cv2.cornerMinEigenVal(grey, _BLOCK))
    texture = np.zeros(grey.shape, np.float32)
    for left, top, right, bottom in boxes.tolist():
        x, y = max(int(left) - _MARGIN, 0), max(int(top) - _MARGIN, 0)
        part = grey[y : int(bottom) + 1 + _MARGIN, x : int(right) + 1 + _MARGIN]
        inner = slice(int(top), int(bottom) + 1), slice(int(left), int(right) + 1)
        texture[inner] = cv2.cornerMinEigenVal(part, _BLOCK)[int(top) - y :, int(left) - x :][
            : texture[inner].shape[0], : texture[inner].shape[1]
        ]
    return texture


def _masked(masks: Masks, columns: IntArray, rows: IntArray) -> BoolArray:
    """Which points of the rasters (n, side, side) at these pixels (n, side) lie in the mask of their box."""
    inside = np.zeros((len(masks), rows.shape[1], columns.shape[1]), dtype=bool)
    for found, crop, (x, y), column, row in zip(inside, masks.crops, masks.origins, columns, rows, strict=True):
        down, right = row - y, column - x
        shown = ((down >= 0) & (down < crop.shape[0]))[:, None] & ((right >= 0) & (right < crop.shape[1]))
        if crop.size:
            nearest = np.clip(down, 0, crop.shape[0] - 1)[:, None], np.clip(right, 0, crop.shape[1] - 1)
            found[...] = shown & crop[nearest]
    return inside


def _within(boxes: FloatArray, columns: IntArray, rows: IntArray) -> BoolArray:
    """Which points of the rasters (n, side, side) at these pixels (n, side) lie in any of their boxes (n, k, 4)."""
    x, y = columns[:, None, :] + 0.5, rows[:, None, :] + 0.5
    across = (x >= boxes[:, :, 0, None]) & (x <= boxes[:, :, 2, None])
    down = (y >= boxes[:, :, 1, None]) & (y <= boxes[:, :, 3, None])
    return np.asarray(down.transpose(0, 2, 1).astype(np.float32) @ across.astype(np.float32) > 0)
