"""Zones: areas of the picture, all of a stream's as columns, and which points lie in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trackers.structures import BoolArray, FloatArray, IntArray

Anchor = Literal["bottom", "centre"]
ANCHORS: tuple[Anchor, ...] = ("bottom", "centre")  # in the order of `anchor_points`
_EDGE = 1e-6  # shares; what touches the picture's edge counts as within it


@dataclass(frozen=True, slots=True)
class Zone:
    """An area of the picture and what is worth an event in it. None: nothing of that kind is."""

    name: str
    polygon: Sequence[tuple[float, float]]  # corners in order, shares of the picture
    labels: frozenset[int] | None = None  # of the classes that count; None: all
    anchor: Anchor = "bottom"
    dwell_seconds: float | None = None
    loiter_seconds: float | None = None
    loiter_radius: float = 0.1  # share of the picture's height
    count_above: int | None = None
    speed_above: float | None = None  # metres a second


class Polygons:
    """The outlines of Z zones, their E edges one after the other."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        corners = [np.asarray(zone.polygon, np.float64).reshape(-1, 2) for zone in zones]
        self._from = np.concatenate([np.zeros((0, 2)), *corners])  # (E, 2) shares
        self._to = np.concatenate([np.zeros((0, 2)), *(np.roll(one, -1, axis=0) for one in corners)])
        lengths = [len(one) for one in corners]
        self._zone = np.repeat(np.arange(len(zones)), lengths)  # (E,) whose edge it is
        self._first = np.concatenate([[0], np.cumsum(lengths)])[: len(zones)].astype(np.int64)  # (Z,)

    def contain(self, points: FloatArray) -> BoolArray:
        """Which points lie inside (n, Z). `points`: (n, Z, 2) shares, one of each object for each zone.

        By the even-odd rule: a ray to the right meets the outline an odd number of times.
        """
        x, y = (points[:, self._zone, axis] for axis in (0, 1))
        (ax, ay), (bx, by) = self._from.T, self._to.T
        spans = (ay > y) != (by > y)
        with np.errstate(divide="ignore", invalid="ignore"):  # edges that are level span nothing
            meets = spans & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
        return np.asarray(_by_zone(np.add, meets.astype(np.int64), self._first) % 2 == 1)

    def distance(self, points: FloatArray, size: FloatArray) -> FloatArray:
        """How far points are from the outlines (n, Z), pixels. `points`: as for `contain`. `size`: width, height."""
        start, along = self._from * size, (self._to - self._from) * size
        offset = points[:, self._zone] * size - start
        length = np.maximum((along**2).sum(axis=1), np.finfo(np.float64).tiny)
        share = ((offset * along).sum(axis=2) / length).clip(0, 1)
        away = np.hypot(*np.moveaxis(offset - share[..., None] * along, 2, 0))
        return _by_zone(np.minimum, away, self._first)


def anchor_points(boxes: FloatArray, size: FloatArray) -> FloatArray:
    """Where objects stand (n, 2, 2): the middle of the lower edge, and the centre; shares of the picture.

    `boxes`: (n, 4) pixels. `size`: width, height. A box that reaches beyond the picture stands at its edge.
    """
    boxes = boxes.astype(np.float64)
    x = (boxes[:, 0] + boxes[:, 2]) / 2
    bottom, centre = boxes[:, 3], (boxes[:, 1] + boxes[:, 3]) / 2
    points = np.stack([np.stack([x, bottom], axis=1), np.stack([x, centre], axis=1)], axis=1) / size
    return np.asarray(points.clip(_EDGE, 1 - _EDGE))


def anchor_numbers(anchors: Sequence[Anchor]) -> IntArray:
    """Which of `anchor_points` each rule looks at (r,)."""
    return np.array([ANCHORS.index(one) for one in anchors], np.int64)


class Admission:
    """Which classes each of R rules counts."""

    def __init__(self, labels: Sequence[frozenset[int] | None]) -> None:
        known = 1 + max((label for some in labels if some is not None for label in some), default=-1)
        self._all = np.array([some is None for some in labels], bool)
        self._table = np.zeros((known + 1, len(labels)), bool)  # the last row: labels that no rule names
        self._table[:, self._all] = True
        for rule, some in enumerate(labels):
            self._table[sorted(some or ()), rule] = True

    def __call__(self, labels: IntArray) -> BoolArray:
        """(n, R). `labels`: (n,)."""
        known = len(self._table) - 1
        return self._table[np.where((labels >= 0) & (labels < known), labels, known)]


def _by_zone(add: np.ufunc, values: FloatArray | IntArray, first: IntArray) -> FloatArray:
    """Values of edges (n, E) taken together for each zone (n, Z)."""
    if not len(first):
        return np.zeros((len(values), 0), values.dtype)
    return np.asarray(add.reduceat(values, first, axis=1))
