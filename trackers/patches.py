"""Pieces of a picture around boxes, all of one size: what target trackers and their networks look at."""

from __future__ import annotations

import cv2
import numpy as np

from trackers.structures import FloatArray, ImageArray


def patches(
    image: ImageArray, boxes: FloatArray, *, width: int, height: int, fill: FloatArray | None = None
) -> ImageArray:
    """What each box shows (n, height, width, channels): sampled between pixels, averaged first where it shrinks.

    `boxes`: (n, 4) x1 y1 x2 y2, pixels, also beyond the picture. There the nearest pixel of the picture is repeated,
    or the colour `fill` (channels,) is seen.
    """
    channels = image.shape[2:]
    pieces = np.empty((len(boxes), height, width, *channels), np.uint8)
    for piece, box in zip(pieces, boxes, strict=True):
        _sample(image, box, piece, fill)
    return pieces


def grown(boxes: FloatArray, factor: float) -> FloatArray:
    """Boxes (n, 4) with `factor` times their sides around the same middle."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) * (factor / 2)
    return np.concatenate([middle - half, middle + half], axis=1)


def boxes_around(centres: FloatArray, sides: FloatArray) -> FloatArray:
    """Boxes (n, 4) with the middles (n, 2) and the sides (n, 2) or (n, 1), pixels."""
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)


def _sample(image: ImageArray, box: FloatArray, piece: ImageArray, fill: FloatArray | None) -> None:
    """Write what `box` shows into `piece` (height, width, channels)."""
    height, width = piece.shape[:2]
    scale = np.maximum((box[2:] - box[:2]) / [width, height], 1e-6)  # pixels of the picture per pixel of the piece
    shrink = np.maximum(np.floor(scale + 1e-3), 1).astype(int)
    left, top = np.floor(box[:2]).astype(int) - 2 * shrink
    left, top = np.clip(left, 0, image.shape[1] - 1), np.clip(top, 0, image.shape[0] - 1)
    right, bottom = np.ceil(box[2:]).astype(int) + 2 * shrink
    part = image[top : max(bottom, top + 1), left : max(right, left + 1)]
    if (shrink > 1).any():
        small = np.maximum(np.array(part.shape[1::-1]) // shrink, 1)
        factor = np.array(part.shape[1::-1]) / small
        part = cv2.resize(part, (int(small[0]), int(small[1])), interpolation=cv2.INTER_AREA)
    else:
        factor = np.ones(2)
    # Pixel p of the piece has its middle at box + (p + 1/2) scale: pixel (that - corner) / factor - 1/2 of the part.
    step = scale / factor
    start = (box[:2] - [left, top]) / factor + step / 2 - 0.5
    inverse = np.array([[step[0], 0, start[0]], [0, step[1], start[1]]])
    border = cv2.BORDER_REPLICATE if fill is None else cv2.BORDER_CONSTANT
    colour = (0.0,) if fill is None else tuple(float(value) for value in fill)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    piece[...] = cv2.warpAffine(
        part, inverse, (width, height), flags=flags, borderMode=border, borderValue=colour
    ).reshape(piece.shape)
