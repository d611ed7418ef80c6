"""What the engine asks of a network: protocols Detector, Segmenter, Embedder; what a loaded model says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from trackers.structures import Detections, FloatArray, Frame, Masks

USUAL_SHAPE = (9, 16)  # height and width of most videos


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Identity of a loaded model: enough to tell whether two runs used the same one."""

    name: str  # file stem, or the library's name of the architecture
    task: str  # "detect", "segment" or "embed"
    version: str  # of the library or file format that runs it, e.g. "openvino 2026.4"
    sha256: str  # of the weights' bytes (of .xml and .bin together); of the parameters where there is no file
    runtime: str  # backend, device and precision, e.g. "openvino CPU f32"
    input_size: tuple[int, int] | None  # height, width in pixels; None where the model takes any
    classes: tuple[str, ...] = ()  # detectors: names in label order
    dimension: int | None = None  # embedders: length of a feature vector
    learns: bool = False  # what it finds depends on every frame of the stream before
    calibration: tuple[tuple[float, float], ...] | None = None  # detectors: score -> precision, where it is known
    licence: str | None = None  # of the weights, as SPDX names it, where the catalogue says it
    masks: bool = False  # detectors: what they find has masks
    tight: bool = False  # detectors: pictures are padded as little as can be (`Letterbox.TIGHT`)
    at_once: int = 1  # detectors: frames a call at which it is fastest, though it finds the same in each as alone


@dataclass(frozen=True, slots=True)
class Use:
    """What a detector is loaded for: what makes it faster there, and changes nothing of what it finds."""

    parallel: int = 1  # frames that it looks at side by side, where it can
    shape: tuple[int, int] = USUAL_SHAPE  # height and width of the pictures that come first, in any unit


class Detector(Protocol):
    """Finds objects. Stateless but for motion; batches freely over streams."""

    @property
    def card(self) -> ModelCard:
        """Who it is."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One Detections a frame, boxes in the frame's pixels, clipped to it, by falling score."""


@runtime_checkable
class Learner(Detector, Protocol):
    """A detector that keeps something of each stream."""

    def forget(self, stream: int) -> None:
        """No frame of the stream will follow."""


@runtime_checkable
class Sizable(Detector, Protocol):
    """A detector that can look at pictures in several sizes."""

    @property
    def scales(self) -> tuple[float, ...]:
        """Sides of each input in those of the usual one, from 1 on, falling."""

    def choose(self, level: int) -> None:
        """Take another of the sizes from the next frame on."""


class Segmenter(Protocol):
    """Says which pixels of a box are the object's. Stateless; batches freely over streams."""

    @property
    def card(self) -> ModelCard:
        """Who it is."""

    def segment(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[Masks]:
        """For each frame the masks of its n boxes, row by row, in its pixels and clipped to it.

        A crop without a pixel where there is nothing to be seen in the box.
        """


class Embedder(Protocol):
    """Describes what objects look like."""

    @property
    def card(self) -> ModelCard:
        """Who it is."""

    def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[FloatArray]:
        """For each frame the (n, d) float32 unit-length features of its n boxes; all crops share batches."""
