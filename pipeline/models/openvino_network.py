"""OpenVinoNetwork: a network compiled by OpenVINO behind colour order and normalisation."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from pipeline.errors import ModelError
from pipeline.models.compiled_networks import compiled_networks
from pipeline.models.inputs import Recipe
from pipeline.models.messages import last_line
from pipeline.models.openvino_core import core
from pipeline.models.openvino_library import ov
from trackers.structures import FloatArray, ImageArray

BACKEND = "openvino"
_PRECISIONS = ("f32", "bf16", "f16", "auto")
_QUANTIZED = ("FakeQuantize", "QuantizeLinear")  # layers of networks that compute in 8 bits


class OpenVinoNetwork:
    """A compiled network. Colour order and normalisation are compiled in, so it takes pictures as they are."""

    def __init__(
        self,
        model: ov.Model,
        recipe: Recipe,
        *,
        batch: int | None = 1,
        precision: str = "f32",
        device: str = "CPU",
        threads: int = 0,
        parallel: int = 1,
        name: str = "the network",
    ) -> None:
        """`batch`: pictures at once, None for any number. `threads`: 0 lets OpenVINO choose. `name`: for errors.

        `parallel`: batches that `infer_each` computes side by side, each with its share of the threads. One has all of
        them, and is through sooner; several together are through sooner than one after the other, as threads that
        share a batch wait for each other at every layer.

        Raises ModelError for an unknown precision or device, and where the network cannot be compiled.
        """
        try:
            set_batch(model, -1 if batch is None else batch)
        except RuntimeError as error:
            raise ModelError(f"{name} cannot take a batch of {batch or 'any length'}: {last_line(error)}") from error
        self._name = name
        self.max_batch = batch
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads > 0:
            hints["INFERENCE_NUM_THREADS"] = threads
        if parallel > 1:
            hints["NUM_STREAMS"] = parallel
        if precision not in _PRECISIONS:
            raise ModelError(f"precision {precision!r} is unknown; use one of {', '.join(_PRECISIONS)}")
        if precision != "auto":
            hints["INFERENCE_PRECISION_HINT"] = precision
        require_device(device)
        bits = "int8+" if any(layer.get_type_name() in _QUANTIZED for layer in model.get_ops()) else ""
        try:
            compiled = compiled_networks().compile(_with_recipe(model, recipe), device, hints)
            # one more than run at once, so that the next one stands ready
            self._requests = [compiled.create_infer_request() for _ in range(parallel + (parallel > 1))]
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot compile {name} on {device}: {last_line(error)}") from error
        self.runtime = f"{BACKEND} {device} {bits}{_actual_precision(compiled)}"

    def infer(self, batch: ImageArray) -> list[FloatArray]:
        """Outputs for (n, H, W, 3) uint8 pictures; a network of fixed batch is filled up with empty ones."""
        try:
            self._requests[0].infer([self._filled(batch)], share_inputs=True)
        except RuntimeError as error:
            raise self._failed(error) from error
        return _outputs(self._requests[0])

    def infer_each(self, batches: Iterable[ImageArray]) -> Iterator[list[FloatArray]]:
        """Outputs of each batch, in order. Further ones are taken while up to `parallel` are computed."""
        if len(self._requests) == 1:
            yield from map(self.infer, batches)
            return
        idle = list(self._requests)
        running: deque[tuple[ov.InferRequest, ImageArray]] = deque()  # a picture stays until it has been looked at
        try:
            for batch in batches:
                if not idle:
                    yield self._finished(running, idle)
                filled, request = self._filled(batch), idle.pop()
                try:
                    request.start_async([filled], share_inputs=True)
                except RuntimeError as error:
                    raise self._failed(error) from error
                running.append((request, filled))
            while running:
                yield self._finished(running, idle)
        finally:
            for request, _ in running:  # nobody wants them any more, but they read pictures that are about to go
                with suppress(RuntimeError):  # of what went wrong first is told
                    request.wait()

    def _finished(
        self, running: deque[tuple[ov.InferRequest, ImageArray]], idle: list[ov.InferRequest]
    ) -> list[FloatArray]:
        """Outputs of the oldest one that runs, once they are there; it is idle then."""
        request, _ = running.popleft()
        try:
            request.wait()
        except RuntimeError as error:
            raise self._failed(error) from error
        idle.append(request)
        return _outputs(request)

    def _failed(self, error: RuntimeError) -> ModelError:
        return ModelError(f"OpenVINO failed on {self._name}: {last_line(error)}")

    def _filled(self, batch: ImageArray) -> ImageArray:
        count = len(batch)
        if self.max_batch is None or count >= self.max_batch:
            return batch
        return np.concatenate([batch, np.zeros((self.max_batch - count, *batch.shape[1:]), np.uint8)])


def _outputs(request: ov.InferRequest) -> list[FloatArray]:
    results = request.results
    return [np.array(results[position]) for position in range(len(results))]


def shape_of(port: Any) -> tuple[int | None, ...]:
    """Sides, None for one that is open; () where even their number is open."""
    shape = port.get_partial_shape()
    if not shape.rank.is_static:
        return ()
    return tuple(side.get_length() if side.is_static else None for side in shape)


def channels_last(model: ov.Model) -> bool:
    """Whether the network takes (n, H, W, 3) and not (n, 3, H, W). Raises ModelError where it does neither."""
    shape = shape_of(model.input(0))
    if 3 not in (shape[1], shape[3]):
        raise ModelError(f"the network's input {shape} has no axis of 3 colours; it is not made for colour pictures")
    return shape[1] != 3


def set_batch(model: ov.Model, batch: int) -> None:
    shape = model.input(0).get_partial_shape()
    shape[0] = batch
    model.reshape(shape)


def _with_recipe(model: ov.Model, recipe: Recipe) -> ov.Model:
    """The network behind colour order, mean and scale, taking (n, H, W, 3) uint8."""
    layout = ov.Layout("NHWC" if channels_last(model) else "NCHW")
    steps = ov.preprocess.PrePostProcessor(model)
    tensor = steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    tensor.set_color_format(ov.preprocess.ColorFormat.BGR)
    process = steps.input().preprocess().convert_element_type(ov.Type.f32)
    if recipe.rgb:
        process.convert_color(ov.preprocess.ColorFormat.RGB)
    process.mean(list(recipe.mean)).scale(list(recipe.scale))
    steps.input().model().set_layout(layout)
    return steps.build()


def require_device(device: str) -> None:
    """Raise ModelError where OpenVINO does not see it."""
    present = core().available_devices
    if device != "AUTO" and not any(name.split(".")[0] == device for name in present):
        nvidia = (
            "; for an NVIDIA card give a .pt, or an .onnx of `sightline export`" if "CUDA" in device.upper() else ""
        )
        raise ModelError(f"OpenVINO has no device {device!r} here; it sees {', '.join(present)}{nvidia}")


def _actual_precision(compiled: Any) -> str:
    """What the device really computes in, whatever was asked for."""
    return str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())
