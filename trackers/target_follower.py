"""Follows targets by two trackers, notices their loss, and finds them again by what they looked like.

The two check each other (opinions.py). A target is lost when the second has lost it and what the first found is not
like it; for a moment both go on, since most losses are that short. Then it is searched around where a Kalman filter
expects it (Kalman 1960; kalman.py), further out the longer it is away, and taken up again on strong evidence only: it
must look like it nearly as much as it usually does, for some pictures. Such division of following, noticing and finding
is that of Kalal, Mikolajczyk & Matas 2012 (TLD); the parts here are others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from trackers import kalman
from trackers.columns import Columns
from trackers.geometry import centres, iou_pairs
from trackers.kalman import XYWH8
from trackers.likeness import Embed, Likeness
from trackers.opinions import FIRST, SECOND, Opinions, Verdict
from trackers.patches import boxes_around
from trackers.search_places import fitting, in_turn, labels_of, places_in_reach
from trackers.structures import BoolArray, Detections, FloatArray, ImageArray, IntArray, State, joined, part_of
from trackers.targets import (
    LOST_SCORE,
    Found,
    ResumableTargets,
    checked_boxes,
    checked_image,
    expected,
    learning,
    placed_boxes,
)
from trackers.template_gallery import TemplateGallery

Candidates = Callable[[ImageArray], Detections]  # what a detector sees in a picture

_NEAR = 2.0  # mean sides of a target; so far is always searched
_STILL = 0.75  # IoU with where it was: a target that overlaps so much stands nearly still
_UNKNOWN = -1  # class of a target that no detector sees
_DETECT_EVERY = 3  # pictures of an absence after which the detector is asked again, unless there is a clue
_CONFIRMED = 3  # pictures in a row in which a clue must hold


class Searcher(ResumableTargets, Protocol):
    """A target tracker that can be asked about other places."""

    def look(self, image: ImageArray, rows: IntArray, around: FloatArray) -> Found:
        """What it would find of the targets `rows` (m,) around boxes (m, 4). It remembers nothing of it."""


class _Part(Protocol):
    """What keeps something of every target."""

    def keep(self, rows: BoolArray) -> None: ...

    def to_arrays(self) -> State: ...

    def from_arrays(self, state: State) -> None: ...


class TargetFollower:
    """Two trackers, a gallery and a filter for each target. One instance a stream; row i is the same target everywhere.

    Likeness is a share as in `Likeness`: 0 for what surrounds a target, 1 for what it usually looks like.
    """

    def __init__(
        self,
        first: Searcher,
        second: ResumableTargets,
        embed: Embed,
        *,
        candidates: Candidates | None = None,
        part: float = 0.3,
        sure: float = 0.6,
        lost_share: float = 0.35,
        back_share: float = 0.65,
        patience: int = 10,
        places: int = 4,
        gate: float = 3.0,
        frame_rate: float = 25.0,
        gallery: TemplateGallery | None = None,
    ) -> None:
        """`first`: robust, and asked about other places. `second`: exact, and low of score once it has lost a target.

        Lost targets are looked for at `places` places a picture and target; and, in every third picture, among what
        `candidates` sees, where it saw the target in the picture that it was learned from: of its class and size.
        `part`, `sure`, `patience`: see `Opinions`; after so many pictures a target that is not found counts as away,
        too. `lost_share`, `back_share`: likeness 0..1 below which one is lost, and from which one that was away is
        taken up; see `_doubted` for what is between. `gate`: standard deviations of the filter's prediction beyond
        which a target has leapt, and within which one that is away is searched. `frame_rate`: pictures a second, which
        says how far something goes between two.
        """
        if not 0 < lost_share <= back_share <= 1:
            raise ValueError(f"0 < lost_share <= back_share <= 1 must hold, got {lost_share} and {back_share}")
        self._first, self._second, self._candidates = first, second, candidates
        self._opinions = Opinions(part=part, sure=sure, patience=patience)
        self._likeness = Likeness(embed, least=back_share, gallery=gallery)
        self._sure, self._patience = sure, patience
        self._lost_share, self._back_share = lost_share, back_share
        self._places, self._gate, self._seconds = places, gate, 1 / frame_rate
        self._boxes: FloatArray = np.zeros((0, 4))
        self._labels = np.zeros(0, np.int64)  # class of each target, as `candidates` tells it, or `_UNKNOWN`
        self._missed = np.zeros(0, np.int64)  # pictures since a target was found last
        self._clues: FloatArray = np.zeros((0, 4))  # what was most like a target that is away
        self._clued = np.zeros(0, np.int64)  # pictures for which that has been clear
        self._mean: FloatArray = np.zeros((0, XYWH8.size))
        self._covariance: FloatArray = np.zeros((0, XYWH8.size, XYWH8.size))
        self._columns = Columns(self, ("_boxes", "_labels", "_missed", "_clues", "_clued", "_mean", "_covariance"))
        self._parts: dict[str, _Part] = {
            "first": first,
            "second": second,
            "opinions": self._opinions,
            "likeness": self._likeness,
            "targets": self._columns,
        }

    @property
    def boxes(self) -> FloatArray:
        """Where the targets were found last (n, 4) float64."""
        return self._boxes.copy()

    def add(self, image: ImageArray, boxes: FloatArray) -> None:
        """Learn further targets; see `TargetTracker`. Raises ValueError."""
        image = checked_image(image)
        boxes = checked_boxes(boxes, image)
        if len(boxes) == 0:
            return
        self._first.add(image, boxes)
        self._second.add(image, boxes)
        self._opinions.start(len(boxes))
        self._likeness.start(image, boxes)
        mean, covariance = kalman.initiate(XYWH8, boxes)
        labels = np.full(len(boxes), _UNKNOWN)
        self._columns.append(
            _boxes=boxes,
            _labels=labels if self._candidates is None else labels_of(boxes, self._candidates(image), unknown=_UNKNOWN),
            _missed=np.zeros(len(boxes), np.int64),
            _clues=boxes,
            _clued=np.zeros(len(boxes), np.int64),
            _mean=mean,
            _covariance=covariance,
        )

    def update(self, image: ImageArray, *, around: FloatArray | None = None, learn: BoolArray | None = None) -> Found:
        """Look for every target in the next picture; see `TargetTracker`. Raises ValueError."""
        image = checked_image(image)
        asked, may = expected(around, self._boxes), learning(learn, len(self._boxes))
        if len(self._boxes) == 0:
            return Found(asked, np.zeros(0))
        away = self._missed > self._patience
        predicted = self._predicted()
        predicted = predicted if around is None else asked

        near = self._first.boxes if around is None else asked
        first = self._first.update(image, around=_instead(near, away, predicted), learn=may & ~away)
        back, likely = self._searched(image, away, predicted)
        near = self._second.boxes if around is None else asked
        second = self._second.update(image, around=_instead(near, away, back), learn=may & ~away)
        verdict = self._opinions.heard(*self._doubted(image, first, second, away))
        self._likeness.learn(image, verdict.boxes, may & ~away & self._surely(first, second, verdict))

        agreed = (second.scores >= self._sure) & (iou_pairs(second.boxes, back) >= self._opinions.part)
        self._follow_clues(away & (likely >= self._clear()), back)
        returned = away & ((self._clued >= _CONFIRMED) | (agreed & (likely >= self._lost_share)))
        found = np.where(away, returned, verdict.scores >= LOST_SCORE)
        self._boxes = np.where(returned[:, None], back, np.where(found[:, None], verdict.boxes, self._boxes))
        absent = LOST_SCORE * np.clip(likely, 0, 1) * (1 - 1e-6)  # below `LOST_SCORE` however alike something else is
        scores = np.where(away, np.where(returned, likely.clip(LOST_SCORE, 1), absent), verdict.scores)
        self._go_on(~found | returned, returned, verdict.overruled)
        self._correct(found, returned)
        return Found(self.boxes, scores)

    def place(self, rows: BoolArray, boxes: FloatArray) -> None:
        """Say where the targets in the mask `rows` are by now; see `TargetTracker`."""
        self._boxes = placed_boxes(rows, boxes, self._boxes)
        self._first.place(rows, boxes)
        self._second.place(rows, boxes)
        self._opinions.restart(rows)
        self._missed[rows] = 0
        self._mean[rows], self._covariance[rows] = kalman.initiate(XYWH8, boxes)

    def keep(self, rows: BoolArray) -> None:
        """Forget the targets that are not in the mask `rows` (n,)."""
        for part in self._parts.values():
            part.keep(rows)

    def to_arrays(self) -> State:
        """Everything that is known of the targets."""
        return joined({name: part.to_arrays() for name, part in self._parts.items()})

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        for name, part in self._parts.items():
            part.from_arrays(part_of(state, name))

    def _predicted(self) -> FloatArray:
        """Move the filter on by a picture; where it expects the targets (n, 4), in the size they were found in."""
        sides = self._boxes[:, 2:] - self._boxes[:, :2]
        self._mean, self._covariance = kalman.predict(XYWH8, self._mean, self._covariance, self._seconds, sides[:, 1])
        return boxes_around(self._mean[:, :2], sides)

    def _searched(self, image: ImageArray, away: BoolArray, predicted: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What is most like each target that is away (n, 4), and how much (n,); as predicted, and 0, for the others."""
        best, likeness = predicted.copy(), np.zeros(len(away))
        lost = np.flatnonzero(away)
        if len(lost) == 0:
            return best, likeness
        places = [self._places_of(image, row, predicted[row]) for row in lost]
        rows = lost.repeat([len(boxes) for boxes in places])
        seen = self._first.look(image, rows, np.concatenate(places))
        there = seen.scores >= LOST_SCORE
        detected = self._detected(image, lost, predicted)
        rows = np.concatenate([rows[there], lost.repeat([len(boxes) for boxes in detected])])
        boxes = np.concatenate([seen.boxes[there], *detected])
        likely = self._likeness.shares(image, rows, boxes)
        for row in np.unique(rows):
            mine = np.flatnonzero(rows == row)
            top = mine[likely[mine].argmax()]
            best[row], likeness[row] = boxes[top], likely[top]
        return best, likeness

    def _detected(self, image: ImageArray, rows: IntArray, predicted: FloatArray) -> list[FloatArray]:
        """What a detector sees that each of the targets `rows` (k,), which are away, may be: boxes (m, 4) for each."""
        turn = (self._turns(rows) % _DETECT_EVERY == 0) | (self._clued[rows] > 0)
        asked = turn & (self._labels[rows] != _UNKNOWN)
        if self._candidates is None or not asked.any():
            return [np.zeros((0, 4))] * len(rows)
        seen = self._candidates(image)
        return [
            fitting(seen, label=self._labels[row], box=predicted[row], reach=self._reach(row) if may else 0.0)
            for row, may in zip(rows, asked, strict=True)
        ]

    def _places_of(self, image: ImageArray, row: np.intp, predicted: FloatArray) -> FloatArray:
        """Where it is looked for target `row` this time: where it is expected, where it was, clues, places in turn."""
        places = places_in_reach(predicted, self._reach(row), image)
        turn = int(self._turns(row))
        clues = self._clues[[row] if self._clued[row] else []]
        return np.concatenate([places[:1], self._boxes[[row]], clues, in_turn(places[1:], turn, self._places)])

    def _follow_clues(self, clear: BoolArray, boxes: FloatArray) -> None:
        """Count for how long what was found of targets that are away, boxes (n, 4), has been `clear` (n,)."""
        same = iou_pairs(boxes, self._clues) >= self._opinions.part
        self._clued = np.where(clear, np.where(same, self._clued, 0) + 1, 0)
        self._clues = boxes.copy()

    def _reach(self, row: np.intp) -> float:
        """How far from where it is expected target `row` may be, pixels."""
        side = np.sqrt((self._boxes[row, 2:] - self._boxes[row, :2]).prod())
        spread = np.sqrt(self._covariance[row, :2, :2].trace())
        return float(_NEAR * side * np.sqrt(2) + self._gate * spread)

    def _turns(self, rows: IntArray | np.intp) -> IntArray:
        """How many pictures the targets `rows` have been searched in before."""
        return np.asarray(self._missed[rows] - self._patience - 1)

    def _surely(self, first: Found, second: Found, verdict: Verdict) -> BoolArray:
        """Whose looks may be learned (n,): both have it in one place, and the second is sure, or it moves.

        What comes to cover a target that stands still does so bit by bit, and would be learned; who moves too fast for
        the second to be sure is seen anew in each picture.
        """
        same = iou_pairs(first.boxes, second.boxes) >= self._opinions.part
        moves = (iou_pairs(verdict.boxes, self._boxes) < _STILL) & (verdict.scores >= LOST_SCORE)
        return np.asarray(same & ((second.scores >= self._sure) | moves))

    def _doubted(self, image: ImageArray, first: Found, second: Found, away: BoolArray) -> tuple[Found, Found]:
        """What both found, with scores below `LOST_SCORE` where it is not like the target, unless the second is sure.

        The least likeness is `lost_share`, and halfway to `back_share` for what is farther off than the filter has it.
        It is `back_share` where the second one was sure until it lost it: what it had in its grip is covered or gone.
        Where the first one's is like it, the target is there, whatever the score.
        """
        rows = np.flatnonzero(~away & (second.scores < self._sure))
        if len(rows) == 0:
            return first, second
        both, boxes = np.tile(rows, 2), np.concatenate([first.boxes[rows], second.boxes[rows]])
        likeness = self._likeness.shares(image, both, boxes)
        clear = self._clear()
        leapt = np.where(self._leaps(both, boxes), (self._lost_share + clear[both]) / 2, self._lost_share)
        least = np.where(self._opinions.exact[both], clear[both], leapt)
        of_first, of_second = first.scores.copy(), second.scores.copy()
        low = (LOST_SCORE * (likeness / least).clip(0, 1)).reshape(2, -1)
        alike = (likeness >= least).reshape(2, -1)
        of_first[rows] = np.where(alike[FIRST], np.maximum(of_first[rows], LOST_SCORE), low[FIRST])
        of_second[rows] = np.where(alike[SECOND], of_second[rows], np.minimum(of_second[rows], low[SECOND]))
        return Found(first.boxes, of_first), Found(second.boxes, of_second)

    def _clear(self) -> FloatArray:
        """Likeness (n,) that is clear evidence: `back_share` of what it was of late, if that was less than usual."""
        return np.asarray(np.maximum(self._back_share * self._likeness.recent, self._lost_share))

    def _leaps(self, rows: IntArray, boxes: FloatArray) -> BoolArray:
        """Which of the boxes (m, 4) are elsewhere than the targets `rows` (m,) were, and beyond the gate (m,)."""
        heights = self._boxes[rows, 3] - self._boxes[rows, 1]
        spread = np.diagonal(self._covariance[rows], axis1=1, axis2=2)[:, :2]
        spread = spread + kalman.measurement_variance(XYWH8, heights)[:, :2]
        beyond = ((centres(boxes) - self._mean[rows, :2]) ** 2 / spread).sum(axis=1) > self._gate**2
        return np.asarray(beyond & (iou_pairs(boxes, self._boxes[rows]) < self._opinions.part))

    def _go_on(self, anew: BoolArray, returned: BoolArray, overruled: BoolArray) -> None:
        """Set the trackers on the targets' boxes where they go on from there: both `anew` (n,), or those overruled."""
        for side, tracker in ((FIRST, self._first), (SECOND, self._second)):
            rows = anew | overruled[:, side]
            if rows.any():
                tracker.place(rows, self._boxes[rows])
        if returned.any():
            self._opinions.restart(returned)

    def _correct(self, found: BoolArray, anew: BoolArray) -> None:
        """Tell the filter what was found (n,), of which `anew` (n,) begins anew, and count what was not."""
        self._missed = np.where(found, 0, self._missed + 1)
        on = found & ~anew
        self._mean[on], self._covariance[on] = kalman.update(
            XYWH8, self._mean[on], self._covariance[on], self._boxes[on]
        )
        self._mean[anew], self._covariance[anew] = kalman.initiate(XYWH8, self._boxes[anew])


def _instead(boxes: FloatArray, rows: BoolArray, others: FloatArray) -> FloatArray:
    """Boxes (n, 4) with those of `others` (n, 4) in the mask `rows` (n,)."""
    return np.where(rows[:, None], others, boxes).astype(np.float64)
