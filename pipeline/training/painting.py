"""Painting over: areas of a picture of which nothing is to be learned get the colour of what surrounds them.

The losses of common detectors know no areas to ignore: where no label is, finding something is a mistake. What may
or may not be an object must therefore not be in the picture.
"""

from __future__ import annotations

import numpy as np

from trackers.structures import BoolArray, FloatArray, ImageArray

_RING = 0.15  # width of what surrounds an area, in its sides
_MARGIN = 0.05  # by so much of its sides a label's own box is kept clear


def paint_over(image: ImageArray, ignored: FloatArray, labels: FloatArray) -> tuple[ImageArray, float]:
    """The picture with the areas `ignored` (m, 4) painted, but not where `labels` (n, 4) are; both in pixels.

    Each area gets the mean colour of a ring around it. Also returns which share of the picture was painted.
    """
    height, width = image.shape[:2]
    unclear = _covered(ignored, height, width, margin=0.0)
    kept = _covered(labels, height, width, margin=_MARGIN)
    hidden = unclear & ~kept
    if not hidden.any():
        return image, 0.0
    painted = image.copy()
    clear = ~unclear & ~kept
    for box in ignored:
        left, top, right, bottom = _inside(box, height, width, 0.0)
        if left == right or top == bottom:
            continue
        around_left, around_top, around_right, around_bottom = _inside(box, height, width, _RING)
        around = image[around_top:around_bottom, around_left:around_right]
        seen = clear[around_top:around_bottom, around_left:around_right]
        colour = around[seen].mean(axis=0) if seen.any() else around.mean(axis=(0, 1))
        area = painted[top:bottom, left:right]
        area[hidden[top:bottom, left:right]] = np.round(colour).astype(np.uint8)
    return painted, float(hidden.mean())


def _covered(boxes: FloatArray, height: int, width: int, *, margin: float) -> BoolArray:
    """(height, width) pixels that lie in a box."""
    covered = np.zeros((height, width), dtype=bool)
    for box in boxes:
        left, top, right, bottom = _inside(box, height, width, margin)
        covered[top:bottom, left:right] = True
    return covered


def _inside(box: FloatArray, height: int, width: int, margin: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in whole pixels inside the picture, of a box grown by `margin` of its sides.

    Right and bottom are no less than left and top: a box outside the picture has no pixels there.
    """
    x1, y1, x2, y2 = (float(side) for side in box)
    across, along = margin * (x2 - x1), margin * (y2 - y1)
    left, top = max(0, int(np.floor(x1 - across))), max(0, int(np.floor(y1 - along)))
    right, bottom = min(width, int(np.ceil(x2 + across))), min(height, int(np.ceil(y2 + along)))
    return left, top, max(left, right), max(top, bottom)
