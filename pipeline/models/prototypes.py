"""Masks of networks that give prototypes and coefficients (YOLO -seg), as crops in the picture's pixels."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from pipeline.errors import ModelError
from pipeline.models.inputs import Placement, crop_bounds
from trackers.structures import BoolArray, FloatArray, IntArray, Masks


def masks_of(
    prototypes: FloatArray, coefficients: FloatArray, boxes: FloatArray, place: Placement, size: tuple[int, int]
) -> Masks:
    """The masks of n boxes, each the whole pixels of its box (Bolya et al. 2019, eq. 1: sigmoid of P C^T, over .5).

    `prototypes`: (k, h, w), spread over the network's input. `coefficients`: (n, k). `boxes`: (n, 4) in the picture's
    pixels. `place`: where the picture lies in the input. `size`: of the input, height and width, pixels. The sum is
    enlarged before the sigmoid, of which only the side of .5 counts: that is the sign of the sum. Raises ModelError on
    a sum that is NaN.
    """
    flat = prototypes.reshape(len(prototypes), -1).astype(np.float32)
    with np.errstate(invalid="ignore"):  # told below
        sums = (coefficients.astype(np.float32) @ flat).reshape(len(boxes), *prototypes.shape[1:])
    if np.isnan(sums).any():
        raise ModelError("the network gave masks that are not numbers (NaN)")
    return enlarged(sums, boxes, place, size)


def enlarged(maps: FloatArray, boxes: FloatArray, place: Placement, size: tuple[int, int]) -> Masks:
    """Where each of n maps (n, h, w), spread over the network's input of `size`, is above 0 within its box (n, 4)."""
    height, width = maps.shape[1:]
    cells = width / size[1], height / size[0]  # of a map a pixel of the input
    scale = place.scale[0] * cells[0], place.scale[1] * cells[1]
    offset = place.offset[0] * cells[0], place.offset[1] * cells[1]
    bounds = crop_bounds(boxes, place.width, place.height)
    return Masks(bounds[:, :2], tuple(_positive(maps, bounds, scale, offset)))


def _positive(
    maps: FloatArray, bounds: IntArray, scale: tuple[float, float], offset: tuple[float, float]
) -> Iterator[BoolArray]:
    """Where each of the maps (n, h, w), enlarged, is above 0 within its bounds (n, 4), left top right bottom.

    The middle of pixel x of the picture lies at (x + .5) * scale + offset - .5 of a map.
    """
    for one, (left, top, right, bottom) in zip(maps, bounds.tolist(), strict=True):
        across = (left + 0.5) * scale[0] + offset[0] - 0.5
        down = (top + 0.5) * scale[1] + offset[1] - 0.5
        way = np.array([[scale[0], 0, across], [0, scale[1], down]])
        enlarged = cv2.warpAffine(
            one,
            way,
            (right - left, bottom - top),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        yield np.asarray(enlarged > 0)
