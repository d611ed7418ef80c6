"""Scores of a detector's boxes: average precision as COCO defines it, recall, and how often a box of a score is right.

A box found is right if it overlaps a true box of its class and picture by at least a threshold of IoU, and no box of
higher score took that one. Boxes compete by falling score, as in the PASCAL VOC challenge (Everingham et al. 2010,
sec. 4.2); COCO (Lin et al. 2014, sec. 5; cocodataset.org, "Detection evaluation") takes ten thresholds from .5 to .95,
interpolates precision at 101 recalls, and lets boxes in regions marked as crowd neither win nor lose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Self

import numpy as np
from scipy.optimize import isotonic_regression

from trackers.geometry import areas, intersection_pairs, iou_pairs
from trackers.structures import BoolArray, FloatArray, Index, IntArray

IOUS: FloatArray = np.arange(10, 20) / 20  # (10,) .5 .. .95
RECALLS: FloatArray = np.linspace(0, 1, 101)  # where precision is interpolated
for _constant in (IOUS, RECALLS):
    _constant.setflags(write=False)
MOST = 100  # boxes of a class that count in a picture, by falling score
_CLOSE = 1e-10  # an overlap of exactly the threshold is enough, whatever rounding did to it


@dataclass(frozen=True, slots=True, eq=False)
class _Boxes:
    """Boxes in many pictures. Row i of every column is the same box."""

    pictures: IntArray  # (n,) number of the picture
    boxes: FloatArray  # (n, 4) x1 y1 x2 y2, pixels
    labels: IntArray  # (n,) number of the class

    def __post_init__(self) -> None:
        _check(self)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: Index) -> Self:
        return type(self)(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The rows of all; one part or more."""
        return cls(*(np.concatenate([getattr(one, field.name) for one in parts]) for field in fields(cls)))


@dataclass(frozen=True, slots=True, eq=False)
class TrueBoxes(_Boxes):
    """What is really there, in all pictures. Row i of every column is the same object."""

    ignored: BoolArray  # (n,) a region that does not count: what is found in it is neither right nor wrong


@dataclass(frozen=True, slots=True, eq=False)
class FoundBoxes(_Boxes):
    """What a detector found, in all pictures. Row i of every column is the same box."""

    scores: FloatArray  # (n,)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Boxes found by falling score, and which are right."""

    labels: IntArray  # (m,)
    scores: FloatArray  # (m,) falling
    right: BoolArray  # (10, m) at each of `IOUS`
    counts: BoolArray  # (10, m) False: lies in an ignored region, neither right nor wrong
    truths: IntArray  # (classes,) true boxes that count


@dataclass(frozen=True, slots=True, eq=False)
class DetectionScores:
    """Of every class; NaN where no true box counts."""

    precision: FloatArray  # (classes, 10, 101) interpolated, at `IOUS` and `RECALLS`
    recalls: FloatArray  # (classes, 10) share of the true boxes that were found, at any score
    truths: IntArray  # (classes,) true boxes that count

    @property
    def ap(self) -> FloatArray:
        """Average precision (classes,), mean over `IOUS`."""
        return np.asarray(self.precision.mean(axis=(1, 2)))

    @property
    def ap50(self) -> FloatArray:
        """Average precision (classes,) at IoU .5."""
        return np.asarray(self.precision[:, 0].mean(axis=1))

    @property
    def mean_ap(self) -> float:
        """Mean of `ap` over the classes with a true box that counts; NaN where there is none."""
        return _mean(self.ap)

    @property
    def mean_ap50(self) -> float:
        """Likewise of `ap50`."""
        return _mean(self.ap50)

    @property
    def recall50(self) -> FloatArray:
        """Share of the true boxes (classes,) that were found at IoU .5, at any score."""
        return self.recalls[:, 0]


