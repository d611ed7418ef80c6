"""Silhouettes: the last mask of each track as a raster of its box; how well another mask fits it, and what covers it.

Two boxes that overlap may show one object or two; their masks tell. A raster moves and grows with its box, so that the
mask of a track can be laid where the track is predicted.
"""

from __future__ import annotations

import numpy as np

from trackers.association import Candidates
from trackers.columns import Columns
from trackers.structures import BoolArray, Detections, FloatArray, IntArray, Masks, State

SIDE = 24  # cells along each side of a box
_MIDDLES = (np.arange(SIDE) + 0.5) / SIDE  # of the cells, shares of the box's side


class Silhouettes:
    """Row i is row i of the table of tracks. Detections without masks for longer than `seconds` end what is known."""

    def __init__(self, *, seconds: float = 1.0) -> None:
        self.rasters: BoolArray = np.zeros((0, SIDE, SIDE), dtype=bool)  # (n, SIDE, SIDE) rows and columns of each box
        self.masked_at = np.zeros(0)  # (n,) seconds: when a detection told the mask; -inf where none is known
        self._seconds = seconds
        self._columns = Columns(self, ("rasters", "masked_at"))

    @property
    def known(self) -> BoolArray:
        """Whether a mask is known of each track (n,)."""
        return np.asarray(self.masked_at > -np.inf)

    def weighed(self, candidates: Candidates, boxes: FloatArray, seen: Seen | None, weight: float) -> Candidates:
        """The same pairs at (1 - w) cost + w (1 - IoU of the masks), where both masks are known.

        `boxes`: where the tracks are predicted (n, 4). `seen`: the masks of this frame's detections.
        """
        if weight == 0 or seen is None or len(candidates) == 0:
            return candidates
        pairs = np.flatnonzero(self.known[candidates.rows] & seen.known[candidates.columns])
        rows, columns = candidates.rows[pairs], candidates.columns[pairs]
        alike = mask_iou_pairs(boxes[rows], self.rasters[rows], seen.boxes[columns], seen.rasters[columns])
        cost = candidates.cost.copy()
        cost[pairs] = (1 - weight) * cost[pairs] + weight * (1 - alike)
        return Candidates(candidates.rows, candidates.columns, cost, candidates.shape)

    def covered(self, hidden: IntArray, front: IntArray, boxes: FloatArray) -> FloatArray:
        """Share 0..1 of the mask of each track `hidden` (k,) under that of `front` (k,); NaN where one is unknown."""
        shares = np.full(len(hidden), np.nan)
        pairs = np.flatnonzero(self.known[hidden] & self.known[front])
        behind, before = hidden[pairs], front[pairs]
        x, y = _cells(boxes[behind])
        under = _inside(boxes[before], self.rasters[before], x, y) & self.rasters[behind]
        shares[pairs] = under.sum(axis=(1, 2)) / np.maximum(self.rasters[behind].sum(axis=(1, 2)), 1)
        return shares

    def see(self, rows: IntArray, seen: Seen | None, columns: IntArray, time: float) -> None:
        """Tracks `rows` (k,) were matched with detections `columns` (k,) at this time, seconds.

        One that was matched without a mask keeps its last one, which moves with its box, until that is too old. One
        that is matched with nothing keeps it: it is not seen to change.
        """
        if seen is not None:
            masked = seen.known[columns]
            self.rasters[rows[masked]], self.masked_at[rows[masked]] = seen.rasters[columns[masked]], time
        outdated = rows[self.masked_at[rows] < time - self._seconds]
        self.masked_at[outdated] = -np.inf

    def start(self, seen: Seen | None, columns: IntArray, time: float) -> None:
        """New tracks began with detections `columns` (k,) at this time, seconds."""
        if len(columns) == 0:
            return
        if seen is None:
            fresh, masked_at = np.zeros((len(columns), SIDE, SIDE), dtype=bool), np.full(len(columns), -np.inf)
        else:
            fresh, masked_at = seen.rasters[columns], np.where(seen.known[columns], time, -np.inf)
        self._columns.append(rasters=fresh, masked_at=masked_at)

    def keep(self, rows: BoolArray) -> None:
        """Forget the tracks that are not in the mask `rows` (n,)."""
        if not rows.all():
            self._columns.keep(rows)

    def exchange(self, one: int, other: int) -> None:
        """Let two tracks change masks."""
        for column in (self.rasters, self.masked_at):
            column[[one, other]] = column[[other, one]]

    def to_arrays(self) -> State:
        """Everything needed to go on from here."""
        return {"rasters": np.packbits(self.rasters, axis=2), "masked_at": self.masked_at.copy()}

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        self.rasters = np.unpackbits(state["rasters"], axis=2, count=SIDE).astype(bool)
        self.masked_at = state["masked_at"].copy()


