"""Areas painted over, and which frames are worth keeping."""

from __future__ import annotations

import numpy as np

from pipeline.training.painting import paint_over
from pipeline.training.picture_choice import PictureChoice

NONE = np.zeros((0, 4))


def test_an_area_gets_the_colour_around_it() -> None:
    image = np.full((100, 200, 3), (10, 20, 30), np.uint8)
    image[40:60, 50:70] = 255
    painted, share = paint_over(image, np.array([[50.0, 40, 70, 60]]), NONE)
    assert (painted == (10, 20, 30)).all()
    assert share == 400 / 20_000
    assert image[50, 60, 0] == 255  # what was given stays


def test_labels_are_never_painted() -> None:
    image = np.full((100, 200, 3), 255, np.uint8)
    image[40:60, 50:90] = 7
    painted, share = paint_over(image, np.array([[50.0, 40, 90, 60]]), np.array([[70.0, 40, 90, 60]]))
    assert (painted[40:60, 70:90] == 7).all()
    assert (painted[40:60, 50:69] == 255).all()
    assert 0 < share < 400 / 20_000


def test_nothing_to_paint() -> None:
    image = np.zeros((10, 10, 3), np.uint8)
    assert paint_over(image, NONE, NONE)[0] is image
    painted, share = paint_over(image, np.array([[-5.0, -5, 50, 50]]), NONE)  # all of it: no surroundings are left
    assert (painted.shape, share) == ((10, 10, 3), 1.0)
    assert paint_over(image, np.array([[20.0, 20, 30, 30]]), NONE)[1] == 0.0  # outside


def test_areas_beyond_a_border_paint_nothing() -> None:
    image = np.full((40, 60, 3), 9, np.uint8)
    image[5:9, 5:9] = 200
    outside = np.array([[-30.0, -30, -10, -10], [-30, 5, -10, 9], [5, -30, 9, -10], [70, 5, 90, 9], [5, 50, 9, 70]])
    untouched, share = paint_over(image, outside, NONE)
    assert untouched is image
    assert share == 0.0
    painted, share = paint_over(image, np.concatenate([outside, [[5.0, 5, 9, 9]]]), NONE)
    assert (painted == 9).all()
    assert share == 16 / 2400


def test_pictures_that_are_alike_or_too_close_are_not_taken() -> None:
    still = np.full((120, 160, 3), 90, np.uint8)
    moved = still.copy()
    moved[50:70, 60:70] = 200  # 1 % of it
    choice = PictureChoice(every=1.0, moved=0.005)
    assert choice.due(0.0)
    assert choice.changed(still)
    choice.take(still, 0.0)
    assert not choice.due(0.9)
    assert choice.due(1.0)
    assert not choice.changed(np.clip(still + np.uint8(5), 0, 255))  # noise
    assert choice.changed(moved)
    choice.pass_over(1.0)
    assert not choice.due(1.2)
    assert choice.due(1.25)
