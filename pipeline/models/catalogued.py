"""Models of the catalogue: the network, and a card that also says what the catalogue knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pipeline.models.base import Detector, Embedder, ModelCard, Segmenter
from pipeline.models.catalog import Entry
from trackers.structures import Detections, FloatArray, Frame, Masks


class CataloguedDetector:
    """A detector whose licence is known, and what its scores are worth, where its file does not say that."""

    def __init__(self, detector: Detector, entry: Entry) -> None:
        self._detector = detector
        known = detector.card.calibration or entry.calibration
        self._card = replace(detector.card, calibration=known, licence=entry.licence)

    @property
    def card(self) -> ModelCard:
        """The detector's, and more."""
        return self._card

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """The detector's."""
        return self._detector.detect(frames)


class CataloguedSegmenter:
    """A segmenter whose licence is known."""

    def __init__(self, segmenter: Segmenter, entry: Entry) -> None:
        self._segmenter = segmenter
        self._card = replace(segmenter.card, licence=entry.licence)

    @property
    def card(self) -> ModelCard:
        """The segmenter's, and more."""
        return self._card

    def segment(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[Masks]:
        """The segmenter's."""
        return self._segmenter.segment(frames, detections)


class CataloguedEmbedder:
    """An embedder whose licence is known."""

    def __init__(self, embedder: Embedder, entry: Entry) -> None:
        self._embedder = embedder
        self._card = replace(embedder.card, licence=entry.licence)

    @property
    def card(self) -> ModelCard:
        """The embedder's, and more."""
        return self._card

    def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[FloatArray]:
        """The embedder's."""
        return self._embedder.embed(frames, detections)
