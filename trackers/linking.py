"""Which tracks of a recording are pieces of one object: the likeliest links among all pieces at once.

A piece that ends and one that begins later are one object or two. The log odds of the two explanations are

    log N(x_j - F x_i; 0, F P_i F^T + Q + P_j)  -  log(density of newcomers)

where x_i, P_i is the state at the end of the first piece, filtered forwards, x_j, P_j that at the beginning of the
second, filtered backwards, both with velocity, and F, Q span the time between. Newcomers come at the rate at which
tracks begin in this recording, anywhere in the picture, with any size and speed of the order of a box height: what in
an empty square is a safe link would be a guess in a crowd. The covariance grows with the gap, and so does its
determinant in N: long gaps prove little. Looks that differ forbid a link; looks that are alike multiply its odds by how
rare that is among tracks seen at the same time, which are surely of different objects.

Links are chosen as Zhang, Li & Nevatia 2008 (sec. 3) choose theirs: at most one into and one out of every piece, such
that the sum of the log odds is the greatest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from trackers import kalman
from trackers.structures import BoolArray, FloatArray, IntArray

_SIGHTINGS = 30  # of each end; those further away say nothing of the state there
_CONTEMPORARIES = 16  # a piece's looks are compared with; more would tell the same
_BLOCK = 4096  # pairs compared at once: bounds memory


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Tracks that may belong together. Row i of every column but the sightings is the same piece."""

    first: FloatArray  # (n,) seconds, of its first row
    last: FloatArray  # (n,) seconds, of its last row
    labels: IntArray  # (n,) class
    starts: IntArray  # (n + 1,) its sightings are starts[i] .. starts[i + 1] of the two columns below
    times: FloatArray  # (m,) seconds of each sighting, rising within a piece
    boxes: FloatArray  # (m, 4) float64 measured boxes, pixels
    looks: FloatArray | None = None  # (n, d) unit length, NaN where not described; None: nothing is

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True, slots=True, eq=False)
class _Ends:
    """One end of every piece, as the filter knows it there."""

    mean: FloatArray  # (n, d)
    covariance: FloatArray  # (n, d, d)
    heights: FloatArray  # (n,) of the box measured there, pixels

    def __getitem__(self, rows: IntArray) -> _Ends:
        return _Ends(self.mean[rows], self.covariance[rows], self.heights[rows])


def link(
    pieces: Pieces,
    model: kalman.MotionModel,
    *,
    seconds: float,
    odds: float,
    newcomers: float,
    appearance_limit: float,
) -> IntArray:
    """The piece that each piece goes on in (n,), -1 where it ends.

    `seconds`: the longest time between two. `odds`: how many times likelier one object must be than two. `newcomers`:
    tracks that begin, per second and square pixel of the picture. `appearance_limit`: the largest cosine distance of
    two pieces' looks; pieces without looks are told apart by motion alone.
    """
    following = np.full(len(pieces), -1, np.int64)
    before, after = _candidates(pieces, seconds)
    if not len(before):
        return following
    distance = _distances(pieces, before, after)
    allowed = ~(distance > appearance_limit)  # unknown ones are
    before, after, distance = before[allowed], after[allowed], distance[allowed]
    gain = log_odds(pieces, model, before, after, newcomers=newcomers) - np.log(odds)
    gain[np.isfinite(distance)] -= np.log(_chance_alike(pieces, appearance_limit))
    better = gain > 0
    rows, columns = choose(before[better], after[better], gain[better])
    following[rows] = columns
    return following


def chains(following: IntArray) -> IntArray:
    """The first piece of the chain that each piece is in (n,). `following` (n,): as from `link`."""
    heads = np.arange(len(following))
    preceding = np.full(len(following), -1, np.int64)
    preceding[following[following >= 0]] = np.flatnonzero(following >= 0)
    while (preceding[heads] >= 0).any():
        heads = np.where(preceding[heads] >= 0, preceding[heads], heads)
    return heads


def _candidates(pieces: Pieces, seconds: float) -> tuple[IntArray, IntArray]:
    """Pairs (k,), (k,) of seen pieces of one class of which the second begins after the first ended, not too late."""
    order = np.argsort(pieces.first, kind="stable")
    begins = pieces.first[order]
    low = np.searchsorted(begins, pieces.last, "right")
    before, place = _spans(low, np.searchsorted(begins, pieces.last + seconds, "right"))
    after = order[place]
    seen = np.diff(pieces.starts) > 0
    fit = seen[before] & seen[after] & (pieces.labels[before] == pieces.labels[after])
    return before[fit], after[fit]


def _spans(low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
    """Each row with the numbers from low[row] to high[row], the latter not included (k,), (k,)."""
    counts = np.maximum(high - low, 0)
    row = np.repeat(np.arange(len(low)), counts)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts - low, counts)


def _distances(pieces: Pieces, one: IntArray, other: IntArray) -> FloatArray:
    """Cosine distance of each pair's looks (k,), NaN where one has none."""
    if pieces.looks is None:
        return np.full(len(one), np.nan)
    return np.asarray(1 - (pieces.looks[one] * pieces.looks[other]).sum(axis=1))


