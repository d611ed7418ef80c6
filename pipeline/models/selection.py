"""Which classes of a detector are used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.errors import ConfigError
from pipeline.models.base import Detector, ModelCard
from trackers.structures import Detections, Frame


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
