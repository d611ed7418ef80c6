"""Histograms of gradients: edges by hand, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trackers.target_scenes import texture
from trackers.patch_features import CELL, GradientsAndColours, gradients, hog

SIGNED, UNSIGNED = 18, 9
HOG_CHANNELS = SIGNED + UNSIGNED + 4


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


def counted_one_by_one(patch: np.ndarray, cell: int, directions: int) -> np.ndarray:
    """Signed histograms of a grey patch, gradient by gradient: (directions, h / cell, w / cell)."""
    height, width = patch.shape
    values = patch.astype(float)
    counted = np.zeros((directions, height // cell, width // cell))
    for y in range(1, height - 1):  # the border rows count nothing up or down, and are left out of the comparison
        for x in range(width):
            # Beyond the border OpenCV mirrors the picture, so that along it nothing changes there.
            along = values[y, x + 1] - values[y, x - 1] if 0 < x < width - 1 else 0.0
            down = values[y + 1, x] - values[y - 1, x]
            place = (np.arctan2(down, along) % (2 * np.pi)) / (2 * np.pi) * directions
            for step, share in ((0, 1 - place % 1), (1, place % 1)):
                channel = (int(place) + step) % directions
                for row, by_row in cells_of(y, cell, height // cell):
                    for column, by_column in cells_of(x, cell, width // cell):
                        counted[channel, row, column] += np.hypot(along, down) * share * by_row * by_column
    return counted


def cells_of(place: int, cell: int, count: int) -> list[tuple[int, float]]:
    """The cell that a pixel lies in, with 3/4, and the one that is next nearest, with 1/4."""
    own = place // cell
    other = own + (1 if place % cell >= cell // 2 else -1)
    return [(own, 0.75), (min(max(other, 0), count - 1), 0.25)]


@pytest.mark.parametrize(("cell", "directions"), [(4, 18), (2, 8), (2, 18), (4, 8)])
def test_gradients_counted_one_by_one_come_to_the_same(cell: int, directions: int) -> None:
    grey = texture(24, 24, seed=6)[:, :, 0].copy()
    grey[:2], grey[-2:] = 90, 90  # no gradients in the border rows
    counted = counted_one_by_one(grey, cell, directions)
    found = hog(grey[None], cell=cell, directions=directions)[0]
    assert found.shape == (directions + directions // 2 + 4, 24 // cell, 24 // cell)
    unsigned = counted[: directions // 2] + counted[directions // 2 :]
    energy = np.pad((unsigned**2).sum(axis=0), 1, mode="edge")
    wanted = np.zeros_like(counted)
    for row in (0, 1):
        for column in (0, 1):
            blocks = sum(energy[row + y :, column + x :][: 24 // cell, : 24 // cell] for y in (0, 1) for x in (0, 1))
            wanted += np.minimum(counted / np.sqrt(blocks + 1e-4), 0.2) / 2
    np.testing.assert_allclose(found[:directions], wanted, atol=2e-3)


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