def judge(truth: TrueBoxes, found: FoundBoxes, classes: int, *, most: int = MOST) -> Judged:
    """Say which boxes are right. `classes`: how many there are. `most`: boxes a picture and class, by falling score.

    Of several true boxes that overlap enough a box takes the one it overlaps most; one that counts before an ignored
    region. Raises ValueError for a label that is none of the classes or a score that is NaN.
    """
    for labels in (truth.labels, found.labels):
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(f"labels run from 0 to {classes - 1}, not from {labels.min()} to {labels.max()}")
    if np.isnan(found.scores).any():
        raise ValueError("a score is not a number (NaN)")
    found = found[np.argsort(-found.scores, kind="stable")]
    group, ranks = _groups(truth, found, classes)
    kept = ranks < most
    found, ranks = found[kept], ranks[kept]
    true_group, found_group = group[: len(truth)], group[len(truth) :][kept]
    rows, columns = _same_group(found_group, true_group)
    regions = truth.ignored[columns]
    right = _take(found, truth, (rows[~regions], columns[~regions]), ranks)
    inside = _covered(found, truth, rows[regions], columns[regions])
    truths = np.bincount(truth.labels[~truth.ignored], minlength=classes)
    return Judged(found.labels, found.scores, right, right | ~inside, truths)


def score(judged: Judged) -> DetectionScores:
    """Precision and recall of every class."""
    classes = len(judged.truths)
    precision = np.full((classes, len(IOUS), len(RECALLS)), np.nan)
    recalls = np.full((classes, len(IOUS)), np.nan)
    for label in np.flatnonzero(judged.truths):
        own = judged.labels == label
        right, wrong = judged.right[:, own], (judged.counts & ~judged.right)[:, own]
        precision[label], recalls[label] = _curves(right, wrong, int(judged.truths[label]))
    return DetectionScores(precision, recalls, judged.truths)


def precision_by_score(judged: Judged, *, knots: int = 20, least: int = 10) -> tuple[tuple[float, float], ...]:
    """Pairs (score, share of the boxes of that score that are right at IoU .5), both rising: `tracker.calibration`.

    All classes together. Boxes are put into at most `knots` bins of at least `least` boxes, narrow where right ones are
    many and where wrong ones are, since most boxes of a detector are weak and wrong; the shares are made to rise by
    isotonic regression (pool adjacent violators; Barlow et al. 1972, ch. 1). Empty without boxes.
    """
    counted = judged.counts[0]
    scores, right = judged.scores[counted][::-1].astype(np.float64), judged.right[0][counted][::-1]
    if not len(scores):
        return ()
    kind = np.where(right, 0.5 / max(right.sum(), 1), 0.5 / max((~right).sum(), 1))  # each kind weighs a half
    ranks = np.searchsorted(np.cumsum(kind) / kind.sum(), np.arange(1, knots) / knots) // least * least
    cuts = np.unique(scores[np.unique(ranks[ranks > 0])])
    place = np.searchsorted(cuts, scores, side="right")
    weight = np.bincount(place, minlength=len(cuts) + 1).astype(np.float64)
    kept = weight > 0
    weight = weight[kept]
    centres = np.bincount(place, scores, minlength=len(cuts) + 1)[kept] / weight
    shares = isotonic_regression(np.bincount(place, right, minlength=len(cuts) + 1)[kept] / weight, weights=weight).x
    pairs = {round(float(centre), 4): round(float(share), 4) for centre, share in zip(centres, shares, strict=True)}
    return tuple(pairs.items())


def _curves(right: BoolArray, wrong: BoolArray, truths: int) -> tuple[FloatArray, FloatArray]:
    """Precision (10, 101) at `RECALLS` and last recall (10,) of one class, whose boxes (10, m) come by falling score.

    Precision at a recall is the highest one at this recall or a higher one; 0 at recalls that are never reached.
    """
    precision = np.zeros((len(right), len(RECALLS)))
    if not right.shape[1]:
        return precision, np.zeros(len(right))
    hits, misses = np.cumsum(right, axis=1), np.cumsum(wrong, axis=1)
    share = hits / np.maximum(hits + misses, 1)
    highest = np.maximum.accumulate(share[:, ::-1], axis=1)[:, ::-1]
    recall = hits / truths
    for row in range(len(right)):
        place = np.searchsorted(recall[row], RECALLS, side="left")
        reached = place < recall.shape[1]
        precision[row, reached] = highest[row, place[reached]]
    return precision, recall[:, -1]


