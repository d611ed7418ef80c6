"""ONNX Runtime: detectors and embedders from ONNX files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from pipeline.errors import ModelError
from pipeline.models import decoders, files, label_names
from pipeline.models.base import ModelCard
from pipeline.models.decoders import Hints, Limits, TensorSpec
from pipeline.models.embed import NetworkEmbedder, feature_length
from pipeline.models.inputs import IMAGENET, Recipe, embedded_recipe, to_blob
from pipeline.models.network import Looking, NetworkDetector
from trackers.structures import FloatArray, ImageArray

BACKEND = "onnx"
_LOG = logging.getLogger(__name__)
_PROVIDERS = {"CPU": "CPUExecutionProvider", "CUDA": "CUDAExecutionProvider"}
_ERRORS_ONLY = 3  # ONNX Runtime's log level
_INPUTS = {"tensor(float)": ("f32", np.float32), "tensor(float16)": ("f16", np.float16)}


class OnnxSession:
    """An ONNX file opened by ONNX Runtime, and what its one input expects."""

    def __init__(self, weights: str | Path, *, device: str = "CPU", threads: int = 0) -> None:
        """`device`: CPU, CUDA, or one of several cards: CUDA:1. `threads`: 0 lets ONNX Runtime choose.

        Raises ModelError where file or device are missing, or where the network does not take one picture.
        """
        self.file = files.inspect(weights)
        self.file.require(files.Form.ONNX, backend=BACKEND)
        provider, wished = execution_provider(device)
        if provider not in ort.get_available_providers():
            raise ModelError(f"this ONNX Runtime has no {provider}; install onnxruntime-gpu or use device CPU")
        options = ort.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = threads
        try:
            self.session = ort.InferenceSession(str(self.file.path), options, providers=[(provider, wished)])
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise ModelError(f"ONNX Runtime cannot open {self.file.path} on {device}: {error}") from error
        inputs = self.session.get_inputs()
        self.shape = _shape(inputs[0]) if len(inputs) == 1 else ()
        if len(self.shape) != 4 or self.shape[1] != 3 or inputs[0].type not in _INPUTS:
            raise ModelError(
                f"{self.file.path} does not take one float picture (n, 3, height, width); it is no detector or embedder"
            )
        precision, self.dtype = _INPUTS[inputs[0].type]
        if self.session.get_providers()[0] != provider:  # it takes the CPU in silence where a library is missing
            raise ModelError(
                f"ONNX Runtime cannot use {device} for {self.file.path}: a library that {provider} needs cannot be "
                "loaded; install what its release asks for (CUDA, cuDNN), or use device CPU"
            )
        used = provider.removesuffix("ExecutionProvider")
        self.runtime = f"{BACKEND} {used} {precision}"

    @property
    def batch(self) -> int | None:
        """Pictures that must come at once; None: any number."""
        return self.shape[0]

    @property
    def outputs(self) -> list[TensorSpec]:
        """Names and shapes."""
        return [TensorSpec(output.name, _shape(output)) for output in self.session.get_outputs()]

    def input_size(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        """Height and width in pixels. Raises ModelError where `wanted` contradicts the file, or nothing is known."""
        height, width = self.shape[2:]
        fixed = (height, width) if height is not None and width is not None else None
        size = wanted or fixed or label_names.embedded_size(self.file.metadata)
        if size is None:
            raise ModelError(f"{self.file.path} takes pictures of any size; set input_size to [height, width]")
        if height not in (None, size[0]) or width not in (None, size[1]):
            raise ModelError(
                f"{self.file.path} takes pictures of {height}x{width} only, not {size[0]}x{size[1]}; "
                "leave input_size out, or use backend 'openvino'"
            )
        return size


class OnnxNetwork:
    """A session behind colour order, mean and scale."""

    def __init__(self, opened: OnnxSession, recipe: Recipe, *, batch: int | None) -> None:
        """`batch`: pictures given at once at most, None for any number; a file of fixed batch fills it up."""
        self._opened = opened
        self._recipe = recipe
        self._input = opened.session.get_inputs()[0].name
        self.max_batch = batch if opened.batch is None else opened.batch

    def infer(self, batch: ImageArray) -> list[FloatArray]:
        """Outputs for (n, H, W, 3) uint8 pictures; a network of fixed batch is filled up with empty ones."""
        blob = to_blob(batch, self._recipe)
        if self._opened.batch is not None and len(blob) < self._opened.batch:
            filling = np.zeros((self._opened.batch - len(blob), *blob.shape[1:]), np.float32)
            blob = np.concatenate([blob, filling])
        try:
            outputs = self._opened.session.run(None, {self._input: blob.astype(self._opened.dtype, copy=False)})
        except Exception as error:  # ONNX Runtime's errors have no common base
            raise ModelError(f"ONNX Runtime failed on {self._opened.file.path}: {error}") from error
        return [np.asarray(output) for output in outputs]

    def infer_each(self, batches: Iterable[ImageArray]) -> Iterator[list[FloatArray]]:
        """Outputs of each batch, one after the other: ONNX Runtime gives every core to one."""
        return map(self.infer, batches)


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
    device: str = "CPU",
    threads: int = 0,
) -> NetworkDetector:
    """Detector from .onnx.

    `decoder`, `classes`: as `decoders.Form` and label order; found from the file where None. `input_size`: height,
    width; needed only where the file leaves it open. `batch`: frames at once, where the file leaves that open.
    """
    opened = OnnxSession(weights, device=device, threads=threads)
    size = opened.input_size(input_size)
    embedded = label_names.embedded_names(opened.file.metadata, opened.file.path)
    hints = Hints(len(classes or embedded) or None, label_names.suppresses(opened.file.metadata))
    found = decoders.choose(opened.outputs, size, form=decoder, hints=hints, name=opened.file.path.name)
    names = label_names.class_names(opened.file.stem, explicit=classes, embedded=embedded, count=found.class_count)
    if batch > 1 and opened.batch == 1:
        _LOG.info("%s takes one frame at a time; frames run one by one", opened.file.path.name)
    network = OnnxNetwork(opened, found.recipe, batch=batch)
    known = label_names.embedded_calibration(opened.file.metadata, opened.file.path)
    card = replace(_card(opened, "detect", input_size=size, classes=names), calibration=known)
    limits = Limits(min_score, nms_iou, max_detections)
    return NetworkDetector(Looking(network, found), card=card, limits=limits)


def open_embedder(
    weights: str | Path,
    *,
    recipe: Recipe | None = None,
    input_size: tuple[int, int] | None = None,
    device: str = "CPU",
    threads: int = 0,
) -> NetworkEmbedder:
    """Embedder from .onnx.

    `recipe`: what the network expects; None: what the file says, else ImageNet's mean and deviation, red green blue.
    """
    opened = OnnxSession(weights, device=device, threads=threads)
    size = opened.input_size(input_size)
    dimension = feature_length(opened.outputs, opened.file.stem)
    if opened.batch == 1:
        _LOG.warning(
            "%s takes one crop at a time; crops run one by one. Backend 'openvino' can batch them",
            opened.file.path.name,
        )
    chosen = recipe or embedded_recipe(opened.file.metadata) or IMAGENET
    card = _card(opened, "embed", input_size=size, dimension=dimension)
    return NetworkEmbedder(OnnxNetwork(opened, chosen, batch=None), chosen, card=card)


def _card(
    opened: OnnxSession,
    task: str,
    *,
    input_size: tuple[int, int],
    classes: tuple[str, ...] = (),
    dimension: int | None = None,
) -> ModelCard:
    file, version = opened.file, f"onnxruntime {ort.__version__}"
    return ModelCard(file.stem, task, version, file.sha256, opened.runtime, input_size, classes, dimension)


def execution_provider(device: str) -> tuple[str, dict[str, str]]:
    """What ONNX Runtime calls CPU, CUDA and CUDA:1, and what it is to be told of it. Raises ModelError for others."""
    kind, colon, number = device.upper().partition(":")
    if kind not in _PROVIDERS or (colon and not (kind == "CUDA" and number.isdecimal())):
        raise ModelError(
            f"device {device!r} is unknown to backend 'onnx'; use one of {', '.join(_PROVIDERS)}, or of several cards "
            "CUDA:1"
        )
    return _PROVIDERS[kind], {"device_id": number} if number else {}


def _shape(port: Any) -> tuple[int | None, ...]:
    return tuple(side if isinstance(side, int) and side > 0 else None for side in port.shape)
