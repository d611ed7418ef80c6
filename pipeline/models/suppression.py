"""Suppression: what becomes of boxes that a detector gave for one object more than once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import cv2
import numpy as np

from pipeline.models.base import Detector, Learner, ModelCard
from pipeline.models.box_fusion import fuse
from trackers.geometry import suppress, to_xywh
from trackers.structures import Detections, FloatArray, Frame, IntArray

_GRID = 16_000  # whole numbers a side for OpenCV's soft suppression, whose areas must stay below 2^31


class Way(StrEnum):
    """Ways to suppress; the values are those of the setting `detector.nms` but for `class-wise`, the networks' own."""

    AGNOSTIC = "agnostic"  # whatever its class, the weaker of two boxes that overlap goes
    SOFT_LINEAR = "soft-linear"  # it is believed less, the more they overlap
    SOFT_GAUSSIAN = "soft-gaussian"
    WBF = "wbf"  # boxes that overlap become their mean


@dataclass(frozen=True, slots=True)
class Limits:
    """How, and what is kept."""

    way: Way
    iou: float  # overlap above which two boxes are taken to be of one object
    sigma: float = 0.5  # of SOFT_GAUSSIAN
    min_score: float = 0.05
    max_detections: int = 300


class SuppressedDetector:
    """A detector that suppresses nothing itself, with suppression of another kind behind it.

    Its card is the detector's. But what the detector's scores are worth (`calibration`) holds only where boxes keep
    theirs: not where they are believed less the more they overlap, nor where the score is a mean.
    """

    def __init__(self, detector: Detector, limits: Limits) -> None:
        self._detector, self._limits = detector, limits
        own = detector.card
        self.card: ModelCard = own if limits.way is Way.AGNOSTIC else replace(own, calibration=None)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """The detector's, suppressed."""
        return [suppressed(found, self._limits) for found in self._detector.detect(frames)]

    def forget(self, stream: int) -> None:
        """See Learner."""
        if isinstance(self._detector, Learner):
            self._detector.forget(stream)


def suppressed(found: Detections, limits: Limits) -> Detections:
    """Detections by falling score after suppression; a fused box keeps mask and features of its strongest one."""
    match limits.way:
        case Way.AGNOSTIC:
            alike = np.zeros(len(found), np.int64)
            kept = found[suppress(found.boxes, found.scores, alike, iou=limits.iou)]
        case Way.SOFT_LINEAR | Way.SOFT_GAUSSIAN:
            rows, scores = softened(found.boxes, found.scores, found.labels, limits)
            kept = replace(found[rows], scores=scores)
        case Way.WBF:
            fused = fuse(found.boxes, found.scores, found.labels, iou=limits.iou)
            kept = replace(found[fused.strongest], boxes=fused.boxes, scores=fused.scores)
    return kept[kept.scores >= limits.min_score][: limits.max_detections]


def softened(boxes: FloatArray, scores: FloatArray, labels: IntArray, limits: Limits) -> tuple[IntArray, FloatArray]:
    """Rows by falling new score (m,) within each class, and these scores (m,) float32 (Bodla et al. 2017).

    Again and again the strongest box M of those that are left is kept, and every other one b_i believed less:

        linear     s_i = s_i (1 - iou(M, b_i)) where iou(M, b_i) >= limits.iou                    (section 3)
        Gaussian   s_i = s_i exp(-iou(M, b_i)^2 / limits.sigma), whatever they overlap
    """
    method = cv2.dnn.SoftNMSMethod_SOFTNMS_GAUSSIAN
    if limits.way is Way.SOFT_LINEAR:
        method = cv2.dnn.SoftNMSMethod_SOFTNMS_LINEAR
    scale = _GRID / max(float(np.abs(boxes).max(initial=0.0)), 1.0)
    whole = np.rint(to_xywh(boxes * scale)).astype(np.int64)  # it takes whole numbers only
    rows, changed = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for label in np.unique(labels).tolist():
        own = np.flatnonzero(labels == label)
        given: Any = whole[own].tolist()
        strengths: Any = scores[own].astype(float).tolist()
        new, kept = cv2.dnn.softNMSBoxes(given, strengths, limits.min_score, limits.iou, 0, limits.sigma, method)
        rows.append(own[np.asarray(kept, np.int64).reshape(-1)])
        changed.append(np.asarray(new, np.float32).reshape(-1))
    every, score = np.concatenate(rows), np.concatenate(changed)
    order = np.argsort(-score, kind="stable")
    return every[order], score[order]
