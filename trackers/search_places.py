"""Where to look for a target that was lost: around where it may be by now, in turns, further out as time passes."""

from __future__ import annotations

import numpy as np

from trackers.geometry import centres
from trackers.patches import boxes_around
from trackers.structures import FloatArray, ImageArray

_STEP = 2.0  # mean sides of a target between two places; a search region shows about four


def places_in_reach(box: FloatArray, reach: float, image: ImageArray) -> FloatArray:
    """Boxes (m, 4) of the size of `box` (4,), 2 of its mean sides apart and at most `reach` pixels off; nearest first.

    The first is `box` itself. All have their middles in the picture, and so has `box` once it is moved to the nearest
    point of it.
    """
    height, width = image.shape[:2]
    sides = box[2:] - box[:2]
    step = _STEP * float(np.sqrt(sides.prod()))
    middle = np.clip(centres(box[None]), 0, [width, height])
    rings = int(min(reach, np.hypot(width, height)) // step)
    each = np.arange(-rings, rings + 1) * step
    shifts = np.stack(np.meshgrid(each, each), axis=-1).reshape(-1, 2)
    away = np.hypot(shifts[:, 0], shifts[:, 1])
    there = middle + shifts
    shown = ((there >= 0) & (there <= [width, height])).all(axis=1) & (away <= reach)
    order = np.argsort(away[shown], kind="stable")
    return boxes_around(there[shown][order], sides[None])


def in_turn(places: FloatArray, turn: int, count: int) -> FloatArray:
    """Those of the places (m, 4) that it is their turn to be looked at: (at most `count`, 4).

    With `turn` rising by one from picture to picture all places are come to, and after the last the first again.
    """
    if len(places) <= count:
        return places
    return places[(turn * count + np.arange(count)) % len(places)]
