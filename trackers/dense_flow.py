"""Dense optical flow: the motion of every pixel, by inverse search for patches (Kroeger et al. 2016, "DIS")."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from trackers.flow import Followed, judged, require_same_size
from trackers.structures import FloatArray, ImageArray

LEAST_SIDE = 32  # pixels; no pyramid can be made of a smaller picture
_PRESETS = {"ultrafast": 0, "fast": 1, "medium": 2}  # operating points of the paper, as OpenCV numbers them


class DenseFlow:
    """Follows points by the flow of the whole picture, whose cost does not grow with their number."""

    def __init__(self, *, preset: Literal["ultrafast", "fast", "medium"] = "ultrafast") -> None:
        self._search = cv2.DISOpticalFlow.create(_PRESETS[preset])

    def field(self, before: ImageArray, after: ImageArray) -> FloatArray:
        """How far each pixel of the grey picture `before` moved (height, width, 2) float32 x y, pixels.

        NaN where the pictures are too small for it.
        """
        require_same_size(before, after)
        if min(before.shape) < LEAST_SIDE:
            return np.full((*before.shape, 2), np.nan, np.float32)
        return np.asarray(self._search.calc(before, after, None))

    def follow(self, before: ImageArray, after: ImageArray, points: FloatArray) -> Followed:
        """Points (..., 2) of the grey picture `before` found in `after`, there and back, as `flow.follow` does."""
        require_same_size(before, after)
        asked = np.asarray(np.isfinite(points).all(axis=-1))
        start = points[asked].astype(np.float32)
        if len(start) == 0 or min(before.shape) < LEAST_SIDE:
            return judged(before, after, points, asked=asked, end=start, back=np.full_like(start, np.nan))
        end = start + _read(self.field(before, after), start)
        back = end + _read(self.field(after, before), end)
        return judged(before, after, points, asked=asked, end=end, back=back)


def grid(boxes: FloatArray, *, cells: int = 8) -> FloatArray:
    """The middles of `cells` x `cells` equal parts of each box (n, 4): (n, cells * cells, 2) float32 x y, pixels."""
    steps = (np.indices((cells, cells))[::-1].reshape(2, -1).T + 0.5) / cells
    return np.asarray(boxes[:, None, :2] + steps * (boxes[:, None, 2:] - boxes[:, None, :2]), np.float32)


def _read(field: FloatArray, points: FloatArray) -> FloatArray:
    """What a field (height, width, 2) says at these points (m, 2), of the nearest pixel: (m, 2)."""
    height, width = field.shape[:2]
    column, row = np.clip(np.floor(points).astype(np.int64), 0, [width - 1, height - 1]).T
    return np.asarray(field[row, column])
