"""Score maps: which pairs are one."""

from __future__ import annotations

from math import inf, nan

import pytest

from pipeline.score_map import check_score_map


def test_a_rising_map_is_one() -> None:
    check_score_map([(0.5, 0.5)])
    check_score_map([(0.0, 0.0), (0.3, 0.4), (0.6, 0.4), (7.0, 1.0)])


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ([], "no \\[score, precision\\] pair"),
        ([(nan, 0.5)], "scores are finite, not nan"),
        ([(0.1, 0.2), (inf, 0.5)], "scores are finite, not inf"),
        ([(0.1, 1.1)], "between 0 and 1, not 1.1"),
        ([(0.1, nan)], "between 0 and 1, not nan"),
        ([(0.3, 0.2), (0.3, 0.5)], "0.3 comes after 0.3"),
        ([(0.3, 0.5), (0.4, 0.4)], "0.4 comes after 0.5"),
    ],
)
def test_what_is_none_is_told(pairs: list[tuple[float, float]], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_score_map(pairs)
