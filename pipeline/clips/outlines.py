"""Stored masks at the size of a clip's pictures."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.errors import StoreError
from pipeline.store import mask_rle
from trackers.structures import BoolArray, Masks

_SURE = 0.5  # of a pixel that is the object's


def outlines(payloads: Sequence[bytes | None], *, scale: float) -> tuple[Masks, list[int]]:
    """What `mask_rle.decode` takes as masks of a picture made smaller by `scale`, and the rows of those damaged.

    Of None and of what is damaged comes an empty one.
    """
    origins, crops, damaged = np.zeros((len(payloads), 2), np.int64), [], []
    for row, payload in enumerate(payloads):
        origin, crop = (0, 0), np.zeros((0, 0), bool)
        try:
            if payload is not None:
                origin, crop = mask_rle.decode(payload)
        except StoreError:
            damaged.append(row)
        if scale < 1.0 and crop.size:
            origin, crop = _smaller(origin, crop, scale)
        origins[row] = origin
        crops.append(crop)
    return Masks(origins, tuple(crops)), damaged


def _smaller(origin: tuple[int, int], crop: BoolArray, scale: float) -> tuple[tuple[int, int], BoolArray]:
    """A mask in the pixels of the smaller picture: those of which most lies in it."""
    height, width = crop.shape
    left, top = (int(np.floor(corner * scale)) for corner in origin)
    right, bottom = (
        int(np.ceil((corner + side) * scale)) for corner, side in zip(origin, (width, height), strict=True)
    )
    shift = [(corner + 0.5) * scale - 0.5 - start for corner, start in zip(origin, (left, top), strict=True)]
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])  # from middles of pixels to middles of pixels
    drawn = cv2.warpAffine(crop.astype(np.float32), matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    return (left, top), np.asarray(drawn > _SURE)
