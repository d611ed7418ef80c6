"""Detectors of ultralytics in ONNX files of ours, as the torch networks that they were: layers, numbers, classes."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from torch import Tensor

from pipeline.errors import ModelError
from pipeline.models.messages import first_line
from pipeline.models.onnx_weights import COUNTER, in_bytes, load_onnx, said_by, state_of
from pipeline.models.trunk_description import description_of
from pipeline.models.ultralytics_library import require_safe, ultralytics, usual_activation

if TYPE_CHECKING:
    import onnx

ARCHITECTURE = "architecture"  # entry of the metadata
_FINAL = "end2end"  # entry of the metadata: the branch of a head that gives every object once is the one in the file
_SECOND = "one2one_"  # that branch's names begin so
_LAST_LAYER = re.compile(r"\.(?:one2one_)?cv3\.0\.2\.weight$")  # (classes, width, 1, 1): of the first level


@dataclass(frozen=True, slots=True, eq=False)
class OnnxDetector:
    """What a file holds beside its graph."""

    state: dict[str, Tensor]  # by name in the network, float32
    described: dict[str, Any]  # what ultralytics builds its layers from: known layers and plain numbers
    names: dict[int, str]  # of the classes
    final: bool  # whether it gives every object once, from the second branch of its head


def read_onnx_detector(weights: Path) -> OnnxDetector:
    """Raises ModelError where it is no file of `sightline export`, is in 8 bits, or has layers that are not known."""
    model = load_onnx(weights)
    try:
        return _read(model)
    except ModelError as error:
        raise ModelError(f"{weights}: {error}") from error


def network_of_onnx(weights: Path) -> Any:
    """The network in such a file, as it was exported: to be run, asked for gradients, trained on.

    Of a head with two branches (`one2one_cv2` beside `cv2`) a file holds the one that ran; the other one begins with
    the same numbers, as where ultralytics builds it. What finds the classes is as wide as in the file: ultralytics
    leaves it so where a network learns other classes. Raises ModelError, also where other numbers are missing.
    """
    require_safe()
    found = read_onnx_detector(weights)
    try:
        state = _whole_state(found)
        with usual_activation():
            network = ultralytics.nn.tasks.DetectionModel(_planned(found), verbose=False)
    except ModelError as error:
        raise ModelError(f"{weights}: {error}") from error
    except Exception as error:  # the library raises of every kind
        raise ModelError(f"{weights}: the architecture that it says cannot be built: {first_line(error)}") from error
    _give_classes(network.model[-1], len(found.names))
    network.yaml["nc"] = len(found.names)
    network.names = found.names
    network.load_state_dict(state, strict=False)  # but for what counts steps of a training
    if found.final:
        network.end2end = True
    return network


def why_not_runnable(weights: Path) -> str | None:
    """Why `network_of_onnx` would refuse an ONNX file; None where it would not. Nothing is computed.

    Raises ModelError where there is no such file, or it is no ONNX file.
    """
    require_safe()
    model = load_onnx(weights)
    try:
        _whole_state(_read(model))
    except ModelError as error:
        return str(error)
    return None


def _read(model: onnx.ModelProto) -> OnnxDetector:
    said = said_by(model)
    try:
        described, names = (yaml.safe_load(said.get(key, "")) for key in (ARCHITECTURE, "names"))
    except yaml.YAMLError as error:
        raise ModelError(f"what it says of itself cannot be read ({first_line(error)})") from error
    if not isinstance(described, dict):
        raise ModelError("it does not say its architecture; of detectors, those of `sightline export` do")
    if not isinstance(names, dict) or not names:
        raise ModelError("it does not say its classes by number; of detectors, those of `sightline export` do")
    if in_bytes(model):
        raise ModelError("it is in 8 bits, its numbers rounded and joined; give the file that it was made of")
    return OnnxDetector(state_of(model), description_of(described), names, said.get(_FINAL) == "True")


def _whole_state(found: OnnxDetector) -> dict[str, Tensor]:
    """A number for everything that a network of its architecture reckons with. Raises ModelError."""
    shapes, head = _shapes(found)
    second = f"{head}{_SECOND}"
    if found.final and not any(name.startswith(second) for name in shapes):
        raise ModelError("it says that it gives every object once, but its head has no branch that does")
    state, wrong = {}, []
    for name, shape in shapes.items():
        held = found.state.get(name)
        if held is None:
            if found.final and name.startswith(f"{head}cv"):
                held = found.state.get(second + name.removeprefix(head))
            elif not found.final and name.startswith(second):
                held = found.state.get(head + name.removeprefix(second))
        if held is None or held.shape != shape:
            wrong.append(name)
        else:
            state[name] = held
    if wrong:
        raise ModelError(
            f"it is not of the architecture that it says: {len(wrong)} of {len(shapes)} tensors are missing or of "
            f"another shape, {wrong[0]} among them; export it again"
        )
    return state


def _shapes(found: OnnxDetector) -> tuple[dict[str, torch.Size], str]:
    """Shapes of all tensors by name, and what the names of the head's begin with. Without memory for the numbers."""
    try:
        with usual_activation(), torch.device("meta"):
            layers: Any = ultralytics.nn.tasks.parse_model(_planned(found), ch=3, verbose=False)[0]
            _give_classes(layers[-1], len(found.names))
    except Exception as error:  # the library raises of every kind
        raise ModelError(f"the architecture that it says cannot be built: {first_line(error)}") from error
    kept = {name: tensor for name, tensor in layers.state_dict().items() if not name.endswith(COUNTER)}
    return {f"model.{name}": tensor.shape for name, tensor in kept.items()}, f"model.{len(layers) - 1}."


def _planned(found: OnnxDetector) -> dict[str, Any]:
    """What ultralytics builds its layers from, as if it had as many classes as make `cv3` as wide as in the file."""
    widths = [held.shape[1] for name, held in found.state.items() if held.ndim == 4 and _LAST_LAYER.search(name)]
    return deepcopy(found.described) | {"nc": max(widths, default=len(found.names))}


def _give_classes(head: Any, count: int) -> None:
    for name in ("cv3", f"{_SECOND}cv3"):
        for branch in getattr(head, name, None) or ():
            branch[-1] = torch.nn.Conv2d(branch[-1].in_channels, count, 1)
    head.nc, head.no = count, count + 4 * head.reg_max
