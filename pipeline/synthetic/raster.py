"""Polygons to pixels: colour and coverage of one figure or prop, as a small crop that can be laid over a picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from trackers.structures import BoolArray, FloatArray, ImageArray, IntArray

CORNERS = 12  # every polygon has this many corners; simpler ones repeat their last
FINE = 3  # sub-pixels a pixel in each direction
_SHIFT = 4  # fractional bits of OpenCV's fixed-point corners
_MARGIN = 1  # pixels kept free around the polygons


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """Polygons in painting order, the first lies at the bottom. Row i of both columns is the same polygon."""

    polygons: FloatArray  # (n, CORNERS, 2) x y, pixels
    colours: FloatArray  # (n, 3) blue green red 0..255


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of whole pixels; may reach beyond the picture."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def empty(self) -> bool:
        """Whether it holds no pixel."""
        return self.x2 <= self.x1 or self.y2 <= self.y1

    def __and__(self, other: Window) -> Window:
        return Window(max(self.x1, other.x1), max(self.y1, other.y1), min(self.x2, other.x2), min(self.y2, other.y2))

    def slices(self, origin: Window) -> tuple[slice, slice]:
        """Rows and columns of this window in an array whose first pixel is the top left corner of `origin`."""
        return (
            slice(self.y1 - origin.y1, self.y2 - origin.y1),
            slice(self.x1 - origin.x1, self.x2 - origin.x1),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A drawing as pixels."""

    window: Window
    colour: ImageArray  # (height, width, 3) blue green red, already multiplied by the coverage
    coverage: ImageArray  # (height, width) 0..255

    def behind(self, other: Layer) -> Layer:
        """This layer without what `other` hides of it."""
        part = self.window & other.window
        if part.empty:
            return self
        own = part.slices(self.window)
        free = cv2.bitwise_not(other.coverage[part.slices(other.window)])
        colour, coverage = self.colour.copy(), self.coverage.copy()
        colour[own] = cv2.multiply(colour[own], cv2.cvtColor(free, cv2.COLOR_GRAY2BGR), scale=1 / 255)
        coverage[own] = cv2.multiply(coverage[own], free, scale=1 / 255)
        return Layer(self.window, colour, coverage)

    def over(self, image: ImageArray) -> None:
        """Lay it over the picture in place."""
        frame = Window(0, 0, image.shape[1], image.shape[0])
        part = self.window & frame
        if part.empty:
            return
        own = part.slices(self.window)
        below = image[part.slices(frame)]
        free = cv2.cvtColor(cv2.bitwise_not(self.coverage[own]), cv2.COLOR_GRAY2BGR)
        below[:] = cv2.add(cv2.multiply(below, free, scale=1 / 255), self.colour[own])


def solid(coverage: ImageArray) -> BoolArray:
    """Coverage 0..255 -> the pixels that count as the object's."""
    covered: BoolArray = coverage >= 128
    return covered


def paint(drawing: Drawing, outline: FloatArray) -> Layer:
    """Colours inside an outline of (n, CORNERS, 2) pixels. Silhouette and coverage are those of `cover(outline)`."""
    window, mask = _fine(outline)
    canvas = np.zeros((*mask.shape, 3), np.uint8)
    for polygon, colour in zip(_fixed_point(drawing.polygons, window), drawing.colours.tolist(), strict=True):
        cv2.fillConvexPoly(canvas, polygon, colour, cv2.LINE_8, _SHIFT)
    canvas = cv2.bitwise_and(canvas, canvas, mask=mask)
    return Layer(window, _coarse(canvas), _coarse(mask))


def cover(outline: FloatArray) -> tuple[Window, ImageArray]:
    """(n, CORNERS, 2) pixels -> where, and (height, width) coverage 0..255: all that ground truth needs."""
    window, mask = _fine(outline)
    return window, _coarse(mask)


def padded(polygon: FloatArray) -> FloatArray:
    """(k, 2) with k <= CORNERS -> (CORNERS, 2)."""
    return np.concatenate([polygon, np.repeat(polygon[-1:], CORNERS - len(polygon), axis=0)])


def capsules(starts: FloatArray, ends: FloatArray, start_radii: FloatArray, end_radii: FloatArray) -> FloatArray:
    """Tapered limbs: (n, 2) and (n, 2) pixels, (n,) and (n,) pixels -> (n, CORNERS, 2)."""
    along = ends - starts
    angle = np.arctan2(along[:, 1], along[:, 0])[:, None]
    half = np.linspace(np.pi / 2, 3 * np.pi / 2, CORNERS // 2)  # the half circle that faces away from the other end
    back, front = angle + half, angle + half + np.pi
    first = starts[:, None] + start_radii[:, None, None] * np.stack([np.cos(back), np.sin(back)], axis=-1)
    second = ends[:, None] + end_radii[:, None, None] * np.stack([np.cos(front), np.sin(front)], axis=-1)
    return np.concatenate([first, second], axis=1)


def _fine(outline: FloatArray) -> tuple[Window, ImageArray]:
    """Where the outline lies, and the sub-pixels it covers (0 or 255)."""
    low = np.floor(outline.min(axis=(0, 1))).astype(int) - _MARGIN
    high = np.ceil(outline.max(axis=(0, 1))).astype(int) + _MARGIN
    window = Window(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    mask = np.zeros(((window.y2 - window.y1) * FINE, (window.x2 - window.x1) * FINE), np.uint8)
    for polygon in _fixed_point(outline, window):
        cv2.fillConvexPoly(mask, polygon, 255, cv2.LINE_8, _SHIFT)
    return window, mask


def _fixed_point(polygons: FloatArray, window: Window) -> IntArray:
    """OpenCV's coordinates are 0 at a pixel's centre, ours at its corner."""
    fine = (polygons - (window.x1, window.y1)) * FINE - 0.5
    fixed: IntArray = np.rint(fine * (1 << _SHIFT)).astype(np.int32)
    return fixed


def _coarse(fine: ImageArray) -> ImageArray:
    coarse: ImageArray = cv2.resize(fine, (fine.shape[1] // FINE, fine.shape[0] // FINE), interpolation=cv2.INTER_AREA)
    return coarse
