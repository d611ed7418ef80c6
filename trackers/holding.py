"""Holding: tracks that no detection carries on are carried by what is seen of them, from picture to picture.

The motion model alone would take them along their old way. A target tracker looks for them instead: it learns each from
the picture in which it was located last, and only once it is needed. One that came to follow something else, which some
other track is on, is given up. Between the frames that a detector looks at, all located tracks are carried so.
"""

from __future__ import annotations

import cv2
import numpy as np

from trackers.flow import correlation
from trackers.geometry import iou_matrix
from trackers.patches import thumbnails
from trackers.silhouettes import SIDE
from trackers.structures import BoolArray, Evidence, FloatArray, ImageArray, IntArray, State, joined, part_of
from trackers.targets import LOST_SCORE, OutlinedTargets, ResumableTargets, checked_image, followable

_SIDE = 16  # pixels; side of the square as which looks of a whole box are compared
_BEYOND = 0.05  # share of a side; what reaches further beyond the picture is on its way out
_MEETING = 0.3  # IoU from which on a held box may be on what another track is on


class Holding:
    """Carries the tracks of one stream. Tracks are known by their ids."""

    def __init__(self, missed: Carrier | None = None, between: Carrier | None = None) -> None:
        """`missed`: carries what the detector missed; `between`: all tracks where no detector looked."""
        self.missed, self.between = missed, between
        self._picture: ImageArray | None = None  # the one before
        self._ids: IntArray = np.zeros(0, np.int64)  # (n,) of the tracks that were located in it
        self._boxes: FloatArray = np.zeros((0, 4))  # (n, 4) where
        self._inside: BoolArray = np.zeros((0, SIDE, SIDE), dtype=bool)  # (n, SIDE, SIDE) what of the boxes is theirs

    def see(
        self, image: ImageArray | None, ids: IntArray, boxes: FloatArray, *, inside: BoolArray | None = None
    ) -> None:
        """Remember the picture of this frame, and where in it the located tracks are: ids (n,), boxes (n, 4).

        `inside`: cells (n, SIDE, SIDE) of the boxes that are theirs by a mask, all False where none is known. The
        picture is kept, not copied: it must stay as it is until the next one was seen.
        """
        if not (self.missed or self.between):
            return
        self._picture = None if image is None else checked_image(image)
        self._ids, self._boxes = ids.copy(), boxes.copy()
        self._inside = np.zeros((len(ids), SIDE, SIDE), dtype=bool) if inside is None else inside.copy()

    def looked(self) -> None:
        """A detector has looked: what is carried next is learned anew from where the tracks are by now."""
        if self.between is not None:
            self.between.keep(self.between.ids[:0])

    def carry_missed(
        self,
        image: ImageArray | None,
        ids: IntArray,
        predicted: FloatArray,
        *,
        learn: BoolArray,
        others: FloatArray,
    ) -> tuple[BoolArray, FloatArray]:
        """Which of the tracks (n,) that the detector missed are seen, and where (n, 4); see `Carrier.carry`."""
        return self._carry(self.missed, image, ids, predicted, learn=learn, others=others)

    def carry_between(
        self, image: ImageArray | None, ids: IntArray, predicted: FloatArray
    ) -> tuple[BoolArray, FloatArray]:
        """Which of all located tracks (n,) are seen where no detector looked, and where (n, 4)."""
        learn = np.ones(len(ids), dtype=bool)
        return self._carry(self.between, image, ids, predicted, learn=learn, others=np.zeros((0, 4)))

    def to_arrays(self) -> State:
        """Everything needed to go on from here; the picture without loss."""
        carriers = {name: carrier.to_arrays() for name, carrier in self._carriers.items()}
        columns = {"ids": self._ids, "boxes": self._boxes, "inside": self._inside}
        seen: State = {name: column.copy() for name, column in columns.items()} if carriers else {}
        if self._picture is not None:
            seen["picture"] = cv2.imencode(".png", self._picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
        return joined({"seen": seen} | carriers)

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        for name, carrier in self._carriers.items():
            carrier.from_arrays(part_of(state, name))
        seen = part_of(state, "seen")
        if seen:
            self._ids, self._boxes, self._inside = (seen[name].copy() for name in ("ids", "boxes", "inside"))
        picture = seen.get("picture")
        self._picture = None if picture is None else np.asarray(cv2.imdecode(picture, cv2.IMREAD_COLOR), np.uint8)

    @property
    def _carriers(self) -> dict[str, Carrier]:
        both = {"missed": self.missed, "between": self.between}
        return {name: carrier for name, carrier in both.items() if carrier is not None}

    def _carry(
        self,
        carrier: Carrier | None,
        image: ImageArray | None,
        ids: IntArray,
        predicted: FloatArray,
        *,
        learn: BoolArray,
        others: FloatArray,
    ) -> tuple[BoolArray, FloatArray]:
        if carrier is None or image is None or self._picture is None or self._picture.shape[:2] != image.shape[:2]:
            if carrier is not None:
                carrier.keep(ids[:0])
            return np.zeros(len(ids), dtype=bool), predicted
        carrier.keep(ids)
        known = np.concatenate([carrier.ids, carrier.given_up])
        fresh = np.flatnonzero(np.isin(self._ids, ids) & ~np.isin(self._ids, known))
        fresh = fresh[followable(self._boxes[fresh], self._picture)]
        carrier.add(self._picture, self._ids[fresh], self._boxes[fresh], inside=self._inside[fresh])
        return carrier.carry(image, ids, predicted, learn=learn, others=others)


class Carrier:
    """A target tracker whose targets are tracks."""

    def __init__(self, targets: ResumableTargets, *, evidence: Evidence, least: float = LOST_SCORE) -> None:
        """`evidence`: what its boxes are worth to whoever sees them. `least`: score 0..1 from which they count."""
        self.evidence, self.least = evidence, least
        self.ids: IntArray = np.zeros(0, np.int64)  # (m,) the track of each target
        self.given_up: IntArray = np.zeros(0, np.int64)  # (k,) tracks whose targets went over to others
        self._targets = targets
        self._looks = np.zeros((0, 3 * _SIDE * _SIDE), np.float32)  # (m, d) of each in the picture it was learned from

    def keep(self, ids: IntArray) -> None:
        """Forget all but the tracks `ids`."""
        self.given_up = self.given_up[np.isin(self.given_up, ids)]
        self._keep(np.isin(self.ids, ids))

    def _keep(self, kept: BoolArray) -> None:
        if not kept.all():
            self.ids, self._looks = self.ids[kept], self._looks[kept]
            self._targets.keep(kept)

    def add(self, image: ImageArray, ids: IntArray, boxes: FloatArray, *, inside: BoolArray | None = None) -> None:
        """Learn further tracks, ids (k,), from a picture in which they are at boxes (k, 4).

        `inside`: what of the boxes is theirs; see `OutlinedTargets`.
        """
        if len(ids):
            self._targets.add(image, boxes)
            if isinstance(self._targets, OutlinedTargets) and inside is not None and inside.any():
                self._targets.outline(np.arange(len(self.ids) + len(ids)) >= len(self.ids), inside)
            self.ids = np.concatenate([self.ids, ids])
            self._looks = np.concatenate([self._looks, thumbnails(image, boxes, side=_SIDE)])

    def carry(
        self, image: ImageArray, ids: IntArray, predicted: FloatArray, *, learn: BoolArray, others: FloatArray
    ) -> tuple[BoolArray, FloatArray]:
        """Which of the tracks `ids` (n,) are seen in this picture (n,), and where: boxes (n, 4), else `predicted`.

        `predicted`: (n, 4) around which they are looked for. `learn`: (n,) those whose new looks may be learned.
        `others`: boxes (k, 4) of the tracks that have a detection. Where one of these is expected, too, nothing is
        learned; a target that looks more like it than like itself has gone over to it, and is given up: it is not
        looked for again before it has been detected.
        """
        seen, boxes = np.zeros(len(ids), dtype=bool), predicted.copy()
        order = np.argsort(ids)
        rows = order[np.searchsorted(ids, self.ids, sorter=order)]
        if len(rows) == 0:
            return seen, boxes
        alone = (iou_matrix(predicted[rows], others) <= _MEETING).all(axis=1)
        found = self._targets.update(image, around=predicted[rows], learn=learn[rows] & alone)
        gone = self._gone_over(image, found.boxes, others)
        sure = (found.scores >= self.least) & _inside(found.boxes, image) & ~gone
        seen[rows], boxes[rows[sure]] = sure, found.boxes[sure]
        self.given_up = np.concatenate([self.given_up, self.ids[gone]])
        self._keep(~gone)
        return seen, boxes

    def to_arrays(self) -> State:
        """Everything needed to go on from here."""
        return joined(
            {
                "own": {"ids": self.ids.copy(), "given_up": self.given_up.copy(), "looks": self._looks.copy()},
                "targets": self._targets.to_arrays(),
            }
        )

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        own = part_of(state, "own")
        self.ids, self.given_up, self._looks = (own[name].copy() for name in ("ids", "given_up", "looks"))
        self._targets.from_arrays(part_of(state, "targets"))

    def _gone_over(self, image: ImageArray, boxes: FloatArray, others: FloatArray) -> BoolArray:
        """Which targets (m,) at boxes (m, 4) show what one of the boxes `others` (k, 4) shows, rather than theirs."""
        gone = np.zeros(len(boxes), dtype=bool)
        held, other = np.nonzero(iou_matrix(boxes, others) > _MEETING)
        if len(held):
            now, theirs = (thumbnails(image, one, side=_SIDE) for one in (boxes[held], others[other]))
            gone[held[correlation(now, theirs) > correlation(now, self._looks[held])]] = True
        return gone


def _inside(boxes: FloatArray, image: ImageArray) -> BoolArray:
    """Which boxes (n, 4) lie within the picture but for a small share of their sides (n,)."""
    beyond = np.maximum(-boxes[:, :2], boxes[:, 2:] - np.array(image.shape[1::-1]))
    return np.asarray((beyond <= _BEYOND * (boxes[:, 2:] - boxes[:, :2])).all(axis=1))
