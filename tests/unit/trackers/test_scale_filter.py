"""Sizes: known growth is found and learned, and what nothing is known of is left alone."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trackers.target_scenes import Pictures, moving
from trackers.patch_features import gradients
from trackers.patches import grown
from trackers.scale_filter import ScaleFilter
from trackers.structures import FloatArray

STARTS, STILL = np.array([[60.0, 60.0], [200.0, 120.0]]), np.zeros((2, 2))
BOTH, FIRST, SECOND = np.array([True, True]), np.array([True, False]), np.array([False, True])


def known(pictures: Pictures) -> ScaleFilter:
    """Sizes of both targets as the first picture shows them."""
    sizes = ScaleFilter(gradients)
    sizes.add(pictures.frames[0], pictures.boxes[0])
    return sizes


def factors(sizes: ScaleFilter, pictures: Pictures, number: int = 1) -> FloatArray:
    """How many times larger than their boxes of the first picture both targets are in picture `number`."""
    return sizes.factors_of(pictures.frames[number], pictures.boxes[0], BOTH)


@pytest.mark.parametrize("growth", [0.94, 0.97, 1.0, 1.03, 1.06, 1.2])
def test_growth_is_found(growth: float) -> None:
    pictures = moving(2, starts=STARTS, steps=STILL, growth=growth, side=48)
    np.testing.assert_allclose(factors(known(pictures), pictures), growth, atol=0.021)  # one step


@pytest.mark.parametrize("steps", [0.5, 2.3, -3.7])
def test_between_two_sizes_it_is_found_too(steps: float) -> None:
    pictures = moving(1, starts=STARTS, steps=STILL, side=48)
    sizes = known(pictures)
    boxes = grown(pictures.boxes[0], 1.02**-steps)  # drawn smaller than the target: the target is larger than its box
    found = np.log(sizes.factors_of(pictures.frames[0], boxes, BOTH)) / np.log(1.02)
    np.testing.assert_allclose(found, steps, atol=0.45)  # the window over sizes draws them to the middle


def test_only_those_asked_for() -> None:
    pictures = moving(2, starts=STARTS, steps=STILL, growth=1.06, side=48)
    sizes = ScaleFilter(gradients)
    sizes.add(pictures.frames[0], pictures.boxes[0, :1])
    sizes.add(pictures.frames[0], pictures.boxes[0, 1:])
    found = sizes.factors_of(pictures.frames[1], pictures.boxes[0], SECOND)
    assert found[0] == 1
    assert found[1] > 1.03
    sizes.keep(SECOND)
    again = sizes.factors_of(pictures.frames[1], pictures.boxes[0, 1:], BOTH[:1])
    np.testing.assert_allclose(again, found[1:], rtol=1e-6)


def test_learning_moves_what_is_expected() -> None:
    pictures = moving(2, starts=STARTS, steps=STILL, growth=1.06, side=48)
    sizes = ScaleFilter(gradients, rate=1.0)
    sizes.add(pictures.frames[0], pictures.boxes[0])
    sizes.learn(pictures.frames[1], pictures.boxes[0], FIRST)  # larger in the same box is now what is known
    found = factors(sizes, pictures)
    assert found[0] == pytest.approx(1, abs=0.002)
    assert found[1] > 1.03


def test_sizes_are_those_cut_from_the_picture() -> None:
    """The middle size of a sample is the box itself."""
    seen: list[np.ndarray] = []

    def remembered(patches: np.ndarray) -> FloatArray:
        seen.append(patches)
        return gradients(patches)

    pictures = moving(1, starts=STARTS, steps=STILL, side=24)
    ScaleFilter(remembered, scales=5, step=1.2, side=24).add(pictures.frames[0], pictures.boxes[0])
    looks = seen[0].reshape(2, 5, 24, 24, 3).astype(int)
    for k, (x1, y1, x2, y2) in enumerate(pictures.boxes[0].astype(int)):
        assert np.abs(looks[k, 2] - pictures.frames[0][y1:y2, x1:x2]).mean() < 6
    # The middle half of a size 1.44 times smaller is what lies there in the middle size, stretched.
    assert np.abs(looks[:, 0, 12, 12] - looks[:, 2, 12, 12]).max() < 30
    assert np.abs(looks[:, 0, 0, 0] - looks[:, 2, 4, 4]).max() < 30


def test_nobody() -> None:
    sizes = ScaleFilter(gradients)
    picture = np.zeros((40, 40, 3), np.uint8)
    sizes.add(picture, np.zeros((0, 4)))
    assert sizes.factors_of(picture, np.zeros((0, 4)), np.zeros(0, bool)).shape == (0,)
    sizes.learn(picture, np.zeros((0, 4)), np.zeros(0, bool))
    sizes.keep(np.zeros(0, bool))


def test_too_few_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="scales is 2"):
        ScaleFilter(gradients, scales=2)
