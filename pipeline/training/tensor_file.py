"""Networks as .safetensors files: the numbers by the names of the state dict, and what the file says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from pipeline.errors import ModelError


def tensor_file(network: nn.Module, said: Mapping[str, str]) -> bytes:
    """The content of a file: parameters as they are, with what is `said` of them."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    return bytes(save(tensors, dict(said)))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What a file holds, and what it says of itself. Raises ModelError."""
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} cannot be read as safetensors: {error}; check the path") from error


def fill(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Give the network the numbers of a file. Raises ModelError where they are not those that it has."""
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise ModelError(f"{path} does not hold what its architecture needs: {error}") from error
