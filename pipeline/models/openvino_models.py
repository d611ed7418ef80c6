"""OpenVINO: detectors and embedders from ONNX files and OpenVINO IR."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from pipeline.errors import ModelError
from pipeline.models import decoders, files, label_names
from pipeline.models.base import ModelCard
from pipeline.models.decoders import Hints, Limits, TensorSpec
from pipeline.models.embed import NetworkEmbedder, feature_length
from pipeline.models.inputs import IMAGENET, PLAIN, Recipe, embedded_recipe
from pipeline.models.network import NetworkDetector
from pipeline.models.openvino_core import core
from trackers.structures import FloatArray, ImageArray

BACKEND = "openvino"
_LOG = logging.getLogger(__name__)
_PRECISIONS = ("f32", "bf16", "f16", "auto")


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
        name: str = "the network",
    ) -> None:
        """`batch`: pictures at once, None for any number. `threads`: 0 lets OpenVINO choose. `name`: for errors.

        Raises ModelError for an unknown precision or device, and where the network cannot be compiled.
        """
        try:
            _set_batch(model, -1 if batch is None else batch)
        except RuntimeError as error:
            raise ModelError(f"{name} cannot take a batch of {batch or 'any length'}: {_first_line(error)}") from error
        self._name = name
        self.max_batch = batch
        hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if threads > 0:
            hints["INFERENCE_NUM_THREADS"] = threads
        if precision not in _PRECISIONS:
            raise ModelError(f"precision {precision!r} is unknown; use one of {', '.join(_PRECISIONS)}")
        if precision != "auto":
            hints["INFERENCE_PRECISION_HINT"] = precision
        _require_device(core(), device)
        try:
            compiled = core().compile_model(_with_recipe(model, recipe), device, hints)
            self._request = compiled.create_infer_request()
        except RuntimeError as error:
            raise ModelError(f"OpenVINO cannot compile {name} on {device}: {_first_line(error)}") from error
        self.runtime = f"{BACKEND} {device} {_actual_precision(compiled)}"

    def infer(self, batch: ImageArray) -> list[FloatArray]:
        """Outputs for (n, H, W, 3) uint8 pictures; a network of fixed batch is filled up with empty ones."""
        count = len(batch)
        if self.max_batch is not None and count < self.max_batch:
            batch = np.concatenate([batch, np.zeros((self.max_batch - count, *batch.shape[1:]), np.uint8)])
        try:
            results = self._request.infer([batch], share_inputs=True)
        except RuntimeError as error:
            raise ModelError(f"OpenVINO failed on {self._name}: {_first_line(error)}") from error
        return [np.array(results[position]) for position in range(len(results))]


def open_detector(
    weights: str | Path,
    *,
    decoder: str | None = None,
    classes: Sequence[str] | None = None,
    input_size: tuple[int, int] | None = None,
    min_score: float = 0.05,
    nms_iou: float = 0.65,
    max_detections: int = 300,
    batch: int = 1,
    precision: str = "f32",
    device: str = "CPU",
    threads: int = 0,
) -> NetworkDetector:
    """Detector from .xml (with .bin) or .onnx.

    `decoder`, `classes`: as `decoders.Form` and label order; found from the file where None. `input_size`: height,
    width; needed only where the file leaves it open. `batch`: frames at once. With 1, a frame's detections are the
    same to the last bit whatever runs beside it, and on a CPU more is hardly faster. `precision`: f32, bf16, f16, auto.
    """
    file, model = read_model(weights)
    size = find_input_size(model, file, input_size)
    set_size(model, file, size)
    embedded = label_names.embedded_names(file.metadata, file.path) or rt_names(model)
    hints = Hints(len(classes or embedded) or None, label_names.suppresses(file.metadata))
    found = decoders.choose(output_specs(model), size, form=decoder, hints=hints, name=file.path.name)
    names = label_names.class_names(file.stem, explicit=classes, embedded=embedded, count=found.class_count)
    at_once = batch if batch == 1 or (found.batches and _can_batch(model, batch)) else 1
    if at_once != batch:
        _LOG.info("%s keeps no batch of %d apart; frames run one by one", file.path.name, batch)
    network = OpenVinoNetwork(
        model,
        found.recipe,
        batch=at_once,
        precision=precision,
        device=device,
        threads=threads,
        name=str(file.path),
    )
    known = label_names.embedded_calibration(file.metadata | rt_metadata(model), file.path)
    card = replace(_card(file, network, "detect", input_size=size, classes=names), calibration=known)
    return NetworkDetector(network, found, card=card, limits=Limits(min_score, nms_iou, max_detections))


def open_embedder(
    weights: str | Path,
    *,
    recipe: Recipe | None = None,
    input_size: tuple[int, int] | None = None,
    precision: str = "f32",
    device: str = "CPU",
    threads: int = 0,
) -> NetworkEmbedder:
    """Embedder from .xml (with .bin) or .onnx; the number of crops may differ from call to call.

    `recipe`: what the network expects; None: what an ONNX file or an IR's `rt_info` says, else blue-green-red 0..255
    for IR, ImageNet's mean and deviation for ONNX.
    """
    file, model = read_model(weights)
    size = find_input_size(model, file, input_size)
    set_size(model, file, size)
    dimension = feature_length(output_specs(model), file.stem)
    if recipe is None:
        usual = PLAIN if file.form is files.Form.IR else IMAGENET
        recipe = embedded_recipe(file.metadata) or embedded_recipe(rt_metadata(model)) or usual
    any_number = _can_batch(model, -1)
    if not any_number:
        _LOG.warning("%s takes one crop at a time; crops run one by one", file.path.name)
    network = OpenVinoNetwork(
        model,
        recipe,
        batch=None if any_number else 1,
        precision=precision,
        device=device,
        threads=threads,
        name=str(file.path),
    )
    card = _card(file, network, "embed", input_size=size, dimension=dimension)
    return NetworkEmbedder(network, recipe, card=card)


def _card(
    file: files.WeightsFile,
    network: OpenVinoNetwork,
    task: str,
    *,
    input_size: tuple[int, int],
    classes: tuple[str, ...] = (),
    dimension: int | None = None,
) -> ModelCard:
    version = f"{BACKEND} {ov.__version__.split('-')[0]}"
    return ModelCard(file.stem, task, version, file.sha256, network.runtime, input_size, classes, dimension)


def read_model(weights: str | Path) -> tuple[files.WeightsFile, ov.Model]:
    """A file that was looked at, and its network. Raises ModelError where it does not take one picture."""
    file = files.inspect(weights)
    file.require(files.Form.IR, files.Form.ONNX, backend=BACKEND)
    try:
        model = core().read_model(file.path)
    except RuntimeError as error:
        raise ModelError(f"OpenVINO cannot read {file.path}: {_first_line(error)}") from error
    if len(model.inputs) != 1 or len(_shape(model.input(0))) != 4:
        raise ModelError(f"{file.path} does not take one picture (n, 3, height, width); it is no detector or embedder")
    return file, model


def _shape(port: Any) -> tuple[int | None, ...]:
    """Sides, None for one that is open; () where even their number is open."""
    shape = port.get_partial_shape()
    if not shape.rank.is_static:
        return ()
    return tuple(side.get_length() if side.is_static else None for side in shape)


def channels_last(model: ov.Model) -> bool:
    """Whether the network takes (n, H, W, 3) and not (n, 3, H, W). Raises ModelError where it does neither."""
    shape = _shape(model.input(0))
    if 3 not in (shape[1], shape[3]):
        raise ModelError(f"the network's input {shape} has no axis of 3 colours; it is not made for colour pictures")
    return shape[1] != 3


def find_input_size(model: ov.Model, file: files.WeightsFile, wanted: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width, pixels: the wanted ones, else what the file says. Raises ModelError where it says nothing."""
    shape = _shape(model.input(0))
    height, width = shape[1:3] if channels_last(model) else shape[2:]
    if wanted is not None:
        return wanted
    if height is not None and width is not None:
        return height, width
    written = label_names.embedded_size(file.metadata)
    if written is None:
        raise ModelError(f"{file.path} takes pictures of any size; set input_size to [height, width]")
    return written


