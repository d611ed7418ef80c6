"""Answers of filters: by hand, and by shifting known ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackers.peaks import peak_to_sidelobe, shifts, wanted_answers


def test_the_wanted_answer_is_a_gaussian_around_no_shift() -> None:
    first, second = wanted_answers(8, np.array([1.0, 2.0]))
    assert first[0, 0] == second[0, 0] == 1
    assert first[0, 1] == first[1, 0] == first[7, 0] == first[0, 7] == pytest.approx(np.exp(-0.5))
    assert second[2, 7] == pytest.approx(np.exp(-5 / 8))


@given(st.integers(-15, 15), st.integers(-15, 15))
def test_whole_shifts_are_found(x: int, y: int) -> None:
    answer = np.roll(wanted_answers(32, np.array([2.0])), (y, x), axis=(1, 2))
    np.testing.assert_allclose(shifts(answer), [[x, y]], atol=1e-6)


def test_shifts_between_samples_are_found() -> None:
    steps = np.arange(32) - 32 * (np.arange(32) > 16)
    answer = np.exp(-((steps - 3.3) ** 2 + (steps[:, None] + 4.4) ** 2) / 18)[None]
    np.testing.assert_allclose(shifts(answer), [[3.3, -4.4]], atol=0.02)


def test_the_parabola_by_hand() -> None:
    answer = np.zeros((1, 16, 16))
    answer[0, 5, [4, 5, 6]] = 2, 4, 3  # top at (2 - 3) / (2 (2 - 8 + 3)) = 1/6
    answer[0, [4, 6], 5] = 1, 1
    np.testing.assert_allclose(shifts(answer), [[5 + 1 / 6, 5]])


def test_the_ratio_by_hand() -> None:
    answer = np.zeros((1, 32, 32))
    answer[0, ::2] = 1.0  # half of the rest is 1, half 0, but for the 11 x 11 around the peak
    answer[0, 0, 0] = 3.0
    rest = np.ones((32, 32), bool)
    near = np.r_[0:6, 27:32]
    rest[np.ix_(near, near)] = False
    values = answer[0][rest]
    np.testing.assert_allclose(peak_to_sidelobe(answer), [(3 - values.mean()) / values.std()], rtol=1e-4)


def test_a_flat_answer_stands_out_by_nothing() -> None:
    flat = np.full((2, 16, 16), 0.25)
    np.testing.assert_array_equal(peak_to_sidelobe(flat), [0, 0])
    assert np.isfinite(shifts(flat)).all()


def test_no_answers() -> None:
    none = np.zeros((0, 16, 16))
    assert peak_to_sidelobe(none).shape == (0,)
    assert shifts(none).shape == (0, 2)
