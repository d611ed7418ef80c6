"""Histograms of gradients: edges by hand, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trackers.target_scenes import texture
from trackers.patch_features import CELL, HOG_CHANNELS, SIGNED, UNSIGNED, GradientsAndColours, gradients, hog


def edge(direction: str) -> np.ndarray:
    """A ramp over a patch of 16 x 16: brighter to the right, or to the bottom."""
    ramp = np.tile(np.arange(16, dtype=np.uint8) * 10, (16, 1))
    return {"right": ramp, "left": ramp[:, ::-1], "down": ramp.T, "up": ramp.T[::-1]}[direction][None].copy()


@pytest.mark.parametrize(("direction", "signed"), [("right", 0), ("left", 9)])
def test_a_ramp_is_counted_in_its_direction(direction: str, signed: int) -> None:
    middle = hog(edge(direction))[0, :, 1:3, 1:3]
    # One direction holds all; with four equal blocks each normalised value is 1 / 2, clipped to 0.2, four halves of it.
    np.testing.assert_allclose(middle[signed], 0.4, atol=1e-4)
    np.testing.assert_allclose(np.delete(middle[:SIGNED], signed, axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(middle[SIGNED], 0.4, atol=1e-4)
    np.testing.assert_allclose(middle[SIGNED + UNSIGNED :], 0.2357 * 0.2, atol=1e-4)


def test_between_two_directions_both_get_half() -> None:
    # 90 degrees is 4.5 steps of 20 degrees: the fifth and the sixth direction.
    middle = hog(edge("down"))[0, :, 1, 1]
    assert middle[4] == pytest.approx(middle[5], rel=1e-4)
    assert middle[4] > 0.3
    assert np.delete(middle[:SIGNED], [4, 5]).max() < 1e-4


def test_contrast_and_brightness_do_not_matter() -> None:
    grey = texture(48, 48, seed=2)[:, :, 0] // 3
    np.testing.assert_allclose(hog((grey * 2 + 40)[None]), hog(grey[None]), atol=2e-3)


def test_turning_the_patch_turns_the_cells() -> None:
    grey = texture(48, 48, seed=2)[:, :, 0]
    plain, turned = hog(grey[None])[0], hog(grey[::-1, ::-1].copy()[None])[0]
    half = SIGNED // 2
    swapped = np.concatenate([plain[half:SIGNED], plain[:half]])[:, ::-1, ::-1]
    np.testing.assert_allclose(turned[:SIGNED], swapped, atol=1e-4)


def test_flat_patches_have_no_gradients() -> None:
    assert np.abs(gradients(np.full((2, 16, 24, 3), 77, np.uint8))).max() == 0


def test_patches_together_are_as_alone() -> None:
    pile = np.stack([texture(32, 48, seed=seed) for seed in range(3)])
    features = GradientsAndColours()
    together = features(pile)
    assert together.shape == (3, HOG_CHANNELS + 11, 48 // CELL, 32 // CELL)
    assert together.dtype == np.float32
    for one, alone in zip(together, pile, strict=True):
        np.testing.assert_allclose(one, features(alone[None])[0], atol=1e-6)


def test_every_term_is_its_own_colour() -> None:
    # Eleven cells, each of one term's colour (as BGR): the largest share is the term's own.
    terms = [(0, 0, 0), (255, 0, 0), (0, 64, 128), (128, 128, 128), (0, 192, 0), (0, 128, 255), (192, 128, 255)]
    terms += [(128, 0, 128), (0, 0, 255), (255, 255, 255), (0, 255, 255)]
    patch = np.repeat(np.repeat(np.array(terms, np.uint8)[None], CELL, axis=0), CELL, axis=1)[None]
    colours = GradientsAndColours(weight=1.0)(patch)[0, HOG_CHANNELS:, 0]  # (terms, cells)
    np.testing.assert_array_equal(colours.argmax(axis=0), np.arange(11))
    np.testing.assert_allclose(colours.sum(axis=0), 0, atol=1e-6)  # shares sum to 1, and so do their means


def test_colour_tells_apart_what_gradients_do_not() -> None:
    halves = np.zeros((1, 16, 32, 3), np.uint8)
    halves[:, :, :16, 2], halves[:, :, 16:, 1] = 200, 118  # red and green, almost as bright as each other
    features = GradientsAndColours()(halves)[0]
    assert np.abs(features[HOG_CHANNELS:, :, 0] - features[HOG_CHANNELS:, :, -1]).max() > 0.2
    assert np.abs(features[:HOG_CHANNELS, :, 0]).max() == 0


def test_no_patches() -> None:
    assert hog(np.zeros((0, 16, 16), np.uint8)).shape == (0, HOG_CHANNELS, 4, 4)
    assert gradients(np.zeros((0, 16, 16, 3), np.uint8)).shape == (0, HOG_CHANNELS, 4, 4)
    assert GradientsAndColours()(np.zeros((0, 16, 16, 3), np.uint8)).shape == (0, HOG_CHANNELS + 11, 4, 4)
