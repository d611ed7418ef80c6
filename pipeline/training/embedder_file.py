"""Embedder networks as files: safetensors and ONNX, with all that is needed to run or to train them on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import ModelError
from pipeline.models.inputs import recipe_text
from pipeline.models.onnx_weights import load_weights, read_weights
from pipeline.training.embedder_network import EmbedderNetwork, EmbedderPlan
from pipeline.training.embedding import RECIPE
from pipeline.training.network_digest import network_digest
from pipeline.training.onnx_export import IMAGES, Graph, to_onnx
from pipeline.training.tensor_file import fill, read_tensors, tensor_file

ARCHITECTURE = "architecture"  # entry of the metadata
FEATURES = "features"  # name of the output


def metadata_of(plan: EmbedderPlan) -> dict[str, str]:
    """What a file of such a network says of itself."""
    return {
        "task": "embed",
        "imgsz": str(list(plan.input_size)),
        ARCHITECTURE: plan.to_text(),
        "recipe": recipe_text(RECIPE),
    }


def to_safetensors(network: EmbedderNetwork) -> bytes:
    """The content of a .safetensors file: float32 parameters under the names of the state dict."""
    return tensor_file(network, metadata_of(network.plan))


def to_onnx_file(network: EmbedderNetwork, *, half: bool = True) -> bytes:
    """The content of an .onnx file for any number of crops. `half`: weights as float16. Raises ModelError (NaN)."""
    axes = {IMAGES: {0: "crops"}, FEATURES: {0: "crops"}}
    graph = Graph(network.plan.input_size, FEATURES, axes)
    return to_onnx(network, graph, metadata_of(network.plan), half=half)


def digest_of(network: EmbedderNetwork | None) -> str:
    """SHA-256 of a network that somebody starts from; nothing where there is none."""
    return "" if network is None else network_digest(network, network.plan.to_text())


def read_embedder(path: Path) -> EmbedderNetwork:
    """The network of a file of ours, to be trained on: .safetensors or .onnx. Raises ModelError."""
    match path.suffix.lower():
        case ".safetensors":
            return read_safetensors(path)
        case ".onnx":
            _, said = read_weights(path)
            network = _planned(path, said)
            load_weights(network, path)
            return network
    raise ModelError(f"{path} cannot be trained on; give a .safetensors or .onnx of `sightline train embedder`")


def read_safetensors(path: Path) -> EmbedderNetwork:
    """The network of a file that `to_safetensors` made. Raises ModelError."""
    tensors, said = read_tensors(path)
    network = _planned(path, said)
    fill(network, tensors, path)
    return network


def _planned(path: Path, said: Mapping[str, str]) -> EmbedderNetwork:
    """A new network of the shape that a file names."""
    if said.get("task") != "embed" or ARCHITECTURE not in said:
        raise ModelError(f"{path} is no embedder of ours; give a file that `sightline train embedder` made")
    return EmbedderNetwork(EmbedderPlan.from_text(said[ARCHITECTURE]))
