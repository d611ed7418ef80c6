"""Columns that only some rows have."""

from __future__ import annotations

import numpy as np

from trackers.partial import features_among, masks_among, no_masks
from trackers.structures import Masks


def test_features_of_some_rows_among_all() -> None:
    some = np.array([[1, 2], [3, 4]], np.float32)
    for rows in (np.array([False, True, False, True]), np.array([1, 3])):
        features = features_among(some, rows, 4)
        np.testing.assert_array_equal(features[[1, 3]], some)
        assert np.isnan(features[[0, 2]]).all()
        assert features.dtype == np.float32
    assert features_among(some[:0], np.zeros(3, bool), 3).shape == (3, 2)
    assert features_among(some[:0], np.zeros(0, bool), 0).shape == (0, 2)


def test_masks_of_some_rows_among_all() -> None:
    mask = Masks(np.array([[3, 4]]), (np.ones((5, 3), bool),))
    for rows in (np.array([2]), np.array([False, False, True, False])):
        among = masks_among(mask, rows, 4)
        assert [bool(crop.any()) for crop in among.crops] == [False, False, True, False]
        assert among.origins[2].tolist() == [3, 4]
    assert len(no_masks(0)) == 0
    assert [crop.size for crop in no_masks(2).crops] == [0, 0]
