"""SizedDetector: one detector at several input sizes, of which one is chosen while it works."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.models.base import Detector, ModelCard
from trackers.structures import Detections, Frame


class SizedDetector:
    """Detectors of one file that differ in the size of their input. Its card is that of the first, the usual one."""

    def __init__(self, detectors: Sequence[Detector], scales: Sequence[float]) -> None:
        """`scales`: of each one's sides in those of the first, which is 1; falling."""
        if len(detectors) != len(scales) or not detectors or scales[0] != 1:
            raise ValueError("a detector of several sizes needs one scale for each, the first of them 1")
        self._detectors = tuple(detectors)
        self.scales = tuple(scales)
        self._level = 0

    @property
    def card(self) -> ModelCard:
        """Of the usual size."""
        return self._detectors[0].card

    def choose(self, level: int) -> None:
        """Take another of the sizes from the next frame on. IndexError for one there is not."""
        if not 0 <= level < len(self._detectors):
            raise IndexError(f"there are {len(self._detectors)} sizes, and none has number {level}")
        self._level = level

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Of the chosen size."""
        return self._detectors[self._level].detect(frames)
