"""pipeline.models.inputs: pictures into a network's input and boxes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.models.inputs import IMAGENET, PLAIN, UNIT_RGB, YOLOX, Fit, place, tight_size, to_batch, to_blob


def test_centred_letterbox_by_hand() -> None:
    out = np.zeros((64, 64, 3), np.uint8)
    placed = place(np.full((24, 48, 3), 200, np.uint8), out, Fit.CENTRED)
    assert placed.scale == pytest.approx((64 / 48, 32 / 24))
    assert placed.offset == (0, 16)
    assert (out[:16] == 114).all()
    assert (out[16:48] == 200).all()
    assert (out[48:] == 114).all()
    np.testing.assert_allclose(
        placed.to_picture(np.array([[0, 16, 64, 48], [32, 24, 48, 90]])), [[0, 0, 48, 24], [24, 6, 36, 24]]
    )


def test_top_left_letterbox_by_hand() -> None:
    out = np.zeros((64, 64, 3), np.uint8)
    placed = place(np.full((24, 48, 3), 200, np.uint8), out, Fit.TOP_LEFT)
    assert placed.offset == (0, 0)
    assert (out[:32] == 200).all()
    assert (out[32:] == 114).all()


def test_stretch_by_hand() -> None:
    out = np.zeros((64, 32, 3), np.uint8)
    placed = place(np.full((32, 64, 3), 9, np.uint8), out, Fit.STRETCH)
    assert (out == 9).all()
    assert placed.scale == (0.5, 2.0)
    np.testing.assert_allclose(placed.to_picture(np.array([[8, 8, 16, 16]])), [[16, 4, 32, 8]])


@pytest.mark.parametrize(
    ("picture", "needed"),
    [
        ((360, 480), (352, 448)),  # 336 rows of pixels, in whole cells of 32
        ((1080, 1920), (256, 448)),
        ((1920, 1080), (448, 256)),
        ((7, 7), (448, 448)),
        ((1, 4000), (32, 448)),
    ],
)
def test_the_smallest_input_that_shows_as_much(picture: tuple[int, int], needed: tuple[int, int]) -> None:
    assert tight_size((448, 448), *picture, fit=Fit.CENTRED) == needed
    assert tight_size((448, 448), *picture, fit=Fit.STRETCH) == (448, 448)


@settings(deadline=None)
@given(width=st.integers(1, 4000), height=st.integers(1, 4000))
def test_a_tight_input_shrinks_no_picture_more(width: int, height: int) -> None:
    rows, columns = tight_size((416, 640), height, width, fit=Fit.CENTRED)
    assert rows <= 416
    assert columns <= 640
    assert min(rows / height, columns / width) >= min(416 / height, 640 / width) * (1 - 0.5 / min(rows, columns))


@settings(deadline=None)
@given(
    width=st.integers(1, 400),
    height=st.integers(1, 400),
    fit=st.sampled_from(Fit),
    corners=st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_boxes_survive_the_way_there_and_back(width: int, height: int, fit: Fit, corners: list[float]) -> None:
    placed = place(np.zeros((height, width, 3), np.uint8), np.zeros((96, 128, 3), np.uint8), fit)
    box = np.array([corners]) * [width, height, width, height]
    there = box * (placed.scale * 2) + np.array(placed.offset * 2)
    assert (there >= -0.51).all()
    assert (there <= np.array([128, 96, 128, 96]) + 0.51).all()
    np.testing.assert_allclose(placed.to_picture(there), box, atol=1e-2)


def test_blob_colour_order_mean_and_scale() -> None:
    picture = np.zeros((1, 2, 2, 3), np.uint8)
    picture[..., 0], picture[..., 1], picture[..., 2] = 10, 20, 30
    np.testing.assert_array_equal(to_blob(picture, PLAIN)[0, :, 0, 0], [10, 20, 30])
    np.testing.assert_allclose(to_blob(picture, UNIT_RGB)[0, :, 0, 0], np.array([30, 20, 10]) / 255, rtol=1e-6)
    np.testing.assert_allclose(
        to_blob(picture, IMAGENET)[0, :, 0, 0],
        (np.array([30, 20, 10]) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        rtol=1e-5,
    )


def test_no_picture() -> None:
    batch, places = to_batch([], (8, 8), YOLOX)
    assert batch.shape == (0, 8, 8, 3)
    assert places == []
    assert to_blob(batch, YOLOX).shape == (0, 3, 8, 8)
