"""A clip in which the target is away at times, made of one in which it never is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.absences import Absence, HiddenTruth, Hiding
from pipeline.evaluation.sot import Truth
from pipeline.target_benchmark.absence_plan import SLIDE
from pipeline.target_benchmark.background import Backgrounds, Region
from pipeline.target_benchmark.cover import Cover
from trackers.structures import FloatArray, ImageArray

_MARGIN = np.array([0.2, 0.15, 0.2, 0.2])  # of a box's sides, on the left, top, right and bottom: hair, feet, shadow
_PIXELS = 3.0  # more than that
_VISIBLE, _GONE = 0.5, 0.95  # covered shares up to which a target is visible and from which it is absent


@dataclass(frozen=True, slots=True, eq=False)
class HiddenClip:
    """Pictures in which the target is away or half covered, and the truth of the whole clip."""

    changed: dict[int, ImageArray]  # by frame; all others stay as they are
    hidden: HiddenTruth


def hide(pictures: Sequence[ImageArray], truth: Truth, absences: Sequence[Absence], *, frame_rate: float) -> HiddenClip:
    """Take the target out of the pictures, or cover it, during the absences."""
    regions = [_region(box) for box in truth.boxes]
    made: dict[int, ImageArray] = {}
    present, judged = truth.present.copy(), np.ones(len(truth), bool)
    for absence in absences:
        frames = range(absence.begin, absence.end)
        present[absence.begin : absence.end] = False
        match absence.how:
            case Hiding.REMOVED:
                made.update(zip(frames, Backgrounds(pictures, regions).without(frames), strict=True))
            case Hiding.COVERED:
                cover = Cover(pictures, regions, frames, max(1, round(SLIDE * frame_rate)))
                for frame, picture in cover.over():
                    made[frame] = picture
                    share = _covered(truth.boxes[frame], cover.region(frame))
                    present[frame] &= share <= _VISIBLE
                    judged[frame] = share <= _VISIBLE or share >= _GONE
    return HiddenClip(made, HiddenTruth(Truth(truth.boxes, present), judged, tuple(absences), frame_rate))


def _region(box: FloatArray) -> Region:
    """What a target in this box takes up."""
    if not np.isfinite(box).all():
        return Region(0, 0, 0, 0)
    sides = np.tile(box[2:] - box[:2], 2)
    left, top, right, bottom = box + np.array([-1, -1, 1, 1]) * (_MARGIN * sides + _PIXELS)
    return Region(int(np.floor(left)), int(np.floor(top)), int(np.ceil(right)), int(np.ceil(bottom)))


def _covered(box: FloatArray, cover: FloatArray) -> float:
    """Share of the box that is covered."""
    sides = np.maximum(np.minimum(box[2:], cover[2:]) - np.maximum(box[:2], cover[:2]), 0)
    return float(sides.prod() / (box[2:] - box[:2]).prod())
