"""Siamese networks as files: safetensors and ONNX, with all that is needed to run or to train them on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from pipeline.errors import ModelError
from pipeline.models.inputs import UNIT_RGB, recipe_text
from pipeline.models.onnx_weights import load_weights, read_weights
from pipeline.training.network_digest import network_digest
from pipeline.training.onnx_export import assembled
from pipeline.training.siamese_network import (
    SEARCH,
    SEARCH_CELLS,
    STRIDE,
    TEMPLATE,
    TEMPLATE_CELLS,
    SiameseNetwork,
    SiamesePlan,
)
from pipeline.training.tensor_file import fill, read_tensors, tensor_file

RECIPE = UNIT_RGB  # what the network expects
ARCHITECTURE = "architecture"  # entry of the metadata
TASK = "follow"
CROPS, TEMPLATES, SEARCHES = "crops", "templates", "searches"  # names of the inputs
MAPS, SCORES, DISTANCES = "maps", "scores", "distances"  # names of the outputs
_DETECTOR, _TRUNK = "model.", "trunk."  # how a detector's and our layers are called


def metadata_of(plan: SiamesePlan) -> dict[str, str]:
    """What a file of such a network says of itself."""
    return {
        "task": TASK,
        ARCHITECTURE: plan.to_text(),
        "recipe": recipe_text(RECIPE),
        "template_size": str(TEMPLATE),
        "search_size": str(SEARCH),
        "stride": str(STRIDE),
    }


def to_safetensors(network: SiameseNetwork) -> bytes:
    """The content of a .safetensors file: float32 parameters under the names of the state dict."""
    return tensor_file(network, metadata_of(network.plan))


def to_onnx_file(network: SiameseNetwork, *, half: bool = True) -> bytes:
    """The content of an .onnx file for any number of targets. `half`: weights as float16. Raises ModelError (NaN).

    One graph of two halves that share nothing: `crops` (n, 3, side, side) -> `maps` (n, c, k, k); and `templates`
    (n, c, 8, 8) with `searches` (n, c, 16, 16) -> `scores` (n, 16, 16) and `distances` (n, 4, 16, 16).
    """
    channels = network.plan.channels
    examples = {
        CROPS: torch.zeros(2, 3, SEARCH, SEARCH),
        TEMPLATES: torch.zeros(3, channels, TEMPLATE_CELLS, TEMPLATE_CELLS),
        SEARCHES: torch.zeros(3, channels, SEARCH_CELLS, SEARCH_CELLS),
    }
    axes = {
        CROPS: {0: "crops", 2: "height", 3: "width"},
        MAPS: {0: "crops", 2: "rows", 3: "columns"},
        **{name: {0: "targets"} for name in (TEMPLATES, SEARCHES, SCORES, DISTANCES)},
    }
    return assembled(network, examples, (MAPS, SCORES, DISTANCES), axes, metadata_of(network.plan), half=half)


def digest_of(network: SiameseNetwork) -> str:
    """SHA-256 of a network's numbers."""
    return network_digest(network, network.plan.to_text())


def read_siamese(path: Path) -> SiameseNetwork:
    """The network of a file of ours, to be trained on: .safetensors or .onnx. Raises ModelError."""
    match path.suffix.lower():
        case ".safetensors":
            return _read_safetensors(path)
        case ".onnx":
            _, said = read_weights(path)
            network = _planned(path, said)
            load_weights(network, path)
            return network
    raise ModelError(f"{path} cannot be trained on; give a .safetensors or .onnx of `sightline train siamese`")


def take_trunk(network: SiameseNetwork, path: Path) -> None:
    """Start the trunk from the first layers of a detector of ours, an .onnx with YOLOv8's layers of the same widths.

    Raises ModelError where the file has no such layers.
    """
    state, _ = read_weights(path)
    own = {name: tensor for name, tensor in network.state_dict().items() if name.startswith(_TRUNK)}
    wanted = {name: name.replace(_TRUNK, _DETECTOR, 1) for name in own if not name.endswith("num_batches_tracked")}
    wrong = [theirs for name, theirs in wanted.items() if theirs not in state or state[theirs].shape != own[name].shape]
    if wrong:
        raise ModelError(
            f"{path} is neither a Siamese network of ours nor a detector with its trunk: {len(wrong)} of {len(wanted)} "
            f"tensors are missing or of another shape, {wrong[0]} among them; give bundled:person-vehicle-bicycle"
        )
    network.load_state_dict({name: state[theirs] for name, theirs in wanted.items()}, strict=False)


def starting_point(path: Path, plan: SiamesePlan) -> SiameseNetwork:
    """A network to train on: one of ours, or a new one whose trunk is a detector's. Raises ModelError."""
    if path.suffix.lower() == ".onnx" and read_weights(path)[1].get("task") != TASK:
        network = SiameseNetwork(plan)
        take_trunk(network, path)
        return network
    return read_siamese(path)


def _read_safetensors(path: Path) -> SiameseNetwork:
    tensors, said = read_tensors(path)
    network = _planned(path, said)
    fill(network, tensors, path)
    return network


def _planned(path: Path, said: Mapping[str, str]) -> SiameseNetwork:
    """A new network of the shape that a file names."""
    if said.get("task") != TASK or ARCHITECTURE not in said:
        raise ModelError(f"{path} is no Siamese network of ours; give a file that `sightline train siamese` made")
    return SiameseNetwork(SiamesePlan.from_text(said[ARCHITECTURE]))
