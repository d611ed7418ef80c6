"""Batches of P identities with K crops each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import TrainingError
from pipeline.training.identity_batches import IdentityBatches


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=2, max_size=12),
    st.integers(2, 8),
    st.integers(2, 6),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_every_batch_has_as_many_crops_of_as_many_identities(
    counts: list[int], people: int, crops: int, evenness: float, epoch: int
) -> None:
    identities = np.repeat(np.arange(len(counts)) * 7, counts)  # numbers need not follow each other
    drawn = IdentityBatches(identities, people=people, crops=crops, evenness=evenness, seed=1)
    batches = list(drawn.epoch(epoch))
    assert len(batches) == len(drawn) == max(1, round(sum(counts) / drawn.batch))
    for rows in batches:
        owners, times = np.unique(identities[rows], return_counts=True)
        assert len(owners) == min(people, len(counts))
        assert (times == crops).all()
        for owner in owners:  # nothing twice before everything once
            own, again = np.unique(rows[identities[rows] == owner], return_counts=True)
            assert len(own) == min(crops, counts[owner // 7]) or again.max() <= 2


def test_the_same_epoch_is_the_same_and_another_is_not() -> None:
    identities = np.repeat(np.arange(6), 9)
    first, second = (IdentityBatches(identities, people=3, crops=3, seed=5) for _ in range(2))
    assert np.array_equal(list(first.epoch(2)), list(second.epoch(2)))
    assert not np.array_equal(list(first.epoch(2)), list(first.epoch(3)))
    other = IdentityBatches(identities, people=3, crops=3, seed=6)
    assert not np.array_equal(list(first.epoch(2)), list(other.epoch(2)))


def test_evenness_decides_how_often_an_identity_of_few_crops_comes() -> None:
    identities = np.repeat(np.arange(4), [90, 90, 90, 10])

    def share(evenness: float) -> float:
        drawn = IdentityBatches(identities, people=2, crops=5, evenness=evenness)
        rows = np.concatenate([rows for epoch in range(60) for rows in drawn.epoch(epoch)])
        return float((identities[rows] == 3).mean())

    assert share(1.0) == pytest.approx(1 / 4, abs=0.03)
    assert share(0.0) < 0.1


def test_one_identity_cannot_be_told_apart() -> None:
    with pytest.raises(TrainingError, match="1 identities are too few"):
        IdentityBatches(np.zeros(10, np.int64))
    with pytest.raises(TrainingError, match="0 identities are too few"):
        IdentityBatches(np.zeros(0, np.int64))
