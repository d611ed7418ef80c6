"""Which pictures an epoch shows, where it does not show all: an endless shuffled row of them."""

from __future__ import annotations

import numpy as np

from trackers.structures import IntArray


def shown_in(epoch: int, *, of: int, count: int, seed: int) -> IntArray:
    """Indices (count,) of the pictures of an epoch, from 1: the next ones of a row in which each of `of` pictures
    comes once, in an order drawn from the seed, before any comes again."""
    first = (epoch - 1) * count
    rounds = range(first // of, (first + count - 1) // of + 1)
    row = np.concatenate([np.random.default_rng((seed, turn)).permutation(of) for turn in rounds])
    start = first - rounds[0] * of
    return row[start : start + count]
