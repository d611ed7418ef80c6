"""Segmenters of given boxes: of some boxes only; of whatever finds instances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import ConfigError
from pipeline.models.base import Detector, ModelCard, Segmenter
from trackers.geometry import iou_matrix
from trackers.partial import masks_among, no_masks
from trackers.structures import BoolArray, Detections, Frame, IntArray, Masks


@dataclass(frozen=True, slots=True)
class Question:
    """About which boxes a segmenter may be asked at all. The others have an empty crop."""

    every: int = 1  # of the frames with detections, those whose index is a multiple of it
    min_score: float = 0.0  # 0..1; weaker ones are not asked about

    def rows(self, frame: Frame, found: Detections) -> BoolArray:
        """Which of a frame's detections (n,), whatever their class."""
        return np.asarray(found.scores >= self.min_score) & (frame.index % self.every == 0)


class AskedSegmenter:
    """A segmenter that is asked about some boxes only."""

    def __init__(
        self, segmenter: Segmenter, question: Question, *, prompts: Sequence[str], classes: Sequence[str] | None
    ) -> None:
        """`prompts`: names of the classes of the boxes, in label order. `classes`: those to be asked about; None: all.

        Raises ConfigError for a name that is none of the detector's.
        """
        if missing := [name for name in classes or () if name not in prompts]:
            raise ConfigError(
                f"segmenter.classes names {', '.join(map(repr, missing))}, but the detector knows "
                f"{', '.join(prompts[:12])}{' ...' if len(prompts) > 12 else ''}"
            )
        self._segmenter, self._question = segmenter, question
        self._labels = np.array(
            [label for label, name in enumerate(prompts) if classes is None or name in classes], np.int64
        )

    @property
    def card(self) -> ModelCard:
        """The segmenter's own."""
        return self._segmenter.card

    def segment(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[Masks]:
        """The segmenter's masks of the rows that are asked about, all frames in one call."""
        rows = [self._rows(frame, found) for frame, found in zip(frames, detections, strict=True)]
        asked = [found[some] for found, some in zip(detections, rows, strict=True)]
        masks = self._segmenter.segment(frames, asked)
        return [
            masks_among(some, where, len(found)) for some, where, found in zip(masks, rows, detections, strict=True)
        ]

    def _rows(self, frame: Frame, found: Detections) -> IntArray:
        return np.flatnonzero(self._question.rows(frame, found) & np.isin(found.labels, self._labels))


class InstanceSegmenter:
    """Any detector that gives masks, as a segmenter of given boxes: a box's mask is that of the instance that has it.

    Empty where no instance overlaps the box enough. An instance may be that of several boxes.
    """

    def __init__(self, detector: Detector, *, least_iou: float = 0.5) -> None:
        """`least_iou`: of a box and its instance's, 0..1."""
        self.card = replace(detector.card, task="segment")
        self._detector, self._least_iou = detector, least_iou

    def segment(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[Masks]:
        """For each frame the masks of its n boxes. Frames without a box are not looked at."""
        asked = [number for number, found in enumerate(detections) if len(found)]
        instances = self._detector.detect([frames[number] for number in asked])
        masks = [no_masks(0) for _ in frames]
        for number, seen in zip(asked, instances, strict=True):
            masks[number] = self._of(detections[number], seen)
        return masks

    def _of(self, found: Detections, seen: Detections) -> Masks:
        if seen.masks is None or not len(seen):
            return no_masks(len(found))
        overlap = iou_matrix(found.boxes, seen.boxes)
        best = overlap.argmax(axis=1)
        rows = np.flatnonzero(overlap[np.arange(len(found)), best] >= self._least_iou)
        return masks_among(seen.masks[best[rows]], rows, len(found))
