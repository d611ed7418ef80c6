"""Asks: which detections the segmenter and the embedder look at, where they are to look only where it can matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trackers.doubts import Doubts
from trackers.geometry import covered_matrix
from trackers.structures import BoolArray, Detections

_ROUNDING = 1e-9  # seconds; times are sums of frame intervals


@dataclass(frozen=True, slots=True)
class FeatureAsk:
    """The embedder looks at what the tracker is unsure of, and at everybody else now and then."""

    refresh_seconds: float  # after which an object is described again

    def rows(self, found: Detections, doubts: Doubts | None) -> BoolArray:
        """Which of a frame's detections (m,): all where the tracker cannot say (None)."""
        if doubts is None:
            return np.ones(len(found), dtype=bool)
        due = doubts.undescribed >= self.refresh_seconds - _ROUNDING
        return np.asarray(doubts.compared & (doubts.unsure | due))


@dataclass(frozen=True, slots=True)
class MaskAsk:
    """Likewise the segmenter; without such a tracker it looks at boxes that overlap another one, and at weak ones."""

    refresh_seconds: float  # after which an object is outlined again
    overlap: float = 0.1  # share 0..1 of one of two boxes that lies in the other, from which both are looked at
    weak: float = 0.5  # 0..1; below this score a box is weak

    def rows(self, found: Detections, doubts: Doubts | None) -> BoolArray:
        """Which of a frame's detections (m,)."""
        if doubts is not None:
            return np.asarray(doubts.unsure | (doubts.unmasked >= self.refresh_seconds - _ROUNDING))
        covered = covered_matrix(found.boxes, found.boxes)
        np.fill_diagonal(covered, 0)
        meeting = np.maximum(covered, covered.T).max(axis=1, initial=0) >= self.overlap  # the one in front, too
        return np.asarray(meeting | (found.scores < self.weak))


@dataclass(frozen=True, slots=True)
class Asks:
    """Which of the two look only where it can matter; None: one that looks at everything."""

    masks: MaskAsk | None = None
    features: FeatureAsk | None = None

    def __bool__(self) -> bool:
        return self.masks is not None or self.features is not None


ALWAYS = Asks()


def asked_rows(
    ask: MaskAsk | FeatureAsk | None, detections: Sequence[Detections], doubts: Sequence[Doubts | None]
) -> list[BoolArray] | None:
    """The rows (m,) of each frame's detections that are looked at; None where all are."""
    return None if ask is None else [ask.rows(found, some) for found, some in zip(detections, doubts, strict=True)]
