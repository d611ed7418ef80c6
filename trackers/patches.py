"""Pieces of a picture around boxes, all of one size: what target trackers and their networks look at."""

from __future__ import annotations

import math

import cv2
import numpy as np

from trackers.structures import FloatArray, ImageArray, IntArray


def patches(
    image: ImageArray, boxes: FloatArray, *, width: int, height: int, fill: FloatArray | None = None
) -> ImageArray:
    """What each box shows (n, height, width, channels): sampled between pixels, halved first as often as it shrinks.

    `boxes`: (n, 4) x1 y1 x2 y2, pixels, also beyond the picture. There the nearest pixel of the picture is repeated,
    or the colour `fill` (channels,) is seen.
    """
    pieces = np.empty((len(boxes), height, width, *image.shape[2:]), np.uint8)
    scales = np.maximum((boxes[:, 2:] - boxes[:, :2]) / [width, height], 1e-6)  # pixels of the picture per one of these
    halvings = np.floor(np.log2(np.maximum(scales + 1e-3, 1))).astype(np.int64)
    corners, sides, shrinks = _parts(boxes, 2**halvings, image.shape[1::-1])
    # Pixel p of a piece has its middle at box + (p + 1/2) scale: pixel (that - corner) / shrink - 1/2 of the part.
    inverses = np.zeros((len(boxes), 2, 3))
    inverses[:, [0, 1], [0, 1]] = scales / shrinks
    inverses[:, :, 2] = (boxes[:, :2] - corners + scales / 2) / shrinks - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = cv2.BORDER_REPLICATE if fill is None else cv2.BORDER_CONSTANT
    colour = (0.0,) if fill is None else tuple(float(value) for value in fill)
    rows = zip(pieces, corners.tolist(), sides.tolist(), shrinks.tolist(), inverses, strict=True)
    for piece, (left, top), (across, down), (shrink_x, shrink_y), inverse in rows:
        part = _shrunk(image[top : top + down, left : left + across], shrink_x, shrink_y)
        piece[...] = cv2.warpAffine(
            part, inverse, (width, height), flags=flags, borderMode=border, borderValue=colour
        ).reshape(piece.shape)
    return pieces


def thumbnails(image: ImageArray, boxes: FloatArray, *, side: int) -> FloatArray:
    """What each box shows, coarsely: `side` times `side` pixels in a row (n, side * side * channels) float32."""
    pieces = patches(image, boxes, width=side, height=side)
    return pieces.reshape(len(boxes), math.prod(pieces.shape[1:])).astype(np.float32)


def grown(boxes: FloatArray, factor: float) -> FloatArray:
    """Boxes (n, 4) with `factor` times their sides around the same middle."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) * (factor / 2)
    return np.concatenate([middle - half, middle + half], axis=1)


def boxes_around(centres: FloatArray, sides: FloatArray) -> FloatArray:
    """Boxes (n, 4) with the middles (n, 2) and the sides (n, 2) or (n, 1), pixels."""
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)


def _parts(boxes: FloatArray, shrinks: IntArray, size: tuple[int, ...]) -> tuple[IntArray, IntArray, IntArray]:
    """The part of a picture of `size` (width, height) that each box (n, 4) shows, with what lies next to it.

    Left top corners, sides, and how much to shrink by, each (n, 2) whole pixels. Sides are multiples of `shrinks`, so
    that only whole blocks are averaged: less than one of them is left out at a border of the picture.
    """
    corners = np.clip(np.floor(boxes[:, :2]) - 2 * shrinks, 0, np.array(size) - 1).astype(np.int64)
    room = np.array(size) - corners
    ends = np.ceil(boxes[:, 2:]) + 2 * shrinks
    shrinks = np.clip(np.minimum(shrinks, ends - corners), 1, room).astype(np.int64)
    blocks = np.clip(np.ceil((ends - corners) / shrinks), 1, room // shrinks).astype(np.int64)
    return corners, blocks * shrinks, shrinks


def _shrunk(part: ImageArray, across: int, down: int) -> ImageArray:
    """Means of blocks of `across` x `down` pixels; in steps of 2 x 2, at which OpenCV is several times as fast."""
    while across % 2 == 0 and down % 2 == 0:
        part = _means(part, 2, 2)
        across, down = across // 2, down // 2
    return part if across == down == 1 else _means(part, across, down)


def _means(part: ImageArray, across: int, down: int) -> ImageArray:
    """Means of blocks, in one step."""
    size = (part.shape[1] // across, part.shape[0] // down)
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)
