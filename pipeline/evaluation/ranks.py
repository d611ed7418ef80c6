"""How often numbers of one kind are above those of another: the area under the ROC curve, from ranks, hence exact.

That area is the probability that one is greater than the other, ties counting half (Hanley & McNeil 1982).
"""

from __future__ import annotations

import numpy as np

from trackers.structures import FloatArray


def twice_above(higher: FloatArray, lower: FloatArray) -> int:
    """Twice the pairs of one of `higher` (n,) and one of `lower` (m,) that are in order; a tie counts once.

    Both rise and hold no NaN. Divided by 2 n m it is the area under the ROC curve.
    """
    below = np.searchsorted(higher, lower, side="left").sum() + np.searchsorted(higher, lower, side="right").sum()
    return 2 * len(higher) * len(lower) - int(below)
