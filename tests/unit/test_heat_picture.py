"""Heat maps as pictures."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.heat_picture import WIDTH, heat_overlay, heat_picture


def test_heat_shows_where_it_is() -> None:
    heat = np.zeros((10, 20))
    heat[2, 5], heat[8, 15] = 100, 1
    picture = heat_picture(heat)
    assert picture.shape == (WIDTH // 2, WIDTH, 3)
    hot, cool, none = picture[120, 264].astype(int), picture[408, 744].astype(int), picture[240, 900]
    assert hot[2] > hot[0]  # red: blue green red
    assert cool[0] > cool[2]
    assert (none == none[0]).all()


def test_nobody_anywhere_leaves_the_picture_as_it_is() -> None:
    background = np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8)
    drawn = heat_picture(np.zeros((3, 4)), background)
    np.testing.assert_array_equal(drawn, background)
    assert drawn is not background


def test_the_background_keeps_its_size_and_shows_where_nobody_was() -> None:
    background = np.full((90, 160, 3), 200, np.uint8)
    heat = np.zeros((9, 16))
    heat[0, 0] = 3
    drawn = heat_picture(heat, background)
    assert drawn.shape == background.shape
    assert (drawn[60:, 60:] == 200).all()
    assert (drawn[:5, :5] != 200).any()


def test_what_is_laid_over_a_picture_is_clear_where_nobody_was() -> None:
    heat = np.zeros((10, 20))
    heat[2, 5], heat[8, 15] = 100, 1
    laid = cv2.imdecode(np.frombuffer(heat_overlay(heat), np.uint8), cv2.IMREAD_UNCHANGED)
    assert laid.shape[1] == 2 * laid.shape[0]
    assert laid.shape[2] == 4
    cell = laid.shape[0] // 10
    hot, cool, none = (
        laid[int((row + 0.5) * cell), int((column + 0.5) * cell)] for row, column in ((2, 5), (8, 15), (4, 18))
    )
    assert hot[3] > cool[3] > none[3] == 0
    assert hot[2] > hot[0]  # red: blue green red
    assert not cv2.imdecode(np.frombuffer(heat_overlay(np.zeros((3, 4))), np.uint8), cv2.IMREAD_UNCHANGED)[..., 3].any()
