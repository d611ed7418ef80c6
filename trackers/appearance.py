"""What each track looked like: a gallery of exemplars and a running mean, and the cosine cost of new features."""

from __future__ import annotations

import numpy as np

from trackers.structures import BoolArray, FloatArray, IntArray, State


class Gallery:
    """The last `budget` features of every track, and their exponential running mean. Row i is track i.

    Memory is (tracks, budget, dimension) float32; `dimension` is learned from the first features.
    """

    def __init__(self, *, budget: int = 100, momentum: float = 0.9) -> None:
        self.budget = budget  # L_k of Wojke et al. 2017, sec. 2.2
        self.momentum = momentum  # weight of the past in the running mean
        self.exemplars = np.zeros((0, budget, 0), np.float32)
        self.counts = np.zeros(0, np.int64)  # features ever taken in; exemplar number k lies at k % budget
        self.means = np.zeros((0, 0), np.float32)  # unit length, zero while a track has no feature

    def __len__(self) -> int:
        return len(self.counts)

    def start(self, tracks: int, features: FloatArray | None) -> None:
        """Append rows for new tracks with their first features (tracks, d), or none."""
        if tracks == 0:
            return
        if features is not None:
            self._widen(features.shape[1])
        dimension = self.means.shape[1]
        self.exemplars = np.concatenate([self.exemplars, np.zeros((tracks, self.budget, dimension), np.float32)])
        self.means = np.concatenate([self.means, np.zeros((tracks, dimension), np.float32)])
        self.counts = np.concatenate([self.counts, np.zeros(tracks, np.int64)])
        if features is not None:
            self.add(np.arange(len(self) - tracks, len(self)), features)

    def add(self, rows: IntArray, features: FloatArray) -> None:
        """Take in one new feature (k, d) for each of the tracks `rows` (k,); one that is not finite is left out."""
        self._widen(features.shape[1])
        finite = _finite(features)
        rows, features = rows[finite], features[finite]
        self.exemplars[rows, self.counts[rows] % self.budget] = features
        weight = np.where(self.counts[rows] == 0, 0.0, self.momentum)[:, None]
        mixed = weight * self.means[rows] + (1 - weight) * features
        length = np.linalg.norm(mixed, axis=1, keepdims=True)
        self.means[rows] = np.divide(mixed, length, out=np.zeros_like(mixed), where=length > 0)
        self.counts[rows] += 1

    def keep(self, mask: BoolArray) -> None:
        """Forget the other tracks."""
        if mask.all():
            return
        self.exemplars, self.means, self.counts = self.exemplars[mask], self.means[mask], self.counts[mask]

    def cost(self, rows: IntArray, features: FloatArray) -> FloatArray:
        """d2(i, j) = min_k 1 - r_j . r_k(i) of track i and feature j (n, m), 0..2 (Wojke et al. 2017, eq. 3).

        Infinite for a track that has no feature yet, and for a feature that is not finite.
        """
        self._widen(features.shape[1])
        finite = _finite(features)
        filled = np.minimum(self.counts[rows], self.budget)
        deepest = int(filled.max(initial=0))
        everyone = np.array_equal(rows, np.arange(len(self)))  # then there is nothing to copy
        exemplars = self.exemplars[:, :deepest] if everyone else self.exemplars[rows, :deepest]
        similarity = exemplars @ np.where(finite[:, None], features, 0).T
        similarity[np.arange(deepest)[None, :] >= filled[:, None]] = -np.inf
        return np.where(finite, 1 - similarity.max(axis=1, initial=-np.inf), np.inf)

    def mean_cost(self, rows: IntArray, features: FloatArray) -> FloatArray:
        """1 - cosine of each feature (m, d) and each track's running mean (n, m), 0..2; infinite as in `cost`."""
        self._widen(features.shape[1])
        finite = _finite(features)
        cost = 1 - self.means[rows] @ np.where(finite[:, None], features, 0).T
        cost[(self.counts[rows] == 0)[:, None] | ~finite] = np.inf
        return np.asarray(cost)

    def to_arrays(self) -> State:
        """Everything but the settings; of the exemplars only as many as the fullest track has."""
        deepest = int(np.minimum(self.counts, self.budget).max(initial=0))
        return {
            "budget": np.array(self.budget),
            "exemplars": self.exemplars[:, :deepest].copy(),
            "means": self.means.copy(),
            "counts": self.counts.copy(),
        }

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        if int(state["budget"]) != self.budget:
            raise ValueError(
                f"the saved gallery holds up to {int(state['budget'])} exemplars a track, not {self.budget}"
            )
        tracks, deepest, dimension = state["exemplars"].shape
        self.exemplars = np.zeros((tracks, self.budget, dimension), np.float32)
        self.exemplars[:, :deepest] = state["exemplars"]
        self.means, self.counts = state["means"].copy(), state["counts"].copy()

    def _widen(self, dimension: int) -> None:
        """Learn the feature length; all rows are empty until then."""
        known = self.means.shape[1]
        if known == dimension:
            return
        if self.counts.any():
            raise ValueError(f"features have {dimension} numbers, those before had {known}")
        self.exemplars = np.zeros((len(self), self.budget, dimension), np.float32)
        self.means = np.zeros((len(self), dimension), np.float32)


def _finite(features: FloatArray) -> BoolArray:
    """Which features (k, d) an embedder got right (k,)."""
    return np.asarray(np.isfinite(features).all(axis=1))
