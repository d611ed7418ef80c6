"""COCO run lengths: worked by hand, and read back by a decoder that knows nothing of the encoder."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.exports.coco_rle import Strip, compressed, counts, counts_of, strip_of
from pipeline.store import mask_rle
from trackers.structures import BoolArray


def read_counts(text: str) -> list[int]:
    """The numbers of a text: groups of five bits, the sign in the last one's highest, changes from the fourth."""
    numbers: list[int] = []
    value = shift = 0
    for letter in text:
        group = ord(letter) - 48
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            if group & 16:
                value -= 1 << shift
            numbers.append(value + (numbers[-2] if len(numbers) > 2 else 0))
            value = shift = 0
    return numbers


def read_mask(text: str, *, width: int, height: int) -> BoolArray:
    flat = np.concatenate([np.full(run, i % 2 == 1) for i, run in enumerate(read_counts(text))])
    return flat.reshape((height, width), order="F")


@pytest.mark.parametrize(
    ("runs", "text"),
    [
        ([4], "4"),
        ([0, 4], "04"),
        ([15, 16, 17], "?`0a0"),  # 15 is one group; 16 needs a second, as bit four of the last is the sign
        ([40], "X1"),  # 40 = 8 + 1 * 32: 48 + 8 + 32 = "X", 48 + 1 = "1"
        ([6, 1, 40, 4], "61X13"),  # the fourth is 4 - 1
        ([5, 9, 5, 6], "595M"),  # 6 - 9 = -3, in five bits 29: 48 + 29 = "M"
    ],
)
def test_text_by_hand(runs: list[int], text: str) -> None:
    assert compressed(np.array(runs)) == text


@given(st.lists(st.integers(0, 5_000_000), min_size=1, max_size=12))
def test_text_reads_back(runs: list[int]) -> None:
    assert read_counts(compressed(np.array(runs))) == runs


def test_runs_go_down_the_columns() -> None:
    strip = Strip(1, np.array([[True, False], [True, False], [False, True]]))  # of 4 x 3 pixels
    assert counts(strip, width=4).tolist() == [3, 2, 3, 1, 3]
    assert strip.area == 3


@pytest.mark.parametrize(("filled", "runs"), [(False, [6]), (True, [0, 6])])
def test_runs_of_a_whole_picture(filled: bool, runs: list[int]) -> None:
    assert counts(Strip(0, np.full((2, 3), filled)), width=3).tolist() == runs


@given(arrays(bool, st.tuples(st.integers(0, 6), st.integers(0, 8))), st.integers(-6, 9), st.integers(-6, 7))
def test_a_stored_mask_lands_where_it_was(crop: BoolArray, x: int, y: int) -> None:
    width, height = 8, 6
    wanted = np.zeros((height + 20, width + 20), bool)
    wanted[10 + y : 10 + y + crop.shape[0], 10 + x : 10 + x + crop.shape[1]] = crop
    wanted = wanted[10 : 10 + height, 10 : 10 + width]
    payload = mask_rle.encode((x, y), crop)
    strip = strip_of(payload, width=width, height=height)
    runs, area = counts_of(payload, width=width, height=height)
    assert runs.tolist() == counts(strip, width=width).tolist()
    assert area == strip.area
    text = compressed(runs)
    assert np.array_equal(read_mask(text, width=width, height=height), wanted)
    assert strip.area == wanted.sum()
    assert sum(read_counts(text)) == width * height
    assert 0 not in read_counts(text)[1:]


@pytest.mark.parametrize(
    ("crop", "runs"),
    [
        (np.ones((6, 8), bool), [0, 48]),
        (np.ones((6, 2), bool), [0, 12, 36]),  # columns that touch are one run
        (np.zeros((6, 8), bool), [48]),
        (np.zeros((0, 0), bool), [48]),
        (np.eye(6, dtype=bool), [0, 1, 6, 1, 6, 1, 6, 1, 6, 1, 6, 1, 12]),
    ],
)
def test_crops_as_tall_as_the_picture(crop: BoolArray, runs: list[int]) -> None:
    found, area = counts_of(mask_rle.encode((0, 0), crop), width=8, height=6)
    assert (found.tolist(), area) == (runs, crop.sum())
