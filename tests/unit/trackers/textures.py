"""Pictures with texture that are moved by known maps, the truth that flow is measured against."""

from __future__ import annotations

import cv2
import numpy as np

from trackers.structures import FloatArray, ImageArray

PICTURE = (320, 240)  # width, height


def texture(seed: int = 0, *, size: tuple[int, int] = PICTURE) -> ImageArray:
    """Smooth random grey blobs of several sizes (height, width)."""
    rng = np.random.default_rng(seed)
    noise = [cv2.GaussianBlur(rng.normal(size=size[::-1]), (0, 0), sigma) * sigma for sigma in (2, 4, 8)]
    return cv2.normalize(np.sum(noise, axis=0), None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def shift(x: float, y: float) -> FloatArray:
    """The map (2, 3) that moves by x and y pixels."""
    return np.array([[1, 0, x], [0, 1, y]], np.float64)


def turn(degrees: float, scale: float, *, around: tuple[float, float]) -> FloatArray:
    """The map (2, 3) that turns and scales around a place, pixels as boxes are."""
    angle = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([linear, np.array(around) - linear @ around])


def warp(image: ImageArray, affine: FloatArray) -> ImageArray:
    """The picture after a map of its pixel positions; what comes in from outside is mirrored."""
    linear, half = affine[:, :2], np.array([0.5, 0.5])
    of_middles = np.column_stack([linear, affine[:, 2] + linear @ half - half])  # OpenCV counts from the first middle
    size = image.shape[1], image.shape[0]
    return np.asarray(cv2.warpAffine(image, of_middles, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101))


def moved(points: FloatArray, affine: FloatArray) -> FloatArray:
    """Where points (..., 2) are after the map."""
    return points @ affine[:, :2].T + affine[:, 2]
