"""Columns of an object go and come together."""

from __future__ import annotations

import numpy as np
import pytest

from trackers.columns import Columns


class Kept:
    def __init__(self) -> None:
        self._boxes = np.zeros((0, 4))
        self._maps = np.zeros((0, 0, 0), np.float32)
        self.columns = Columns(self, ("_boxes", "_maps"))


def filled() -> Kept:
    kept = Kept()
    kept.columns.append(_boxes=np.arange(8.0).reshape(2, 4), _maps=np.ones((2, 3, 5)))
    kept.columns.append(_boxes=np.full((1, 4), 9.0), _maps=np.zeros((1, 3, 5)))
    return kept


def test_rows_are_appended_and_the_first_say_their_shape() -> None:
    kept = filled()
    assert kept._boxes.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [9, 9, 9, 9]]
    assert kept._maps.shape == (3, 3, 5)
    assert kept._maps.dtype == np.float32
    kept.columns.keep(np.zeros(3, dtype=bool))
    kept.columns.append(_boxes=np.ones((1, 4)), _maps=np.ones((1, 2, 2)))
    assert kept._maps.shape == (1, 2, 2)


def test_what_is_appended_is_a_copy() -> None:
    kept, boxes = Kept(), np.ones((1, 4))
    kept.columns.append(_boxes=boxes, _maps=np.ones((1, 3, 5), np.float32))
    boxes[:] = 7
    assert kept._boxes.tolist() == [[1, 1, 1, 1]]


def test_every_column_must_come() -> None:
    with pytest.raises(ValueError, match="rows of _boxes are not those of _boxes, _maps"):
        Kept().columns.append(_boxes=np.ones((1, 4)))


def test_rows_go() -> None:
    kept = filled()
    kept.columns.keep(np.array([True, False, True]))
    assert kept._boxes[:, 0].tolist() == [0, 9]
    assert len(kept._maps) == 2


def test_they_are_saved_and_restored() -> None:
    kept, other = filled(), Kept()
    saved = kept.columns.to_arrays()
    assert set(saved) == {"boxes", "maps"}
    kept._boxes[:] = -1
    other.columns.from_arrays(saved)
    assert other._boxes[2].tolist() == [9, 9, 9, 9]
    saved["boxes"][:] = 5
    assert other._boxes[2].tolist() == [9, 9, 9, 9]
