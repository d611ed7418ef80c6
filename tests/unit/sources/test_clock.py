"""The frame clock, by hand-worked lists of stamps, and its one law: time strictly increases."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.clock import FrameClock

MILLI = Fraction(1, 1000)


def times(stamps: list[int | None], *, fps: float = 10.0) -> tuple[list[float], int]:
    clock = FrameClock(MILLI, fps)
    return [clock.seconds(stamp) for stamp in stamps], clock.repaired


@pytest.mark.parametrize(
    ("stamps", "seconds", "repaired"),
    [
        pytest.param([0, 100, 200], [0, 0.1, 0.2], 0, id="even"),
        pytest.param([5000, 5100, 5130], [0, 0.1, 0.13], 0, id="starts late, uneven"),
        pytest.param([0, None, 200], [0, 0.1, 0.2], 1, id="one missing"),
        pytest.param([None, None, 7000, 7100], [0, 0.1, 0.2, 0.3], 2, id="first ones missing"),
        pytest.param([None, None, None], [0, 0.1, 0.2], 3, id="none at all"),
        pytest.param([0, 100, 100, 200], [0, 0.1, 0.15, 0.2], 1, id="twice the same"),
        pytest.param([0, 100, 300, 200, 400], [0, 0.1, 0.3, 0.35, 0.4], 1, id="swapped"),
        pytest.param([5000, 9000, 100, 200], [0, 4, 4.1, 4.2], 1, id="set back"),
        pytest.param([0, 100, 600_000, 600_100], [0, 0.1, 600, 600.1], 0, id="a gap of ten minutes is true"),
        pytest.param([0, 100, 9_000_000, 9_000_100], [0, 0.1, 0.2, 0.3], 1, id="a gap of hours is not"),
        pytest.param([0, 100, 9_000_000, 300], [0, 0.1, 0.2, 0.3], 2, id="one wild stamp"),
    ],
)
def test_repairs(stamps: list[int | None], seconds: list[float], repaired: int) -> None:
    assert times(stamps) == (pytest.approx(seconds), repaired)


def test_slow_recordings_may_have_long_gaps() -> None:
    assert times([0, 7_200_000], fps=1 / 600) == ([0, 7200], 0)


@given(st.lists(st.none() | st.integers(-(2**40), 2**40), max_size=50), st.sampled_from([0.5, 25.0, 240.0]))
def test_time_strictly_increases_from_zero(stamps: list[int | None], fps: float) -> None:
    seconds, repaired = times(stamps, fps=fps)
    assert seconds[:1] in ([], [0.0])
    assert all(later > earlier for earlier, later in pairwise(seconds))
    assert 0 <= repaired <= len(stamps)
