"""Sizes: known growth is found, and what nothing is known of is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trackers.target_scenes import moving
from trackers.patch_features import gradients
from trackers.scale_filter import ScaleFilter

STARTS, STILL = np.array([[60.0, 60.0], [200.0, 120.0]]), np.zeros((2, 2))
BOTH = np.array([True, True])


@pytest.mark.parametrize("growth", [0.94, 0.97, 1.0, 1.03, 1.06])
def test_growth_is_found(growth: float) -> None:
    pictures = moving(2, starts=STARTS, steps=STILL, growth=growth, side=48)
    sizes = ScaleFilter(gradients)
    sizes.add(pictures.frames[0], pictures.boxes[0])
    found = sizes.factors_of(pictures.frames[1], pictures.boxes[0], BOTH)
    np.testing.assert_allclose(found, growth, atol=0.021)  # one step


def test_only_those_asked_for() -> None:
    pictures = moving(2, starts=STARTS, steps=STILL, growth=1.06, side=48)
    sizes = ScaleFilter(gradients)
    sizes.add(pictures.frames[0], pictures.boxes[0, :1])
    sizes.add(pictures.frames[0], pictures.boxes[0, 1:])
    found = sizes.factors_of(pictures.frames[1], pictures.boxes[0], np.array([False, True]))
    assert found[0] == 1
    assert found[1] > 1.03
    sizes.keep(np.array([False, True]))
    np.testing.assert_array_equal(sizes.factors_of(pictures.frames[1], pictures.boxes[0, 1:], BOTH[:1]), found[1:])


def test_learning_moves_what_is_expected() -> None:
    pictures = moving(2, starts=STARTS[:1], steps=STILL[:1], growth=1.06, side=48)
    sizes = ScaleFilter(gradients, rate=1.0)
    sizes.add(pictures.frames[0], pictures.boxes[0])
    sizes.learn(pictures.frames[1], pictures.boxes[0], BOTH[:1])  # larger in the same box is now what is known
    np.testing.assert_array_equal(sizes.factors_of(pictures.frames[1], pictures.boxes[0], BOTH[:1]), [1])


def test_nobody() -> None:
    sizes = ScaleFilter(gradients)
    picture = np.zeros((40, 40, 3), np.uint8)
    assert sizes.factors_of(picture, np.zeros((0, 4)), np.zeros(0, bool)).shape == (0,)
    sizes.learn(picture, np.zeros((0, 4)), np.zeros(0, bool))
    sizes.keep(np.zeros(0, bool))
