"""Light: pictures in which too little light, or too much, is made up for before a detector sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pipeline.models.base import Detector, Learner, ModelCard
from trackers.structures import Detections, Frame, ImageArray

_STRONGEST = 4.0  # automatic gamma is at most this, and at least its inverse: beyond it noise is all there is


@dataclass(frozen=True, slots=True)
class Light:
    """What is done to a picture, in this order."""

    gamma: float | None = 1.0  # brightness b (0..1) becomes b^gamma; None: so that the mean comes near `brightness`
    brightness: float = 0.4  # 0..1
    clahe: float = 0.0  # limit of contrast-limited adaptive histogram equalisation of the luminance; 0: none
    tiles: int = 8  # a side

    def on(self, frame: Frame) -> Frame:
        """The frame with another picture; its own is not touched."""
        image = frame.image
        gamma = self._gamma_for(image)
        if gamma != 1.0:
            image = brightened(image, gamma)
        if self.clahe > 0:
            image = evened(image, limit=self.clahe, tiles=self.tiles)
        return frame if image is frame.image else replace(frame, picture=image)

    def _gamma_for(self, image: ImageArray) -> float:
        """log(wanted) / log(mean): the exponent that brings a picture of one grey to the wanted brightness."""
        if self.gamma is not None:
            return self.gamma
        mean = float(np.clip(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).mean() / 255, 1 / 255, 254 / 255))
        return float(np.clip(np.log(self.brightness) / np.log(mean), 1 / _STRONGEST, _STRONGEST))


class LitDetector:
    """A detector that sees pictures in another light. Everything else sees them as they are.

    Its card is the detector's. What the detector's scores are worth (`calibration`) holds in pictures that gamma has
    brought to the brightness of those it was found with. Not so with CLAHE: scores fall while what is found is as often
    right, so that a score is worth more than the network's file says.
    """

    def __init__(self, detector: Detector, light: Light) -> None:
        self._detector, self._light = detector, light
        own = detector.card
        self.card: ModelCard = own if light.clahe == 0 else replace(own, calibration=None)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """What the detector sees in the changed pictures."""
        return self._detector.detect([self._light.on(frame) for frame in frames])

    def forget(self, stream: int) -> None:
        """See Learner."""
        if isinstance(self._detector, Learner):
            self._detector.forget(stream)


def brightened(image: ImageArray, gamma: float) -> ImageArray:
    """A new picture: b becomes 255 (b / 255)^gamma in each channel; a gamma below 1 makes it brighter."""
    table = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), np.uint8)


def evened(image: ImageArray, *, limit: float, tiles: int) -> ImageArray:
    """A new picture: contrast-limited adaptive histogram equalisation (Zuiderveld 1994) of the luminance alone."""
    parts = cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)
    parts[..., 0] = cv2.createCLAHE(limit, (tiles, tiles)).apply(parts[..., 0])
    return np.asarray(cv2.cvtColor(parts, cv2.COLOR_YCrCb2BGR), np.uint8)
