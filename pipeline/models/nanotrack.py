"""NanoTrack v2: the networks of a Siamese target tracker, from its two ONNX files, through OpenVINO.

The backbone sees blue-green-red 0..255 as it is: NanoTrack was trained on pictures that OpenCV had read. (OpenCV's own
`TrackerNano` swaps the colours; it follows a little worse for it.)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from pipeline.errors import ModelError
from pipeline.models import files
from pipeline.models.inputs import PLAIN
from pipeline.models.messages import last_line
from pipeline.models.openvino_core import core
from pipeline.models.openvino_library import opset13, ov
from pipeline.models.openvino_models import set_size
from pipeline.models.openvino_network import OpenVinoNetwork
from pipeline.models.pair_network import PairNetwork
from trackers.siamese_networks import SiameseNetworks
from trackers.structures import FloatArray, ImageArray

TEMPLATE, SEARCH, STRIDE = 127, 255, 16  # pixels: sides of the two crops, and of the picture per cell of a map
_FEATURES = 48  # channels of the backbone's maps
_ANSWERS = 2, 4  # channels of the head's maps: background and target; distances to four sides


def open_nanotrack(
    backbone: str | Path, head: str | Path, *, precision: str = "f32", device: str = "CPU", threads: int = 1
) -> SiameseNetworks:
    """NanoTrack from `nanotrack_backbone_sim.onnx` and `nanotrack_head_sim.onnx`, for any number of targets at once.

    `precision`: f32, bf16, f16, auto. `threads`: 0 lets OpenVINO choose; networks this small gain nothing from two.
    Raises ModelError where a file is missing, damaged or another network, and for an unknown precision or device.
    """
    looks = {
        side: _Backbone(backbone, side, precision=precision, device=device, threads=threads)
        for side in (TEMPLATE, SEARCH)
    }
    compares = _Head(head, precision=precision, device=device, threads=threads)
    return SiameseNetworks(
        template=looks[TEMPLATE],
        search=looks[SEARCH],
        compare=compares,
        template_size=TEMPLATE,
        search_size=SEARCH,
        stride=STRIDE,
    )


class _Backbone:
    """Crops (n, side, side, 3) to maps (n, c, rows, columns) float32."""

    def __init__(self, weights: str | Path, side: int, *, precision: str, device: str, threads: int) -> None:
        file, model = _read(weights, what="backbone", takes=(3,), gives=(_FEATURES,))
        set_size(model, file, (side, side))
        _let_batch(model)
        self._network = OpenVinoNetwork(
            model, PLAIN, batch=None, precision=precision, device=device, threads=threads, name=str(file.path)
        )

    def __call__(self, crops: ImageArray) -> FloatArray:
        return self._network.infer(crops)[0]


class _Head:
    """Maps of templates and of search crops to scores (n, rows, columns) and distances (n, 4, rows, columns)."""

    def __init__(self, weights: str | Path, *, precision: str, device: str, threads: int) -> None:
        file, model = _read(weights, what="head", takes=(_FEATURES, _FEATURES), gives=_ANSWERS)
        _let_batch(model)
        self._network = PairNetwork(model, precision=precision, device=device, threads=threads, name=str(file.path))

    def __call__(self, templates: FloatArray, maps: FloatArray) -> tuple[FloatArray, FloatArray]:
        answers, distances = self._network(templates, maps)
        background, target = np.moveaxis(answers, 1, 0)
        return expit(target - background), distances


def _read(
    weights: str | Path, *, what: str, takes: tuple[int, ...], gives: tuple[int, ...]
) -> tuple[files.WeightsFile, ov.Model]:
    """A whole ONNX file whose inputs and outputs are maps of these numbers of channels. Raises ModelError."""
    file = files.inspect(weights)
    file.require(files.Form.ONNX, backend="openvino")
    try:
        model = core().read_model(file.path)
    except RuntimeError as error:
        raise ModelError(f"OpenVINO cannot read {file.path}: {last_line(error)}") from error
    if not (_are_maps(model.inputs, takes) and _are_maps(model.outputs, gives)):
        found = " and gives ".join(
            ", ".join(str(port.get_partial_shape()) for port in ports) for ports in (model.inputs, model.outputs)
        )
        raise ModelError(
            f"{file.path} is no {what} of NanoTrack v2: it takes {found}; give its backbone first, then its head"
        )
    return file, model


def _are_maps(ports: Sequence[Any], channels: tuple[int, ...]) -> bool:
    """Whether these are maps (n, channels, rows, columns), one for each of `channels`."""
    shapes = [port.get_partial_shape() for port in ports]
    return len(shapes) == len(channels) and all(
        shape.rank.is_static and len(shape) == 4 and shape[1] == wanted
        for shape, wanted in zip(shapes, channels, strict=True)
    )


def _let_batch(model: ov.Model) -> None:
    """Let every Reshape that was written for one picture keep whatever length the batch has."""
    for node in model.get_ops():
        if node.get_type_name() != "Reshape" or not node.get_attributes()["special_zero"]:
            continue
        pattern = node.input_value(1).get_node()
        if pattern.get_type_name() == "Constant" and pattern.data[0] == 1:
            kept = np.concatenate([[0], pattern.data[1:]])  # 0: as it comes in
            node.input(1).replace_source_output(opset13.constant(kept.astype(np.int64)).output(0))
