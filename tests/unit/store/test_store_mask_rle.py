"""Run lengths of masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.errors import StoreError
from pipeline.store.mask_rle import decode, encode
from trackers.structures import BoolArray


@given(
    st.tuples(st.integers(-100, 5000), st.integers(-100, 5000)),
    hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=8)),
)
def test_round_trip(origin: tuple[int, int], crop: BoolArray) -> None:
    found_origin, found = decode(encode(origin, crop))
    assert found_origin == origin
    np.testing.assert_array_equal(found, crop, strict=True)


def test_worked_by_hand() -> None:
    crop = np.array([[0, 1], [1, 1], [1, 0]], bool)  # columns 0 1 1, 1 1 0: runs of 1, 4, 1
    assert np.frombuffer(encode((5, 6), crop), "<i4").tolist() == [5, 6, 3, 2, 1, 4, 1]


def test_a_mask_that_begins_with_foreground_has_an_empty_first_run() -> None:
    assert np.frombuffer(encode((0, 0), np.ones((1, 2), bool)), "<i4").tolist() == [0, 0, 1, 2, 0, 2]


@pytest.mark.parametrize("cut", [1, 4, 9, 20])
def test_damage_is_noticed(cut: int) -> None:
    payload = encode((5, 6), np.eye(3, dtype=bool))
    with pytest.raises(StoreError, match="damaged"):
        decode(payload[:-cut])
