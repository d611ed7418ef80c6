"""A Siamese target tracker: one network looks at target and search region, a small head compares the two looks.

The lineage: cross-correlation of the looks (SiamFC: Bertinetto et al. 2016), penalties on changes of shape and place
(SiamRPN: Li et al. 2018), and a head without anchors that tells a box for every cell (SiamBAN: Chen et al. 2020).
The networks come in as callables and learn nothing while they track.
"""

from __future__ import annotations

import cv2
import numpy as np

from trackers.columns import Columns
from trackers.geometry import centres
from trackers.patches import boxes_around, patches
from trackers.siamese_looks import context_sides, looks_at
from trackers.siamese_networks import SiameseNetworks, cell_middles
from trackers.structures import BoolArray, FloatArray, ImageArray, IntArray, State
from trackers.targets import LEAST_SIDE, LOST_SCORE, Found, checked_boxes, checked_image, expected, placed_boxes

_FARTHEST = 1.2  # times the sides of the box that was found: what lies beyond is something else
_SPARSE = 8  # every so many pixels are enough for the mean colour


class SiameseTracker:
    """Looks for every target around where it was last, all of a picture in one batch.

    What a target looked like at first is never replaced: blends with how it looked later, at three rates and only where
    it was sure, let the tracker drift off sooner (docs/following.md). A rival elsewhere lowers the score.
    """

    def __init__(
        self,
        networks: SiameseNetworks,
        *,
        context: float = 0.5,
        influence: float = 0.455,
        strictness: float = 0.15,
        rate: float = 0.37,
        found: float = LOST_SCORE,
    ) -> None:
        """`context`: p of `context_sides`. `influence`: of the cosine window on which cell is chosen, 0..1.

        `strictness`: k of `shape_penalties`. `rate`: share of a new size that is taken on from a picture that is sure
        of it, 0..1. `found`: score 0..1 below which a target stays where it was last. All but `found` are NanoTrack's.
        """
        self._networks = networks
        self._context, self._influence = context, influence
        self._strictness, self._rate = strictness, rate
        self._found = found
        self._boxes: FloatArray = np.zeros((0, 4))
        self._templates: FloatArray = np.zeros((0, 0, 0, 0), np.float32)  # (n, c, k, k), what the head compares with
        self._means: FloatArray = np.zeros((0, 0))  # (n, c), of the first search region, which is mostly background
        self._looks: FloatArray = np.zeros((0, 0))  # (n, d) unit length, how the target stood out from it
        self._columns = Columns(self, ("_boxes", "_templates", "_means", "_looks"))

    @property
    def boxes(self) -> FloatArray:
        """Where the targets were found last (n, 4) float64."""
        return self._boxes.copy()

    def add(self, image: ImageArray, boxes: FloatArray) -> None:
        """Learn further targets; see `TargetTracker`. Raises ValueError."""
        image = checked_image(image)
        boxes = checked_boxes(boxes, image)
        if len(boxes) == 0:
            return
        networks = self._networks
        templates = networks.template(self._crops(image, boxes, networks.template_size))
        maps = networks.search(self._crops(image, boxes, networks.search_size))
        means = maps.mean(axis=(2, 3), dtype=np.float64)
        middle = np.tile(np.array(maps.shape[:1:-1]) // 2, (len(boxes), 1))
        looks = looks_at(maps, middle, means)
        self._columns.append(_boxes=boxes, _templates=templates, _means=means, _looks=looks)

    def update(
        self,
        image: ImageArray,
        *,
        around: FloatArray | None = None,
        learn: BoolArray | None = None,  # noqa: ARG002  part of the protocol; this tracker learns nothing on the way
    ) -> Found:
        """Look for every target in the next picture; see `TargetTracker`. Raises ValueError."""
        image = checked_image(image)
        seen = self._look(image, np.arange(len(self._boxes)), expected(around, self._boxes), self._influence)
        self._boxes = np.where((seen.scores >= self._found)[:, None], seen.boxes, self._boxes)
        return Found(self.boxes, seen.scores)

    def look(self, image: ImageArray, rows: IntArray, around: FloatArray) -> Found:
        """What would be found of the targets `rows` (m,) around boxes (m, 4), wherever in the search region; no more.

        A target may be asked for at many places. Nothing is remembered. Raises ValueError.
        """
        return self._look(checked_image(image), rows, expected(around, self._boxes[rows]), influence=0)

    def _look(self, image: ImageArray, rows: IntArray, around: FloatArray, influence: float) -> Found:
        """What is seen of the targets `rows` (m,) around boxes (m, 4); of what is not there, too, with low scores."""
        last = _within(around, image)
        if len(last) == 0:
            return Found(last, np.zeros(0))
        networks = self._networks
        maps = networks.search(self._crops(image, last, networks.search_size))
        scores, distances = networks.compare(self._templates[rows], maps)

        grid = scores.shape[1:]
        cells = cell_middles(*grid, size=networks.search_size, stride=networks.stride).reshape(-1, 2)
        boxes = decoded(distances, cells, size=networks.search_size)
        scores = scores.reshape(len(last), -1)
        sides, scales = self._in_crop(last)
        penalties = shape_penalties(boxes, sides, strictness=self._strictness)
        ranks = (1 - influence) * penalties * scores + influence * cosine_window(*grid)
        each, best = np.arange(len(last)), ranks.argmax(axis=1)

        chosen, sure = boxes[each, best], scores[each, best]
        alike = self._likeness(maps, rows, centres(chosen))
        rivals = second_scores(scores, cells, chosen)
        told = np.nan_to_num(found_scores(sure, alike, rivals))  # an answer that is no number finds nothing
        sides = smoothed(chosen[:, 2:] - chosen[:, :2], sides, self._rate * penalties[each, best] * sure)
        shift = centres(chosen) - networks.search_size // 2
        moved = boxes_around(centres(last) + shift / scales, sides / scales)
        return Found(_within(moved, image), told)

    def place(self, rows: BoolArray, boxes: FloatArray) -> None:
        """Say where the targets in the mask `rows` are by now; see `TargetTracker`."""
        self._boxes = placed_boxes(rows, boxes, self._boxes)

    def keep(self, rows: BoolArray) -> None:
        """Forget the targets that are not in the mask `rows` (n,)."""
        self._columns.keep(rows)

    def to_arrays(self) -> State:
        """Everything that is known of the targets."""
        return self._columns.to_arrays()

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        self._columns.from_arrays(state)

    def _crops(self, image: ImageArray, boxes: FloatArray, size: int) -> ImageArray:
        """Crops (n, size, size, 3) around the boxes, all at the scale of the template's."""
        sides = context_sides(boxes[:, 2:] - boxes[:, :2], self._context)[:, None]
        squares = boxes_around(centres(boxes), sides * (size / self._networks.template_size))
        mean = cv2.mean(np.ascontiguousarray(image[::_SPARSE, ::_SPARSE]))[:3]
        return patches(image, squares, width=size, height=size, fill=np.array(mean))

    def _in_crop(self, boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Sides (n, 2) of the boxes, pixels of their crops, and how many of those make one of the picture (n, 1)."""
        sides = boxes[:, 2:] - boxes[:, :2]
        scales = self._networks.template_size / context_sides(sides, self._context)[:, None]
        return sides * scales, scales

    def _likeness(self, maps: FloatArray, rows: IntArray, middles: FloatArray) -> FloatArray:
        """Cosine (m,) of what is seen at `middles` (m, 2), pixels of the crops, and what was learned of `rows` (m,)."""
        networks = self._networks
        places = (middles - networks.search_size // 2) / networks.stride + np.array(maps.shape[:1:-1]) // 2
        return np.asarray(np.einsum("nd,nd->n", looks_at(maps, places, self._means[rows]), self._looks[rows]))


def decoded(distances: FloatArray, cells: FloatArray, *, size: int) -> FloatArray:
    """Boxes (n, m, 4) x1 y1 x2 y2 of distances l t r b (n, 4, rows, columns) and cells (m, 2), pixels of the crop.

    Chen et al. 2020, inference: (x - l, y - t, x + r, y + b). No side is farther off than `size`, nor nearer than 0.
    """
    far = np.clip(distances.reshape(len(distances), 4, len(cells)).transpose(0, 2, 1).astype(np.float64), 0, size)
    return np.concatenate([cells - far[..., :2], cells + far[..., 2:]], axis=-1)


def shape_penalties(boxes: FloatArray, sizes: FloatArray, *, strictness: float) -> FloatArray:
    """exp(-k (max(r / r', r' / r) max(s / s', s' / s) - 1)) (n, m), of boxes (n, m, 4) after one of `sizes` (n, 2).

    r is height over width, s^2 = (w + p)(h + p) with p = (w + h) / 2, k the `strictness`. Li et al. 2018, eq. 13 and
    14, here as in their code: 1 for what has not changed.
    """
    found = np.maximum(boxes[..., 2:] - boxes[..., :2], 1e-6)
    before = sizes[:, None, :]
    ratio = _change(found[..., 1] / found[..., 0], before[..., 1] / before[..., 0])
    scale = _change(context_sides(found, 0.5), context_sides(before, 0.5))
    return np.asarray(np.exp(-strictness * (ratio * scale - 1)))


def cosine_window(rows: int, columns: int) -> FloatArray:
    """Outer product of two Hanning windows (rows * columns,): targets move little from picture to picture."""
    return np.outer(np.hanning(rows), np.hanning(columns)).ravel()


def smoothed(found: FloatArray, before: FloatArray, rate: FloatArray) -> FloatArray:
    """Sides (n, 2) on their way from `before` to `found` (n, 2) by the share `rate` (n,)."""
    return before + rate[:, None] * (found - before)


def second_scores(scores: FloatArray, cells: FloatArray, chosen: FloatArray) -> FloatArray:
    """Best of the scores (n, m) at `cells` (m, 2) beyond the boxes `chosen` (n, 4), 1.2 times as large: (n,)."""
    reach = (chosen[:, 2:] - chosen[:, :2])[:, None, :] * (_FARTHEST / 2)
    beyond = (np.abs(cells - centres(chosen)[:, None, :]) > reach).any(axis=-1)
    return np.asarray(np.where(beyond, scores, 0).max(axis=1))


def found_scores(sure: FloatArray, alike: FloatArray, rivals: FloatArray) -> FloatArray:
    """How sure it is that the targets are there (n,) 0..1: score times likeness, less by up to half for a rival.

    `sure`: the head's score of the chosen cell; `alike`: cosine to the first look, -1..1; `rivals`: the head's best
    score elsewhere; all (n,). Each falls in a case of its own: nothing there, something else there, two of a kind.
    """
    return np.asarray(sure * np.maximum(alike, 0) * (1 - rivals / 2))


def _within(boxes: FloatArray, image: ImageArray) -> FloatArray:
    """Boxes (n, 4) with their middles in the picture, no side longer than its, none shorter than can be looked for."""
    limit = np.array(image.shape[1::-1], np.float64)
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], LEAST_SIDE, np.maximum(limit, LEAST_SIDE))
    return boxes_around(np.clip(centres(boxes), 0, limit), sides)


def _change(a: FloatArray, b: FloatArray) -> FloatArray:
    """How many times the larger is the smaller, at least 1."""
    return np.maximum(a / b, b / a)
