"""Which classes of a detector are used, and which of its objects are described."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import ConfigError
from pipeline.models.base import Detector, Embedder, Learner, ModelCard
from trackers.partial import features_among
from trackers.structures import Detections, FloatArray, Frame


class SelectedClasses:
    """A detector of which only some classes count. Labels keep their numbers."""

    def __init__(self, detector: Detector, names: Sequence[str]) -> None:
        """Raises ConfigError for a name that the detector does not know."""
        known = detector.card.classes
        if missing := [name for name in names if name not in known]:
            raise ConfigError(
                f"detector.keep names {', '.join(map(repr, missing))}, but {detector.card.name} knows "
                f"{', '.join(known[:12])}{' ...' if len(known) > 12 else ''}"
            )
        self._detector = detector
        self._labels = np.array([known.index(name) for name in names], np.int64)

    @property
    def card(self) -> ModelCard:
        """The detector's own."""
        return self._detector.card

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """The detector's, of the selected classes."""
        return [found[np.isin(found.labels, self._labels)] for found in self._detector.detect(frames)]

    def forget(self, stream: int) -> None:
        """See Learner."""
        if isinstance(self._detector, Learner):
            self._detector.forget(stream)


class StrongOnly:
    """An embedder that describes only sure detections; weak boxes are many and tell little. Theirs are rows of NaN."""

    def __init__(self, embedder: Embedder, min_score: float) -> None:
        """`min_score`: from here on a detection is described, 0..1."""
        self._embedder = embedder
        self._min_score = min_score

    @property
    def card(self) -> ModelCard:
        """The embedder's own."""
        return self._embedder.card

    def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[FloatArray]:
        """The embedder's features of the sure ones; all crops still share batches."""
        strong = [found.scores >= self._min_score for found in detections]
        described = self._embedder.embed(frames, [found[rows] for found, rows in zip(detections, strong, strict=True)])
        return [features_among(some, rows, len(rows)) for rows, some in zip(strong, described, strict=True)]
