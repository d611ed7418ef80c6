"""Which detection belongs to which track: costs, gates and the assignment. Rows are tracks, columns detections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trackers.assignment import best_assignment
from trackers.geometry import iou_pairs, meeting
from trackers.structures import BoolArray, Detections, FloatArray, Index, IntArray

_FEW = 64  # pairs from which it pays to settle the sure ones first
CostFunction = Callable[[IntArray, IntArray], FloatArray]  # (track rows n, detection rows m) -> (n, m)


def same_class(tracks: IntArray, detections: IntArray) -> BoolArray:
    """Gate of equal labels (n, m)."""
    return np.asarray(tracks[:, None] == detections[None, :])


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The pairs of a track and a detection that may belong together; no other pair can be. Row i is one pair.

    Of a thousand tracks and a thousand detections only some thousand pairs are near each other, so that keeping those
    is much cheaper than a matrix of all. As a CostFunction it gives that matrix, infinite where there is no pair.
    """

    rows: IntArray  # (p,) track
    columns: IntArray  # (p,) detection
    cost: FloatArray  # (p,)
    shape: tuple[int, int]  # number of tracks and of detections

    def __len__(self) -> int:
        return len(self.rows)

    def __call__(self, rows: IntArray, columns: IntArray) -> FloatArray:
        matrix = np.full(self.shape, np.inf)
        matrix[self.rows, self.columns] = self.cost
        return matrix.take(rows, axis=0).take(columns, axis=1)

    def __getitem__(self, index: Index) -> Candidates:
        return Candidates(self.rows[index], self.columns[index], self.cost[index], self.shape)

    @classmethod
    def of(cls, cost: FloatArray, *, limit: float) -> Candidates:
        """Those of a matrix (n, m) that cost up to `limit`."""
        flat = np.flatnonzero((cost <= limit) & np.isfinite(cost))
        rows, columns = np.divmod(flat, cost.shape[1])
        return cls(rows, columns, cost.reshape(-1)[flat], cost.shape)


def overlap(
    boxes: FloatArray, labels: IntArray, detections: Detections, *, among: BoolArray | None = None
) -> Candidates:
    """1 - IoU of tracks, given by predicted boxes (n, 4) and labels (n,), with detections of their class they touch.

    `among`: the detections (m,) that are looked at, usable ones all; None for every usable one.
    """
    seen = (detections.usable if among is None else among).nonzero()[0]
    found = detections.boxes[seen].astype(np.float64)
    rows, near = meeting(boxes, found)
    columns = seen[near]
    alike = labels[rows] == detections.labels[columns]
    if not alike.all():
        rows, near, columns = rows[alike], near[alike], columns[alike]
    return Candidates(rows, columns, 1 - iou_pairs(boxes[rows], found[near]), (len(boxes), len(detections)))


def heightened(candidates: Candidates, boxes: FloatArray, detections: Detections, weight: float) -> Candidates:
    """The same pairs at 1 - IoU * (IoU of their vertical extents) ** `weight`.

    With weight 1 the Height Modulated IoU of Yang et al. 2024 (Hybrid-SORT). Who stands behind whom differs in height.
    """
    if weight == 0 or len(candidates) == 0:
        return candidates
    _, top, _, bottom = boxes[candidates.rows].T
    _, other_top, _, other_bottom = detections.boxes[candidates.columns].astype(np.float64).T
    shared = np.maximum(np.minimum(bottom, other_bottom) - np.maximum(top, other_top), 0)
    joint = np.maximum(bottom, other_bottom) - np.minimum(top, other_top)
    alike = np.divide(shared, joint, out=np.zeros_like(shared), where=joint > 0)
    cost = 1 - (1 - candidates.cost) * alike**weight
    return Candidates(candidates.rows, candidates.columns, cost, candidates.shape)


def alike_in_score(candidates: Candidates, tracks: FloatArray, detections: FloatArray, weight: float) -> Candidates:
    """The same pairs, dearer by `weight` times the difference of scores, of tracks (n,) and detections (m,).

    The confidence cost of Yang et al. 2024 (Hybrid-SORT), with a track's last score for its predicted one.
    """
    if weight == 0:
        return candidates
    difference = np.abs(tracks[candidates.rows] - detections[candidates.columns])
    return Candidates(candidates.rows, candidates.columns, candidates.cost + weight * difference, candidates.shape)


def scored(candidates: Candidates, scores: FloatArray) -> Candidates:
    """The same pairs at 1 - (1 - cost) * score of the detection, `scores` (m,), as in ByteTrack's released tracker."""
    cost = 1 - (1 - candidates.cost) * scores[candidates.columns]
    return Candidates(candidates.rows, candidates.columns, cost, candidates.shape)


