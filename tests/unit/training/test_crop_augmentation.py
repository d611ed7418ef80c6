"""Crops changed at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.training.crop_augmentation import NONE, Augmentation, augmented, centre, padded_size
from trackers.structures import ImageArray

SIZE = (64, 32)


@pytest.fixture
def picture() -> ImageArray:
    """Smooth, so that a small shift changes little, and not the same mirrored."""
    rows, columns = np.mgrid[0 : padded_size(SIZE)[0], 0 : padded_size(SIZE)[1]]
    return np.stack([rows * 2, columns * 4, (rows + columns) % 200], axis=2).astype(np.uint8)


def draw(picture: ImageArray, change: Augmentation, *chance: int) -> ImageArray:
    return augmented(picture, SIZE, change, np.random.default_rng(chance))


def test_no_change_gives_the_box_itself(picture: ImageArray) -> None:
    assert padded_size(SIZE) == (80, 40)
    assert np.array_equal(draw(picture, NONE, 1), centre(picture, SIZE))
    assert np.array_equal(centre(picture, SIZE), picture[8:72, 4:36])


def test_chance_alone_decides(picture: ImageArray) -> None:
    once, again, other = (draw(picture, Augmentation(), 0, 3, place) for place in (7, 7, 8))
    assert once.shape == (*SIZE, 3)
    assert once.dtype == np.uint8
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_a_mirror_image(picture: ImageArray) -> None:
    assert np.array_equal(draw(picture, replace(NONE, flip=1), 1), centre(picture, SIZE)[:, ::-1])


def test_a_shift_moves_by_no_more_than_its_share(picture: ImageArray) -> None:
    moved = [draw(picture, replace(NONE, shift=0.1), place)[20, 16] for place in range(200)]
    rows = np.array([pixel[0] / 2 for pixel in moved]) - 28  # the row of the picture that is now in row 20
    assert np.abs(rows).max() <= 6.9  # a tenth of 64, and half a pixel of rounding
    assert rows.min() < -4
    assert rows.max() > 4


def test_a_hole_covers_two_to_thirty_per_cent(picture: ImageArray) -> None:
    for place in range(50):
        changed = (draw(picture, replace(NONE, erase=1), place) != centre(picture, SIZE)).any(axis=2)
        assert 0.015 < changed.mean() <= 0.31


def test_light_changes_colours_and_nothing_else(picture: ImageArray) -> None:
    flat = np.full_like(picture, 100)
    lit = [draw(flat, replace(NONE, light=0.3, tint=0.1, saturation=0.4), place) for place in range(30)]
    assert all((one == one[0, 0]).all() for one in lit)
    assert len({tuple(one[0, 0].tolist()) for one in lit}) > 20
    assert all(50 < int(value) < 160 for one in lit for value in one[0, 0])
