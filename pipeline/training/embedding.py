"""Crops through an embedder network: its input, and the features of many crops."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pipeline.models.inputs import IMAGENET
from pipeline.training.embedder_network import EmbedderNetwork
from pipeline.training.precision import mixing
from trackers.structures import FloatArray, ImageArray

RECIPE = IMAGENET  # what the network expects
_AT_ONCE = 256  # crops


def network_input(crops: Tensor) -> Tensor:
    """(n, 3, H, W) float32 as RECIPE says, channels last in memory, of (n, H, W, 3) uint8 crops, blue green red."""
    ordered = crops.flip(3) if RECIPE.rgb else crops
    mean, scale = (torch.tensor(side, device=crops.device) for side in (RECIPE.mean, RECIPE.scale))
    return ((ordered.float() - mean) / scale).permute(0, 3, 1, 2)


def embedded(
    network: EmbedderNetwork, crops: ImageArray, *, device: torch.device, mixed: torch.dtype | None = None
) -> FloatArray:
    """(n, d) float32 unit-length features of (n, H, W, 3) uint8 crops, of the network as it is applied.

    The network is left in the mode it was in.
    """
    training = network.training
    network.eval()
    found = [np.zeros((0, network.plan.dimension), np.float32)]
    with torch.inference_mode(), mixing(device, mixed):
        for start in range(0, len(crops), _AT_ONCE):
            some = torch.from_numpy(np.ascontiguousarray(crops[start : start + _AT_ONCE])).to(device)
            found.append(network(network_input(some)).float().cpu().numpy())
    network.train(training)
    return np.concatenate(found)
