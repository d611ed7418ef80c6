"""Follows targets by two trackers, notices their loss, and finds them again by what they looked like.

The two check each other (opinions.py). A target is lost when the second has lost it and what the first found is not
like it; for a moment both go on, since most losses are that short. Then it is searched around where a Kalman filter
expects it (Kalman 1960; kalman.py), further out the longer it is away, and taken up again on strong evidence only: it
must look like it nearly as much as it usually does. Such division of following, noticing and finding is that of
Kalal, Mikolajczyk & Matas 2012 (TLD); the parts here are others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from trackers import kalman
from trackers.columns import Columns
from trackers.geometry import centres, iou_pairs
from trackers.kalman import XYWH8
from trackers.opinions import FIRST, SECOND, Opinions
from trackers.patches import boxes_around
from trackers.search_places import in_turn, places_in_reach
from trackers.structures import BoolArray, FloatArray, ImageArray, IntArray
from trackers.targets import (
    LEAST_SIDE,
    LOST,
    Found,
    TargetTracker,
    checked_boxes,
    checked_image,
    expected,
    learning,
    placed_boxes,
)
from trackers.template_gallery import TemplateGallery

Embed = Callable[[ImageArray, FloatArray], FloatArray]  # a picture, boxes (m, 4) -> looks (m, d) of unit length
Candidates = Callable[[ImageArray], FloatArray]  # a picture -> boxes (m, 4) of what may be a target

_FRESH = 0.75  # likeness of the next pictures to the first; about
_AROUND = np.array([(x, y) for x in (-1.5, 0, 1.5) for y in (-1.5, 0, 1.5) if (x, y) != (0, 0)])  # sides of a target
_LEAST_GAP = 0.05  # between what a target and what its surroundings look like; with less, nothing is like it
_NEAR = 2.0  # mean sides of a target; so far is always searched
_EVERY = 5  # pictures after which looks are learned again
_RECENT = 0.3  # share of a new likeness in what it was of late
_RATE = 0.2  # share of a new likeness in what is usual


class Searcher(TargetTracker, Protocol):
    """A target tracker that can be asked about other places."""

    def look(self, image: ImageArray, rows: IntArray, around: FloatArray) -> Found:
        """What it would find of the targets `rows` (m,) around boxes (m, 4). It remembers nothing of it."""


class TargetFollower:
    """Two trackers, a gallery and a filter for each target. One instance a stream; row i is the same target everywhere.

    Likeness is the share of the way from what surrounds a target (0) to what it usually looks like (1), by the cosines
    of looks: a scale that does not depend on what `embed` is.
    """

    def __init__(
        self,
        first: Searcher,
        second: TargetTracker,
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

        `candidates`: boxes in a picture, as of a detector, that lost targets are looked for at; without them it is
        done at `places` places a picture and target. `part`, `sure`, `patience`: see `Opinions`; after so many
        pictures a target that is not found counts as away, too. `lost_share`, `back_share`: likeness 0..1 below which
        one is lost, and from which one that was away is taken up; see `_doubted` for what is between. `gate`: standard
        deviations of the filter's prediction beyond which a target has leapt, and within which one that is away is
        searched. `frame_rate`: pictures a second, which says how far something goes between two.
        """
        if not 0 < lost_share <= back_share <= 1:
            raise ValueError(f"0 < lost_share <= back_share <= 1 must hold, got {lost_share} and {back_share}")
        self._first, self._second, self._embed, self._candidates = first, second, embed, candidates
        self._opinions = Opinions(part=part, sure=sure, patience=patience)
        self._gallery = TemplateGallery() if gallery is None else gallery
        self._sure, self._patience = sure, patience
        self._lost_share, self._back_share = lost_share, back_share
        self._places, self._gate, self._seconds = places, gate, 1 / frame_rate
        self._boxes: FloatArray = np.zeros((0, 4))
        self._missed = np.zeros(0, np.int64)  # pictures since a target was found last
        self._age = np.zeros(0, np.int64)  # pictures since it was learned
        self._recent = np.zeros(0)  # likeness of late
        self._usual = np.zeros(0)  # cosine of a target's looks and its gallery
        self._others = np.zeros(0)  # the same of what surrounds it
        self._mean: FloatArray = np.zeros((0, XYWH8.size))
        self._covariance: FloatArray = np.zeros((0, XYWH8.size, XYWH8.size))
        self._columns = Columns(
            self, ("_boxes", "_missed", "_age", "_recent", "_usual", "_others", "_mean", "_covariance")
        )

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
        self._gallery.start(self._embed(image, boxes))
        mean, covariance = kalman.initiate(XYWH8, boxes)
        count = len(self._boxes)
        rows = np.arange(count, count + len(boxes))
        others = self._surrounding(image, boxes, rows)
        self._columns.append(
            _boxes=boxes,
            _missed=np.zeros(len(boxes), np.int64),
            _age=np.zeros(len(boxes), np.int64),
            _recent=np.ones(len(boxes)),
            _usual=np.maximum(_FRESH, others + _LEAST_GAP),
            _others=others,
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
        self._remember(image, Found(verdict.boxes, verdict.scores), may & ~away)

        agreed = (second.scores >= self._sure) & (iou_pairs(second.boxes, back) >= self._opinions.part)
        returned = away & (likely >= np.where(agreed, self._lost_share, self._clear()))
        found = np.where(away, returned, verdict.scores >= LOST)
        self._boxes = np.where(returned[:, None], back, np.where(found[:, None], verdict.boxes, self._boxes))
        absent = LOST * np.clip(likely, 0, 1) * (1 - 1e-6)  # below `LOST` however alike something else is
        scores = np.where(away, np.where(returned, likely.clip(LOST, 1), absent), verdict.scores)
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
        for part in (self._first, self._second, self._opinions, self._gallery, self._columns):
            part.keep(rows)

    def _predicted(self) -> FloatArray:
        """Move the filter on by a picture; where it expects the targets (n, 4), in the size they were found in."""
        sides = self._boxes[:, 2:] - self._boxes[:, :2]
        self._mean, self._covariance = kalman.predict(XYWH8, self._mean, self._covariance, self._seconds, sides[:, 1])
        return boxes_around(self._mean[:, :2], sides)

    def _searched(self, image: ImageArray, away: BoolArray, predicted: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What is most like each target that is away (n, 4), and how much (n,); as predicted, and 0, for the others."""
        best, likeness = predicted.copy(), np.zeros(len(away))
        rows, around = self._to_be_looked_at(image, np.flatnonzero(away), predicted)
        if len(rows) == 0:
            return best, likeness
        seen = self._first.look(image, rows, around)
        there = seen.scores >= LOST
        rows, boxes = rows[there], seen.boxes[there]
        likely = self._shares(rows, self._embed(image, boxes)) if len(rows) else np.zeros(0)
        for row in np.unique(rows):
            mine = np.flatnonzero(rows == row)
            top = mine[likely[mine].argmax()]
            best[row], likeness[row] = boxes[top], likely[top]
        return best, likeness

    def _to_be_looked_at(self, image: ImageArray, rows: IntArray, predicted: FloatArray) -> tuple[IntArray, FloatArray]:
        """Which of the targets `rows` (k,) to look for where: (m,), (m, 4)."""
        if len(rows) == 0:
            return rows, np.zeros((0, 4))
        if self._candidates is not None:
            boxes = self._candidates(image)
            chosen = [boxes[_alike_in_size(boxes, self._boxes[row])] for row in rows]
        else:
            chosen = [self._in_reach(image, row, predicted[row]) for row in rows]
        counts = [len(boxes) for boxes in chosen]
        return rows.repeat(counts), np.concatenate(chosen)

    def _in_reach(self, image: ImageArray, row: int, predicted: FloatArray) -> FloatArray:
        """Where it is looked for target `row` this time: where it is expected, where it was, and places in turn."""
        spread = np.sqrt(self._covariance[row, :2, :2].trace())
        side = np.sqrt((predicted[2:] - predicted[:2]).prod())
        places = places_in_reach(predicted, _NEAR * side * np.sqrt(2) + self._gate * float(spread), image)
        turn = int(self._missed[row]) - self._patience - 1
        return np.concatenate([places[:1], self._boxes[[row]], in_turn(places[1:], turn, self._places)])

    def _doubted(self, image: ImageArray, first: Found, second: Found, away: BoolArray) -> tuple[Found, Found]:
        """What both found, with scores below `LOST` where it is not like the target, unless the second is sure.

        The least likeness is `lost_share`, and halfway to `back_share` for what is farther off than the filter has it.
        It is `back_share` where the second one was sure until it lost it: what it had in its grip is covered or gone.
        Where the first one's is like it, the target is there, whatever the score.
        """
        rows = np.flatnonzero(~away & (second.scores < self._sure))
        if len(rows) == 0:
            return first, second
        both, boxes = np.tile(rows, 2), np.concatenate([first.boxes[rows], second.boxes[rows]])
        likeness = self._shares(both, self._embed(image, boxes))
        clear = self._clear()
        leapt = np.where(self._leaps(both, boxes), (self._lost_share + clear[both]) / 2, self._lost_share)
        least = np.where(self._opinions.exact[both], clear[both], leapt)
        of_first, of_second = first.scores.copy(), second.scores.copy()
        low = (LOST * (likeness / least).clip(0, 1)).reshape(2, -1)
        alike = (likeness >= least).reshape(2, -1)
        of_first[rows] = np.where(alike[FIRST], np.maximum(of_first[rows], LOST), low[FIRST])
        of_second[rows] = np.where(alike[SECOND], of_second[rows], np.minimum(of_second[rows], low[SECOND]))
        return Found(first.boxes, of_first), Found(second.boxes, of_second)

    def _clear(self) -> FloatArray:
        """Likeness (n,) that is clear evidence: `back_share` of what it was of late, if that was less than usual."""
        return np.maximum(self._back_share * self._recent.clip(0, 1), self._lost_share)

    def _leaps(self, rows: IntArray, boxes: FloatArray) -> BoolArray:
        """Which of the boxes (m, 4) are elsewhere than the targets `rows` (m,) were, and beyond the gate (m,)."""
        heights = self._boxes[rows, 3] - self._boxes[rows, 1]
        spread = np.diagonal(self._covariance[rows], axis1=1, axis2=2)[:, :2]
        spread = spread + kalman.measurement_variance(XYWH8, heights)[:, :2]
        beyond = ((centres(boxes) - self._mean[rows, :2]) ** 2 / spread).sum(axis=1) > self._gate**2
        return np.asarray(beyond & (iou_pairs(boxes, self._boxes[rows]) < self._opinions.part))

    def _remember(self, image: ImageArray, verdict: Found, may: BoolArray) -> None:
        """Learn now and then what the targets in the mask `may` (n,) look like, where it is surely them."""
        self._age += 1
        rows = np.flatnonzero(may & (verdict.scores >= LOST) & (self._age % _EVERY == 0))
        if len(rows) == 0:
            return
        looks = self._embed(image, verdict.boxes[rows])
        likeness = self._shares(rows, looks)
        self._recent[rows] += _RECENT * (likeness - self._recent[rows])
        sure = likeness >= self._back_share
        rows, looks = rows[sure], looks[sure]
        self._usual[rows] += _RATE * (self._gallery.likeness(rows, looks) - self._usual[rows])
        self._usual[rows] = np.maximum(self._usual[rows], self._others[rows] + _LEAST_GAP)
        self._gallery.add(rows, looks)

    def _shares(self, rows: IntArray, looks: FloatArray) -> FloatArray:
        """How much looks (m, d) are like the targets `rows` (m,): 0 like what surrounds them, 1 as usual, or more."""
        others = self._others[rows]
        return np.asarray((self._gallery.likeness(rows, looks) - others) / (self._usual[rows] - others))

    def _surrounding(self, image: ImageArray, boxes: FloatArray, rows: IntArray) -> FloatArray:
        """Mean cosine (k,) of what surrounds boxes (k, 4) and the first looks of the targets `rows` (k,)."""
        sides = boxes[:, 2:] - boxes[:, :2]
        near = (boxes[:, None] + np.tile(_AROUND * sides[:, None], 2)).reshape(-1, 4)
        looks = self._embed(image, near)
        cosines = self._gallery.likeness(rows.repeat(len(_AROUND)), looks)
        return np.asarray(cosines.reshape(len(boxes), -1).mean(axis=1))

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


def _alike_in_size(boxes: FloatArray, box: FloatArray) -> BoolArray:
    """Which boxes (m, 4) have sides between half and twice those of `box` (4,)."""
    ratio = np.maximum(boxes[:, 2:] - boxes[:, :2], LEAST_SIDE) / (box[2:] - box[:2])
    return np.asarray(((ratio >= 0.5) & (ratio <= 2)).all(axis=1))
