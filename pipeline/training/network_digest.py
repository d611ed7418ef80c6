"""What tells one network's numbers from another's, to know whether a training began with the same ones."""

from __future__ import annotations

import hashlib

from torch import nn


def network_digest(network: nn.Module, plan: str) -> str:
    """SHA-256 of a plan and of all numbers under their names.

    That of a .safetensors file would not do: the library writes metadata in another order each time.
    """
    digest = hashlib.sha256(plan.encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
