"""Scores of following one target: success, precision, robustness, and what the tracker's own score is worth.

The tracker gets the box of the first frame and no help after it (one-pass evaluation; Wu, Lim & Yang 2013, sec. 4).
Frames without the target say nothing of boxes: there, only the tracker's score is judged. The first frame counts as any
other for the boxes, as in the OTB toolkit, whose conventions decide what the papers leave open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.ranks import twice_above
from trackers.geometry import centres, iou_pairs, to_xywh
from trackers.structures import BoolArray, FloatArray

OVERLAPS: FloatArray = np.arange(21) / 20  # 0, .05 .. 1: thresholds of success
PIXELS: FloatArray = np.arange(51.0)  # 0 .. 50: thresholds of precision
SIZES: FloatArray = np.arange(51) / 100  # 0, .01 .. .5: thresholds of normalised precision, in sizes of the target
for _constant in (OVERLAPS, PIXELS, SIZES):
    _constant.setflags(write=False)
NEAR = 20  # pixels: the one threshold at which precision is compared
LOST_OVERLAP = 0.1  # overlap below which the target is lost
PATIENCE = 10  # frames in a row after which it counts as lost for good


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Where the target is. Row i of every column is frame i."""

    boxes: FloatArray  # (n, 4) x1 y1 x2 y2, pixels; of sides above 0 where it is present, anything elsewhere
    present: BoolArray  # (n,) False: it is hidden or out of the picture

    def __post_init__(self) -> None:
        _require_shapes(len(self.present), self.boxes)

    def __len__(self) -> int:
        return len(self.present)


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """Where a tracker says the target is. Row i of every column is frame i."""

    boxes: FloatArray  # (n, 4) x1 y1 x2 y2, pixels
    scores: FloatArray | None = None  # (n,) how sure it is; None: it does not say

    def __post_init__(self) -> None:
        _require_shapes(len(self.boxes), self.boxes)
        if not np.isfinite(self.boxes).all():
            raise ValueError("a box is not a number (NaN or infinite)")
        if self.scores is not None and self.scores.shape != (len(self.boxes),):
            raise ValueError(f"scores must be ({len(self.boxes)},), got {self.scores.shape}")

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True, eq=False)
class FollowScores:
    """Scores of one target, or the mean of several. NaN where it is in no frame."""

    frames: int  # all
    present: int  # frames with the target
    success: FloatArray  # (21,) at `OVERLAPS`
    precision: FloatArray  # (51,) at `PIXELS`
    normalised_precision: FloatArray  # (51,) at `SIZES`
    robustness: float  # 0..1
    score_auc: float | None  # 0..1; None: no scores, or the target is never lost, or never followed

    @property
    def auc(self) -> float:
        """Mean of the success curve, the area under it; at best 20/21, see `success_curve`."""
        return float(self.success.mean())

    @property
    def precision_near(self) -> float:
        """Precision at 20 pixels."""
        return float(self.precision[NEAR])

    @property
    def normalised_auc(self) -> float:
        """Mean of the curve of normalised precision."""
        return float(self.normalised_precision.mean())


def evaluate(truth: Truth, followed: Followed) -> FollowScores:
    """Score the boxes of one target. ValueError where there are not as many of them as frames."""
    if len(truth) != len(followed):
        raise ValueError(f"{len(followed)} boxes for {len(truth)} frames")
    true_boxes, boxes = truth.boxes[truth.present], followed.boxes[truth.present]
    overlaps = iou_pairs(true_boxes, boxes)
    lost = ~truth.present
    lost[truth.present] = overlaps < LOST_OVERLAP
    return FollowScores(
        frames=len(truth),
        present=len(true_boxes),
        success=success_curve(overlaps),
        precision=precision_curve(centre_errors(true_boxes, boxes)),
        normalised_precision=normalised_precision_curve(normalised_errors(true_boxes, boxes)),
        robustness=robustness(overlaps),
        # the score of the first frame, whose box was given, is no answer of the tracker
        score_auc=None if followed.scores is None else score_auc(followed.scores[1:], lost[1:]),
    )


