"""Boxes drawn at random around a target: where it may be next, and what a classifier of it learns from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trackers.geometry import centres, iou_matrix, to_xywh
from trackers.patches import boxes_around
from trackers.structures import FloatArray

_STEP = 1.05  # sizes are drawn as powers of it (Nam & Han 2016, sec. 4.4)
_ROUNDS = 20  # of drawing, before the boxes that overlap as they should are taken to be too rare

Draw = Callable[[int], FloatArray]  # how many -> boxes (n, 4)


def gaussian_boxes(
    around: FloatArray, count: int, *, chance: np.random.Generator, spread: float, steps: float, slant: float = 0.0
) -> FloatArray:
    """Boxes (count, 4) near `around` (4,) and about as large.

    Nam & Han 2016, sec. 4.4: (x, y, s) is normal around the last place, sizes are 1.05^s. `spread`: standard deviation
    of x and of y, in mean sides of the box (theirs: 0.3). `steps`: that of s (theirs: 0.5). `slant`: that of the
    logarithm of width by height; with 0 all have the proportions of `around`.
    """
    moves = chance.standard_normal((count, 2)) * spread
    grown = _STEP ** (chance.standard_normal((count, 1)) * steps)
    wider = np.exp(chance.standard_normal((count, 1)) * (slant / 2))
    return _displaced(around, moves, np.concatenate([grown * wider, grown / wider], axis=1))


def uniform_boxes(
    around: FloatArray, count: int, *, chance: np.random.Generator, reach: float, steps: float, width: int, height: int
) -> FloatArray:
    """Boxes (count, 4) of the proportions of `around` (4,) with their middles evenly spread over a square around it.

    `reach`: from its middle to its sides, in mean sides of the box. Middles beyond the picture of `width` x `height`
    pixels come to lie on its border. `steps`: sizes lie evenly between 1.05^-steps and 1.05^steps.
    """
    moves = chance.uniform(-reach, reach, (count, 2))
    drawn = _displaced(around, moves, _STEP ** chance.uniform(-steps, steps, (count, 1)))
    return boxes_around(np.clip(centres(drawn), 0, [width, height]), to_xywh(drawn)[:, 2:])


def overlapping(draw: Draw, count: int, *, box: FloatArray, least: float = 0.0, most: float = 1.0) -> FloatArray:
    """Boxes (n, 4) whose IoU with `box` (4,) is in `least`..`most`, out of what `draw` gives.

    n is `count`, or less where such boxes are hard to come by: no more than 20 times `count` are drawn.
    """
    kept: FloatArray = np.zeros((0, 4))
    for _ in range(_ROUNDS):
        if len(kept) >= count:
            break
        drawn = draw(count)
        overlaps = iou_matrix(drawn, box[None])[:, 0]
        kept = np.concatenate([kept, drawn[(overlaps >= least) & (overlaps <= most)]])
    return kept[:count]


def _displaced(around: FloatArray, moves: FloatArray, factors: FloatArray) -> FloatArray:
    """`around` (4,) moved by `moves` (n, 2) of its mean sides, with `factors` (n, 1) or (n, 2) times its sides."""
    sides = around[2:] - around[:2]
    return boxes_around(centres(around) + moves * sides.mean(), sides * factors)
