"""Precision: in what numbers a network computes while it is trained, on each kind of processor."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext

import torch

from pipeline.errors import ConfigError
from pipeline.models.torch_runtime import computes_bfloat16


def training_device(name: str, local_rank: int = 0) -> torch.device:
    """`cpu`, `cuda` (the process's own of several) or `cuda:N`. Raises ConfigError where it is not there."""
    match name.lower().partition(":"):
        case ("cpu", "", ""):
            return torch.device("cpu")
        case ("cuda", colon, number) if torch.cuda.is_available():
            index = int(number) if number.isdecimal() else local_rank
            if index < torch.cuda.device_count() and (number.isdecimal() or not colon):
                return torch.device("cuda", index)
    there = ", ".join(["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))])
    raise ConfigError(f"--device {name}: torch has no such device here; there are {there}")


def use_threads(count: int) -> None:
    """Let torch compute in so many threads; 0: as many as OMP_NUM_THREADS says, else one for each core of this process.

    Ultralytics sets its own number, one less than there are cores.
    """
    said = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(count or (int(said) if said.isdecimal() else 0) or cores)


def mixed_type(device: torch.device, *, wanted: bool) -> torch.dtype | None:
    """The short type to compute in, or None for float32 alone.

    bfloat16 needs no scaling of the loss: it has float32's range. A processor without units for it would be slower.
    """
    if not wanted:
        return None
    if computes_bfloat16(device):
        return torch.bfloat16
    return torch.float16 if device.type == "cuda" else None


def mixing(device: torch.device, kind: torch.dtype | None) -> AbstractContextManager[object]:
    """Within it, torch computes in `kind` where that is safe."""
    return nullcontext() if kind is None else torch.autocast(device.type, dtype=kind)
