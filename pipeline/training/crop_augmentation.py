"""Crops changed at random before a network learns from them: position, mirror, light, blur, and holes.

What happens to a crop is decided by (seed, epoch, place in the epoch) alone, so it is the same in any number of
processes, and again after a training was resumed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from trackers.structures import FloatArray, ImageArray

MARGIN = 1 / 8  # of the box's sides, kept around it on every side, so that a crop can be shifted


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How much is changed. Zeros change nothing."""

    shift: float = 0.06  # largest, of a side
    zoom: float = 0.12  # largest change of the size
    flip: float = 0.5  # chance of a mirror image
    light: float = 0.3  # largest change of brightness and of contrast, as shares
    tint: float = 0.1  # largest change of a colour channel, as a share
    saturation: float = 0.4  # largest change, as a share
    blur: float = 0.2  # chance of a blur
    erase: float = 0.4  # chance of a hole


NONE = Augmentation(shift=0, zoom=0, flip=0, light=0, tint=0, saturation=0, blur=0, erase=0)


def padded_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a stored crop: `size` (height, width) with the margin, whole pixels."""
    return size[0] + 2 * round(MARGIN * size[0]), size[1] + 2 * round(MARGIN * size[1])


def centre(pictures: ImageArray, size: tuple[int, int]) -> ImageArray:
    """The boxes themselves, (..., H, W, 3), of stored crops (..., padded H, padded W, 3)."""
    top, left = (pictures.shape[-3] - size[0]) // 2, (pictures.shape[-2] - size[1]) // 2
    return pictures[..., top : top + size[0], left : left + size[1], :]


def augmented(
    picture: ImageArray, size: tuple[int, int], change: Augmentation, random: np.random.Generator
) -> ImageArray:
    """A changed crop (H, W, 3) uint8 of a stored one (padded H, padded W, 3). `size`: H, W."""
    found = _moved(picture, size, change, random)
    if random.random() < change.flip:
        found = found[:, ::-1]
    found = np.asarray(cv2.transform(found, _light(float(found.mean()), change, random)))
    if random.random() < change.blur:
        found = np.asarray(cv2.GaussianBlur(found, (0, 0), random.uniform(0.4, 1.4)))
    if random.random() < change.erase:
        _erase(found, random)
    return found


def _moved(picture: ImageArray, size: tuple[int, int], change: Augmentation, random: np.random.Generator) -> ImageArray:
    """A window near the box, stretched to its size; pixels beyond the stored ones repeat the edge."""
    height, width = size
    scale = 1 + random.uniform(-change.zoom, change.zoom, 2)
    offset = random.uniform(-change.shift, change.shift, 2) * (width, height)
    middle = np.array(picture.shape[1::-1]) / 2 + offset
    start = middle - np.array([width, height]) / 2 * scale
    affine = np.array([[scale[0], 0, start[0] + scale[0] / 2 - 0.5], [0, scale[1], start[1] + scale[1] / 2 - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture, affine, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _light(mean: float, change: Augmentation, random: np.random.Generator) -> FloatArray:
    """(3, 4) affine map of colours: saturation about the grey picture, contrast about the mean, brightness, a tint."""
    contrast, bright = 1 + random.uniform(-change.light, change.light, 2)
    tint = 1 + random.uniform(-change.tint, change.tint, (3, 1))
    keep = 1 + random.uniform(-change.saturation, change.saturation)
    saturation = keep * np.eye(3) + (1 - keep) / 3
    return np.asarray(bright * tint * np.hstack([contrast * saturation, np.full((3, 1), mean * (1 - contrast))]))


def _erase(picture: ImageArray, random: np.random.Generator) -> None:
    """A rectangle of 2 to 30 % of the area, sides 0.3 to 3.3, is filled with noise (Zhong et al. 2020, algorithm 1)."""
    height, width = picture.shape[:2]
    area = random.uniform(0.02, 0.3) * height * width
    ratio = np.exp(random.uniform(np.log(0.3), np.log(3.3)))
    tall, wide = min(height, round(np.sqrt(area * ratio))), min(width, round(np.sqrt(area / ratio)))
    top, left = random.integers(0, height - tall + 1), random.integers(0, width - wide + 1)
    picture[top : top + tall, left : left + wide] = random.integers(0, 256, (tall, wide, 3), np.uint8)
