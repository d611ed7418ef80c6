"""Which of the detector's objects is meant, and how sure it is of that object in a changed picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import ConfigError
from pipeline.explain.choice import LEAST_OVERLAP
from pipeline.models.base import Detector
from trackers.geometry import from_xywh, iou_matrix, to_xywh
from trackers.structures import Detections, FloatArray, Frame

_LISTED = 12  # boxes in an error


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """An object that the detector sees."""

    box: FloatArray  # (4,) float32 x1 y1 x2 y2, pixels
    label: int  # of the detector's classes
    score: float  # 0..1
    class_name: str


def find_object(detector: Detector, frame: Frame, wanted: Sequence[float], *, min_score: float) -> Seen:
    """The object that overlaps `wanted` (left, top, width, height; pixels) most; of boxes of one object the surest.

    Boxes of a class are of one object where they overlap by half, as in `score_of`. The error says it of "the box": who
    gave it, and how, is known to the caller. Raises ConfigError where there is no object.
    """
    box = from_xywh(np.array([wanted], np.float32))
    left, top, right, bottom = box[0].tolist()
    if not np.isfinite(box).all() or right <= left or bottom <= top:
        raise ConfigError(f"the box {_written(wanted)} is none; give left, top, width and height, the last two above 0")
    if right <= 0 or bottom <= 0 or left >= frame.width or top >= frame.height:
        raise ConfigError(
            f"the box {_written(wanted)} lies outside the picture of {frame.width} x {frame.height} pixels; "
            "give left, top, width and height"
        )
    found = detector.detect([frame])[0]
    found = found[found.scores >= min_score]
    overlaps = iou_matrix(box, found.boxes)[0]
    if not (overlaps >= LEAST_OVERLAP).any():
        raise ConfigError(
            f"frame {frame.index}: {detector.card.name} sees no object at {_written(wanted)} (overlap "
            f"{LEAST_OVERLAP} or more); it sees {_listed(found, detector.card.classes)}"
        )
    nearest = int(overlaps.argmax())
    label = int(found.labels[nearest])
    same = (iou_matrix(found.boxes[[nearest]], found.boxes)[0] >= LEAST_OVERLAP) & (found.labels == label)
    row = int(np.where(same, found.scores, -1).argmax())
    return Seen(found.boxes[row], label, float(found.scores[row]), detector.card.classes[label])


def score_of(found: Detections, seen: Seen) -> float:
    """How sure the detector is of an object: of the boxes of its class that lie where it was the best score, else 0."""
    same = found[found.labels == seen.label]
    there = iou_matrix(seen.box[None], same.boxes)[0] >= LEAST_OVERLAP
    return float(same.scores[there].max(initial=0.0))


def _listed(found: Detections, names: Sequence[str]) -> str:
    if not len(found):
        return "nothing; a lower detector.min_score shows more"
    rows = zip(to_xywh(found.boxes).tolist(), found.labels.tolist(), found.scores.tolist(), strict=True)
    said = [f"{names[label]} {score:.2f} at {_written(box)}" for box, label, score in rows]
    return "; ".join(said[:_LISTED]) + (f"; and {len(said) - _LISTED} more" if len(said) > _LISTED else "")


def _written(box: Sequence[float]) -> str:
    return ",".join(f"{side:.0f}" for side in box)
