"""PictureChoice: which frames of a recording are worth being pictures of a training set: no two that are alike."""

from __future__ import annotations

import cv2
import numpy as np

from trackers.structures import ImageArray

_WIDTH = 160  # pixels; what is smaller than one of these does not count as movement
_GREY_LEVELS = 14  # by less, noise of the sensor and of the codec changes a pixel
_ROUNDING = 1e-9  # seconds; times are sums of frame intervals


class PictureChoice:
    """Chooses frames of one recording, in order."""

    def __init__(self, *, every: float, moved: float) -> None:
        """`every`: seconds between two pictures at least. `moved`: least share of the picture that must have changed
        since the last one."""
        self._every = every
        self._moved = moved
        self._last: ImageArray | None = None
        self._next = -np.inf  # seconds

    def due(self, seconds: float) -> bool:
        """Whether enough time has passed for another picture."""
        return seconds >= self._next - _ROUNDING

    def changed(self, image: ImageArray) -> bool:
        """Whether a picture differs from the last one that was taken."""
        if self._last is None:
            return True
        difference = cv2.absdiff(_thumbnail(image), self._last)
        return bool((difference > _GREY_LEVELS).mean() >= self._moved)

    def pass_over(self, seconds: float) -> None:
        """This one cannot be taken; the next may be tried soon."""
        self._next = seconds + self._every / 4

    def take(self, image: ImageArray, seconds: float) -> None:
        """This one is taken."""
        self._last = _thumbnail(image)
        self._next = seconds + self._every


def _thumbnail(image: ImageArray) -> ImageArray:
    height = max(1, round(_WIDTH * image.shape[0] / image.shape[1]))
    small = cv2.resize(image, (_WIDTH, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY))
