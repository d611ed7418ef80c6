"""Embedders: crops of objects to feature vectors of unit length, all crops of a call in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import cv2
import numpy as np

from pipeline.errors import ModelError
from pipeline.models.base import ModelCard
from pipeline.models.decoders import TensorSpec
from pipeline.models.inputs import Recipe, crop_bounds
from pipeline.models.network import QueuedNetwork
from trackers.structures import Detections, FloatArray, Frame, ImageArray

_CROPS_AT_ONCE = 128  # bounds memory in a crowd; more crops than this are faster in no library


def cut(frames: Sequence[Frame], detections: Sequence[Detections], size: tuple[int, int]) -> ImageArray:
    """(n, H, W, 3) uint8: every box of every frame, stretched to `size` (height, width), in order."""
    total = sum(len(found) for found in detections)
    batch = np.empty((total, *size, 3), np.uint8)
    row = 0
    for frame, found in zip(frames, detections, strict=True):
        for left, top, right, bottom in crop_bounds(found.boxes, frame.width, frame.height):
            cv2.resize(frame.image[top:bottom, left:right], size[::-1], dst=batch[row], interpolation=cv2.INTER_LINEAR)
            row += 1
    return batch


def unit_length(features: FloatArray) -> FloatArray:
    """(n, d) float32 rows of length 1. A row of zeros has no direction: it becomes the even vector.

    Raises ModelError on numbers that are not finite.
    """
    features = np.asarray(features, np.float32)
    if not np.isfinite(features).all():
        raise ModelError("the network gave features that are not numbers (NaN or infinite)")
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    even = np.float32(1 / np.sqrt(max(1, features.shape[1])))
    return np.asarray(np.divide(features, lengths, out=np.full_like(features, even), where=lengths > 1e-12))


def split(features: FloatArray, detections: Sequence[Detections]) -> list[FloatArray]:
    """Rows of all frames back into one array a frame."""
    ends = np.cumsum([len(found) for found in detections])
    return list(np.split(features, ends[:-1])) if len(ends) else []


def feature_length(outputs: Sequence[TensorSpec], name: str) -> int:
    """Length of the vector that a network with these outputs gives. Raises ModelError where it is no embedder."""
    if len(outputs) == 1:
        shape = outputs[0].shape
        length = shape[1] if len(shape) in (2, 4) else None
        if length is not None and all(side == 1 for side in shape[2:]):
            return length
    listed = ", ".join(f"{spec.name} {spec.shape}" for spec in outputs)
    raise ModelError(
        f"model {name!r} is no embedder: its outputs are {listed}, not one vector (n, d) a crop; "
        "a detector belongs into detector.weights"
    )


class NetworkEmbedder:
    """Embedder made of any vendor's network."""

    def __init__(self, network: QueuedNetwork, recipe: Recipe, *, card: ModelCard, parallel: int = 1) -> None:
        """`card.input_size` and `card.dimension` must be set. `parallel`: batches that the network takes side by side;
        crops are shared out among them.
        """
        if card.input_size is None or card.dimension is None:
            raise ModelError(f"embedder {card.name!r} needs an input size and a dimension")
        self.card = card
        self._network = network
        self._recipe = recipe
        self._size = card.input_size
        self._dimension = card.dimension
        self._parallel = parallel

    def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[FloatArray]:
        """For each frame the (n, d) float32 unit-length features of its n boxes."""
        crops = cut(frames, detections, self._size)
        features = np.zeros((len(crops), self._dimension), np.float32)
        share = max(1, ceil(len(crops) / self._parallel))
        step = min(self._network.max_batch or _CROPS_AT_ONCE, share)
        parts = [slice(start, start + step) for start in range(0, len(crops), step)]
        for part, outputs in zip(parts, self._network.infer_each(crops[part] for part in parts), strict=True):
            rows = features[part]
            rows[:] = self._unit_length(outputs[0][: len(rows)].reshape(len(rows), -1))
        return split(features, detections)

    def _unit_length(self, found: FloatArray) -> FloatArray:
        try:
            return unit_length(found)
        except ModelError as error:
            raise ModelError(f"model {self.card.name!r}: {error}; check the weights file, try precision f32") from error
