"""The networks of a run, loaded once for all its sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from pipeline import build
from pipeline.config import Settings
from pipeline.models.base import Detector, Embedder, Segmenter
from pipeline.tracker_settings import calibrated

_Settings = TypeVar("_Settings", bound=Settings)


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """The networks of a run."""

    detector: Detector
    embedder: Embedder | None
    segmenter: Segmenter | None = None

    @classmethod
    def load(cls, settings: Settings) -> Models:
        """Raises ModelError, ConfigError."""
        detector = build.detector(settings.detector)
        segmenter = build.segmenter(settings.segmenter, detector.card.classes)
        return cls(detector, build.embedder(settings.embedder), segmenter)

    def completed(self, settings: _Settings) -> _Settings:
        """Settings that also say what the models know of themselves, so that they say all that decides a run."""
        tracker = calibrated(settings.tracker, self.detector.card.calibration)
        return settings.model_copy(update={"tracker": tracker})
