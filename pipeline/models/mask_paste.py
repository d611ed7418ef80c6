"""Masks of the same few cells, one a box, enlarged to the pixels of their boxes: only these, never whole pictures."""

from __future__ import annotations

import cv2
import numpy as np

from trackers.structures import FloatArray, Masks

_OVER = 0.5  # probability from which a pixel is the object's
_BORDER = 1  # cells of probability 0 around a mask


def pasted(probabilities: FloatArray, boxes: FloatArray, width: int, height: int) -> Masks:
    """Masks (n, side, side) of probabilities in boxes (n, 4), in a picture of `width` x `height` pixels.

    Pixel for pixel what torchvision's `paste_masks_in_image` gives, over .5: a border of a cell is put around the mask,
    the box grown by as much and cut to whole numbers, and the mask stretched over its pixels, the last ones included.
    A box without a pixel in the picture has an empty crop.
    """
    side = probabilities.shape[-1]
    around = ((0, 0), (_BORDER, _BORDER), (_BORDER, _BORDER))
    bordered = np.pad(probabilities.astype(np.float32), around)
    grown = (side + 2 * _BORDER) / side
    boxes = boxes.astype(np.float32)
    halves = (boxes[:, 2:] - boxes[:, :2]) * np.float32(0.5) * np.float32(grown)
    middles = (boxes[:, 2:] + boxes[:, :2]) * np.float32(0.5)
    whole = np.concatenate([middles - halves, middles + halves], axis=1).astype(np.int64)
    sizes = np.maximum(whole[:, 2:] - whole[:, :2] + 1, 1)
    limit = np.array([width, height], np.int64)
    start = np.clip(whole[:, :2], 0, limit)
    end = np.clip(whole[:, :2] + sizes, start, limit)
    crops = []
    for one, corner, size, first, last in zip(bordered, whole[:, :2], sizes, start, end, strict=True):
        (left, top), (right, bottom) = (first - corner).tolist(), (last - corner).tolist()
        if left >= right or top >= bottom:
            crops.append(np.zeros((0, 0), bool))
            continue
        enlarged = cv2.resize(one, tuple(size.tolist()), interpolation=cv2.INTER_LINEAR)
        crops.append(np.asarray(enlarged[top:bottom, left:right] > _OVER))
    return Masks(start, tuple(crops))
