"""Boxes as (n, 4) arrays x1 y1 x2 y2 in pixels: overlap, conversion, clipping, suppression, warping; masks: overlap."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trackers.structures import FloatArray, ImageArray, IntArray, Masks


def areas(boxes: FloatArray) -> FloatArray:
    """Area of each box (n,), square pixels; 0 for a box turned inside out."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1])


def centres(boxes: FloatArray) -> FloatArray:
    """Middle of each box (..., 4): (..., 2), pixels."""
    return np.asarray((boxes[..., :2] + boxes[..., 2:]) / 2)


def intersections(a: FloatArray, b: FloatArray) -> FloatArray:
    """Area shared by each pair (n, m), square pixels."""
    return _shared(a.T[:, :, None], b.T[:, None, :])


def iou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of each pair (n, m); 0 where both boxes are empty."""
    shared = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def meeting(a: FloatArray, b: FloatArray) -> tuple[IntArray, IntArray]:
    """Rows of `a` and of `b` of all pairs of boxes that have a point in common (p,), by row of `a`; finite boxes only.

    A sweep: of the boxes `b` sorted by their left edges only those are looked at that begin neither right of a box of
    `a` nor further left of it than the widest of them reaches.
    """
    order = np.argsort(b[:, 0], kind="stable")
    left = b[order, 0]
    widest = (b[:, 2] - b[:, 0]).max(initial=0)
    first = np.searchsorted(left, a[:, 0] - widest)
    counts = np.maximum(np.searchsorted(left, a[:, 2], side="right") - first, 0)
    ends = np.cumsum(counts)
    rows = np.repeat(np.arange(len(a)), counts)
    columns = order[np.arange(len(rows)) + np.repeat(first + counts - ends, counts)]
    (a_left, a_top, _, a_bottom), (_, b_top, b_right, b_bottom) = a.T, b.T
    touching = (
        (b_top[columns] <= a_bottom[rows]) & (b_bottom[columns] >= a_top[rows]) & (b_right[columns] >= a_left[rows])
    ).nonzero()[0]
    return rows[touching], columns[touching]


def iou_pairs(a: FloatArray, b: FloatArray) -> FloatArray:
    """Intersection over union of box i of `a` and box i of `b` (n,); 0 where both are empty."""
    shared = _shared(a.T, b.T)
    union = areas(a) + areas(b) - shared
    return np.asarray(shared / np.maximum(union, np.finfo(union.dtype).tiny))


def intersection_pairs(a: FloatArray, b: FloatArray) -> FloatArray:
    """Area shared by box i of `a` and box i of `b` (n,), square pixels."""
    return _shared(a.T, b.T)


def giou_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Generalised IoU of each pair (n, m), -1..1 (Rezatofighi et al. 2019, algorithm 1)."""
    shared = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - shared
    width = np.maximum(a[:, None, 2], b[None, :, 2]) - np.minimum(a[:, None, 0], b[None, :, 0])
    height = np.maximum(a[:, None, 3], b[None, :, 3]) - np.minimum(a[:, None, 1], b[None, :, 1])
    hull = width * height
    iou = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return np.asarray(iou - np.divide(hull - union, hull, out=np.zeros_like(hull), where=hull > 0))


def covered_matrix(a: FloatArray, b: FloatArray) -> FloatArray:
    """Share of each box of `a` that lies inside each box of `b` (n, m), 0..1."""
    shared = intersections(a, b)
    own = np.broadcast_to(areas(a)[:, None], shared.shape)
    return np.asarray(np.divide(shared, own, out=np.zeros_like(shared), where=own > 0))


