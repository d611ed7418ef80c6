"""OpenVINO: detectors and embedders from ONNX files and OpenVINO IR."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from pipeline.errors import ModelError
from pipeline.models import decoders, files, label_names
from pipeline.models.base import USUAL_SHAPE, ModelCard
from pipeline.models.decoders import Decoder, Hints, Limits, TensorSpec
from pipeline.models.embed import NetworkEmbedder, feature_length
from pipeline.models.inputs import IMAGENET, PLAIN, STRIDE, Fit, Letterbox, Recipe, embedded_recipe, tight_size
from pipeline.models.messages import last_line
from pipeline.models.network import Looking, NetworkDetector
from pipeline.models.openvino_core import core
from pipeline.models.openvino_library import ov
from pipeline.models.openvino_network import (
    BACKEND,
    OpenVinoNetwork,
    channels_last,
    set_batch,
    shape_of,
)

_LOG = logging.getLogger(__name__)
_MOST_SHAPES = 4  # of pictures, for which a network is kept compiled


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
    precision: str = "f32",
    device: str = "CPU",
    threads: int = 0,
    parallel: int = 1,
    shape: tuple[int, int] = USUAL_SHAPE,
) -> NetworkDetector:
    """Detector from .xml (with .bin) or .onnx.

    `decoder`, `classes`: as `decoders.Form` and label order; found from the file where None. `input_size`: height,
    width; needed only where the file leaves it open. `letterbox`: TIGHT leaves out of the padding what the network can
    do without. `batch`: frames at once. With 1, a frame's detections are the same to the last bit whatever runs beside
    it, and on a CPU more is hardly faster. `precision`: f32, bf16, f16, int8, auto; the last two may open another file
    (`weights_for`). `parallel`: batches side by side. `shape`: height and width of the pictures for which it is
    compiled at once; for others it is when they come.
    """
    chosen = weights_for(weights, precision=precision)
    file, model = read_model(chosen)
    size = find_input_size(model, file, input_size)
    set_size(model, file, size)
    embedded = label_names.embedded_names(file.metadata, file.path) or rt_names(model)
    hints = Hints(len(classes or embedded) or None, label_names.suppresses(file.metadata))
    found = decoders.choose(output_specs(model), size, form=decoder, hints=hints, name=file.path.name)
    names = label_names.class_names(file.stem, explicit=classes, embedded=embedded, count=found.class_count)
    at_once = batch if batch == 1 or (found.batches and _can_batch(model, batch)) else 1
    if at_once != batch:
        _LOG.info("%s keeps no batch of %d apart; frames run one by one", file.path.name, batch)

    @lru_cache(_MOST_SHAPES)
    def compiled(size: tuple[int, int]) -> tuple[Looking, str]:
        shaped = model.clone()
        set_size(shaped, file, size)
        network = OpenVinoNetwork(
            shaped,
            found.recipe,
            batch=at_once,
            precision=_around(precision, device),
            device=device,
            threads=threads,
            parallel=parallel,
            name=str(file.path),
        )
        return Looking(network, replace(found, size=size)), network.runtime

    def fitted(height: int, width: int) -> Looking:
        return compiled(tight_size(size, height, width, fit=found.recipe.fit))[0]

    tight = letterbox is Letterbox.TIGHT and _reshapes(model, file, found)
    first, runtime = compiled(tight_size(size, *shape, fit=found.recipe.fit) if tight else size)
    card = _card(file, runtime, "detect", input_size=size, classes=names)
    known = label_names.embedded_calibration(file.metadata | rt_metadata(model), file.path)
    card = replace(card, calibration=known, tight=tight, at_once=at_once * (1 if parallel == 1 else 2 * parallel))
    limits = Limits(min_score, nms_iou, max_detections)
    return NetworkDetector(first, card=card, limits=limits, fitted=fitted if tight else None)


def weights_for(weights: str | Path, *, precision: str) -> Path:
    """The file to open: the IR beside it of the same network in 8 bits, NAME-int8.xml, where that is wanted.

    `precision`: int8: that one; any other: the file itself. Raises ModelError where it is missing.
    """
    path = Path(weights)
    beside = files.bytes_beside(path)
    if precision == "int8" and beside != path:
        if not beside.is_file():
            raise ModelError(
                f"precision int8 of {path} needs {beside.name} beside it; make it with `sightline export {path} "
                f"--format openvino --precision int8 --calibration SOURCE --out {beside}`, or choose another precision"
            )
        return beside
    return path


def _around(precision: str, device: str) -> str:
    """Of the layers that a file in 8 bits leaves longer: on every processor the same, so that a run goes on elsewhere.

    There are few, and none that costs much, so that bfloat16 would save nothing.
    """
    if precision != "int8":
        return precision
    return "f32" if device.upper() == "CPU" else "auto"


def open_embedder(
    weights: str | Path,
    *,
    recipe: Recipe | None = None,
    input_size: tuple[int, int] | None = None,
    precision: str = "f32",
    device: str = "CPU",
    threads: int = 0,
    parallel: int = 1,
) -> NetworkEmbedder:
    """Embedder from .xml (with .bin) or .onnx; the number of crops may differ from call to call.

    `recipe`: what the network expects; None: what an ONNX file or an IR's `rt_info` says, else blue-green-red 0..255
    for IR, ImageNet's mean and deviation for ONNX. `precision`: as for a detector. `parallel`: batches side by side,
    among which crops are shared out: threads that share a small one spend half their time waiting for each other.
    """
    file, model = read_model(weights_for(weights, precision=precision))
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
        precision=_around(precision, device),
        device=device,
        threads=threads,
        parallel=parallel,
        name=str(file.path),
    )
    card = _card(file, network.runtime, "embed", input_size=size, dimension=dimension)
    return NetworkEmbedder(network, recipe, card=card, parallel=parallel)


def _card(
    file: files.WeightsFile,
    runtime: str,
    task: str,
    *,
    input_size: tuple[int, int],
    classes: tuple[str, ...] = (),
    dimension: int | None = None,
) -> ModelCard:
    version = f"{BACKEND} {ov.__version__.split('-')[0]}"
    return ModelCard(file.stem, task, version, file.sha256, runtime, input_size, classes, dimension)


def read_model(weights: str | Path) -> tuple[files.WeightsFile, ov.Model]:
    """A file that was looked at, and its network. Raises ModelError where it does not take one picture."""
    file = files.inspect(weights)
    file.require(files.Form.IR, files.Form.ONNX, backend=BACKEND)
    try:
        model = core().read_model(file.path)
    except RuntimeError as error:
        raise ModelError(f"OpenVINO cannot read {file.path}: {last_line(error)}") from error
    if len(model.inputs) != 1 or len(shape_of(model.input(0))) != 4:
        raise ModelError(f"{file.path} does not take one picture (n, 3, height, width); it is no detector or embedder")
    return file, model


def find_input_size(model: ov.Model, file: files.WeightsFile, wanted: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width, pixels: the wanted ones, else what the file says. Raises ModelError where it says nothing."""
    shape = shape_of(model.input(0))
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
        raise ModelError(f"{file.path} cannot take pictures of {size[0]}x{size[1]}: {last_line(error)}") from error


def _reshapes(model: ov.Model, file: files.WeightsFile, decoder: Decoder) -> bool:
    """Whether the network takes a smaller picture than it is set to, and means the same by it. Tried on a copy."""
    if decoder.recipe.fit is Fit.STRETCH or any(side % STRIDE or side == STRIDE for side in decoder.size):
        return False
    height, width = decoder.size
    smaller = height - STRIDE, width
    trial = model.clone()
    try:
        set_size(trial, file, smaller)
    except ModelError:
        return False  # as one that was exported with the grid of one size
    return decoder.reads(output_specs(trial), smaller)


def _can_batch(model: ov.Model, batch: int) -> bool:
    """Whether a batch of this length (-1: any) leaves through every output as it came in. Tried on a copy."""
    trial = model.clone()
    try:
        set_batch(trial, batch)
    except RuntimeError:
        return False
    return all(shape_of(port)[:1] == (None if batch < 0 else batch,) for port in trial.outputs)


def output_specs(model: ov.Model) -> list[TensorSpec]:
    """Names and shapes of what the network gives."""
    ports = model.outputs
    return [TensorSpec(port.get_any_name() if port.names else str(at), shape_of(port)) for at, port in enumerate(ports)]


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