def _groups(truth: TrueBoxes, found: FoundBoxes, classes: int) -> tuple[IntArray, IntArray]:
    """Number of each row's picture and class (n + m,), true ones first; rank of each box found in its group (m,)."""
    pictures = np.concatenate([truth.pictures, found.pictures]).astype(np.int64)
    group = pictures * classes + np.concatenate([truth.labels, found.labels])
    own = group[len(truth) :]
    order = np.argsort(own, kind="stable")  # within a group still by falling score
    starts = np.flatnonzero(np.diff(own[order], prepend=-1))
    ranks = np.empty(len(own), np.int64)
    ranks[order] = np.arange(len(own)) - np.repeat(starts, np.diff(starts, append=len(own)))
    return group, ranks


def _same_group(found: IntArray, true: IntArray) -> tuple[IntArray, IntArray]:
    """Rows of both of all pairs of a group, by row found."""
    order = np.argsort(true, kind="stable")
    first = np.searchsorted(true[order], found, side="left")
    counts = np.searchsorted(true[order], found, side="right") - first
    rows = np.repeat(np.arange(len(found)), counts)
    ends = np.cumsum(counts)
    return rows, order[np.arange(len(rows)) + np.repeat(first + counts - ends, counts)]


def _take(found: FoundBoxes, truth: TrueBoxes, pairs: tuple[IntArray, IntArray], ranks: IntArray) -> BoolArray:
    """Which boxes (10, m) take a true one at each threshold. In each round every group's next box takes its best."""
    rows, columns = pairs
    overlap = iou_pairs(found.boxes[rows].astype(np.float64), truth.boxes[columns].astype(np.float64))
    near = overlap >= IOUS[0] - _CLOSE
    rows, columns, overlap = rows[near], columns[near], overlap[near]
    order = np.lexsort((overlap, rows, ranks[rows]))  # of a box the best pair comes last
    rows, columns, overlap = rows[order], columns[order], overlap[order]
    enough = overlap >= IOUS[:, None] - _CLOSE
    right = np.zeros((len(IOUS), len(found)), dtype=bool)
    taken = np.zeros((len(IOUS), len(truth)), dtype=bool)
    rounds = np.append(np.flatnonzero(np.diff(ranks[rows], prepend=-1)), len(rows))
    for begin, end in pairwise(rounds):
        free = enough[:, begin:end] & ~taken[:, columns[begin:end]]
        starts = np.flatnonzero(np.diff(rows[begin:end], prepend=-1))
        best = np.maximum.reduceat(np.where(free, np.arange(end - begin), -1), starts, axis=1)
        threshold, box = np.nonzero(best >= 0)
        pair = begin + best[threshold, box]
        right[threshold, rows[pair]] = True
        taken[threshold, columns[pair]] = True
    return right


def _covered(found: FoundBoxes, truth: TrueBoxes, rows: IntArray, columns: IntArray) -> BoolArray:
    """Which boxes (10, m) lie in an ignored region with at least each threshold's share of their area."""
    boxes = found.boxes[rows].astype(np.float64)
    shared = intersection_pairs(boxes, truth.boxes[columns].astype(np.float64))
    share = np.zeros(len(found))
    np.maximum.at(share, rows, shared / np.maximum(areas(boxes), np.finfo(np.float64).tiny))
    return np.asarray(share >= IOUS[:, None] - _CLOSE)


def _mean(scores: FloatArray) -> float:
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if len(known) else float("nan")


def _check(columns: _Boxes) -> None:
    if columns.boxes.shape != (len(columns), 4):
        raise ValueError(f"boxes must be ({len(columns)}, 4), got {columns.boxes.shape}")
    for field in fields(columns):
        if len(getattr(columns, field.name)) != len(columns):
            raise ValueError(f"{field.name} has {len(getattr(columns, field.name))} rows, pictures {len(columns)}")
