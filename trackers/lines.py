"""Tracks in the frames between two that the tracker took, once it has taken both: each box on the straight line.

Nobody moves evenly, but over the few frames that a detector leaves out a line from where a track was to where it is
errs less than what is guessed before the second place is known (docs/speed.md has figures).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trackers.structures import CONFIRMED, ENDED, LOST, Evidence, Tracks

_UNSEEN = (int(Evidence.SHADOWED), int(Evidence.PREDICTED))


def lines(before: Tracks, after: Tracks, shares: Sequence[float]) -> list[Tracks]:
    """The tracks of `before` at each of `shares` 0..1 of the time to `after`.

    A track that is located in both frames is located between them. One that `after` does not know where to find was
    lost somewhere on the way: it is so in all frames between, as nobody saw where. One that begins with `after` is in
    none of them.
    """
    living = before[before.stages != ENDED]
    _, old, new = np.intersect1d(living.ids, after.ids, assume_unique=True, return_indices=True)
    both = (living.stages[old] == CONFIRMED) & (after.stages[new] == CONFIRMED)
    old, new = old[both], new[both]
    stages = np.where(living.stages == CONFIRMED, np.int8(LOST), living.stages)
    stages[old] = CONFIRMED
    evidence = np.full(len(living), Evidence.PREDICTED, np.int8)
    unseen = np.isin(living.evidence[old], _UNSEEN) & np.isin(after.evidence[new], _UNSEEN)
    evidence[old] = np.where(unseen, living.evidence[old], np.int8(Evidence.INTERPOLATED))
    still = replace(living, stages=stages, evidence=evidence, rows=np.full(len(living), -1))
    ways = after.boxes[new] - living.boxes[old]
    placed = []
    for share in shares:
        boxes = living.boxes.copy()
        boxes[old] += np.float32(share) * ways
        placed.append(replace(still, boxes=boxes))
    return placed
