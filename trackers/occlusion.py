"""Who hides whom: of two boxes that overlap, the one that reaches lower in the picture stands nearer to the camera.

That holds for things that stand on one ground, seen by an upright camera above it. Which share of a box is covered
follows from the boxes alone; where masks are known, from the masks, and what is seen where a lost one must be is in
front of it, wherever it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from trackers.geometry import areas, intersection_pairs, meeting
from trackers.structures import BoolArray, FloatArray, IntArray, State

if TYPE_CHECKING:
    from trackers.silhouettes import Silhouettes


ONE_THING = 0.9  # IoU from which on a lost track is not behind another, but is what the other one follows


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """How much of each box is hidden. Row i of both columns is the same box."""

    share: FloatArray  # (n,) of its area, 0..1, that lies inside the one box that hides most of it
    by: IntArray  # (n,) row of that box, -1 where nothing hides it

    def reaches(self, share: float) -> BoolArray:
        """Which boxes are hidden, by this share of their area or more (n,)."""
        return np.asarray((self.by >= 0) & (self.share >= share))


def cover(
    boxes: FloatArray,
    visible: BoolArray,
    *,
    among: BoolArray | None = None,
    silhouettes: Silhouettes | None = None,
) -> Cover:
    """What hides each box (n, 4): of those that are `visible` (n,), the one in front of it that takes most of it.

    `among`: the boxes (n,) that are asked about, the others come out as free; None for all. `silhouettes`: masks of the
    boxes, as far as they are known.
    """
    share, by = np.zeros(len(boxes)), np.full(len(boxes), -1)
    front = visible.nonzero()[0]
    asked = np.arange(len(boxes)) if among is None else among.nonzero()[0]
    if len(front) == 0 or len(asked) == 0:
        return Cover(share, by)
    hidden, near = meeting(boxes[asked], boxes[front])
    hidden, front = asked[hidden], front[near]
    behind = boxes[front, 3] > boxes[hidden, 3]
    if silhouettes is not None:
        other = hidden != front
        hidden, front, behind = hidden[other], front[other], behind[other]
        masked = silhouettes.covered(hidden, front, boxes)
        behind |= ~visible[hidden] & np.isfinite(masked)
    hidden, front = hidden[behind], front[behind]
    behind_boxes = boxes[hidden]
    shares = intersection_pairs(behind_boxes, boxes[front]) / np.maximum(areas(behind_boxes), np.finfo(float).tiny)
    if silhouettes is not None:
        shares = np.where(np.isfinite(masked[behind]), masked[behind], shares)
    order = np.lexsort((-front, shares))  # the greatest comes last and stays; of equal ones the older track
    share[hidden[order]], by[hidden[order]] = shares[order], front[order]
    return Cover(share, np.where(share > 0, by, -1))


class Encounters:
    """Pairs of tracks of which one has hidden the other, and that have not been told apart since."""

    def __init__(self) -> None:
        self.ids = np.zeros((0, 2), np.int64)  # (k, 2) of the hidden and of the hiding track

    def begin(self, hidden: IntArray, front: IntArray) -> None:
        """Note that tracks `hidden` (k,) are behind tracks `front` (k,); ids."""
        known = set(map(tuple, self.ids.tolist()))
        fresh = set(zip(hidden.tolist(), front.tolist(), strict=True)) - known
        if fresh:
            self.ids = np.array(sorted(known | fresh), np.int64)

    def end(self, over: BoolArray) -> None:
        """Forget the pairs `over` (k,)."""
        if over.any():
            self.ids = self.ids[~over]

    def rows(self, ids: IntArray) -> IntArray:
        """Rows (k, 2) of the pairs in a table of tracks with these rising `ids` (n,); pairs with a gone track go."""
        if len(self.ids) == 0 or len(ids) == 0:
            self.ids = self.ids[:0]
            return self.ids
        rows = np.minimum(np.searchsorted(ids, self.ids), len(ids) - 1)
        living = np.asarray((ids[rows] == self.ids).all(axis=1))
        self.end(~living)
        return np.asarray(rows[living])

    def to_arrays(self) -> State:
        """The pairs."""
        return {"ids": self.ids.copy()}

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        self.ids = state["ids"].copy()
