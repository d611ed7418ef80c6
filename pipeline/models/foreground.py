"""ForegroundOnly: an embedder that is shown objects without what is behind them, where their masks are known."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.models.base import Embedder, ModelCard
from pipeline.models.embed import split
from pipeline.models.inputs import crop_bounds
from trackers.structures import Detections, FloatArray, Frame, ImageArray, Masks

_BEHIND = (104, 116, 124)  # blue green red: the mean of ImageNet, which networks are used to take for nothing
_LEAST = 0.1  # share of a box; a mask of less is not believed


class ForegroundOnly:
    """Pixels of a box that are not in its mask are of one colour. A box without a mask is shown whole."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        own = embedder.card
        sha256 = hashlib.sha256(f"{own.sha256} foreground".encode()).hexdigest()
        self._card = replace(own, name=f"{own.name}-foreground", sha256=sha256)

    @property
    def card(self) -> ModelCard:
        """Another model's than the embedder's: features with and without a background are not to be compared."""
        return self._card

    def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[FloatArray]:
        """For each frame the (n, d) features of its n boxes; all crops still share batches."""
        shown: list[Frame] = []
        whole: list[Detections] = []
        for frame, found in zip(frames, detections, strict=True):
            for row, bounds in enumerate(crop_bounds(found.boxes, frame.width, frame.height).tolist()):
                picture = _shown(frame.image, bounds, found.masks, row)
                shown.append(replace(frame, picture=picture))
                box = np.array([[0, 0, picture.shape[1], picture.shape[0]]], np.float32)
                whole.append(Detections(box, found.scores[row : row + 1], found.labels[row : row + 1]))
        features = self._embedder.embed(shown, whole)
        if not features:
            return self._embedder.embed(frames, detections)
        return split(np.concatenate(features), detections)


def _shown(image: ImageArray, bounds: list[int], masks: Masks | None, row: int) -> ImageArray:
    """The pixels within bounds (left top right bottom), in one colour where they are not the object's."""
    left, top, right, bottom = bounds
    crop = image[top:bottom, left:right]
    if masks is None or masks.crops[row].size == 0:
        return crop
    (x, y), mask = masks.origins[row].tolist(), masks.crops[row]
    inside = np.zeros(crop.shape[:2], bool)
    part = mask[max(0, top - y) : max(0, bottom - y), max(0, left - x) : max(0, right - x)]
    down, across = max(0, y - top), max(0, x - left)
    inside[down : down + part.shape[0], across : across + part.shape[1]] = part
    if inside.mean() < _LEAST:
        return crop
    return np.where(inside[:, :, None], crop, np.array(_BEHIND, np.uint8))
