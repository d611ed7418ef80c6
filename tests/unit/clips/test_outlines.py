"""Stored masks in smaller pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.clips.outlines import outlines
from pipeline.store import mask_rle


@pytest.mark.parametrize("scale", [1.0, 0.75, 0.5, 0.31])
@pytest.mark.parametrize("origin", [(40, 25), (0, 0), (-7, 33)])
def test_a_mask_becomes_as_small_as_its_picture(scale: float, origin: tuple[int, int]) -> None:
    """As the whole plane made smaller."""
    crop = np.zeros((61, 47), np.uint8)
    cv2.ellipse(crop, (23, 30), (20, 28), 0, 0, 360, 1, -1)
    plane = np.zeros((160, 200), np.float32)
    x, y = origin
    plane[max(0, y) : y + 61, max(0, x) : x + 47] = crop[max(0, -y) :, max(0, -x) :]
    matrix = np.array([[scale, 0, 0.5 * scale - 0.5], [0, scale, 0.5 * scale - 0.5]])
    size = (round(200 * scale), round(160 * scale))
    expected = cv2.warpAffine(plane, matrix, size, borderMode=cv2.BORDER_REPLICATE) > 0.5
    found = outlines([mask_rle.encode(origin, crop.astype(bool))], scale=scale)[0].full(size[1], size[0])[0]
    assert (found != expected).sum() <= 0.01 * expected.sum()


def test_what_has_no_mask_has_no_pixels() -> None:
    masks, damaged = outlines([None, mask_rle.encode((4, 6), np.ones((4, 4), bool)), None], scale=0.5)
    assert [bool(crop.any()) for crop in masks.crops] == [False, True, False]
    assert damaged == []
    masks, damaged = outlines([], scale=1.0)
    assert (len(masks), damaged) == (0, [])


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_damaged_mask_takes_no_other_with_it(scale: float) -> None:
    sound = mask_rle.encode((4, 6), np.ones((4, 4), bool))
    masks, damaged = outlines([b"123", sound, sound[:-4], None], scale=scale)
    assert [bool(crop.any()) for crop in masks.crops] == [False, True, False, False]
    assert damaged == [0, 2]
