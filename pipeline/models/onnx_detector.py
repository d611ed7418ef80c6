"""Detectors of ultralytics in ONNX files of ours, as the torch networks that they were: layers, numbers, classes."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from pipeline.errors import ModelError
from pipeline.models.onnx_weights import COUNTER, read_weights
from pipeline.models.trunk_description import description_of
from pipeline.models.ultralytics_library import first_line, require_safe, ultralytics

ARCHITECTURE = "architecture"  # entry of the metadata


@dataclass(frozen=True, slots=True, eq=False)
class OnnxDetector:
    """What a file holds beside its graph."""

    state: dict[str, torch.Tensor]  # by name in the network, float32
    described: dict[str, Any]  # what ultralytics builds its layers from
    names: dict[int, str]  # of the classes


def read_onnx_detector(weights: Path) -> OnnxDetector:
    """Raises ModelError where the file is none of `sightline export`, or its layers are none that are known."""
    state, metadata = read_weights(weights)
    try:
        described, held = (yaml.safe_load(metadata.get(key, "")) for key in (ARCHITECTURE, "names"))
    except yaml.YAMLError as error:
        raise ModelError(f"{weights}: what it says of itself cannot be read ({first_line(error)})") from error
    if not isinstance(described, dict) or not isinstance(held, dict):
        raise ModelError(f"{weights} does not say its architecture; of detectors, those of `sightline export` do")
    try:
        description_of(described)
    except ModelError as error:
        raise ModelError(f"{weights}: {error}") from error
    return OnnxDetector(state, described, held)


def network_of_onnx(weights: Path) -> Any:
    """The network in such a file, its numbers in it. Raises ModelError, also where some are missing."""
    require_safe()
    found = read_onnx_detector(weights)
    try:
        network = ultralytics.nn.tasks.DetectionModel(deepcopy(found.described), nc=len(found.names), verbose=False)
    except Exception as error:  # the library raises of every kind
        raise ModelError(f"{weights}: the architecture that it says cannot be built: {first_line(error)}") from error
    network.names = found.names
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items() if not name.endswith(COUNTER)}
    wrong = [name for name, shape in wanted.items() if name not in found.state or found.state[name].shape != shape]
    if wrong:
        raise ModelError(
            f"{weights} is not of the architecture that it says: {len(wrong)} of {len(wanted)} tensors are missing or "
            f"of another shape, {wrong[0]} among them"
        )
    network.load_state_dict({name: found.state[name] for name in wanted}, strict=False)
    return network
