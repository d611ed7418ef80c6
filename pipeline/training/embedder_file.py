"""Embedder networks as files: safetensors and ONNX, with all that is needed to run or to train them on."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from pipeline.errors import ModelError
from pipeline.models.inputs import recipe_text
from pipeline.training.embedder_network import EmbedderNetwork, EmbedderPlan
from pipeline.training.embedding import RECIPE

ARCHITECTURE = "architecture"


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
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    return bytes(save(tensors, metadata_of(network.plan)))


def read_safetensors(path: Path) -> EmbedderNetwork:
    """The network of a file that `to_safetensors` made. Raises ModelError."""
    try:
        with safe_open(path, "pt") as file:
            said = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (it is no dict)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read as safetensors: {error}; check the path") from error
    if ARCHITECTURE not in said:
        raise ModelError(f"{path} says nothing of its architecture; give a file that `sightline train embedder` made")
    network = EmbedderNetwork(EmbedderPlan.from_text(said[ARCHITECTURE]))
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelError(f"{path} does not hold what its architecture needs: {error}") from error
    return network
