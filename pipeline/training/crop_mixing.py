"""Crops that are no whole object: two people's halves, boxes that miss, parts seen from near.

A student that is to do what its teacher does learns from any input, likely or not (function matching, Beyer et al.
2022, section 3); such inputs are many where real crops are few.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from pipeline.training.crop_augmentation import Augmentation, augmented
from trackers.structures import ImageArray

_MISS = {"shift": 0.35, "zoom": 0.4}  # of a box that misses its object
_CUT = (0.3, 0.7)  # share of the height at which two are joined
_PART = (0.35, 0.75)  # sides of what is seen from near, as shares of the stored crop's


def unlikely(
    picture: ImageArray,
    other: ImageArray,
    size: tuple[int, int],
    change: Augmentation,
    random: np.random.Generator,
) -> ImageArray:
    """A crop (H, W, 3) made of stored ones (padded H, padded W, 3). `size`: H, W; `change`: what else happens to it.

    One of: the upper part of one above the lower part of the other (CutMix, Yun et al. 2019, with whole rows); a box
    that misses; a part.
    """
    match int(random.integers(3)):
        case 0:
            found = augmented(picture, size, change, random)
            below = augmented(other, size, change, random)
            cut = round(random.uniform(*_CUT) * size[0])
            return np.concatenate([found[:cut], below[cut:]])
        case 1:
            return augmented(picture, size, replace(change, **_MISS), random)
        case _:
            return augmented(_part(picture, random), size, change, random)


def _part(picture: ImageArray, random: np.random.Generator) -> ImageArray:
    """A part of a stored crop, as large as the whole."""
    height, width = picture.shape[:2]
    share = random.uniform(*_PART)
    tall, wide = max(1, round(share * height)), max(1, round(share * width))
    top, left = int(random.integers(0, height - tall + 1)), int(random.integers(0, width - wide + 1))
    part = np.ascontiguousarray(picture[top : top + tall, left : left + wide])
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR))
