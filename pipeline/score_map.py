"""Score maps: how precise a detector's boxes of a score are, as pairs of a score and a precision."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite


def check_score_map(pairs: Sequence[tuple[float, float]]) -> None:
    """Raises ValueError unless scores are finite and rise, and precisions are 0 to 1 and do not fall."""
    if not pairs:
        raise ValueError("it has no [score, precision] pair")
    for score, precision in pairs:
        if not isfinite(score):
            raise ValueError(f"scores are finite, not {score}")
        if not 0 <= precision <= 1:
            raise ValueError(f"precisions lie between 0 and 1, not {precision}")
    for (score, precision), (later, higher) in pairwise(pairs):
        if not score < later:
            raise ValueError(f"scores of a calibration rise; {later} comes after {score}")
        if higher < precision:
            raise ValueError(f"precisions of a calibration do not fall; {higher} comes after {precision}")