def mask_iou_matrix(masks: Masks, others: Masks | None = None) -> FloatArray:
    """Intersection over union of each pair of masks (n, m), pixels counted; 0 where both are empty.

    `others`: the masks themselves where None. Only pairs whose crops overlap are looked at, eight pixels a byte.
    """
    theirs = masks if others is None else others
    a = _packed(masks)
    b = a if others is None else _packed(others)
    own, other = meeting(_crop_boxes(masks), _crop_boxes(theirs))
    if others is None:
        upper = other > own
        own, other = own[upper], other[upper]
    shared = np.zeros((len(masks), len(theirs)))
    for i, j in zip(own.tolist(), other.tolist(), strict=True):
        shared[i, j] = a[i].shared(b[j])
    pixels, others_pixels = _pixels(masks), _pixels(theirs)
    if others is None:
        shared += shared.T
        np.fill_diagonal(shared, pixels)
    union = pixels[:, None] + others_pixels[None, :] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def clip_boxes(boxes: FloatArray, width: int, height: int) -> FloatArray:
    """Cut boxes at the borders of an image of `width` x `height` pixels."""
    return np.clip(boxes, 0, np.array([width, height, width, height], boxes.dtype))


def to_xywh(boxes: FloatArray) -> FloatArray:
    """Left, top, width, height: the form of MOTChallenge files."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def from_xywh(boxes: FloatArray) -> FloatArray:
    """The inverse of `to_xywh`."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def warp_boxes(boxes: FloatArray, affine: FloatArray) -> FloatArray:
    """Upright hull of each box after an affine map (2, 3) of the image plane."""
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    moved = corners @ affine[:, :2].T + affine[:, 2]
    return np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)


def suppress(boxes: FloatArray, scores: FloatArray, labels: IntArray, *, iou: float) -> IntArray:
    """Greedy non-maximum suppression within each class; kept rows by falling score.

    A row goes when a kept row of its class with a higher score overlaps it by more than `iou`.
    """
    order = np.argsort(-scores, kind="stable")
    clash = (iou_matrix(boxes[order], boxes[order]) > iou) & (labels[order][:, None] == labels[order][None, :])
    kept = np.ones(len(order), dtype=bool)
    for row in np.flatnonzero(clash.sum(axis=1) > 1):
        if kept[row]:
            kept[row + 1 :] &= ~clash[row, row + 1 :]
    return order[kept]


@dataclass(frozen=True, slots=True, eq=False)
class _Packed:
    """A mask's crop with eight pixels a byte; bytes begin where x is a multiple of eight."""

    top: int  # pixels
    left: int  # bytes
    bits: ImageArray  # (rows, bytes)

    def shared(self, other: _Packed) -> int:
        """Pixels that both have."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom = min(self.top + self.bits.shape[0], other.top + other.bits.shape[0])
        right = min(self.left + self.bits.shape[1], other.left + other.bits.shape[1])
        if top >= bottom or left >= right:
            return 0
        both = (
            self.bits[top - self.top : bottom - self.top, left - self.left : right - self.left]
            & other.bits[top - other.top : bottom - other.top, left - other.left : right - other.left]
        )
        return int(np.bitwise_count(both).sum())


def _packed(masks: Masks) -> list[_Packed]:
    packed = []
    for (x, y), crop in zip(masks.origins.tolist(), masks.crops, strict=True):
        before = np.zeros((crop.shape[0], x % 8), bool)
        packed.append(_Packed(y, x // 8, np.packbits(np.concatenate([before, crop], axis=1), axis=1)))
    return packed


def _crop_boxes(masks: Masks) -> FloatArray:
    """Where the crops lie (n, 4)."""
    sides = np.array([crop.shape[::-1] for crop in masks.crops], np.int64).reshape(-1, 2)
    return np.concatenate([masks.origins, masks.origins + sides], axis=1).astype(np.float64)


def _pixels(masks: Masks) -> FloatArray:
    """Of each mask (n,)."""
    return np.array([np.count_nonzero(crop) for crop in masks.crops], np.float64)


def _shared(a: FloatArray, b: FloatArray) -> FloatArray:
    """Area shared by boxes given as columns x1 y1 x2 y2 that are broadcast against each other."""
    width = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0])
    height = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1])
    return np.asarray(np.maximum(width, 0) * np.maximum(height, 0))
