"""Same or different, and rank 1, by hand and against the definition."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import FormatError
from pipeline.evaluation.reid import Crops, rank_one, same_different_auc


def crops(*rows: tuple[float, int, int, float]) -> Crops:
    """Rows of (angle in degrees, identity, sequence, seconds)."""
    angles = np.radians([row[0] for row in rows])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    identities, sequences = (np.array([row[at] for row in rows], int) for at in (1, 2))
    return Crops(features, identities, sequences, np.array([row[3] for row in rows], float))


def test_worked_by_hand() -> None:
    """Same: 0-10 (10 degrees). Different: 0-5 and 10-5 (5 degrees, more alike: lost), 10-90, 0-90, 5-90 (won)."""
    some = crops((0, 1, 0, 0.0), (10, 1, 0, 1.0), (5, 2, 0, 0.0), (90, 3, 0, 0.0))
    assert same_different_auc(some) == pytest.approx(3 / 5)


def test_one_object_within_a_second_is_no_pair() -> None:
    """The pair 0-1 degrees would win; only the one that is a second apart counts, and loses."""
    some = crops((0, 1, 0, 0.0), (1, 1, 0, 0.9), (60, 1, 0, 1.9), (30, 2, 0, 0.0))
    assert same_different_auc(some) == 0
    assert same_different_auc(some, least_seconds=0.5) == pytest.approx((3 + 0 + 0) / 9)


def test_the_same_number_in_another_sequence_is_another_object() -> None:
    """Same: 0-2 degrees. Different: across sequences 0-1 and 2-1, both more alike."""
    assert same_different_auc(crops((0, 1, 0, 0.0), (2, 1, 0, 5.0), (1, 1, 1, 9.0))) == 0


def test_ties_count_half() -> None:
    assert same_different_auc(crops((7, 1, 0, 0.0), (7, 1, 0, 2.0), (7, 2, 0, 0.0))) == 0.5


@pytest.mark.parametrize("count", [40, 700])
def test_agrees_with_the_definition(count: int) -> None:
    """Every pair of the same object against every pair of different ones, over several blocks."""
    random = np.random.default_rng(count)
    features = random.integers(-2, 3, (count, 4)).astype(np.float32)  # many ties, and sums without rounding
    identities, sequences = random.integers(0, 5, count), random.integers(0, 2, count)
    times = random.integers(0, 20, count) / 4
    alike = features @ features.T
    upper = np.triu(np.ones((count, count), dtype=bool), 1)
    own = (identities[:, None] == identities) & (sequences[:, None] == sequences)
    same = alike[own & upper & (abs(times[:, None] - times) >= 1)]
    different = np.sort(alike[~own & upper])
    places = np.searchsorted(different, same, "left") / 2 + np.searchsorted(different, same, "right") / 2
    some = Crops(features, identities, sequences, times)
    assert same_different_auc(some) == pytest.approx(places.mean() / len(different), abs=1e-12)


def test_rank_one_by_hand() -> None:
    """0 finds 8 and 10 finds 9, both wrong; 8 and 9 find each other; 40 is not seen again and does not count."""
    some = crops((0, 1, 0, 0.0), (10, 1, 0, 2.0), (8, 2, 0, 4.0), (8.9, 2, 0, 6.0), (40, 3, 0, 8.0))
    assert rank_one(some) == pytest.approx(2 / 4)


def test_rank_one_looks_only_into_its_own_sequence_and_a_second_away() -> None:
    """0 finds 30: 1 is half a second away, the other 0 elsewhere. 30 finds 50, nearer than 0; 1 and 50 find 30."""
    some = crops((0, 1, 0, 0.0), (30, 1, 0, 2.0), (1, 2, 0, 0.5), (0, 1, 1, 0.0), (50, 2, 0, 9.0))
    assert rank_one(some) == pytest.approx(1 / 4)


def test_rank_one_of_equals_is_a_draw() -> None:
    some = crops((7, 1, 0, 0.0), (7, 1, 0, 2.0), (7, 2, 0, 4.0))
    assert rank_one(some) == pytest.approx(0.5)


def test_nothing_to_compare_is_an_error() -> None:
    nothing = crops()
    one = crops((0, 1, 0, 0.0), (1, 1, 0, 5.0))
    short = crops((0, 1, 0, 0.0), (1, 1, 0, 0.5), (2, 2, 0, 0.0))
    with pytest.raises(FormatError, match="different objects"):
        same_different_auc(one)
    for some in (nothing, short):
        with pytest.raises(FormatError, match="same object at least 1 s apart"):
            same_different_auc(some)
        with pytest.raises(FormatError, match="seen again after 1 s"):
            rank_one(some)


def test_features_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        Crops(np.array([[np.nan]]), np.zeros(1, int), np.zeros(1, int), np.zeros(1))
    with pytest.raises(ValueError, match="times must be"):
        Crops(np.ones((1, 1)), np.zeros(1, int), np.zeros(1, int), np.zeros(2))
