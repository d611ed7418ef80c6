"""A network of any vendor with what turns it into a detector: decoder, class names, limits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from pipeline.errors import ModelError
from pipeline.models.base import ModelCard
from pipeline.models.decoders import Decoder, Limits
from pipeline.models.inputs import Placement, to_batch
from trackers.structures import Detections, FloatArray, Frame, ImageArray

_Item = TypeVar("_Item")


class Network(Protocol):
    """Runs a network on pictures that already have its size."""

    @property
    def max_batch(self) -> int | None:
        """How many pictures it takes at once; None: any number."""

    def infer(self, batch: ImageArray) -> list[FloatArray]:
        """Outputs for (n, H, W, 3) uint8 blue-green-red pictures. Raises ModelError where the library fails."""


class QueuedNetwork(Network, Protocol):
    """One that may look at some pictures while others are made ready."""

    def infer_each(self, batches: Iterable[ImageArray]) -> Iterator[list[FloatArray]]:
        """Outputs of each batch, in order. The next ones may be taken while some are still computed."""


@dataclass(frozen=True, slots=True, eq=False)
class Looking:
    """A network and what reads its outputs, for an input of one size."""

    network: QueuedNetwork
    decoder: Decoder


class NetworkDetector:
    """Detector made of a network and its decoder."""

    def __init__(
        self,
        looking: Looking,
        *,
        card: ModelCard,
        limits: Limits,
        fitted: Callable[[int, int], Looking] | None = None,
    ) -> None:
        """`fitted`: what looks at pictures of this height and width; `looking` at all of them where None.

        All of them are of one file: they differ in the size of the input alone.
        """
        self.card = replace(card, masks=looking.decoder.prototypes is not None)
        self._looking = looking
        self._fitted = fitted
        self._limits = limits

    @property
    def masks(self) -> bool:
        """Whether its detections have masks."""
        return self.card.masks

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One Detections a frame. Frames whose outputs a batch would mix run one by one."""
        found: dict[int, Detections] = {}
        for looking, rows in self._by_input(frames):
            found |= zip(rows, self._detect(looking, [frames[row] for row in rows]), strict=True)
        ordered = [found[row] for row in range(len(frames))]
        self._check_labels(ordered)
        return ordered

    def _by_input(self, frames: Sequence[Frame]) -> list[tuple[Looking, list[int]]]:
        """What looks at which of the frames, by their numbers."""
        if self._fitted is None:
            return [(self._looking, list(range(len(frames))))]
        groups: dict[tuple[int, int], tuple[Looking, list[int]]] = {}
        for row, frame in enumerate(frames):
            looking = self._fitted(frame.height, frame.width)
            groups.setdefault(looking.decoder.size, (looking, []))[1].append(row)
        return list(groups.values())

    def _detect(self, looking: Looking, frames: Sequence[Frame]) -> Iterator[Detections]:
        """Of each frame; the next ones are made ready and looked at meanwhile, where the network can do that."""
        decoder, network = looking.decoder, looking.network
        parts = list(chunks(frames, network.max_batch if decoder.batches else 1))
        ready: deque[list[Placement]] = deque()

        def batches() -> Iterator[ImageArray]:
            for part in parts:
                batch, places = to_batch([frame.image for frame in part], decoder.size, decoder.recipe)
                ready.append(places)
                yield batch

        for part, outputs in zip(parts, network.infer_each(batches()), strict=True):
            for row, (frame, place) in enumerate(zip(part, ready.popleft(), strict=True)):
                try:
                    yield decoder.detections(outputs, row, place, self._limits)
                except ModelError as error:
                    where = f"model {self.card.name!r} on frame {frame.index} of stream {frame.stream}"
                    advice = "check the weights file, and try precision f32"
                    raise ModelError(f"{where}: {error}; {advice}") from error

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
