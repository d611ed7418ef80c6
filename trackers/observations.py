"""Where each track was last measured, where shortly before that, and so which way it went.

Measured boxes are worse than a filter's while a track is seen, and better once it is not: they do not run away.
"""

from __future__ import annotations

import numpy as np

from trackers.geometry import centres
from trackers.structures import BoolArray, FloatArray, IntArray, State

DEPTH = 16  # measured boxes kept of a track: enough for 0.1 s at 150 frames/s
_ROUNDING = 1e-9  # seconds; times are sums of frame intervals
_COLUMNS = ("boxes", "times", "earlier", "missed", "past", "past_times", "counts")


class Observations:
    """Row i of every column is the same track, as in the table of tracks. Boxes are x1 y1 x2 y2 in today's picture."""

    def __init__(self, *, span: float) -> None:
        """`span`: seconds between the two boxes that tell a direction (Delta t of Cao et al. 2023, sec. 4.2)."""
        self.span = span
        self.boxes = np.zeros((0, 4))  # pixels, measured last
        self.times = np.zeros(0)  # seconds, when that was
        self.earlier = np.zeros((0, 4))  # pixels, measured up to `span` before that
        self.missed = np.zeros(0, np.int64)  # frames since
        self.past = np.zeros((0, DEPTH, 4))  # number k of a track lies at k % DEPTH
        self.past_times = np.zeros((0, DEPTH))
        self.counts = np.zeros(0, np.int64)  # boxes ever measured

    def __len__(self) -> int:
        return len(self.times)

    def start(self, boxes: FloatArray, seconds: float) -> None:
        """Append new tracks, measured for the first time (k, 4)."""
        count = len(boxes)
        if count == 0:
            return
        first = np.asarray(boxes, np.float64)
        born = {
            "boxes": first,
            "times": np.full(count, seconds),
            "earlier": first,
            "missed": np.zeros(count, np.int64),
            "past": np.concatenate([first[:, None], np.zeros((count, DEPTH - 1, 4))], axis=1),
            "past_times": np.concatenate([np.full((count, 1), seconds), np.zeros((count, DEPTH - 1))], axis=1),
            "counts": np.ones(count, np.int64),
        }
        for name in _COLUMNS:
            setattr(self, name, np.concatenate([getattr(self, name), born[name]]))

    def add(self, rows: IntArray, boxes: FloatArray, seconds: float) -> None:
        """Take in one frame: the tracks `rows` (k,) were measured, boxes (k, 4), and the others missed."""
        self.earlier[rows] = self.before(seconds)[rows]
        self.boxes[rows], self.times[rows] = boxes, seconds
        slot = self.counts[rows] % DEPTH
        self.past[rows, slot], self.past_times[rows, slot] = boxes, seconds
        self.counts[rows] += 1
        self.missed += 1
        self.missed[rows] = 0

    def before(self, seconds: float) -> FloatArray:
        """The first box measured within `span` before a time (n, 4); the last one where none was."""
        kept = np.arange(DEPTH) < self.counts[:, None]
        recent = kept & (self.past_times >= seconds - self.span - _ROUNDING)
        first = np.where(recent, self.past_times, np.inf).argmin(axis=1)
        chosen = self.past[np.arange(len(self)), first]
        return np.where(recent.any(axis=1, keepdims=True), chosen, self.boxes)

    @property
    def directions(self) -> FloatArray:
        """Unit vector of the way from the earlier to the last box (n, 2); zero for a track that has not moved."""
        return unit_vectors(centres(self.boxes) - centres(self.earlier))

    def warp(self, affine: FloatArray) -> None:
        """Carry all boxes into the picture after a camera motion (2, 3): centres go along, sides keep upright."""
        growth = np.sqrt(abs(np.linalg.det(affine[:, :2])))
        for name in ("boxes", "earlier", "past"):
            boxes = getattr(self, name)
            middle = centres(boxes) @ affine[:, :2].T + affine[:, 2]
            half = (boxes[..., 2:] - boxes[..., :2]) / 2 * growth
            setattr(self, name, np.concatenate([middle - half, middle + half], axis=-1))

    def keep(self, mask: BoolArray) -> None:
        """Drop the other tracks."""
        if mask.all():
            return
        for name in _COLUMNS:
            setattr(self, name, getattr(self, name)[mask])

    def to_arrays(self) -> State:
        """All columns."""
        return {name: getattr(self, name).copy() for name in _COLUMNS}

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        for name in _COLUMNS:
            setattr(self, name, state[name].copy())


def unit_vectors(ways: FloatArray) -> FloatArray:
    """Vectors (..., 2) at length 1; zero stays zero."""
    length = np.hypot(ways[..., :1], ways[..., 1:])
    return np.asarray(np.divide(ways, length, out=np.zeros_like(ways), where=length > 0))
