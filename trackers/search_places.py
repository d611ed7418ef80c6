"""Where to look for a target that was lost: around where it may be by now, and among what a detector sees."""

from __future__ import annotations

import numpy as np

from trackers.geometry import centres, iou_matrix
from trackers.patches import boxes_around
from trackers.structures import Detections, FloatArray, ImageArray, IntArray
from trackers.targets import LEAST_SIDE

_STEP = 2.0  # mean sides of a target between two places; a search region shows about four
_SAME = 0.5  # overlap (IoU) of a target's box and a detector's of the same thing
_MOST = 8  # detections that are looked at, the nearest ones


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


def labels_of(boxes: FloatArray, seen: Detections, *, unknown: int) -> IntArray:
    """Class (n,) of what each of the boxes (n, 4) shows, by the detection that overlaps most; `unknown` without one."""
    if len(seen) == 0:
        return np.full(len(boxes), unknown)
    overlaps = iou_matrix(boxes, seen.boxes.astype(np.float64))
    return np.where(overlaps.max(axis=1) >= _SAME, seen.labels[overlaps.argmax(axis=1)], unknown)


def fitting(seen: Detections, *, label: int, box: FloatArray, reach: float) -> FloatArray:
    """Detected boxes (m, 4) float64 of the class, within `reach` pixels of `box` (4,) and of about its size; nearest.

    Each of their sides is between half and twice that of `box`.
    """
    boxes = seen.boxes.astype(np.float64)
    far = np.linalg.norm(centres(boxes) - centres(box[None]), axis=1)
    ratio = np.maximum(boxes[:, 2:] - boxes[:, :2], LEAST_SIDE) / (box[2:] - box[:2])
    fits = (seen.labels == label) & (far <= reach) & ((ratio >= 0.5) & (ratio <= 2)).all(axis=1)
    nearest = np.argsort(np.where(fits, far, np.inf), kind="stable")[: min(int(fits.sum()), _MOST)]
    return np.asarray(boxes[nearest])
