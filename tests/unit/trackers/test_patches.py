"""Pieces of pictures: by hand, at borders, and against OpenCV's own averages."""

from __future__ import annotations

import cv2
import numpy as np

from tests.unit.trackers.target_scenes import texture
from trackers.patches import boxes_around, grown, patches

PICTURE = texture(64, 48, seed=5)


def test_a_box_of_whole_pixels_is_the_picture_itself() -> None:
    piece = patches(PICTURE, np.array([[10.0, 5, 42, 29]]), width=32, height=24)
    np.testing.assert_array_equal(piece[0], PICTURE[5:29, 10:42])


def test_half_a_pixel_further_is_the_mean_of_neighbours() -> None:
    picture = np.arange(16, dtype=np.uint8).reshape(1, 16).repeat(4, axis=0) * 10
    piece = patches(picture, np.array([[2.5, 0, 6.5, 4]]), width=4, height=4)
    np.testing.assert_allclose(piece[0, 0], [25, 35, 45, 55], atol=1)


def test_what_shrinks_is_averaged() -> None:
    piece = patches(PICTURE, np.array([[0.0, 0, 64, 48]]), width=16, height=12)
    by_area = cv2.resize(PICTURE, (16, 12), interpolation=cv2.INTER_AREA)
    assert np.abs(piece[0].astype(int) - by_area).max() <= 2


def test_what_grows_is_drawn_between_pixels() -> None:
    piece = patches(PICTURE, np.array([[8.0, 8, 24, 24]]), width=64, height=64)
    wanted = cv2.resize(PICTURE, (256, 192), interpolation=cv2.INTER_LINEAR)[32:96, 32:96]
    assert np.abs(piece[0].astype(int) - wanted).max() <= 4


def test_beyond_the_border_the_nearest_pixel_is_repeated() -> None:
    piece = patches(PICTURE, np.array([[-16.0, -16, 16, 16]]), width=32, height=32)
    np.testing.assert_array_equal(piece[0, 16:, 16:], PICTURE[:16, :16])
    assert (piece[0, :16, :16] == PICTURE[0, 0]).all()
    np.testing.assert_array_equal(piece[0, 16:, 0], PICTURE[:16, 0])


def test_beyond_the_border_a_colour_is_seen() -> None:
    piece = patches(PICTURE, np.array([[-16.0, 0, 16, 32]]), width=32, height=32, fill=np.array([1.0, 2, 3]))
    assert (piece[0, :, :15] == [1, 2, 3]).all()
    np.testing.assert_array_equal(piece[0, :, 16:], PICTURE[:32, :16])


def test_far_away_only_the_border_is_seen() -> None:
    piece = patches(PICTURE, np.array([[500.0, -900, 540, -860], [-1e5, 0, -1e5 + 9, 9]]), width=8, height=8)
    assert (piece[0] == PICTURE[0, -1]).all()
    assert piece.shape == (2, 8, 8, 3)


def test_grey_pictures_and_no_boxes() -> None:
    grey = np.ascontiguousarray(PICTURE[:, :, 0])
    np.testing.assert_array_equal(patches(grey, np.array([[0.0, 0, 8, 8]]), width=8, height=8)[0], grey[:8, :8])
    assert patches(PICTURE, np.zeros((0, 4)), width=8, height=4).shape == (0, 4, 8, 3)


def test_boxes_around_middles() -> None:
    box = np.array([[10.0, 20, 30, 60]])
    np.testing.assert_array_equal(grown(box, 2.0), [[0, 0, 40, 80]])
    np.testing.assert_array_equal(boxes_around(np.array([[20.0, 40]]), np.array([[20.0, 40]])), box)
    np.testing.assert_array_equal(boxes_around(np.array([[20.0, 40]]), np.array([[10.0]])), [[15, 35, 25, 45]])
