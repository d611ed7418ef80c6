"""Pairs in order, counted by ranks: against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.ranks import twice_above

NUMBERS = st.lists(st.integers(-3, 3), max_size=12)  # many ties


@given(NUMBERS, NUMBERS)
def test_agrees_with_the_definition(higher: list[int], lower: list[int]) -> None:
    expected = sum(2 * (a > b) + (a == b) for a in higher for b in lower)
    assert twice_above(np.sort(np.array(higher, float)), np.sort(np.array(lower, float))) == expected


@pytest.mark.parametrize(
    ("higher", "lower", "twice"), [([2, 5], [1, 2], 7), ([1], [1, 1], 2), ([], [1], 0), ([1], [], 0)]
)
def test_by_hand(higher: list[float], lower: list[float], twice: int) -> None:
    assert twice_above(np.array(higher, float), np.array(lower, float)) == twice
