"""Detectors in ONNX files of ours, run by torch: on NVIDIA's cards, where OpenVINO does not run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.models import decoders, files, label_names
from pipeline.models.base import ModelCard
from pipeline.models.decoders import Hints, Limits, TensorSpec
from pipeline.models.inputs import Letterbox, Recipe, tight_size
from pipeline.models.network import Looking, NetworkDetector
from pipeline.models.onnx_detector import network_of_onnx
from pipeline.models.torch_runtime import TorchRuntime, with_short_weights
from trackers.structures import FloatArray, ImageArray

BACKEND = "torch"
_AHEAD = 1  # batches that the device computes while the one before is read


class TorchNetwork:
    """A detector behind colour order, mean and scale."""

    def __init__(self, network: nn.Module, recipe: Recipe, running: TorchRuntime, *, batch: int) -> None:
        """`network`: (n, 3, H, W) float32 -> one tensor, on the device. `batch`: pictures at once."""
        self.max_batch = batch
        self._network = network
        self._running = running
        self._rgb = recipe.rgb
        with running.failures():
            self._mean, self._scale = (
                torch.tensor(values, device=running.device).view(1, 3, 1, 1) for values in (recipe.mean, recipe.scale)
            )

    def infer(self, batch: ImageArray) -> list[FloatArray]:
        """Outputs for (n, H, W, 3) uint8 blue-green-red pictures. Raises ModelError where torch fails."""
        return next(self.infer_each([batch]))

    def infer_each(self, batches: Iterable[ImageArray]) -> Iterator[list[FloatArray]]:
        """Outputs of each batch, in order; a graphics card computes the next one while one is read."""
        begun: deque[_Coming] = deque()
        for batch in batches:
            begun.append(self._begun(batch))
            if len(begun) > _AHEAD:
                yield self._read(begun.popleft())
        while begun:
            yield self._read(begun.popleft())

    def _begun(self, batch: ImageArray) -> _Coming:
        with self._running.failures(), torch.inference_mode():
            pictures = _sent(torch.from_numpy(batch), self._running.device).permute(0, 3, 1, 2)  # channels stay last
            if self._rgb:
                pictures = pictures.flip(1)
            given = (pictures.float() - self._mean) / self._scale
            return _Coming(self._network(self._running.tensor(given)))

    def _read(self, coming: _Coming) -> list[FloatArray]:
        with self._running.failures():  # what went wrong on the device is told here
            return [coming.array()]


class _Coming:
    """An output on its way to the processor, behind its own network and before the next one's.

    A card does one thing after the other: what is asked for later would come after the next network.
    """

    def __init__(self, found: Tensor) -> None:
        self._there: torch.cuda.Event | None = None
        self._found = found
        if found.is_cuda:
            self._found = torch.empty(found.shape, dtype=found.dtype, pin_memory=True)
            self._found.copy_(found, non_blocking=True)
            self._there = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._there.record(torch.cuda.current_stream(found.device))

    def array(self) -> FloatArray:
        """It itself, as soon as it is there."""
        if self._there is not None:
            self._there.synchronize()
        found: FloatArray = self._found.numpy()
        return found


def _sent(pictures: Tensor, device: torch.device) -> Tensor:
    """On the device; to a card they are sent while this goes on, which memory has to be pinned for."""
    return pictures if device.type == "cpu" else pictures.pin_memory().to(device, non_blocking=True)


def open_detector(
    weights: str | Path,
    *,
    decoder: str | None = None,
    classes: Sequence[str] | None = None,
    input_size: tuple[int, int] | None = None,
    letterbox: Letterbox = Letterbox.FULL,
    min_score: float = 0.05,
    nms_iou: float = 0.65,
    max_detections: int = 300,
    batch: int = 1,
    precision: str = "auto",
    device: str = "CPU",
    threads: int = 0,
) -> NetworkDetector:
    """Detector from an .onnx that says its architecture (`sightline export`), as of OpenVINO; see there.

    `precision`: of the convolutions: f32, bf16, auto. `device`: CPU, CUDA, CUDA:1. Raises ModelError.
    """
    file = files.inspect(weights)
    file.require(files.Form.ONNX, backend=BACKEND)
    running = TorchRuntime.choose(device=device, precision=precision, threads=threads)
    network = _prepared(network_of_onnx(file.path), running)
    size = input_size or label_names.embedded_size(file.metadata)
    if size is None:
        raise ModelError(f"{file.path} does not say for which pictures it is; set input_size to [height, width]")
    stride = int(max(network.head.stride))
    if any(side % stride for side in size):
        raise ModelError(f"{file.path} takes sides that are multiples of {stride}, not {size[0]}x{size[1]}")
    embedded = label_names.embedded_names(file.metadata, file.path)
    hints = Hints(len(classes or embedded) or None, label_names.suppresses(file.metadata))
    shape = _shape(network, size, running)
    found = decoders.choose([TensorSpec("output0", shape)], size, form=decoder, hints=hints, name=file.path.name)
    names = label_names.class_names(file.stem, explicit=classes, embedded=embedded, count=found.class_count)
    looks = TorchNetwork(network, found.recipe, running, batch=batch)

    @cache
    def looking(size: tuple[int, int]) -> Looking:
        return Looking(looks, replace(found, size=size))

    def fitted(height: int, width: int) -> Looking:
        return looking(tight_size(size, height, width, fit=found.recipe.fit, stride=stride))

    card = ModelCard(
        file.stem,
        "detect",
        f"{BACKEND} {torch.__version__.partition('+')[0]}",
        file.sha256,
        running.name,
        size,
        names,
        calibration=label_names.embedded_calibration(file.metadata, file.path),
        tight=letterbox is Letterbox.TIGHT,
        at_once=batch * (1 + _AHEAD),
    )
    limits = Limits(min_score, nms_iou, max_detections)
    return NetworkDetector(looking(size), card=card, limits=limits, fitted=fitted if card.tight else None)


class _Prepared(nn.Module):
    """A detector that gives what is decoded, its convolutions in short numbers where the device is good at them."""

    def __init__(self, network: Any, running: TorchRuntime) -> None:
        super().__init__()
        self.head = network.model[-1]
        self._network = network
        self._running = running
        if running.short is not None:
            for layer in network.model[:-1]:
                with_short_weights(layer, running.short)
            for name in ("cv2", "cv3", "one2one_cv2", "one2one_cv3"):
                if (branch := getattr(self.head, name, None)) is not None:
                    setattr(self.head, name, nn.ModuleList(running.shortened(part) for part in branch))
            exact = _Exact(self.head, running.device.type)
            network.model[-1] = exact

    def forward(self, pictures: Tensor) -> Tensor:
        if self._running.short is None:
            found = self._network(pictures)
        else:
            with torch.autocast(self._running.device.type, dtype=self._running.short):
                found = self._network(pictures)
        decoded: Tensor = found[0] if isinstance(found, tuple) else found
        return decoded


class _Exact(nn.Module):
    """A head whose arithmetic of coordinates is in float32, whatever is around it."""

    def __init__(self, head: Any, device: str) -> None:
        super().__init__()
        self.f, self.i = head.f, head.i  # its place among the layers, which ultralytics goes by
        self._head, self._device = head, device

    def forward(self, maps: list[Tensor]) -> Any:
        with torch.autocast(self._device, enabled=False):
            return self._head([one.float() for one in maps])


def _prepared(network: Any, running: TorchRuntime) -> Any:
    """Ready to look, batch norm folded into the layers before."""
    network.eval()
    network.fuse(verbose=False)
    for parameter in network.parameters():
        parameter.requires_grad = False
    return _Prepared(running.place(network), running).eval()


def _shape(network: nn.Module, size: tuple[int, int], running: TorchRuntime) -> tuple[int | None, ...]:
    """Of the output for one picture of this size; any number of pictures may come."""
    with running.failures(), torch.inference_mode():
        found = network(running.tensor(torch.zeros((1, 3, *size))))
    return (None, *found.shape[1:])
