"""What each track looked like: a gallery of exemplars and a running mean, and the cosine cost of new features."""

from __future__ import annotations

import numpy as np

from trackers.association import distinct
from trackers.structures import BoolArray, FloatArray, IntArray, State

_DENSE = 32  # all pairs of tracks and features, over those asked for, up to which a matrix product is cheaper


class Gallery:
    """The last `budget` features of every track, and their exponential running mean. Row i is track i.

    Memory is (tracks, budget, dimension) float32, far too much to move whenever a track is born or ends. So exemplars
    lie in a pool in which a track keeps its slot for life. `dimension` is learned from the first features.
    """

    def __init__(self, *, budget: int = 100, momentum: float = 0.9) -> None:
        self.budget = budget  # L_k of Wojke et al. 2017, sec. 2.2
        self.momentum = momentum  # weight of the past in the running mean
        self._pool = np.zeros((0, budget, 0), np.float32)  # (slots, budget, d)
        self._slots = np.zeros(0, np.int64)  # each track's row of the pool
        self.counts = np.zeros(0, np.int64)  # features ever taken in; number k lies at k % budget
        self.described_at = np.zeros(0)  # seconds: when the last feature was seen; -inf before, and where nobody said
        self._left_out = np.zeros(0, np.int64)  # features that were none, since the last one that was
        self.means = np.zeros((0, 0), np.float32)  # unit length, zero while a track has no feature

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def exemplars(self) -> FloatArray:
        """A copy of what is remembered of every track (n, budget, d), of which only the filled rows mean something."""
        return self._pool[self._slots]

    def start(self, tracks: int, features: FloatArray | None, *, at: float = -np.inf) -> None:
        """Append rows for new tracks with their first features (tracks, d), or none. `at`: as for `add`."""
        if tracks == 0:
            return
        if features is not None:
            self._widen(features.shape[1])
        self._slots = np.concatenate([self._slots, self._free_slots(tracks)])
        self.means = np.concatenate([self.means, np.zeros((tracks, self.means.shape[1]), np.float32)])
        self.counts = np.concatenate([self.counts, np.zeros(tracks, np.int64)])
        self.described_at = np.concatenate([self.described_at, np.full(tracks, -np.inf)])
        self._left_out = np.concatenate([self._left_out, np.zeros(tracks, np.int64)])
        if features is not None:
            self.add(np.arange(len(self) - tracks, len(self)), features, at=at)

    def add(self, rows: IntArray, features: FloatArray, *, at: float = -np.inf) -> None:
        """Take in one new feature (k, d) for each of the tracks `rows` (k,); one that is not finite is left out.

        The next one of the same track weighs as much more in the mean as if it had been seen then, too. `at`: when
        they were seen, seconds.
        """
        self._widen(features.shape[1])
        finite = _finite(features)
        if not finite.all():
            self._left_out[rows[~finite]] += 1
            rows, features = rows[finite], features[finite]
        counts, means = self.counts[rows], self.means[rows]
        self._pool[self._slots[rows], counts % self.budget] = features
        weight = np.where(counts == 0, 0, self.momentum ** (1 + self._left_out[rows])).astype(np.float32)[:, None]
        mixed = weight * means + (1 - weight) * features
        length = np.sqrt(np.einsum("nd,nd->n", mixed, mixed))[:, None]
        self.means[rows] = np.divide(mixed, length, out=np.zeros_like(mixed), where=length > 0)
        self.counts[rows] = counts + 1
        self.described_at[rows], self._left_out[rows] = at, 0

    def keep(self, mask: BoolArray) -> None:
        """Forget the other tracks."""
        if mask.all():
            return
        self._slots, self.means, self.counts = self._slots[mask], self.means[mask], self.counts[mask]
        self.described_at, self._left_out = self.described_at[mask], self._left_out[mask]

    def cost(self, rows: IntArray, features: FloatArray) -> FloatArray:
        """d2(i, j) = min_k 1 - r_j . r_k(i) of track i and feature j (n, m), 0..2 (Wojke et al. 2017, eq. 3).

        Infinite for a track that has no feature yet, and for a feature that is not finite.
        """
        shape = len(rows), len(features)
        every = np.indices(shape).reshape(2, -1)
        return self.pair_cost(rows[every[0]], every[1], features).reshape(shape)

    def pair_cost(self, rows: IntArray, columns: IntArray, features: FloatArray) -> FloatArray:
        """`cost` of the pairs of track `rows` (p,) and feature `columns` (p,) alone: (p,)."""
        self._widen(features.shape[1])
        cost = np.full(len(rows), np.inf)
        known = np.flatnonzero((self.counts[rows] > 0) & _finite(features)[columns])
        if len(known) == 0:
            return cost
        rows, columns = rows[known], columns[known]
        slots = self._slots[rows]
        deepest = int(np.minimum(self.counts[rows].max(), self.budget))
        asked = distinct(slots)
        if 2 * len(asked) > asked[-1]:  # cheaper to compare a few in vain than to copy exemplars
            asked = np.arange(asked[-1] + 1)
            exemplars = self._pool[: len(asked), :deepest]
        else:
            exemplars = self._pool[asked, :deepest]
        filled = np.zeros(len(asked), np.int64)
        group = np.searchsorted(asked, slots)
        filled[group] = self.counts[rows]
        place = _places(group)
        looks = np.zeros((len(asked), place.max() + 1, features.shape[1]), np.float32)
        looks[group, place] = features[columns]
        similarity = looks @ exemplars.transpose(0, 2, 1)
        empty = np.arange(deepest) >= filled[:, None]
        if empty.any():
            np.copyto(similarity, -np.inf, where=empty[:, None, :])
        cost[known] = 1 - similarity.max(axis=2)[group, place]
        return cost

    def mean_cost(self, rows: IntArray, features: FloatArray) -> FloatArray:
        """1 - cosine of each feature (m, d) and each track's running mean (n, m), 0..2; infinite as in `cost`."""
        self._widen(features.shape[1])
        finite = _finite(features)
        cost = 1 - self.means[rows] @ np.where(finite[:, None], features, 0).T
        cost[(self.counts[rows] == 0)[:, None] | ~finite] = np.inf
        return np.asarray(cost)

    def mean_pair_cost(self, rows: IntArray, columns: IntArray, features: FloatArray) -> FloatArray:
        """`mean_cost` of the pairs of track `rows` (p,) and feature `columns` (p,) alone: (p,)."""
        if len(rows) * _DENSE > len(self) * len(features):  # cheaper to compare all than to copy for each pair
            return np.asarray(self.mean_cost(np.arange(len(self)), features)[rows, columns])
        self._widen(features.shape[1])
        finite = _finite(features)
        cost = 1 - np.einsum("pd,pd->p", self.means[rows], np.where(finite[:, None], features, 0)[columns])
        cost[(self.counts[rows] == 0) | ~finite[columns]] = np.inf
        return np.asarray(cost)

    def to_arrays(self) -> State:
        """Everything but the settings; of the exemplars only as many as the fullest track has."""
        deepest = int(np.minimum(self.counts, self.budget).max(initial=0))
        exemplars = self._pool[self._slots, :deepest]
        exemplars[np.arange(deepest) >= self.counts[:, None]] = 0  # what a slot's earlier track left there
        return {
            "budget": np.array(self.budget),
            "exemplars": exemplars,
            "means": self.means.copy(),
            "counts": self.counts.copy(),
            "described_at": self.described_at.copy(),
            "left_out": self._left_out.copy(),
        }

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        if int(state["budget"]) != self.budget:
            raise ValueError(
                f"the saved gallery holds up to {int(state['budget'])} exemplars a track, not {self.budget}"
            )
        tracks, deepest, dimension = state["exemplars"].shape
        self._pool, self._slots = np.zeros((tracks, self.budget, dimension), np.float32), np.arange(tracks)
        self._pool[:, :deepest] = state["exemplars"]
        self.means, self.counts = state["means"].copy(), state["counts"].copy()
        self.described_at, self._left_out = state["described_at"].copy(), state["left_out"].copy()

    def _widen(self, dimension: int) -> None:
        """Learn the feature length; all rows are empty until then."""
        known = self.means.shape[1]
        if known == dimension:
            return
        if self.counts.any():
            raise ValueError(f"features have {dimension} numbers, those before had {known}")
        self._pool, self._slots = np.zeros((len(self), self.budget, dimension), np.float32), np.arange(len(self))
        self.means = np.zeros((len(self), dimension), np.float32)

    def _free_slots(self, count: int) -> IntArray:
        """The first slots that no track has (count,); the pool doubles when they run out."""
        needed = len(self) + count
        if needed > len(self._pool):
            larger = np.zeros((max(needed, 2 * len(self._pool)), *self._pool.shape[1:]), np.float32)
            larger[: len(self._pool)] = self._pool
            self._pool = larger
        free = np.ones(needed, dtype=bool)
        free[self._slots[self._slots < needed]] = False
        return np.flatnonzero(free)[:count]


def _places(groups: IntArray) -> IntArray:
    """How many pairs of the same group come before each of the pairs (p,)."""
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    places = np.empty_like(order)
    places[order] = np.arange(len(groups)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return places


def _finite(features: FloatArray) -> BoolArray:
    """Which features (k, d) an embedder got right (k,)."""
    return np.asarray(np.isfinite(features).all(axis=1))