class Seen:
    """The masks of one frame's detections as rasters. Row i is row i of the detections."""

    def __init__(self, boxes: FloatArray, masks: Masks) -> None:
        self.boxes = boxes.astype(np.float64)  # (m, 4)
        self.rasters = rasters_of(self.boxes, masks)  # (m, SIDE, SIDE)
        self.known: BoolArray = np.asarray(self.rasters.any(axis=(1, 2)))  # (m,)

    @classmethod
    def of(cls, detections: Detections) -> Seen | None:
        """None where the detections have no masks."""
        if detections.masks is None:
            return None
        boxes = np.where(detections.usable[:, None], detections.boxes, 0)  # others show nothing, and may be no numbers
        return cls(boxes, detections.masks)


def rasters_of(boxes: FloatArray, masks: Masks) -> BoolArray:
    """What n masks say at the middles of the cells of n boxes (n, SIDE, SIDE)."""
    found = np.zeros((len(masks), SIDE, SIDE), dtype=bool)
    x, y = _cells(boxes)
    columns, rows = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    for raster, crop, (left, top), column, row in zip(found, masks.crops, masks.origins, columns, rows, strict=True):
        column, row = column - left, row - top
        inside = np.ix_((row >= 0) & (row < crop.shape[0]), (column >= 0) & (column < crop.shape[1]))
        raster[inside] = crop[np.ix_(row[inside[0][:, 0]], column[inside[1][0]])]
    return found


def mask_iou_pairs(boxes: FloatArray, rasters: BoolArray, others: FloatArray, other_rasters: BoolArray) -> FloatArray:
    """IoU (k,) of k pairs of masks, by their values at the middles of SIDE x SIDE cells of the box around both."""
    hulls = np.concatenate([np.minimum(boxes[:, :2], others[:, :2]), np.maximum(boxes[:, 2:], others[:, 2:])], axis=1)
    x, y = _cells(hulls)
    one, other = _inside(boxes, rasters, x, y), _inside(others, other_rasters, x, y)
    return np.asarray((one & other).sum(axis=(1, 2)) / np.maximum((one | other).sum(axis=(1, 2)), 1))


def _cells(boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """x and y (k, SIDE) of the middles of the cells of boxes (k, 4)."""
    sides = boxes[:, 2:] - boxes[:, :2]
    return boxes[:, :1] + sides[:, :1] * _MIDDLES, boxes[:, 1:2] + sides[:, 1:] * _MIDDLES


def _inside(boxes: FloatArray, rasters: BoolArray, x: FloatArray, y: FloatArray) -> BoolArray:
    """What the masks of k boxes say at all points of columns x and rows y (k, SIDE each): (k, SIDE, SIDE)."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], np.finfo(float).tiny)
    columns = np.floor((x - boxes[:, :1]) / sides[:, :1] * SIDE)
    rows = np.floor((y - boxes[:, 1:2]) / sides[:, 1:] * SIDE)
    here = ((rows >= 0) & (rows < SIDE))[:, :, None] & ((columns >= 0) & (columns < SIDE))[:, None, :]
    row, column = (np.clip(one, 0, SIDE - 1).astype(np.int64) for one in (rows, columns))
    return np.asarray(rasters[np.arange(len(boxes))[:, None, None], row[:, :, None], column[:, None, :]] & here)
