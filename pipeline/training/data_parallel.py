"""Ranks: processes that train one network together, each with a part of every batch.

Whatever the number of processes, the loss is that of the whole batch: features are gathered with their gradients, batch
norm takes its statistics over all parts, and the gradients of the parameters are averaged.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import TrainingError
from pipeline.training.precision import training_device


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among those that train together; one alone needs no process group."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and speaks."""
        return self.rank == 0

    def part(self, rows: Any) -> Any:
        """This process's part of a batch's rows. Raises TrainingError where they cannot be shared evenly."""
        if len(rows) % self.count:
            raise TrainingError(
                f"a batch of {len(rows)} crops cannot be shared by {self.count} processes evenly; choose --identities "
                f"and --crops so that their product is a multiple of {self.count}"
            )
        size = len(rows) // self.count
        return rows[self.rank * size : (self.rank + 1) * size]

    def gather(self, values: Tensor) -> Tensor:
        """(count * n, ...) of all processes' (n, ...), in order, with gradients."""
        return values if self.count == 1 else _Gather.apply(values, self.rank, self.count)

    def sum(self, values: Tensor) -> Tensor:
        """Over all processes, with gradients."""
        return values if self.count == 1 else _Sum.apply(values)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Every parameter's gradient becomes the mean over all processes."""
        if self.count == 1:
            return
        found = [one.grad for one in parameters if one.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in found])
        dist.all_reduce(flat)
        flat /= self.count
        for gradient, mean in zip(found, torch.split(flat, [one.numel() for one in found]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def any(self, said: bool) -> bool:
        """Whether one of the processes says so."""
        return said if self.count == 1 else any(self._all(said))

    def from_first(self, value: Any) -> Any:
        """What the first process has."""
        return value if self.count == 1 else self._all(value)[0]

    def _all(self, value: Any) -> list[Any]:
        found: list[Any] = [None] * self.count
        dist.all_gather_object(found, value)
        return found


@contextmanager
def joined_ranks(device: str) -> Iterator[Ranks]:
    """The processes that torchrun has started, joined until the block ends; alone without torchrun."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    cuda = device.lower().startswith("cuda")
    if cuda:  # by which the processes talk
        torch.cuda.set_device(training_device(device, int(os.environ.get("LOCAL_RANK", "0"))))
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield Ranks(dist.get_rank(), count)
    finally:
        dist.destroy_process_group()


def share_statistics(network: nn.Module, ranks: Ranks) -> None:
    """Let every batch norm of the network take its statistics over all processes (names of parameters stay)."""
    if ranks.count == 1:
        return
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                setattr(module, name, _SharedNorm(child, ranks))


class _SharedNorm(nn.Module):
    """Batch norm (Ioffe & Szegedy 2015, algorithm 1) over the parts of all processes, which are of one size.

    torch's own SyncBatchNorm runs on CUDA alone.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, ranks: Ranks) -> None:
        super().__init__()
        self.weight, self.bias = norm.weight, norm.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(norm, name))
        self._norm, self._ranks = (norm.momentum or 0.1, norm.eps), ranks
        self.train(norm.training)

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, values: Tensor) -> Tensor:
        """Normalised (n, channels, ...)."""
        momentum, eps = self._norm
        if not self.training:
            return functional.batch_norm(values, self.running_mean, self.running_var, self.weight, self.bias, eps=eps)
        whole = values.float()
        axes = [axis for axis in range(whole.ndim) if axis != 1]
        shape = [1, -1] + [1] * (whole.ndim - 2)
        count = self._ranks.count * whole.numel() // whole.shape[1]
        mean = self._ranks.sum(whole.sum(axes)) / count
        centred = whole - mean.view(shape)
        variance = self._ranks.sum(centred.square().sum(axes)) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * (count / max(1, count - 1)), momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + eps).rsqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(values.dtype)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004  (torch's signature)
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        total = gradient.clone()
        dist.all_reduce(total)
        return total


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, rank: int, count: int) -> Tensor:
        ctx.rank, ctx.size = rank, len(values)
        parts = [torch.empty_like(values) for _ in range(count)]
        dist.all_gather(parts, values.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.rank * ctx.size : (ctx.rank + 1) * ctx.size], None, None