def assign(cost: FloatArray, *, limit: float) -> tuple[IntArray, IntArray]:
    """Rows and columns of the cheapest one-to-one pairing of cost (n, m).

    Leaving a row and a column unpaired costs `limit`, so no pair dearer than that is made; infinite, it makes as many
    pairs as can be. NaN and infinity in `cost` are pairs that cannot be.
    """
    rows, columns = assign_candidates(Candidates.of(cost, limit=limit), limit=limit)
    order = np.argsort(rows)
    return rows[order], columns[order]


def assign_candidates(candidates: Candidates, *, limit: float) -> tuple[IntArray, IntArray]:
    """`assign` for pairs of which each costs up to `limit`; in no order.

    A pair that gains more over leaving both sides alone than the best other pair of its row and the best other pair of
    its column together is in every cheapest pairing: whatever these two gain without it, it gains more. In most scenes
    that settles most pairs and leaves few for the assignment algorithm.
    """
    rows, columns, cost = candidates.rows, candidates.columns, candidates.cost
    if len(rows) == 0:
        return rows, columns
    dearest, cheapest = cost.max(), cost.min()
    most = min(len(rows), *candidates.shape) * (dearest - cheapest) + abs(dearest) + 1  # worth more than any saving
    gain = min(limit, most) - cost
    tracks, detections = candidates.shape
    if len(rows) <= _FEW:
        return _most_gained(rows, columns, gain)
    sure = gain > _best_rival(rows, gain, tracks) + _best_rival(columns, gain, detections)
    settled, taken = rows[sure], columns[sure]
    open_row, open_column = np.ones(tracks, dtype=bool), np.ones(detections, dtype=bool)
    open_row[settled], open_column[taken] = False, False
    left = open_row[rows] & open_column[columns]
    if left.any():
        i, j = _most_gained(rows[left], columns[left], gain[left])
        settled, taken = np.concatenate([settled, i]), np.concatenate([taken, j])
    return settled, taken


def _best_rival(sides: IntArray, gain: FloatArray, count: int) -> FloatArray:
    """What the best other pair of the same side gains, for each of the pairs (p,); 0 if it has no other."""
    best, second = np.zeros(count), np.zeros(count)
    np.maximum.at(best, sides, gain)
    leading = gain == best[sides]
    np.maximum.at(second, sides[~leading], gain[~leading])
    alone = np.bincount(sides[leading], minlength=count) == 1
    return np.where(leading & alone[sides], second[sides], best[sides])


def _most_gained(rows: IntArray, columns: IntArray, gain: FloatArray) -> tuple[IntArray, IntArray]:
    """The one-to-one choice among pairs that gains most in all, by scipy's assignment over their rows and columns."""
    own_rows, own_columns = distinct(rows), distinct(columns)
    i, j = np.searchsorted(own_rows, rows), np.searchsorted(own_columns, columns)
    gains = np.zeros((len(own_rows), len(own_columns)))
    possible = np.zeros(gains.shape, dtype=bool)
    gains[i, j], possible[i, j] = gain, True
    taken, given = best_assignment(gains)
    chosen = possible[taken, given]
    return own_rows[taken[chosen]], own_columns[given[chosen]]


def distinct(numbers: IntArray) -> IntArray:
    """The different ones among row numbers (p,), rising: np.unique for small numbers, several times as fast."""
    present = np.zeros(numbers.max(initial=-1) + 1, dtype=bool)
    present[numbers] = True
    return present.nonzero()[0]


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
        tracks = self.open_tracks(tracks)
        detections = detections & self.free
        if isinstance(cost, Candidates):
            keep = tracks[cost.rows] & detections[cost.columns] & (cost.cost <= limit) & np.isfinite(cost.cost)
            rows, columns = assign_candidates(cost[keep.nonzero()[0]], limit=limit)
        else:
            rows, columns = np.flatnonzero(tracks), np.flatnonzero(detections)
            if len(rows) == 0 or len(columns) == 0:
                return
            i, j = assign(cost(rows, columns), limit=limit)
            rows, columns = rows[i], columns[j]
        self.detection_of[rows] = columns
        self.free[columns] = False

    def open_tracks(self, tracks: BoolArray) -> BoolArray:
        """Which of these `tracks` (n,) may still get a detection (n,)."""
        return np.asarray(tracks & self._open & (self.detection_of < 0))

    def exchange(self, one: int, other: int) -> None:
        """Let two tracks change detections."""
        self.detection_of[[one, other]] = self.detection_of[[other, one]]

    @property
    def matched(self) -> IntArray:
        """Rows of the tracks that have a detection (k,)."""
        return (self.detection_of >= 0).nonzero()[0]