def mean_scores(results: Sequence[FollowScores]) -> FollowScores:
    """Mean over targets, each counting alike however long (curves threshold by threshold); frames are added up.

    `score_auc`: mean of those that have one. ValueError where there is no target.
    """
    if not results:
        raise ValueError("no targets to average")
    known = [one.score_auc for one in results if one.score_auc is not None]
    return FollowScores(
        frames=sum(one.frames for one in results),
        present=sum(one.present for one in results),
        success=np.mean([one.success for one in results], axis=0),
        precision=np.mean([one.precision for one in results], axis=0),
        normalised_precision=np.mean([one.normalised_precision for one in results], axis=0),
        robustness=float(np.mean([one.robustness for one in results])),
        score_auc=float(np.mean(known)) if known else None,
    )


def success_curve(overlaps: FloatArray) -> FloatArray:
    """Share of the frames (n,) with an overlap above each of `OVERLAPS` (21,); NaN where n is 0.

    Above, not at least (Wu, Lim & Yang 2013, sec. 4, success plot, and their toolkit). At threshold 1 it is 0 even for
    perfect boxes, whose mean is 20/21 = .952.
    """
    return _shares(overlaps[:, None] > OVERLAPS)


def precision_curve(errors: FloatArray) -> FloatArray:
    """Share of the frames (n,) whose centre is at most each of `PIXELS` away (51,); NaN where n is 0.

    `errors`: by `centre_errors`. Wu, Lim & Yang 2013, sec. 4, precision plot.
    """
    return _shares(errors[:, None] <= PIXELS)


def normalised_precision_curve(errors: FloatArray) -> FloatArray:
    """Share of the frames (n,) whose centre is at most each of `SIZES` away (51,); NaN where n is 0.

    `errors`: by `normalised_errors`. Its mean is the area from 0 to .5 of Müller et al. 2018 (TrackingNet).
    """
    return _shares(errors[:, None] <= SIZES)


def centre_errors(truth: FloatArray, boxes: FloatArray) -> FloatArray:
    """Distance between the centres of box i of `truth` and box i of `boxes` (n,), pixels."""
    across, down = (centres(boxes) - centres(truth)).T
    return np.asarray(np.hypot(across, down))


def normalised_errors(truth: FloatArray, boxes: FloatArray) -> FloatArray:
    """As `centre_errors`, in sizes of the true box (n,): the length of (dx / width, dy / height).

    That is the normalised precision of TrackingNet (Müller et al. 2018).
    """
    across, down = ((centres(boxes) - centres(truth)) / to_xywh(truth)[:, 2:]).T
    return np.asarray(np.hypot(across, down))


def robustness(overlaps: FloatArray) -> float:
    """Share of the frames (n,) before the target is lost for good, 0..1; 1 where it never is, NaN where n is 0.

    It is lost for good from the first of ten frames in a row with an overlap below .1; frames without the target are
    passed over. That is the robustness of VOT2020 (Kristan et al. 2020: share of a sequence up to the failure, which is
    an overlap that falls below .1 and does not rise above it within ten frames) of one start, in the first frame,
    where VOT starts at several.
    """
    if not len(overlaps):
        return float("nan")
    lost = (overlaps < LOST_OVERLAP).astype(np.int64)
    failures = np.flatnonzero(np.convolve(lost, np.ones(PATIENCE, np.int64))[PATIENCE - 1 :] == PATIENCE)
    return float(failures[0] / len(overlaps)) if len(failures) else 1.0


def score_auc(scores: FloatArray, lost: BoolArray) -> float | None:
    """Probability that a frame in which the target is lost has a lower score than one in which it is followed.

    Ties count half. `scores` (n,), `lost` (n,): overlap below .1, or the target is not there. None where one of the
    two kinds is missing. ValueError for a score that is NaN.
    """
    if np.isnan(scores).any():
        raise ValueError("a score is not a number (NaN)")
    low, high = np.sort(scores[lost]), np.sort(scores[~lost])
    if not (len(low) and len(high)):
        return None
    return twice_above(high, low) / (2 * len(low) * len(high))


def _shares(reached: BoolArray) -> FloatArray:
    """Share of the rows that are True, for each column."""
    return np.asarray(reached.mean(axis=0)) if len(reached) else np.full(reached.shape[1], np.nan)


def _require_shapes(frames: int, boxes: FloatArray) -> None:
    if boxes.shape != (frames, 4):
        raise ValueError(f"boxes must be ({frames}, 4), got {boxes.shape}")
