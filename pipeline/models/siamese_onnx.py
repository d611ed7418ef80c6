"""Siamese networks of ours: one ONNX file of `sightline train siamese`, through OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ModelError
from pipeline.models import files
from pipeline.models.inputs import UNIT_RGB, Recipe, embedded_recipe
from pipeline.models.openvino_core import core
from pipeline.models.openvino_library import ov
from pipeline.models.openvino_network import OpenVinoNetwork
from pipeline.models.pair_network import PairNetwork
from trackers.siamese_networks import SiameseNetworks
from trackers.structures import FloatArray, ImageArray

TASK = "follow"  # what the file says of itself
_LOOKS = ("crops",), ("maps",)  # inputs and outputs of the half that looks at pictures
_COMPARES = ("templates", "searches"), ("scores", "distances")


def open_siamese(
    weights: str | Path, *, precision: str = "f32", device: str = "CPU", threads: int = 1
) -> SiameseNetworks:
    """The networks of a file, for any number of targets at once.

    `precision`: f32, bf16, f16, auto. `threads`: 0 lets OpenVINO choose. Raises ModelError where the file is missing,
    damaged or another network, and for an unknown precision or device.
    """
    file = files.inspect(weights)
    file.require(files.Form.ONNX, backend="openvino")
    if file.metadata.get("task") != TASK:
        raise ModelError(f"{file.path} is no Siamese network of ours; give one that `sightline train siamese` made")
    template, search, stride = (_number(file, entry) for entry in ("template_size", "search_size", "stride"))
    recipe = embedded_recipe(file.metadata) or UNIT_RGB
    looks = {
        side: _Looks(_half(file, *_LOOKS, side=side), recipe, file, precision=precision, device=device, threads=threads)
        for side in (template, search)
    }
    pairs = PairNetwork(
        _half(file, *_COMPARES), precision=precision, device=device, threads=threads, name=str(file.path)
    )

    def compare(templates: FloatArray, maps: FloatArray) -> tuple[FloatArray, FloatArray]:
        scores, distances = pairs(templates, maps)
        return scores, distances

    return SiameseNetworks(
        template=looks[template],
        search=looks[search],
        compare=compare,
        template_size=template,
        search_size=search,
        stride=stride,
    )


class _Looks:
    """Crops (n, side, side, 3) to maps (n, c, rows, columns) float32."""

    def __init__(self, model: ov.Model, recipe: Recipe, file: files.WeightsFile, **how: Any) -> None:
        self._network = OpenVinoNetwork(model, recipe, batch=None, name=str(file.path), **how)

    def __call__(self, crops: ImageArray) -> FloatArray:
        return np.asarray(self._network.infer(crops)[0])


def _half(
    file: files.WeightsFile, inputs: Sequence[str], outputs: Sequence[str], *, side: int | None = None
) -> ov.Model:
    """One of the two networks in the file, for crops of `side` pixels. Raises ModelError where it is not there."""
    try:
        model = core().read_model(file.path)
        parameters = {port.get_any_name(): port.get_node() for port in model.inputs}
        results = {port.get_any_name(): port.get_node().input_value(0) for port in model.outputs}
        half = ov.Model([results[name] for name in outputs], [parameters[name] for name in inputs], " ".join(outputs))
        if side is not None:
            half.reshape({half.input(0): ov.PartialShape([-1, 3, side, side])})
    except (KeyError, RuntimeError) as error:
        told = str(error).strip().splitlines()[-1]
        raise ModelError(f"{file.path} does not hold what `sightline train siamese` writes: {told}") from error
    return half


def _number(file: files.WeightsFile, entry: str) -> int:
    """A number of pixels that the file tells. Raises ModelError."""
    text = file.metadata.get(entry, "")
    if not text.isdecimal() or int(text) < 1:
        raise ModelError(f"{file.path} says {entry} {text!r} of itself, which is no number of pixels; fetch it again")
    return int(text)
