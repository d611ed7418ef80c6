"""Follows targets by the motion of points on them: median flow (Kalal, Mikolajczyk & Matas 2010) from remembered views.

The paper goes from each picture to the next, and the errors add up. Here a target is looked for from the view it was
learned from and from the last one that had to replace it, so that errors add up only where it changes its looks.
"""

from __future__ import annotations

import math

import numpy as np

from trackers.columns import Columns
from trackers.corners import corners
from trackers.flow import box_motion, correlation, follow, grey_picture
from trackers.geometry import centres
from trackers.patches import boxes_around, grown, patches, thumbnails
from trackers.silhouettes import SIDE
from trackers.structures import BoolArray, FloatArray, ImageArray, Masks, State
from trackers.targets import (
    LEAST_SIDE,
    LOST_SCORE,
    Found,
    checked_boxes,
    checked_image,
    expected,
    learning,
    placed_boxes,
)

_REGION = 2.5  # sides of a target; what is seen of the picture around it
_TILE = 96  # pixels; side of the square a region is sampled to
_LEVELS = 1  # times a region is halved; with more a target goes along with what is behind it
_LOOKS = 16  # pixels; side of the square as which a whole target is compared


class FlowTarget:
    """Median flow of many targets at once: the regions around all of them lie in one mosaic. One instance a stream."""

    def __init__(self, *, cells: int = 5, found: float = 0.2, sure: float = 0.35) -> None:
        """`cells`: points along each side of a target.

        `found`, `sure`: shares 0..1 of the points that agree. With `found` of them a target is found. With fewer than
        `sure` it has changed so much that what it looks like now is remembered in place of its last view.
        """
        self.cells, self.found, self.sure = cells, found, sure
        self._boxes: FloatArray = np.zeros((0, 4))
        self._sizes = np.zeros((0, 2), np.int64)  # height and width of the pictures that showed them, pixels
        self._first = np.zeros((0, _TILE, _TILE), np.uint8)  # views of the regions when they were added
        self._last = self._first  # views that replaced them
        self._replaced = np.zeros(0, dtype=bool)  # whether one has
        self._looks = np.zeros((0, _LOOKS * _LOOKS), np.float32)  # of the targets when they were added
        self._inside = np.zeros((0, SIDE, SIDE), dtype=bool)  # cells of their boxes in which points are followed
        self._points = _points(
            self._first, self._inside, cells=cells
        )  # (n, p, 2) that are followed, of the first views
        self._columns = Columns(
            self, ("_boxes", "_sizes", "_first", "_last", "_replaced", "_looks", "_inside", "_points")
        )

    @property
    def boxes(self) -> FloatArray:
        """Where the targets were found last (n, 4) float64."""
        return self._boxes.copy()

    def add(self, image: ImageArray, boxes: FloatArray) -> None:
        """Learn further targets. Raises ValueError where a box or a picture cannot be learned from."""
        image = checked_image(image)
        boxes = checked_boxes(boxes, image)
        grey = grey_picture(image)
        views = _views(grey, boxes)
        inside = np.ones((len(boxes), SIDE, SIDE), dtype=bool)
        self._columns.append(
            _boxes=boxes,
            _sizes=np.tile(grey.shape, (len(boxes), 1)),
            _first=views,
            _last=views,
            _replaced=np.zeros(len(boxes), dtype=bool),
            _looks=thumbnails(grey, boxes, side=_LOOKS),
            _inside=inside,
            _points=_points(views, inside, cells=self.cells),
        )

    def outline(self, rows: BoolArray, inside: BoolArray) -> None:
        """Follow points of the targets in the mask `rows` (n,) only in these cells of their boxes (k, 24, 24).

        As masks say where in its box a target is: points beside it go along with what is behind it. All False counts as
        all True: nothing is known.
        """
        self._inside[rows] = inside | ~inside.any(axis=(1, 2), keepdims=True)
        self._points[rows] = _points(self._first[rows], self._inside[rows], cells=self.cells)

    def update(self, image: ImageArray, *, around: FloatArray | None = None, learn: BoolArray | None = None) -> Found:
        """Look for every target, and remember how it looks now where it has changed.

        Nothing is found in a picture of another size than the one a target was learned from. Where a row of `around` is
        no box, the target is searched where it was found last. A box that is found has the shape of the one around
        which it was searched: flow tells its size, not how wide it is for its height.
        """
        grey = grey_picture(checked_image(image))
        places = expected(around, self._boxes)
        views = _views(grey, places)
        boxes, agreeing = _moved(self._first, views, places, self._points)
        doubtful = np.flatnonzero(self._replaced & (agreeing < self.sure))
        if len(doubtful):
            last = self._last[doubtful]
            points = _points(last, self._inside[doubtful], cells=self.cells)
            others, more = _moved(last, views[doubtful], places[doubtful], points)
            better = more > agreeing[doubtful]
            boxes[doubtful[better]], agreeing[doubtful[better]] = others[better], more[better]
        agreeing[~(_shown(boxes, grey) & (self._sizes == grey.shape).all(axis=1))] = 0
        found = agreeing >= self.found
        self._boxes = np.where(found[:, None], boxes, self._boxes)
        changed = found & (agreeing < self.sure) & learning(learn, len(found))
        self._last[changed] = _views(grey, self._boxes[changed])
        self._replaced |= changed
        likeness = np.maximum(correlation(self._looks, thumbnails(grey, self._boxes, side=_LOOKS)), 0)
        scores = np.where(found, LOST_SCORE + (1 - LOST_SCORE) * agreeing * likeness, LOST_SCORE * agreeing)
        return Found(self._boxes.copy(), scores)

    def place(self, rows: BoolArray, boxes: FloatArray) -> None:
        """Say where the targets in the mask `rows` are by now; see TargetTracker."""
        self._boxes = placed_boxes(rows, boxes, self._boxes)

    def keep(self, rows: BoolArray) -> None:
        """Forget the targets that are not in the mask `rows` (n,)."""
        self._columns.keep(rows)

    def to_arrays(self) -> State:
        """Everything that is known of the targets."""
        return self._columns.to_arrays()

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        points = state.get("points")
        if points is None or points.shape[1] != self.cells**2:  # a state of before they were kept, or of fewer or more
            points = _points(state["first"], state["inside"], cells=self.cells)
        self._columns.from_arrays(state | {"points": points})


