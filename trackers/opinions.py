"""Two opinions on where each target is: which one leads, and when the other is overruled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trackers.columns import Columns
from trackers.geometry import iou_pairs
from trackers.structures import BoolArray, FloatArray, IntArray, State
from trackers.targets import LOST_SCORE, Found

FIRST, SECOND = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What follows from two opinions. Row i of every column is the same target."""

    boxes: FloatArray  # (n, 4) of the one that leads, or the mean of both
    scores: FloatArray  # (n,) 0..1; below `LOST_SCORE`: neither has found it
    leads: IntArray  # (n,) FIRST or SECOND
    overruled: BoolArray  # (n, 2) those that are to go on from the other's box


class Opinions:
    """Hears two trackers of the same targets. Row i is target i.

    The first is robust, the second exact. Where both boxes nearly coincide and the second is sure of its own, the
    target is in the mean of them; where they differ on what belongs to it, in the first one's, unless that was hardly
    sure of late. Where they see two things, the one leads that was surer of late: a running mean, since at the moment
    in which two lookalikes cross nobody is sure. Each goes on from its own box meanwhile, as a hypothesis, until it has
    lost its thing or too much time has passed; then from the other's.
    """

    def __init__(
        self, *, part: float = 0.3, same: float = 0.7, sure: float = 0.6, rate: float = 0.2, patience: int = 10
    ) -> None:
        """`part`: overlap (IoU) below which two boxes show two things. `same`: from which their mean is taken, where
        the second one's score is at least `sure`; between the two they differ on what belongs to the target, and the
        first one's box counts if its running mean is at least half of `sure`.

        `rate`: share of a new score in the running mean. `patience`: pictures for which two hypotheses are kept.
        """
        self.part, self.same, self.sure, self.rate, self.patience = part, same, sure, rate, patience
        self._trust = np.zeros((0, 2))  # running means of the scores
        self._parted = np.zeros(0, np.int64)  # pictures for which they have seen two things
        self._columns = Columns(self, ("_trust", "_parted"))

    def start(self, count: int) -> None:
        """Further targets, of which both opinions are equally good."""
        self._columns.append(_trust=np.full((count, 2), self.sure), _parted=np.zeros(count, np.int64))

    def restart(self, rows: BoolArray) -> None:
        """Forget what the opinions on the targets in the mask `rows` (n,) were worth."""
        self._trust[rows], self._parted[rows] = self.sure, 0

    @property
    def exact(self) -> BoolArray:
        """The targets (n,) of which the second was sure of late, before both lost them if they have."""
        return np.asarray(self._trust[:, SECOND] >= self.sure)

    def heard(self, first: Found, second: Found) -> Verdict:
        """Decide on every target."""
        boxes = np.stack([first.boxes, second.boxes], axis=1)
        scores = np.stack([first.scores, second.scores], axis=1)
        overlaps = iou_pairs(first.boxes, second.boxes)
        together = overlaps >= self.part
        seen = (scores >= LOST_SCORE).any(axis=1)
        self._trust[seen] += self.rate * (scores - self._trust)[seen]
        self._parted = np.where(together, 0, self._parted + 1)

        row = np.arange(len(scores))
        finds = scores >= LOST_SCORE
        trusted = (self._trust + finds).argmax(axis=1)  # one that finds something goes before one that does not
        close, doubtful = overlaps >= self.same, self._trust[:, FIRST] < self.sure / 2
        exact = (close | doubtful) & (scores[:, SECOND] >= self.sure)
        leads = np.where(together & finds.all(axis=1), exact, trusted).astype(np.int64)
        others = 1 - leads
        best, other = scores[row, leads], scores[row, others]
        contested = ~together & finds[row, others]
        told = np.where(contested, best * (1 - other / 2), np.where(together, np.maximum(best, other), best))

        overruled = np.zeros_like(finds)
        worn = ~together & (self._parted > self.patience)
        overruled[row, others] = finds[row, leads] & (~finds[row, others] | worn)
        self._trust[worn] = self._trust[worn].min(axis=1, keepdims=True)  # they begin anew from one box
        self._parted[worn] = 0
        shared = exact & ~doubtful & finds.all(axis=1)
        return Verdict(np.where(shared[:, None], boxes.mean(axis=1), boxes[row, leads]), told, leads, overruled)

    def keep(self, rows: BoolArray) -> None:
        """Forget the targets that are not in the mask `rows` (n,)."""
        self._columns.keep(rows)

    def to_arrays(self) -> State:
        """Everything but the settings."""
        return self._columns.to_arrays()

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        self._columns.from_arrays(state)
