"""EmbedderNetwork: a small residual network that turns crops into feature vectors of unit length."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ModelError

_STEM_STRIDE = 2
_BLOCKS = 2  # a stage


@dataclass(frozen=True, slots=True)
class EmbedderPlan:
    """All that decides the shape of the network; it goes into the metadata of the network's file."""

    input_size: tuple[int, int] = (128, 64)  # height, width of a crop, pixels
    dimension: int = 128  # of a feature vector
    widths: tuple[int, ...] = (32, 64, 96, 144)  # channels of the stem and of each stage
    last_stride: int = 2  # of the last stage; 1 keeps a finer map and costs half as much again
    stripes: int = 4  # horizontal parts of the map that are described by themselves, head to feet

    def __post_init__(self) -> None:
        numbers = (*self.input_size, self.dimension, *self.widths, self.stripes)
        if len(self.input_size) != 2 or len(self.widths) < 2 or min(numbers) < 1 or self.last_stride not in (1, 2):
            raise ModelError(
                f"an embedder cannot be built as {self}; sides, dimension, at least two widths and stripes must be "
                "1 or more, the last stride 1 or 2"
            )
        step = self.stride
        if self.input_size[0] % (step * self.stripes) or self.input_size[1] % step:
            raise ModelError(
                f"an embedder of {self.stripes} stripes cannot take crops of {self.input_size[0]}x{self.input_size[1]} "
                f"pixels; make the height a multiple of {step * self.stripes} and the width one of {step}"
            )

    @property
    def stride(self) -> int:
        """Pixels of the crop a cell of the map, either way."""
        return int(_STEM_STRIDE * 2 ** (len(self.widths) - 2) * self.last_stride)

    def to_text(self) -> str:
        """As JSON, for a file's metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `to_text`. Raises ModelError where it is none."""
        try:
            values = json.loads(text)
            known = {field.name for field in fields(cls)}
            if not isinstance(values, dict) or set(values) != known:
                raise ValueError(f"it must have exactly the keys {', '.join(sorted(known))}")
            height, width = map(int, values["input_size"])
            widths = tuple(map(int, values["widths"]))
            dimension, stride, stripes = (int(values[key]) for key in ("dimension", "last_stride", "stripes"))
        except (ValueError, TypeError) as error:
            raise ModelError(f"{text[:80]!r} describes no embedder of ours: {error}") from error
        return cls((height, width), dimension, widths, stride, stripes)


class EmbedderNetwork(nn.Module):
    """A ResNet of basic blocks (He et al. 2016, fig. 2), pooled whole and in stripes, with a neck of batch norm.

    The map is described by the mean of each horizontal stripe (Sun et al. 2018, section 3.1, with one common
    projection) and by the maximum of all; a linear layer brings that to `dimension` numbers, and batch norm without a
    shift (BNNeck, Luo et al. 2019, section 3.5) evens them out before they get the length 1.
    """

    def __init__(self, plan: EmbedderPlan) -> None:
        super().__init__()
        self.plan = plan
        strides = [2] * (len(plan.widths) - 2) + [plan.last_stride]
        pairs = zip(plan.widths, plan.widths[1:], strides, strict=False)
        self.trunk = nn.Sequential(
            _ConvNorm(3, plan.widths[0], stride=_STEM_STRIDE),
            *(block for inner, outer, stride in pairs for block in _stage(inner, outer, stride)),
        )
        self.project = nn.Linear(plan.widths[-1] * (plan.stripes + 1), plan.dimension, bias=False)
        self.neck = nn.BatchNorm1d(plan.dimension)
        self.neck.bias.requires_grad_(False)
        self._frozen = False
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pictures: Tensor) -> Tensor:
        """(n, dimension) unit length of (n, 3, height, width) normalised pictures."""
        return functional.normalize(self.described(pictures), dim=1)

    def described(self, pictures: Tensor) -> Tensor:
        """The same before it gets the length 1."""
        found = self.trunk(pictures)
        stripes = found.unflatten(2, (self.plan.stripes, -1)).mean((3, 4)).flatten(1)
        pooled = torch.cat([stripes, found.amax((2, 3))], dim=1)
        described: Tensor = self.neck(self.project(pooled)).float()
        return described

    def freeze_trunk(self) -> None:
        """Only projection and neck learn from now on; the trunk's batch norm keeps its statistics."""
        self._frozen = True
        self.trunk.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """As of any module; a frozen trunk stays as it is when applied."""
        super().train(mode)
        if self._frozen:
            self.trunk.eval()
        return self


class _ConvNorm(nn.Sequential):
    """Convolution 3x3, batch norm, ReLU."""

    def __init__(self, inner: int, outer: int, *, stride: int) -> None:
        super().__init__(
            nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU(inplace=True)
        )


class _Block(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.first = _ConvNorm(inner, outer, stride=stride)
        self.second = nn.Sequential(nn.Conv2d(outer, outer, 3, 1, 1, bias=False), nn.BatchNorm2d(outer))
        self.around: nn.Module = nn.Identity()
        if inner != outer or stride != 1:
            self.around = nn.Sequential(nn.Conv2d(inner, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))

    def forward(self, found: Tensor) -> Tensor:
        return functional.relu(self.second(self.first(found)) + self.around(found))


def _stage(inner: int, outer: int, stride: int) -> list[nn.Module]:
    return [_Block(inner, outer, stride), *(_Block(outer, outer, 1) for _ in range(_BLOCKS - 1))]
