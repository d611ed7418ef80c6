"""Feature vectors as bytes."""

from __future__ import annotations

import numpy as np
import pytest
from sqlalchemy.dialects import sqlite

from pipeline.errors import StoreError
from pipeline.store.vector import Vector

DIALECT = sqlite.dialect()


def test_bytes_are_little_endian_float32() -> None:
    assert Vector().process_bind_param(np.array([1.0, -2.0]), DIALECT) == bytes.fromhex("0000803f000000c0")


def test_round_trip() -> None:
    vector = np.random.default_rng(0).normal(size=512).astype(np.float32)
    found = Vector().process_result_value(Vector().process_bind_param(vector, DIALECT), DIALECT)
    assert found is not None
    np.testing.assert_array_equal(found, vector, strict=True)
    assert found.flags.writeable


@pytest.mark.parametrize("wrong", [[np.nan, 1.0], [np.inf], [1e300], [], [[1.0, 2.0]]])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_what_would_poison_a_search_is_refused(wrong: list[float]) -> None:
    with pytest.raises(StoreError):
        Vector().process_bind_param(np.array(wrong), DIALECT)


def test_torn_bytes_are_noticed() -> None:
    with pytest.raises(StoreError, match="damaged"):
        Vector().process_result_value(b"12345", DIALECT)


def test_null_stays_null() -> None:
    assert Vector().process_bind_param(None, DIALECT) is None
    assert Vector().process_result_value(None, DIALECT) is None
