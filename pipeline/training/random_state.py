"""The process's random generators (Python's, NumPy's, torch's): seeded, kept, and put back as they were."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def seed_generators(seed: int) -> None:
    """Start all of them from one number, 0 .. 2**32 - 1."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (libraries that train draw from the global one)
    torch.manual_seed(seed)  # of every device


def keep_generators() -> dict[str, Any]:
    """Where they stand, as tensors and plain values that `torch.load(weights_only=True)` reads."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "python": random.getstate(),
        "numpy": (str(kind), torch.from_numpy(np.asarray(keys, np.int64)), position, has_gauss, gauss),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_generators(kept: dict[str, Any]) -> None:
    """Put them where `keep_generators` found them. Those of CUDA devices only where as many are there as were then."""
    random.setstate(kept["python"])
    kind, keys, position, has_gauss, gauss = kept["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    torch.set_rng_state(kept["torch"])
    if torch.cuda.is_available() and len(kept["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(kept["cuda"])
