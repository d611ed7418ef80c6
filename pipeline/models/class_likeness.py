"""Which classes of one network stand for which of another: the same by name, or of one kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trackers.structures import BoolArray

KINDS = (  # names that detectors give to what others tell apart or call otherwise
    frozenset({"person", "pedestrian", "people", "human", "rider"}),
    frozenset({"vehicle", "car", "truck", "bus", "van", "train", "ambulance"}),
    frozenset({"bicycle", "bike", "motorcycle", "motorbike", "cyclist"}),
)


def likeness(asked: Sequence[str], known: Sequence[str]) -> BoolArray:
    """(len(asked), len(known)): which of the known names an asked one may be.

    The equal one where there is one, else all of its kind, else any.
    """
    table = np.zeros((len(asked), len(known)), bool)
    for row, name in zip(table, asked, strict=True):
        kind = next((kind for kind in KINDS if name in kind), frozenset())
        same = [title == name for title in known]
        alike = [title in kind for title in known]
        row[:] = same if any(same) else alike if any(alike) else True
    return table
