"""Something that comes in front of a target: a piece cut from elsewhere in the picture, and its way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from pipeline.target_benchmark.background import Region
from trackers.structures import FloatArray, ImageArray

_STEADY = (10**6, 25, 9, 1)  # frames over which its way is smoothed: what stands is better than what follows
_LARGEST = 0.6  # of a side of the picture
_GRID = 12  # places across and down, from which it may be cut
_BORDER = 1.0  # pixels over which its edge is soft


class Cover:
    """A piece that hides a target in the frames `begin` to `end`, and slides in before and out after them."""

    def __init__(self, pictures: Sequence[ImageArray], regions: Sequence[Region], frames: range, slide: int) -> None:
        """`regions`: what the target takes up in each picture. `slide`: frames it takes to come, and to go."""
        self._pictures, self._frames, self._slide = pictures, frames, slide
        height, width = pictures[0].shape[:2]
        boxes = np.array([[one.left, one.top, one.right, one.bottom] for one in (regions[i] for i in frames)], float)
        middles, halves = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
        for window in _STEADY:
            self._way = _smoothed(middles, window)
            self._half = np.ceil((np.abs(middles - self._way) + halves).max(axis=0) + 1)
            if (2 * self._half <= _LARGEST * np.array([width, height])).all():
                break
        self._piece = _piece(pictures[frames[0]], regions[frames[0]], np.asarray(2 * self._half, int))
        middle = self._way[0]
        self._from = np.array([1.0 if middle[0] < width / 2 else -1.0, 0.0])  # the side with more room

    def frames(self) -> range:
        """In which something of it is to be seen."""
        begin, end = self._frames[0] - self._slide, self._frames[-1] + 1 + self._slide
        return range(max(0, begin), min(end, len(self._pictures)))

    def over(self) -> Iterator[tuple[int, ImageArray]]:
        """Each of its frames, and the picture with it."""
        for frame in self.frames():
            yield frame, self._pasted(self._pictures[frame], self._middle(frame))

    def region(self, frame: int) -> FloatArray:
        """(4,) x1 y1 x2 y2 of what it hides."""
        middle = self._middle(frame)
        return np.concatenate([middle - self._half + _BORDER, middle + self._half - _BORDER])

    def _middle(self, frame: int) -> FloatArray:
        first, last = self._frames[0], self._frames[-1]
        away = max(first - frame, frame - last, 0) / (self._slide + 1)
        side = self._from if frame < first else -self._from
        place = self._way[int(np.clip(frame - first, 0, len(self._way) - 1))]
        return np.asarray(place + side * away * 2 * self._half)

    def _pasted(self, picture: ImageArray, middle: FloatArray) -> ImageArray:
        height, width = picture.shape[:2]
        left, top = middle - self._half
        affine = np.array([[1, 0, left], [0, 1, top]], np.float64)
        size = (width, height)
        piece = cv2.warpAffine(self._piece, affine, size, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
        ones = np.zeros(self._piece.shape[:2], np.float32)
        ones[1:-1, 1:-1] = 1
        share = cv2.warpAffine(ones, affine, size)[..., None]
        return np.asarray((share * piece + (1 - share) * picture).round(), np.uint8)


def _smoothed(points: FloatArray, window: int) -> FloatArray:
    """Points (n, 2) as means over a window; where the window is longer than they are many, a straight line."""
    count = len(points)
    if window >= count:
        steps = np.arange(count)
        return np.column_stack([np.polyval(np.polyfit(steps, column, 1), steps) for column in points.T])
    padded = np.pad(points, ((window // 2, window // 2), (0, 0)), mode="edge")
    kernel = np.ones(window) / window
    return np.column_stack([np.convolve(column, kernel, "valid") for column in padded.T])


def _piece(picture: ImageArray, target: Region, size: FloatArray) -> ImageArray:
    """A piece (height, width, 3) of that size without the target: the one with the strongest edges.

    It is turned upside down, so that nothing in it looks like a second target.
    """
    height, width = picture.shape[:2]
    wide, high = (int(side) for side in size)
    free = [  # left of, right of, above and below the target
        Region(0, 0, max(0, target.left), height),
        Region(min(width, target.right), 0, width, height),
        Region(0, 0, width, max(0, target.top)),
        Region(0, min(height, target.bottom), width, height),
    ]
    edges = np.abs(cv2.Laplacian(cv2.GaussianBlur(picture, (3, 3), 0), cv2.CV_32F)).mean(axis=2)
    sums = cv2.integral(edges)
    best, most = None, -1.0
    for area in free:
        spare_x, spare_y = area.right - area.left - wide, area.bottom - area.top - high
        if spare_x < 0 or spare_y < 0:
            continue
        for left in np.unique(np.linspace(area.left, area.left + spare_x, _GRID).astype(int)):
            for top in np.unique(np.linspace(area.top, area.top + spare_y, _GRID).astype(int)):
                right, bottom = left + wide, top + high
                found = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
                if found > most:
                    best, most = picture[top:bottom, left:right], float(found)
    if best is not None:
        return np.asarray(best[::-1, ::-1].copy(), np.uint8)
    area = max(free, key=lambda one: (one.right - one.left) * (one.bottom - one.top))
    cut = picture[area.top : area.bottom, area.left : area.right]
    if cut.size == 0:
        raise ValueError("the target fills the whole picture: there is nothing to cover it with")
    down, right = max(0, high - len(cut)), max(0, wide - cut.shape[1])
    repeated = cv2.copyMakeBorder(cut, 0, down, 0, right, cv2.BORDER_REFLECT)
    return np.asarray(repeated[:high, :wide][::-1, ::-1], np.uint8)
