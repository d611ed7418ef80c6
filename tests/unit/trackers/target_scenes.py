"""Pictures of a textured thing that moves over a textured ground, with its exact boxes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from trackers.structures import FloatArray, ImageArray

WIDTH, HEIGHT = 320, 240


def texture(width: int, height: int, *, seed: int, grain: float = 3.0) -> ImageArray:
    """Coloured noise, smooth over `grain` pixels, of full contrast (height, width, 3)."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), grain)
    low, high = np.percentile(smooth, [2, 98])
    return np.clip((smooth - low) / (high - low) * 255, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Pictures:
    """What a camera sees and where the targets are."""

    frames: list[ImageArray]
    boxes: FloatArray  # (frames, targets, 4)


def moving(
    count: int,
    *,
    starts: FloatArray,
    steps: FloatArray,
    side: float = 40.0,
    growth: float = 1.0,
    hidden: range = range(0),
) -> Pictures:
    """Squares at `starts` (n, 2) that move by `steps` (n, 2) pixels and grow by `growth` a frame.

    In the frames `hidden` they are not there.
    """
    ground = texture(WIDTH, HEIGHT, seed=1, grain=4)
    looks = [texture(64, 64, seed=100 + k, grain=4) for k in range(len(starts))]
    frames, boxes = [], np.zeros((count, len(starts), 4))
    for number in range(count):
        picture = ground.copy()
        size = side * growth**number
        for k, look in enumerate(looks):
            x, y = np.asarray(starts[k]) + number * np.asarray(steps[k]) - (size - side) / 2
            boxes[number, k] = x, y, x + size, y + size
            if number not in hidden:
                _paste(picture, look, boxes[number, k])
        frames.append(picture)
    return Pictures(frames, boxes)


def _paste(picture: ImageArray, look: ImageArray, box: FloatArray) -> None:
    """Draw `look` into the box, between pixels."""
    scale = (box[2] - box[0]) / look.shape[1]
    shift = (scale - 1) / 2  # from the corner of a pixel to its middle
    affine = np.array([[scale, 0, box[0] + shift], [0, scale, box[1] + shift]])
    size = picture.shape[1::-1]
    drawn = cv2.warpAffine(look, affine, size, flags=cv2.INTER_LINEAR)
    there = cv2.warpAffine(np.full(look.shape[:2], 255, np.uint8), affine, size, flags=cv2.INTER_NEAREST) > 0
    picture[there] = drawn[there]