def set_size(model: ov.Model, file: files.WeightsFile, size: tuple[int, int]) -> None:
    """Let the network take pictures of this height and width. Raises ModelError where it cannot."""
    shape = model.input(0).get_partial_shape()
    rows, columns = (1, 2) if channels_last(model) else (2, 3)
    if (shape[rows], shape[columns]) == size:
        return
    shape[rows], shape[columns] = size
    try:
        model.reshape(shape)
    except RuntimeError as error:
        raise ModelError(f"{file.path} cannot take pictures of {size[0]}x{size[1]}: {_first_line(error)}") from error


def _set_batch(model: ov.Model, batch: int) -> None:
    shape = model.input(0).get_partial_shape()
    shape[0] = batch
    model.reshape(shape)


def _can_batch(model: ov.Model, batch: int) -> bool:
    """Whether a batch of this length (-1: any) leaves through every output as it came in. Tried on a copy."""
    trial = model.clone()
    try:
        _set_batch(trial, batch)
    except RuntimeError:
        return False
    return all(_shape(port)[:1] == (None if batch < 0 else batch,) for port in trial.outputs)


def output_specs(model: ov.Model) -> list[TensorSpec]:
    """Names and shapes of what the network gives."""
    ports = model.outputs
    return [TensorSpec(port.get_any_name() if port.names else str(at), _shape(port)) for at, port in enumerate(ports)]


def rt_names(model: ov.Model) -> tuple[str, ...]:
    """Class names that OpenVINO's own tools write into an IR, underscores for blanks."""
    path = ["model_info", "labels"]
    if not model.has_rt_info(path):
        return ()
    return tuple(name.replace("_", " ") for name in model.get_rt_info(path).astype(str).split())


def rt_metadata(model: ov.Model) -> dict[str, str]:
    """What an IR of ours says of its input and its scores, in the form of an ONNX file's metadata."""
    paths = {key: ["model_info", key] for key in ("recipe", label_names.CALIBRATION)}
    return {key: model.get_rt_info(path).astype(str) for key, path in paths.items() if model.has_rt_info(path)}


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


def _require_device(core: ov.Core, device: str) -> None:
    present = core.available_devices
    if device != "AUTO" and not any(name.split(".")[0] == device for name in present):
        raise ModelError(f"OpenVINO has no device {device!r} here; it sees {', '.join(present)}")


def _actual_precision(compiled: Any) -> str:
    """What the device really computes in, whatever was asked for."""
    return str(compiled.get_property("INFERENCE_PRECISION_HINT").to_string())


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
