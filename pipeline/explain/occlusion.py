"""Occlusion sensitivity: what a number loses while a grey patch hides a part of the picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from captum.attr import Occlusion
from torch import Tensor

from pipeline.explain.objects import Seen, score_of
from pipeline.models.base import Detector, Embedder
from pipeline.models.inputs import crop_bounds
from trackers.structures import Detections, FloatArray, Frame, ImageArray

GREY = 127.0  # of the patch
_AT_ONCE = 16  # pictures
Judge = Callable[[list[Frame]], list[float]]  # pictures with a patch -> the number for each
Told = Callable[[int], None]  # pictures so far


@dataclass(frozen=True, slots=True)
class Patch:
    """What is slid over an object; all in shares of the square root of its box's area."""

    side: float = 0.4
    step: float = 0.14  # between two places
    margin: float = 0.5  # of the box's width and height, slid over on each side of it


def sensitivity(frame: Frame, window: FloatArray, judge: Judge, *, side: int, step: int, told: Told) -> FloatArray:
    """(height, width) float32 of the picture: how much the number falls, as a mean over the patches that hide a pixel.

    Zeiler and Fergus 2014, section 4.2: a grey square is slid over the picture, and the number is written down for
    each of its places. `window`: (4,) whole pixels x1 y1 x2 y2 in which it is slid; nothing is known outside, where the
    result is 0. `side`, `step`: of the patch and between two of its places, pixels. Below 0 where the number rises.
    """
    left, top, right, bottom = (int(edge) for edge in window)
    part = torch.from_numpy(np.ascontiguousarray(frame.image[top:bottom, left:right])).permute(2, 0, 1)[None].float()
    high, wide = min(side, bottom - top), min(side, right - left)
    seen = 0

    def numbers(parts: Tensor) -> Tensor:
        nonlocal seen
        pictures = parts.permute(0, 2, 3, 1).round().to(torch.uint8).numpy()
        found = judge([replace(frame, picture=_with(frame.image, one, left, top)) for one in pictures])
        seen += len(found)
        told(seen)
        return torch.tensor(found)

    drops = Occlusion(numbers).attribute(
        part,
        sliding_window_shapes=(3, high, wide),
        strides=(3, min(step, high), min(step, wide)),  # no pixel is left out between two places
        baselines=GREY,
        perturbations_per_eval=_AT_ONCE,
    )
    heat = np.zeros((frame.height, frame.width), np.float32)
    heat[top:bottom, left:right] = drops[0, 0].numpy()
    return heat


def of_detector(detector: Detector, frame: Frame, seen: Seen, patch: Patch, *, told: Told) -> FloatArray:
    """Of the score of an object, in and around its box."""
    side, step = _pixels(seen.box, patch)
    aside = (seen.box[2:] - seen.box[:2]) * patch.margin
    around = np.concatenate([seen.box[:2] - aside, seen.box[2:] + aside])
    (window,) = crop_bounds(around[None], frame.width, frame.height)

    def judge(frames: list[Frame]) -> list[float]:
        return [score_of(found, seen) for found in detector.detect(frames)]

    return sensitivity(frame, window, judge, side=side, step=step, told=told)


def of_embedder(
    embedder: Embedder, frame: Frame, box: FloatArray, reference: FloatArray, patch: Patch, *, told: Told
) -> FloatArray:
    """Of the cosine of what a box shows with a feature (d,), in the box: nothing else is looked at."""
    side, step = _pixels(box, patch)
    (window,) = crop_bounds(box[None], frame.width, frame.height)
    one = described(box)

    def judge(frames: list[Frame]) -> list[float]:
        return [float(features[0] @ reference) for features in embedder.embed(frames, [one] * len(frames))]

    return sensitivity(frame, window, judge, side=side, step=step, told=told)


def described(box: FloatArray) -> Detections:
    """A box (4,) as a detection that every embedder describes."""
    return Detections(box[None].astype(np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))


def _pixels(box: FloatArray, patch: Patch) -> tuple[int, int]:
    """Side of the patch, and step."""
    length = float(np.sqrt((box[2] - box[0]) * (box[3] - box[1])))
    return max(3, round(patch.side * length)), max(1, round(patch.step * length))


def _with(image: ImageArray, part: ImageArray, left: int, top: int) -> ImageArray:
    """A copy of a picture in which a part is another."""
    changed = image.copy()
    changed[top : top + part.shape[0], left : left + part.shape[1]] = part
    return changed
