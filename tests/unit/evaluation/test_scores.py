"""Pooling of sequences: counts add, ratios follow from the sums."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from pipeline.evaluation.mot import FramePair, evaluate
from pipeline.evaluation.scores import combine

PERFECT = evaluate([FramePair(np.array([1]), np.array([1]), np.ones((1, 1)))] * 6)  # six boxes, all found
LOST = evaluate([FramePair(np.array([1, 2]), np.array([3]), np.zeros((2, 1)))])  # two missed, one false


def test_combine_pools_counts() -> None:
    pooled = combine([PERFECT, LOST])
    # CLEAR: TP 6, FN 2, FP 1, no switch. The mean of the two MOTAs (1 and -0.5) would be 0.25.
    assert (pooled.clear.tp, pooled.clear.fn, pooled.clear.fp) == (6, 2, 1)
    assert pooled.clear.mota == 5 / 8
    assert (pooled.clear.mt, pooled.clear.pt, pooled.clear.ml) == (1, 0, 2)
    assert pooled.clear.motp == 1  # of the pairs there are
    # Identity: 2 * 6 / (2 * 6 + 1 + 2)
    assert pooled.identity.idf1 == 12 / 15
    # HOTA at every alpha: DetA 6 / 9; AssA over 6 pairs, all of association 1, is 1 and not the mean 1/2.
    assert pooled.hota.det_a == pytest.approx(6 / 9)
    assert pooled.hota.ass_a == pytest.approx(1)
    assert pooled.hota.hota == pytest.approx(sqrt(6 / 9))


def test_combine_weighs_association_by_matched_pairs() -> None:
    # Four boxes of one object, first by track 1, then by track 2: AssA 1/2 over 4 pairs. With PERFECT's 6 pairs of 1:
    # (4 * 1/2 + 6 * 1) / 10.
    one, two = (FramePair(np.array([1]), np.array([track]), np.ones((1, 1))) for track in (1, 2))
    pooled = combine([evaluate([one, one, two, two]), PERFECT])
    assert pooled.hota.ass_a == pooled.hota.ass_re == pytest.approx(0.8)
    assert pooled.hota.ass_pr == pytest.approx(1)


def test_combine_of_one_is_that_one() -> None:
    assert combine([LOST]).clear == LOST.clear
    assert combine([LOST]).hota.hota == LOST.hota.hota


def test_combine_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no results"):
        combine([])
