"""What somebody wears, as colours: an embedder without weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.errors import ConfigError
from pipeline.models.base import ModelCard
from pipeline.models.embed import cut, split, unit_length
from trackers.structures import Detections, FloatArray, Frame, ImageArray, IntArray

_SIZE = (48, 24)  # height, width crops are resized to, pixels: colours need no detail
_HUES = 180  # OpenCV's hue runs 0..179
_GREY, _COLOURED = 24.0, 72.0  # saturation up to which a pixel counts as grey, and from which as coloured, 0..255


class ColourEmbedder:
    """Hue and brightness histograms of horizontal stripes of the box, head to feet, compared by Hellinger's distance.

    Each pixel counts by its nearness to the box's vertical axis, since the background lies at the sides. A coloured
    pixel goes into its stripe's hue histogram, a grey one (black, white) into the brightness histogram, and one between
    into both in proportion; between two bins it is shared too, so that a small change of light makes a small change
    here. Each stripe has the mass 1 before the square root, hence the cosine of two vectors is the mean Bhattacharyya
    coefficient of their stripes (Comaniciu et al. 2003, eq. 9), 0..1.
    """

    def __init__(self, *, stripes: int = 6, hues: int = 12, levels: int = 10) -> None:
        """`stripes` a box, `hues` and `levels` of brightness a stripe: stripes x (hues + levels) numbers in all.

        Raises ConfigError where one of them is below 1 or there are more stripes than rows of pixels.
        """
        if min(stripes, hues, levels) < 1 or stripes > _SIZE[0]:
            raise ConfigError(f"stripes (at most {_SIZE[0]}), hues and levels must be at least 1")
        self._stripes, self._hues, self._levels = stripes, hues, levels
        dimension = stripes * (hues + levels)
        digest = hashlib.sha256(f"colour {stripes} {hues} {levels} {_SIZE} {_GREY} {_COLOURED}".encode()).hexdigest()
        version = f"opencv {cv2.__version__}"
        self.card = ModelCard("colour", "embed", version, digest, "opencv CPU f32", _SIZE, dimension=dimension)

    def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[FloatArray]:
        """For each frame the (n, d) float32 unit-length features of its n boxes."""
        return split(self._describe(cut(frames, detections, _SIZE)), detections)

    def _describe(self, crops: ImageArray) -> FloatArray:
        """(n, d) of n crops (n, H, W, 3)."""
        count, bins = len(crops), self._hues + self._levels
        if not count:
            return np.zeros((0, self._stripes * bins), np.float32)
        pixels = cv2.cvtColor(crops.reshape(-1, _SIZE[1], 3), cv2.COLOR_BGR2HSV).reshape(count, *_SIZE, 3)
        hue, saturation, value = np.moveaxis(pixels.astype(np.float32), -1, 0)
        coloured = np.clip((saturation - _GREY) / (_COLOURED - _GREY), 0, 1) * np.clip(value / 64, 0, 1)
        weight = np.broadcast_to(_nearness(_SIZE[1]), hue.shape)
        table = np.zeros(count * self._stripes * bins)
        start = self._bin_starts(count, bins)
        for place, share in _shared(hue * self._hues / _HUES, self._hues):
            table += np.bincount((start + place % self._hues).ravel(), (weight * coloured * share).ravel(), len(table))
        for place, share in _shared(value * (self._levels - 1) / 255, self._levels):
            level = np.minimum(place, self._levels - 1) + self._hues
            table += np.bincount((start + level).ravel(), (weight * (1 - coloured) * share).ravel(), len(table))
        stripes = table.reshape(count, self._stripes, bins)
        stripes /= stripes.sum(axis=2, keepdims=True)
        return unit_length(np.sqrt(stripes).reshape(count, -1).astype(np.float32))

    def _bin_starts(self, count: int, bins: int) -> IntArray:
        """First bin of each pixel's crop and stripe, (count, H, 1)."""
        stripe = np.arange(_SIZE[0]) * self._stripes // _SIZE[0]
        return (np.arange(count)[:, None, None] * self._stripes + stripe[None, :, None]) * bins


def _nearness(width: int) -> FloatArray:
    """Epanechnikov's weight (width,) of each column by its distance from the middle, above 0 everywhere."""
    offset = (np.arange(width) + 0.5) / (width / 2) - 1
    return (1 - offset**2).astype(np.float32)


def _shared(place: FloatArray, bins: int) -> list[tuple[IntArray, FloatArray]]:
    """The two bins each number lies between, and its share in each: [(bin, 1 - rest), (bin + 1, rest)]."""
    lower = np.minimum(place.astype(np.int64), bins - 1)
    rest = place - lower
    return [(lower, 1 - rest), (lower + 1, rest)]
