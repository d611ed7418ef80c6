"""Detectors and embedders as a follower of single targets asks for them: of a picture, without a stream around it."""

from __future__ import annotations

import numpy as np

from pipeline.models.base import Detector, Embedder
from trackers.structures import Detections, FloatArray, Frame, ImageArray


class EmbeddedLooks:
    """What boxes show, told by an embedder."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def __call__(self, image: ImageArray, boxes: FloatArray) -> FloatArray:
        """Looks (n, d) of unit length of the boxes (n, 4); of one beyond the picture, of the nearest pixels."""
        count = len(boxes)
        asked = Detections(boxes.astype(np.float32), np.ones(count, np.float32), np.zeros(count, np.int64))
        return self._embedder.embed([_frame(image)], [asked])[0]


class DetectedCandidates:
    """What a detector sees."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def __call__(self, image: ImageArray) -> Detections:
        """By falling score."""
        return self._detector.detect([_frame(image)])[0]


def _frame(image: ImageArray) -> Frame:
    return Frame(image, index=0, time=0.0, at=0)