def _views(grey: ImageArray, boxes: FloatArray) -> ImageArray:
    """What is around each box (n, _TILE, _TILE)."""
    return patches(grey, grown(boxes, _REGION), width=_TILE, height=_TILE)


def _moved(
    before: ImageArray, after: ImageArray, boxes: FloatArray, points: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Where targets are (n, 4), and which shares of their points agree (n,).

    `before`: views (n, _TILE, _TILE) with the targets in their middles; `after`: those around the boxes (n, 4).
    `points`: (n, p, 2) that are followed, in each one's view.
    """
    if len(boxes) == 0:
        return boxes.copy(), np.zeros(0)
    old, new = _mosaic(before), _mosaic(after)
    places = _places(len(boxes), new)
    points = points + places[:, None]
    motion = box_motion(_targets(places), points, follow(old, new, points, levels=_LEVELS))
    sides = boxes[:, 2:] - boxes[:, :2]
    shifts = motion.shifts * sides * (_REGION / _TILE)
    return boxes_around(centres(boxes) + shifts, sides * motion.scales[:, None]), motion.confidences


def _points(views: ImageArray, inside: BoolArray, *, cells: int) -> FloatArray:
    """Points worth following on the targets in the middles of views (n, _TILE, _TILE): (n, cells * cells, 2) float32.

    `inside`: (n, 24, 24) cells of the targets in which points are followed.
    """
    if len(views) == 0:
        return np.zeros((0, cells * cells, 2), np.float32)
    mosaic = _mosaic(views)
    places = _places(len(views), mosaic)
    targets = _targets(places)
    masks = None if inside.all() else _masks(targets, inside)
    return np.asarray(corners(mosaic, targets, cells=cells, masks=masks) - places[:, None])


def _places(count: int, mosaic: ImageArray) -> FloatArray:
    """The corners (count, 2) float32 of the tiles of a mosaic, pixels."""
    row, column = np.divmod(np.arange(count), mosaic.shape[1] // _TILE)
    return (np.stack([column, row], axis=1) * _TILE).astype(np.float32)


def _targets(places: FloatArray) -> FloatArray:
    """Where targets are (n, 4) in tiles at (n, 2)."""
    return boxes_around(places.astype(np.float64) + _TILE / 2, np.full((len(places), 1), _TILE / _REGION))


def _masks(targets: FloatArray, inside: BoolArray) -> Masks:
    """Cells (n, 24, 24) of square boxes (n, 4) as masks in pixels."""
    side = math.ceil(float((targets[:, 2] - targets[:, 0]).max()))
    cells = (np.arange(side) * SIDE) // side
    crops = inside[:, cells[:, None], cells[None, :]]
    return Masks(np.floor(targets[:, :2]).astype(np.int64), tuple(crops))


def _mosaic(tiles: ImageArray) -> ImageArray:
    """Tiles (n, _TILE, _TILE), n > 0, side by side and below each other; black where there are none left."""
    across = math.ceil(math.sqrt(len(tiles)))
    down = math.ceil(len(tiles) / across)
    whole = np.zeros((down * across, _TILE, _TILE), np.uint8)
    whole[: len(tiles)] = tiles
    return whole.reshape(down, across, _TILE, _TILE).swapaxes(1, 2).reshape(down * _TILE, across * _TILE)


def _shown(boxes: FloatArray, grey: ImageArray) -> BoolArray:
    """Which boxes (n, 4) are large enough and lie in the picture, at least in part (n,)."""
    height, width = grey.shape
    inside = ((boxes[:, :2] < [width, height]) & (boxes[:, 2:] > 0)).all(axis=1)
    return np.asarray(inside & (boxes[:, 2:] - boxes[:, :2] >= LEAST_SIDE).all(axis=1))
