"""A light Mask R-CNN of random numbers that still sees something: layers in balance, masks with edges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torchvision.models.detection import MaskRCNN

from pipeline.models.mask_rcnn import MaskRcnnPlan, light_mask_rcnn
from pipeline.training.mask_rcnn_file import to_safetensors

PLAN = MaskRcnnPlan(channels=24, hidden=32, mask_layers=2, shortest=128, longest=256)
TRUNK = {  # of a detector with a layer or two for each of its three maps
    "nc": 2,
    "backbone": [[-1, 1, "Conv", [8, 3, 2]], [-1, 1, "Conv", [8, 3, 2]], [-1, 1, "Conv", [8, 3, 2]]],
    "head": [
        [-1, 1, "Conv", [16, 3, 2]],
        [-1, 1, "C2f", [24]],
        [-1, 1, "Conv", [24, 3, 2]],
        [[2, 4, 5], 1, "Detect", ["nc"]],
    ],
}
ON_DETECTOR = replace(PLAN, trunk=TRUNK)


def lively_network(plan: MaskRcnnPlan = PLAN) -> MaskRCNN:
    """The same at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = light_mask_rcnn(plan)
        network.backbone.train()
        with torch.no_grad():
            for _ in range(30):
                network.backbone(torch.randn(2, 3, 128, 128))
        logits = network.roi_heads.mask_predictor.mask_fcn_logits
        logits.weight.data *= 40
    return network.eval()


def lively_file(path: Path, plan: MaskRcnnPlan = PLAN, *, half: bool = True) -> Path:
    """That network as a file."""
    path.write_bytes(to_safetensors(lively_network(plan), plan, half=half))
    return path
