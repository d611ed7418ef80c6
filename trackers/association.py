"""Which detection belongs to which track: costs, gates and the assignment. Rows are tracks, columns detections."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import linear_sum_assignment

from trackers.geometry import iou_matrix
from trackers.structures import BoolArray, Detections, FloatArray, IntArray

CostFunction = Callable[[IntArray, IntArray], FloatArray]  # (track rows n, detection rows m) -> (n, m)


def iou_cost(tracks: FloatArray, detections: FloatArray) -> FloatArray:
    """1 - IoU of predicted boxes (n, 4) and detected ones (m, 4): (n, m)."""
    return np.asarray(1 - iou_matrix(tracks, detections))


def fuse_scores(cost: FloatArray, scores: FloatArray) -> FloatArray:
    """1 - (1 - cost) * score of each column's detection (m,), as ByteTrack's released tracker does."""
    return np.asarray(1 - (1 - cost) * scores[None, :])


def forbid(cost: FloatArray, allowed: BoolArray) -> FloatArray:
    """Set the pairs that a gate (n, m) does not allow to infinite cost."""
    return np.where(allowed, cost, np.inf)


def same_class(tracks: IntArray, detections: IntArray) -> BoolArray:
    """Gate of equal labels (n, m)."""
    return np.asarray(tracks[:, None] == detections[None, :])


def overlap(boxes: FloatArray, labels: IntArray, detections: Detections) -> CostFunction:
    """1 - IoU of tracks, given by predicted boxes (n, 4) and labels (n,), with detections of their class."""

    def cost(rows: IntArray, columns: IntArray) -> FloatArray:
        distance = iou_cost(boxes[rows], detections.boxes[columns])
        return forbid(distance, same_class(labels[rows], detections.labels[columns]))

    return cost


def scored_overlap(boxes: FloatArray, labels: IntArray, detections: Detections) -> CostFunction:
    """`overlap`, in which of two detections that overlap a track alike the surer one is the cheaper."""
    plain = overlap(boxes, labels, detections)
    return lambda rows, columns: fuse_scores(plain(rows, columns), detections.scores[columns])


def assign(cost: FloatArray, *, limit: float) -> tuple[IntArray, IntArray]:
    """Rows and columns of the cheapest one-to-one pairing of cost (n, m).

    Leaving a row and a column unpaired costs `limit`, so no pair dearer than that is made; infinite, it makes as many
    pairs as can be. NaN and infinity in `cost` are pairs that cannot be.
    """
    allowed = np.isfinite(cost) & (cost <= limit)
    rows, columns = np.nonzero(allowed)
    if len(rows) == len(set(rows.tolist())) == len(set(columns.tolist())):  # nobody has a choice
        return rows, columns
    rows, columns = np.flatnonzero(allowed.any(axis=1)), np.flatnonzero(allowed.any(axis=0))
    inner = np.ix_(rows, columns)
    dearest, cheapest = cost[allowed].max(), cost[allowed].min()
    most = min(len(rows), len(columns)) * (dearest - cheapest) + abs(dearest) + 1  # no pair is worth giving up for more
    i, j = linear_sum_assignment(np.where(allowed[inner], cost[inner], min(limit, most)))
    kept = allowed[inner][i, j]
    return rows[i[kept]], columns[j[kept]]


def surest_first(mask: BoolArray, detections: Detections) -> IntArray:
    """Rows of a mask (m,) by falling score, equal ones by box: an order that no detector's row order can change."""
    rows = np.flatnonzero(mask)
    if len(rows) < 2:
        return rows
    return rows[np.lexsort((*detections.boxes[rows].T, -detections.scores[rows]))]


class Pairing:
    """One frame's bookkeeping over the stages of a tracker: who is still free, who belongs to whom."""

    def __init__(self, tracks: int, detections: int, *, without: BoolArray | None = None) -> None:
        """`without`: tracks (n,) that get no detection."""
        self._open = np.ones(tracks, dtype=bool) if without is None else ~without
        self.detection_of = np.full(tracks, -1, np.int64)  # row of each track's detection, -1 while free
        self.free = np.ones(detections, dtype=bool)  # detections that no track has taken

    def match(self, tracks: BoolArray, detections: BoolArray, cost: CostFunction, *, limit: float) -> None:
        """Pair the free ones among `tracks` (n,) and `detections` (m,), both given as masks over all rows."""
        rows = np.flatnonzero(tracks & self._open & (self.detection_of < 0))
        columns = np.flatnonzero(detections & self.free)
        if len(rows) == 0 or len(columns) == 0:
            return
        i, j = assign(cost(rows, columns), limit=limit)
        self.detection_of[rows[i]] = columns[j]
        self.free[columns[j]] = False

    @property
    def matched(self) -> IntArray:
        """Rows of the tracks that have a detection (k,)."""
        return np.flatnonzero(self.detection_of >= 0)
