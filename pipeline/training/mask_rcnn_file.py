"""Files of the light Mask R-CNN as training writes and reads them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save
from torchvision.models.detection import MaskRCNN

from pipeline.models.mask_rcnn import MaskRcnnPlan
from pipeline.models.mask_rcnn_file import ARCHITECTURE, TASK, read_light
from pipeline.training.network_digest import network_digest


def to_safetensors(network: MaskRCNN, plan: MaskRcnnPlan, *, half: bool = False) -> bytes:
    """The content of a file: parameters under the names of the state dict. `half`: as float16, half as large."""
    tensors = {}
    for name, value in network.state_dict().items():
        short = half and value.dtype == torch.float32
        tensors[name] = (value.half() if short else value).detach().cpu().contiguous()
    return bytes(save(tensors, {"task": TASK, ARCHITECTURE: plan.to_text()}))


def read_mask_rcnn(path: Path) -> tuple[MaskRCNN, MaskRcnnPlan]:
    """The network of such a file, in float32, to be trained on. Raises ModelError."""
    network, plan, _ = read_light(path)
    return network, plan


def digest_of(network: MaskRCNN, plan: MaskRcnnPlan) -> str:
    """SHA-256 of a network's numbers."""
    return network_digest(network, plan.to_text())