def _chance_alike(pieces: Pieces, limit: float) -> float:
    """Share of the pairs of one class seen at one time that look alike, one more counted among them than there are."""
    order = np.argsort(pieces.first, kind="stable")
    low = np.argsort(order) + 1  # those that begin later
    high = np.searchsorted(pieces.first[order], pieces.last, "right")
    one, place = _spans(low, np.minimum(high, low + _CONTEMPORARIES))
    other = order[place]
    fit = pieces.labels[one] == pieces.labels[other]
    distance = _distances(pieces, one[fit], other[fit])
    return float((np.count_nonzero(distance <= limit) + 1) / (np.count_nonzero(np.isfinite(distance)) + 1))


def log_odds(
    pieces: Pieces, model: kalman.MotionModel, before: IntArray, after: IntArray, *, newcomers: float
) -> FloatArray:
    """Log odds of each pair of seen pieces being one object rather than two (k,). Arguments as in `link`."""
    ends, beginnings = _ends(pieces, model), _beginnings(pieces, model)
    values = np.zeros(len(before))
    for start in range(0, len(before), _BLOCK):
        block = slice(start, start + _BLOCK)
        i, j = before[block], after[block]
        gap = pieces.first[j] - pieces.last[i]
        values[block] = _pair_log_odds(model, ends[i], beginnings[j], gap, newcomers)
    return values


def _pair_log_odds(
    model: kalman.MotionModel, end: _Ends, beginning: _Ends, gap: FloatArray, newcomers: float
) -> FloatArray:
    """Log odds (k,) of ends and beginnings `gap` (k,) seconds apart."""
    mean, covariance = kalman.predict(model, end.mean, end.covariance, gap, end.heights)
    covariance = covariance + beginning.covariance
    difference = beginning.mean - mean
    distance = (difference * np.linalg.solve(covariance, difference[:, :, None])[:, :, 0]).sum(axis=1)
    spread = np.linalg.slogdet(covariance)[1] + model.size * np.log(2 * np.pi)
    heights = np.sqrt(end.heights * beginning.heights)
    units = np.log(model.scales(heights))  # of sizes, then of all velocities
    density = np.log(newcomers) - units[:, 2:].sum(axis=1) - units[:, : model.velocities].sum(axis=1)
    return np.asarray(-(distance + spread) / 2 - density)


def choose(before: IntArray, after: IntArray, gain: FloatArray) -> tuple[IntArray, IntArray]:
    """Of pairs (k,), (k,) worth `gain` (k,) > 0 each, those of the greatest sum in which no piece occurs twice."""
    if not len(before):
        return before, after
    rows, row = np.unique(before, return_inverse=True)
    columns, column = np.unique(after, return_inverse=True)
    alone = np.arange(len(rows))  # a row may take a column of its own, worth nothing
    worth = np.concatenate([gain, np.zeros(len(rows))])
    weights = 1 + gain.max() - worth  # every row takes one column, so that what all weigh more decides nothing
    graph = csr_array(
        (weights, (np.concatenate([row, alone]), np.concatenate([column, len(columns) + alone]))),
        shape=(len(rows), len(columns) + len(rows)),
    )
    chosen = min_weight_full_bipartite_matching(graph)[1]
    linked = chosen < len(columns)
    return rows[linked], columns[chosen[linked]]


def _ends(pieces: Pieces, model: kalman.MotionModel) -> _Ends:
    """States at the last rows, filtered forwards."""
    sightings = pieces.starts[1:, None] - np.arange(_SIGHTINGS, 0, -1)
    own = sightings >= pieces.starts[:-1, None]
    return _filter(model, pieces.times, pieces.boxes, np.where(own, sightings, 0), own, pieces.last)


def _beginnings(pieces: Pieces, model: kalman.MotionModel) -> _Ends:
    """States at the first rows, filtered backwards: time runs the other way, and so do the velocities it gives."""
    sightings = pieces.starts[:-1, None] + np.arange(_SIGHTINGS - 1, -1, -1)
    own = sightings < pieces.starts[1:, None]
    mirrored = _filter(model, -pieces.times, pieces.boxes, np.where(own, sightings, 0), own, -pieces.first)
    sign = np.where(np.arange(model.size) < kalman.MEASURED, 1.0, -1.0)
    return _Ends(mirrored.mean * sign, mirrored.covariance * np.outer(sign, sign), mirrored.heights)


def _filter(
    model: kalman.MotionModel, times: FloatArray, boxes: FloatArray, sightings: IntArray, own: BoolArray, at: FloatArray
) -> _Ends:
    """States of all pieces at the times `at` (n,), after the sightings (n, k) that are their `own` (n, k) in turn."""
    count = len(sightings)
    mean: FloatArray = np.zeros((count, model.size))
    covariance: FloatArray = np.zeros((count, model.size, model.size))
    heights, now, begun = np.zeros(count), np.zeros(count), np.zeros(count, dtype=bool)
    for sighting, is_own in zip(sightings.T, own.T, strict=True):
        fresh, going = np.flatnonzero(is_own & ~begun), np.flatnonzero(is_own & begun)
        mean[fresh], covariance[fresh] = kalman.initiate(model, boxes[sighting[fresh]])
        steps = times[sighting[going]] - now[going]
        state = kalman.predict(model, mean[going], covariance[going], steps, heights[going])
        mean[going], covariance[going] = kalman.update(model, *state, boxes[sighting[going]])
        seen = boxes[sighting[is_own]]
        heights[is_own], now[is_own] = seen[:, 3] - seen[:, 1], times[sighting[is_own]]
        begun |= is_own
    mean, covariance = kalman.predict(model, mean, covariance, np.where(begun, at - now, 0), heights)
    return _Ends(mean, covariance, heights)
