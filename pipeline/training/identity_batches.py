"""IdentityBatches: P identities with K crops each a batch, drawn by seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.errors import TrainingError
from trackers.structures import IntArray


class IdentityBatches:
    """Rows of crops by batches, for losses that need several crops of each of several identities.

    Identities of few crops come as often as others (`evenness` 1), as often as their share of the crops says (0), or
    between. One with fewer than K crops gives some of them again; one with more gives all of them before one again.
    """

    def __init__(
        self, identities: IntArray, *, people: int = 16, crops: int = 4, evenness: float = 0.5, seed: int = 0
    ) -> None:
        """`identities` (n,): of each crop. `people`: P, at most as many as there are. `crops`: K.

        Raises TrainingError where there are fewer than two identities.
        """
        names, self._owner, counts = np.unique(identities, return_inverse=True, return_counts=True)
        if len(names) < 2:
            raise TrainingError(f"{len(names)} identities are too few to tell apart; give crops of at least 2")
        self._people, self._crops, self._seed = min(people, len(names)), crops, seed
        weights = counts.astype(np.float64) ** (1 - evenness)
        self._shares = weights / weights.sum()
        self._size = len(identities)

    @property
    def batch(self) -> int:
        """Crops a batch."""
        return self._people * self._crops

    def __len__(self) -> int:
        """Batches an epoch: so many that on average every crop comes once."""
        return max(1, round(self._size / self.batch))

    def epoch(self, number: int) -> Iterator[IntArray]:
        """(P * K,) rows of each batch, the crops of an identity side by side."""
        random = np.random.default_rng((self._seed, number))
        order = random.permutation(self._size)
        order = order[np.argsort(self._owner[order], kind="stable")]
        rows = np.split(order, np.cumsum(np.bincount(self._owner))[:-1])  # of each identity, in an order of its own
        given = np.zeros(len(rows), np.int64)
        for _ in range(len(self)):
            chosen = random.choice(len(rows), self._people, replace=False, p=self._shares)
            places = given[chosen, None] + np.arange(self._crops)
            given[chosen] += self._crops
            yield np.concatenate([rows[one][place % len(rows[one])] for one, place in zip(chosen, places, strict=True)])
