"""Detectors of ultralytics as if they had been trained: every number of theirs is drawn, and scores differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from pipeline.training.detector_network import build_network, checkpoint_of


def trained(architecture: str, names: Sequence[str], *, seed: int) -> Any:
    """`architecture`: a name that ultralytics knows, or a YAML file."""
    made = build_network(architecture, names, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in made.state_dict().items():
            if ".bn." in name and tensor.is_floating_point():
                drawn = torch.rand(tensor.shape, generator=generator)
                tensor.copy_(drawn + 0.5 if name.endswith(("weight", "running_var")) else drawn - 0.5)
            elif ".cv3." in name or "one2one_cv3" in name:
                scale = 0.3 if name.endswith("weight") else 1.0
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * scale)
    return made.eval()


def stored(network: Any, path: Path, *, size: int = 64) -> Path:
    """As a training leaves it; `size`: of the pictures, pixels."""
    path.write_bytes(checkpoint_of(network, settings={"imgsz": size, "task": "detect"}, score=0.1, epoch=1))
    return path
