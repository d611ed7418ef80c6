"""A network of any vendor with what turns it into a detector: decoder, class names, limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from pipeline.errors import ModelError
from pipeline.models.base import ModelCard
from pipeline.models.decoders import Decoder, Limits
from pipeline.models.inputs import to_batch
from trackers.structures import Detections, FloatArray, Frame, ImageArray

_Item = TypeVar("_Item")


class Network(Protocol):
    """Runs a network on pictures that already have its size."""

    @property
    def max_batch(self) -> int | None:
        """How many pictures it takes at once; None: any number."""

    def infer(self, batch: ImageArray) -> list[FloatArray]:
        """Outputs for (n, H, W, 3) uint8 blue-green-red pictures. Raises ModelError where the library fails."""


class NetworkDetector:
    """Detector made of a network and its decoder."""

    def __init__(self, network: Network, decoder: Decoder, *, card: ModelCard, limits: Limits) -> None:
        self.card = replace(card, masks=decoder.prototypes is not None)
        self._network = network
        self._decoder = decoder
        self._limits = limits

    @property
    def masks(self) -> bool:
        """Whether its detections have masks."""
        return self.card.masks

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One Detections a frame. Frames whose outputs a batch would mix run one by one."""
        found: list[Detections] = []
        for some in chunks(frames, self._network.max_batch if self._decoder.batches else 1):
            recipe = self._decoder.recipe
            batch, places = to_batch([frame.image for frame in some], self._decoder.size, recipe)
            outputs = self._network.infer(batch)
            for row, (frame, place) in enumerate(zip(some, places, strict=True)):
                try:
                    found.append(self._decoder.detections(outputs, row, place, self._limits))
                except ModelError as error:
                    where = f"model {self.card.name!r} on frame {frame.index} of stream {frame.stream}"
                    advice = "check the weights file, and try precision f32"
                    raise ModelError(f"{where}: {error}; {advice}") from error
        self._check_labels(found)
        return found

    def _check_labels(self, found: Sequence[Detections]) -> None:
        highest = max((int(one.labels.max()) for one in found if len(one)), default=-1)
        if highest >= len(self.card.classes):
            raise ModelError(
                f"model {self.card.name!r} gave label {highest}, but only {len(self.card.classes)} classes are named; "
                f"set detector.classes to at least {highest + 1} names in label order"
            )


def chunks(items: Sequence[_Item], size: int | None) -> Iterator[Sequence[_Item]]:
    """Items in runs of at most `size`; None: all at once."""
    step = max(1, len(items)) if size is None else size
    for start in range(0, len(items), step):
        yield items[start : start + step]
