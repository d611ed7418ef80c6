"""Score calibration: how often a detection of a given score is right, known for a detector or learned while it runs.

Scores of two detectors mean different things: 0.3 is right four times in five with one and once in four with another.
A tracker that asks for precisions instead has one setting for all. Nothing tells a running program which detections
are right, but what is real behaves otherwise than what is not. Three steps learn the map from the stream alone:

1. Detections that overlap best, both ways, in successive frames are linked into chains.
2. Detections are of two kinds, high and low, each with its own distribution of what comes next on the chain: a score,
   or nothing. That is a mixture of two (Hofmann 1999, sec. 3.2: score bins are the documents, what comes next the
   words), solved by expectation maximisation. It finds where noise ends even if the noise never goes away.
3. A score is as precise as its detections often have a high one near them on their chain, within `reach_seconds`: a
   person half hidden was or will be seen well, a shadow never is. How often the high ones themselves have one counts
   as always. Scores that mostly have one are high themselves, and it is asked again: where nearly all detections are
   right, the mixture parts the good from the very good. The result is made to rise with the score (isotonic
   regression).

Only the order of scores enters, so another scale of the same scores gives the same precisions. Until much has been seen
a prior counts as `prior_weight` detections a bin: a score taken at its word, which is what detectors are trained for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import import_module

import numpy as np

from trackers.geometry import iou_pairs, meeting
from trackers.structures import BoolArray, Detections, FloatArray, IntArray, State

FORMAT = 1  # version of to_arrays()
_ROUNDING = 1e-6  # seconds; times are sums of frame intervals
_FIRST_FIT = 125  # detections learned from: five bins of the smallest size
_GROWTH = 2.0  # detections learned from at a fit, over those at the fit before: all fits together cost little
_BIN = 25  # detections at least in a bin
_MOSTLY = 0.75  # the support from which on a score that the mixture calls low is high all the same
_WIDENINGS = 2  # times that is asked
_LEAST_SECONDS = 10.0  # learned from before the map is frozen


@dataclass(frozen=True, slots=True, eq=False)
class _Sightings:
    """Detections that were learned from, in order of time. Row i of every column is the same detection."""

    scores: FloatArray  # (n,) float64
    times: FloatArray  # (n,) seconds
    chains: IntArray  # (n,) number of the chain it is on
    before: IntArray  # (n,) row of the one before on its chain, -1 if none


class ScoreCalibration:
    """The precision of one detector's scores in one stream, given or learned, then frozen."""

    def __init__(
        self,
        *,
        known: tuple[Sequence[float], Sequence[float]] | None = None,
        step_seconds: float = 0.06,
        reach_seconds: float = 0.5,
        overlap: float = 0.3,
        bins: int = 20,
        prior_weight: float = 10.0,
        enough: int = 20_000,
    ) -> None:
        """`known`: scores, rising, and their precisions 0..1, not falling; between them the map is linear."""
        if not prior_weight > 0:
            raise ValueError(f"a prior is worth some detections, not {prior_weight}")
        self.step_seconds = step_seconds  # frames closer than this to the last one learned from are passed over
        self.reach_seconds = reach_seconds  # how far along a chain to look for a high score; a longer gap breaks it
        self.overlap = overlap  # smallest IoU of neighbours on a chain
        self.bins = bins  # of equally many detections, at most
        self.prior_weight = prior_weight  # detections a bin that the prior is worth
        self.enough = enough  # detections learned from, after which the next fit is the last: the map is frozen
        self.frozen = known is not None
        self.knots: tuple[FloatArray, FloatArray] = (np.array([0.0, 1.0]), np.array([0.0, 1.0]))  # scores, precisions
        if known is None:
            import_module("scipy.optimize")  # slow to load, and it would keep a stream waiting at the first fit
        else:
            self.knots = _checked(known)
        self._forget()

    def _forget(self) -> None:
        """Nothing has been learned from, or nothing more is going to be."""
        self._time = -np.inf  # seconds, of the last frame learned from
        self._next_fit = _FIRST_FIT  # number of detections learned from
        self._next_chain = 0
        self._last = Detections.empty()  # of the last frame learned from
        self._last_chains: IntArray = np.zeros(0, np.int64)
        self._seen: list[_Sightings] = []
        self._count = 0  # of all in _seen

    def precisions(self, detections: Detections, seconds: float) -> FloatArray:
        """The probability that each of a frame's detections is right (n,) float64 0..1; 0 for a score that is NaN.

        Learns from them first, unless the map is frozen. `seconds`: the frame's time, rising from call to call.
        """
        if not self.frozen and seconds - self._time >= self.step_seconds - _ROUNDING:
            usable = detections.usable
            if usable.any():
                self._learn(detections[usable], seconds)
        return self.known_precisions(detections)

    def known_precisions(self, detections: Detections) -> FloatArray:
        """`precisions` by what has been learned so far; learns nothing."""
        precision = np.interp(detections.scores, *self.knots)
        return np.where(np.isnan(precision), 0.0, precision)

    def to_arrays(self) -> State:
        """The map and, while it is being learned, all that it is learned from."""
        seen = self._gathered()
        return {
            "format": np.array(FORMAT),
            "frozen": np.array(self.frozen),
            "scores": self.knots[0].copy(),
            "precisions": self.knots[1].copy(),
            "time": np.array(self._time),
            "next_fit": np.array(self._next_fit),
            "next_chain": np.array(self._next_chain),
            "last.boxes": self._last.boxes.copy(),
            "last.labels": self._last.labels.copy(),
            "last.chains": self._last_chains.copy(),
        } | {f"sightings.{field.name}": getattr(seen, field.name).copy() for field in fields(_Sightings)}

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        if int(state["format"]) != FORMAT:
            raise ValueError(f"calibration was saved in format {int(state['format'])}, this version reads {FORMAT}")
        self.frozen = bool(state["frozen"])
        self.knots = state["scores"].copy(), state["precisions"].copy()
        self._time = float(state["time"])
        self._next_fit, self._next_chain = int(state["next_fit"]), int(state["next_chain"])
        boxes = state["last.boxes"].copy()
        self._last = Detections(boxes, np.zeros(len(boxes), np.float32), state["last.labels"].copy())
        self._last_chains = state["last.chains"].copy()
        self._seen = [_Sightings(*(state[f"sightings.{field.name}"].copy() for field in fields(_Sightings)))]
        self._count = len(self._seen[0].scores)

    def _gathered(self) -> _Sightings:
        """All sightings as one."""
        if not self._seen:
            return _Sightings(np.zeros(0), np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
        if len(self._seen) > 1:
            columns = ([getattr(part, field.name) for part in self._seen] for field in fields(_Sightings))
            self._seen = [_Sightings(*(np.concatenate(column) for column in columns))]
        return self._seen[0]

    def _learn(self, detections: Detections, seconds: float) -> None:
        """Link a frame's detections to the last one's, and fit anew once enough has come in."""
        order = np.lexsort((detections.labels, *detections.boxes.T, -detections.scores))  # not the detector's
        detections = Detections(detections.boxes[order], detections.scores[order], detections.labels[order])
        chains = np.full(len(detections), -1)
        before = np.full(len(detections), -1)
        if seconds - self._time <= self.reach_seconds + _ROUNDING:
            rows, partners = _mutual(detections, self._last, self.overlap)
            chains[rows] = self._last_chains[partners]
            before[rows] = self._count - len(self._last) + partners
        new = np.flatnonzero(chains < 0)
        chains[new] = self._next_chain + np.arange(len(new))
        self._next_chain += len(new)
        scores = detections.scores.astype(np.float64)
        self._seen.append(_Sightings(scores, np.full(len(scores), seconds), chains, before))
        self._last, self._last_chains = detections, chains
        self._time, self._count = seconds, self._count + len(scores)
        if self._count >= self._next_fit:
            self._next_fit = int(np.ceil(self._count * _GROWTH))
            seen = self._gathered()
            self._fit(seen)
            if self._count >= self.enough and seconds - seen.times[0] >= _LEAST_SECONDS:
                self.frozen = True
                self._forget()

    def _fit(self, seen: _Sightings) -> None:
        """The map from all that has been seen; of scores that are all equal, the one there is."""
        bins, centres = _binned(seen.scores, min(self.bins, len(seen.scores) // _BIN))
        if len(centres) < 2:
            return
        lowest = min(int(np.searchsorted(_high_kind(_successions(seen, bins, len(centres))), 0.5)), len(centres) - 1)
        support, weight = _support(seen, bins, lowest, self.reach_seconds)
        for _ in range(_WIDENINGS):
            rising = _rising(support, weights=weight + self.prior_weight)
            lowest = min(lowest, int(np.searchsorted(rising, _MOSTLY)))
            support, weight = _support(seen, bins, lowest, self.reach_seconds)

        trust = weight + self.prior_weight
        blended = (weight * support + self.prior_weight * np.clip(centres, 0, 1)) / trust
        self.knots = centres, _rising(blended, weights=trust)


def _checked(known: tuple[Sequence[float], Sequence[float]]) -> tuple[FloatArray, FloatArray]:
    """A map that a caller gives, as arrays."""
    scores, precisions = (np.asarray(column, np.float64) for column in known)
    if scores.ndim != 1 or scores.shape != precisions.shape or len(scores) == 0:
        raise ValueError(f"a map is as many precisions as scores, not {precisions.shape} and {scores.shape}")
    if not (np.isfinite(scores).all() and (np.diff(scores) > 0).all()):
        raise ValueError(f"the scores of a map rise, not {scores.tolist()}")
    if not ((precisions >= 0) & (precisions <= 1)).all() or (np.diff(precisions) < 0).any():
        raise ValueError(f"the precisions of a map are 0 to 1 and do not fall, not {precisions.tolist()}")
    return scores, precisions


def _mutual(a: Detections, b: Detections, overlap: float) -> tuple[IntArray, IntArray]:
    """Rows of `a` and of `b` that are each other's best by IoU among those of their class."""
    if len(a) == 0 or len(b) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    rows, columns = meeting(a.boxes, b.boxes)
    near = iou_pairs(a.boxes[rows], b.boxes[columns])
    near[a.labels[rows] != b.labels[columns]] = 0
    enough = (near >= overlap).nonzero()[0]
    enough = enough[np.lexsort((-columns[enough], -rows[enough], near[enough]))]  # the best comes last and stays
    rows, columns = rows[enough], columns[enough]
    best, back = np.full(len(a), -1), np.full(len(b), -1)
    best[rows], back[columns] = columns, rows
    mutual = ((best >= 0) & (back[best] == np.arange(len(a)))).nonzero()[0]
    return mutual, best[mutual]


def _binned(scores: FloatArray, bins: int) -> tuple[IntArray, FloatArray]:
    """The bin of each score (n,), and the median score of each bin: about equally many a bin, equal ones in one."""
    ranked = np.sort(scores)
    cuts = np.unique(ranked[np.arange(1, bins) * len(scores) // max(bins, 1)])
    cuts = cuts[cuts > ranked[0]] if len(ranked) else cuts
    edges = np.concatenate([[0], np.searchsorted(ranked, cuts), [len(ranked)]])
    centres = ranked[(edges[:-1] + edges[1:] - 1) // 2] if len(ranked) else ranked
    return np.searchsorted(cuts, scores, side="right"), centres


def _successions(seen: _Sightings, bins: IntArray, count: int) -> FloatArray:
    """How often a detection of each bin (rows) has a neighbour of each bin on its chain, or, last column, none.

    Neighbours before and after count alike; in the first frame nothing is known of before, in the last of after.
    """
    linked = seen.before >= 0
    pairs = np.bincount(bins[seen.before[linked]] * count + bins[linked], minlength=count * count)
    pairs = pairs.reshape(count, count)
    followed = np.zeros(len(bins), dtype=bool)
    followed[seen.before[linked]] = True
    alone = np.bincount(bins[~followed & (seen.times < seen.times[-1])], minlength=count)
    alone += np.bincount(bins[~linked & (seen.times > seen.times[0])], minlength=count)
    return np.concatenate([pairs + pairs.T, alone[:, None]], axis=1).astype(np.float64)


def _high_kind(successions: FloatArray, *, rounds: int = 30, still: float = 1e-3) -> FloatArray:
    """Share of the high kind in each bin (k,), not falling, from what follows what (k, k + 1).

    Expectation: P(kind | bin i, outcome j) ~ P(kind | i) P(j | kind). Maximisation: both from the expected counts.
    At most so many `rounds`, until none moves a share by more than `still`.
    """
    total = successions.sum(axis=1)
    high = np.clip((np.cumsum(total) - total / 2) / max(total.sum(), 1), 0.02, 0.98)  # to begin with, the rank
    for _ in range(rounds):
        odds = high / (1 - high)
        if_high, if_low = high @ successions + 1e-3, (1 - high) @ successions + 1e-3
        ratio = (if_high / if_high.sum()) / (if_low / if_low.sum())
        joint = odds[:, None] * ratio
        before, high = high, ((joint / (1 + joint) * successions).sum(axis=1) + 0.5) / (total + 1)
        if np.abs(high - before).max() < still:
            break
    return _rising(high, weights=total + 1)


def _rising(values: FloatArray, *, weights: FloatArray) -> FloatArray:
    """The nearest values (k,) that never fall, by least squares."""
    from scipy.optimize import isotonic_regression  # loaded by who learns; see ScoreCalibration

    return np.asarray(isotonic_regression(values, weights=weights).x)


def _support(seen: _Sightings, bins: IntArray, lowest: int, reach: float) -> tuple[FloatArray, FloatArray]:
    """How often each bin's detections have a high one near, against those that are high, and how many tell so (k,).

    High are the bins from `lowest` on. Only detections count of which it is known what came after. Where chains break,
    by low frame rate or fast motion, even high ones often have none near, and all of them tell less.
    """
    count = int(bins.max()) + 1
    newest, oldest = seen.times[-1], seen.times[0]
    told = seen.times <= newest - min(reach, (newest - oldest) / 2)
    total = np.bincount(bins[told], minlength=count)
    near = np.bincount(bins[told & _near_high(seen, bins >= lowest, reach)], minlength=count)
    usual = near[lowest:].sum() / max(total[lowest:].sum(), 1)
    expected = total * usual
    support = np.divide(near, expected, out=np.zeros(count), where=expected > 0)
    return np.minimum(support, 1), expected * usual


def _near_high(seen: _Sightings, high: BoolArray, reach: float) -> BoolArray:
    """Which sightings have another one that is `high` (n,) on their chain, at most `reach` seconds away (n,)."""
    order = np.argsort(seen.chains, kind="stable")
    chains, times, high = seen.chains[order], seen.times[order], high[order]
    row = np.arange(len(order))
    latest = np.maximum.accumulate(np.where(high, row, -1))
    latest = np.concatenate([[-1], latest[:-1]])  # high one before
    soonest = np.minimum.accumulate(np.where(high, row, len(row))[::-1])[::-1]
    soonest = np.concatenate([soonest[1:], [len(row)]])  # high one after
    found = np.zeros(len(row), dtype=bool)
    for other in (latest, soonest):
        there = np.clip(other, 0, len(row) - 1)
        near = np.abs(times[there] - times) <= reach + _ROUNDING
        found |= (other == there) & (chains[there] == chains) & near
    supported = np.zeros(len(row), dtype=bool)
    supported[order] = found
    return supported
