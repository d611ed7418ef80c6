"""What a tracker does while its target is away: how soon it says so, how soon it is back, what its score is worth.

A frame is of one of three kinds: the target is visible, absent, or neither (half covered), and then not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pipeline.evaluation.sot import LOST_OVERLAP, Followed, Truth, score_auc
from trackers.geometry import iou_pairs
from trackers.structures import BoolArray, FloatArray
from trackers.targets import LOST_SCORE

LOST_WITHIN = 0.5  # seconds from the beginning of an absence
RECOVERED_WITHIN = 1.0  # seconds from the target's return
ON_TARGET = 0.5  # overlap from which a box is on the target again


class Hiding(StrEnum):
    """How a target is made to be away."""

    REMOVED = "removed"  # it is not there, one sees what is behind it
    COVERED = "covered"  # something comes in front of it


@dataclass(frozen=True, slots=True)
class Absence:
    """Frames `begin` to `end`, the end not counted, in which nothing of the target is to be seen."""

    how: Hiding
    begin: int
    end: int  # the first frame in which it is visible again, or half so


@dataclass(frozen=True, slots=True, eq=False)
class HiddenTruth:
    """Where a target is that is away at times. Row i of every column is frame i."""

    truth: Truth  # present: in the frames in which it is visible, by half at least
    judged: BoolArray  # (n,) False: too little of it is visible to say whether it ought to be found
    absences: tuple[Absence, ...]  # in order
    frame_rate: float  # frames a second


@dataclass(frozen=True, slots=True)
class Return:
    """What a tracker did in one absence and after it. Seconds; None: never, until the next absence begins."""

    absence: Absence
    lost_after: float | None  # from the beginning to the first frame, of the absence, with a score below `LOST_SCORE`
    recovered_after: float | None  # from the return to the first frame on target: score from `LOST_SCORE`, IoU from .5

    @property
    def lost_in_time(self) -> bool:
        """Whether it said within half a second that the target is away."""
        return self.lost_after is not None and self.lost_after <= LOST_WITHIN

    @property
    def recovered_in_time(self) -> bool:
        """Whether it was on the target again within a second."""
        return self.recovered_after is not None and self.recovered_after <= RECOVERED_WITHIN


@dataclass(frozen=True, slots=True, eq=False)
class AbsenceScores:
    """What a tracker did with one target, or with several. Frames whose box was given are left out."""

    returns: tuple[Return, ...]
    scores: FloatArray  # (n,) of the judged frames
    wrong: BoolArray  # (n,) of the judged frames: the target is absent, or the overlap below .1
    visible: BoolArray  # (n,) of the judged frames: the target is visible

    @property
    def lost_in_time(self) -> float:
        """Share of the absences, NaN without one."""
        return _share([one.lost_in_time for one in self.returns])

    @property
    def recovered_in_time(self) -> float:
        """Share of the absences, NaN without one."""
        return _share([one.recovered_in_time for one in self.returns])

    @property
    def false_lost(self) -> float:
        """Share of the frames with a visible target in which it is said to be lost; NaN without one."""
        return _share(self.scores[self.visible] < LOST_SCORE)

    @property
    def told_lost(self) -> float:
        """Share of the frames without the target in which it is said to be lost; NaN without one."""
        return _share(self.scores[~self.visible] < LOST_SCORE)

    @property
    def score_auc(self) -> float | None:
        """As `sot.score_auc`, all frames in one pool."""
        return score_auc(self.scores, self.wrong)


def evaluate_absences(hidden: HiddenTruth, followed: Followed) -> AbsenceScores:
    """Score what a tracker made of a target that is away at times.

    ValueError where there are not as many boxes as frames, or no scores.
    """
    count = len(hidden.truth)
    if len(followed) != count:
        raise ValueError(f"{len(followed)} boxes for {count} frames")
    if followed.scores is None:
        raise ValueError("a tracker without scores cannot say that its target is away")
    scores, visible = followed.scores, hidden.truth.present
    overlaps = np.zeros(count)
    overlaps[visible] = iou_pairs(hidden.truth.boxes[visible], followed.boxes[visible])
    said_lost = scores < LOST_SCORE
    on_target = visible & ~said_lost & (overlaps >= ON_TARGET)
    nexts = [*(one.begin for one in hidden.absences), count][1:]
    returns = []
    for absence, following in zip(hidden.absences, nexts, strict=True):
        back = absence.end + _first(visible[absence.end : following])
        returns.append(
            Return(
                absence,
                _seconds(said_lost[absence.begin : absence.end], hidden.frame_rate),
                _seconds(on_target[back:following], hidden.frame_rate),
            )
        )
    judged = hidden.judged.copy()
    judged[:1] = False  # its box was given
    return AbsenceScores(tuple(returns), scores[judged], (overlaps < LOST_OVERLAP)[judged], visible[judged])


def pooled(results: Sequence[AbsenceScores]) -> AbsenceScores:
    """All absences and all frames of several targets together. ValueError where there is no target."""
    if not results:
        raise ValueError("no targets to pool")
    return AbsenceScores(
        returns=tuple(each for one in results for each in one.returns),
        scores=np.concatenate([one.scores for one in results]),
        wrong=np.concatenate([one.wrong for one in results]),
        visible=np.concatenate([one.visible for one in results]),
    )


def _seconds(reached: BoolArray, frame_rate: float) -> float | None:
    """From the first frame to the first that is True; None where there is none."""
    return float(_first(reached) / frame_rate) if reached.any() else None


def _first(reached: BoolArray) -> int:
    """Index of the first that is True, or how many there are."""
    return int(np.argmax(reached)) if reached.any() else len(reached)


def _share(reached: BoolArray | Sequence[bool]) -> float:
    return float(np.mean(reached)) if len(reached) else float("nan")
