"""SiameseNetwork: one trunk looks at a target and at a search region, a head says where in it the target is."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import ModelError

TEMPLATE, SEARCH, STRIDE = 127, 255, 16  # pixels: sides of the two crops, and of the crop a cell of the maps
TEMPLATE_CELLS, SEARCH_CELLS = 8, 16  # along a side of their maps
_HALVINGS = 4  # of the trunk: 2 ** 4 is STRIDE
_MIDDLE = slice(2, 6)  # cells of a template's map that show the target; the rest shows what is around it
_FARTHEST = 3.0  # logarithm of the largest distance, in strides: beyond the search region


@dataclass(frozen=True, slots=True)
class SiamesePlan:
    """All that decides the shape of the network; it goes into the metadata of the network's file."""

    widths: tuple[int, ...] = (16, 32, 64, 128)  # channels of the trunk, a halving each
    repeats: tuple[int, ...] = (0, 1, 2, 2)  # blocks after each halving
    channels: int = 64  # of the maps that are compared
    head: int = 64  # channels of the head
    depth: int = 3  # blocks of the head before it divides

    def __post_init__(self) -> None:
        numbers = (*self.widths, self.channels, self.head)
        if len(self.widths) != _HALVINGS or len(self.repeats) != _HALVINGS or min(numbers) < 2 or self.depth < 0:
            raise ModelError(
                f"a Siamese network cannot be built as {self}; give {_HALVINGS} widths and repeats, channels and head "
                "of at least 2, and a depth of 0 or more"
            )
        if any(width % 2 or repeat < 0 for width, repeat in zip(self.widths, self.repeats, strict=True)):
            raise ModelError(f"a Siamese network needs even widths and repeats of 0 or more, not {self}")

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
            widths, repeats = (tuple(map(int, values[key])) for key in ("widths", "repeats"))
            channels, head, depth = (int(values[key]) for key in ("channels", "head", "depth"))
        except (ValueError, TypeError) as error:
            raise ModelError(f"{text[:80]!r} describes no Siamese network of ours: {error}") from error
        return cls(widths, repeats, channels, head, depth)


class SiameseNetwork(nn.Module):
    """A trunk of YOLOv8's layers, and a head without anchors.

    Maps are compared cell by cell (pixel-wise correlation, Yan et al. 2021, section 3.2): with z the template's map and
    x the search region's, channel k of C is the cosine-like product of the template's cell k with every cell of x,
    C_k(i, j) = sum_c z_c(k) x_c(i, j) / sqrt(c). Beside it the head sees x, channel by channel times the mean of z's
    middle cells (depth-wise correlation, Li et al. 2019, section 3.4, of a kernel of one cell). It tells for every
    cell how sure it is that the target covers it, and the distances to the target's sides (Chen et al. 2020).
    """

    def __init__(self, plan: SiamesePlan) -> None:
        super().__init__()
        self.plan = plan
        self.trunk = nn.Sequential(*_trunk(plan))
        self.neck = nn.Sequential(
            ConvNorm(plan.widths[-1], plan.widths[-1], 3), nn.Conv2d(plan.widths[-1], plan.channels, 1)
        )
        self.same = nn.BatchNorm2d(TEMPLATE_CELLS**2)
        self.kind = nn.BatchNorm2d(plan.channels)
        self.join = ConvNorm(TEMPLATE_CELLS**2 + plan.channels, plan.head, 1)
        self.body = nn.Sequential(*(Bottleneck(plan.head) for _ in range(plan.depth)))
        self.presence = nn.Sequential(ConvNorm(plan.head, plan.head, 3), nn.Conv2d(plan.head, 1, 1))
        self.sides = nn.Sequential(ConvNorm(plan.head, plan.head, 3), nn.Conv2d(plan.head, 4, 1))
        self._frozen = 0
        self._expect_few_cells()

    def look(self, crops: Tensor) -> Tensor:
        """Maps (n, c, k, k) of pictures (n, 3, side, side), red green blue 0..1."""
        found: Tensor = self.neck(self.trunk(crops))
        return found

    def compare(self, templates: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n, rows, columns) that the target is there, and distances l t r b (n, 4, rows, columns), pixels.

        `templates`: maps of targets (n, c, 8, 8). `maps`: of search regions (n, c, 16, 16).
        """
        channels, cells = self.plan.channels, TEMPLATE_CELLS**2
        kernels = templates.reshape(-1, channels, cells).transpose(1, 2)
        same = torch.bmm(kernels, maps.reshape(-1, channels, SEARCH_CELLS**2)) / math.sqrt(channels)
        same = self.same(same.reshape(-1, cells, SEARCH_CELLS, SEARCH_CELLS))
        kind = self.kind(maps * templates[:, :, _MIDDLE, _MIDDLE].mean((2, 3), keepdim=True))
        found = self.body(self.join(torch.cat([same, kind], dim=1)))
        distances = torch.exp(self.sides(found).float().clamp(-_FARTHEST, _FARTHEST)) * STRIDE
        return self.presence(found).float()[:, 0], distances

    def forward(self, crops: Tensor, templates: Tensor, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All that a file of it does: `look` at crops; scores 0..1 and distances, by `compare`, of maps."""
        logits, distances = self.compare(templates, maps)
        return self.look(crops), torch.sigmoid(logits), distances

    def freeze(self, layers: int) -> None:
        """The first `layers` of the trunk learn nothing from now on, nor do their batch norms."""
        self._frozen = layers
        self.trunk[:layers].requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """As of any module; frozen layers stay as they are when applied."""
        super().train(mode)
        self.trunk[: self._frozen].eval()
        return self

    def _expect_few_cells(self) -> None:
        """Start with a low presence, as few cells show the target."""
        bias = self.presence.get_parameter("1.bias")
        nn.init.constant_(bias, -3.0)


class ConvNorm(nn.Module):
    """Convolution, batch norm, SiLU. Names and constants are those of ultralytics' `Conv`."""

    def __init__(self, inner: int, outer: int, side: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inner, outer, side, stride, side // 2, bias=False)
        self.bn = nn.BatchNorm2d(outer, eps=1e-3, momentum=0.03)

    def forward(self, found: Tensor) -> Tensor:
        return functional.silu(self.bn(self.conv(found)), inplace=True)


class Bottleneck(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cv1 = ConvNorm(width, width, 3)
        self.cv2 = ConvNorm(width, width, 3)

    def forward(self, found: Tensor) -> Tensor:
        after: Tensor = found + self.cv2(self.cv1(found))
        return after


class Split(nn.Module):
    """YOLOv8's `C2f`: half the channels pass through blocks, and what each block says is kept."""

    def __init__(self, width: int, repeats: int) -> None:
        super().__init__()
        self.cv1 = ConvNorm(width, width, 1)
        self.cv2 = ConvNorm((2 + repeats) * (width // 2), width, 1)
        self.m = nn.ModuleList(Bottleneck(width // 2) for _ in range(repeats))

    def forward(self, found: Tensor) -> Tensor:
        parts = list(self.cv1(found).chunk(2, 1))
        for block in self.m:
            parts.append(block(parts[-1]))
        after: Tensor = self.cv2(torch.cat(parts, 1))
        return after


def _trunk(plan: SiamesePlan) -> list[nn.Module]:
    layers: list[nn.Module] = []
    before = 3
    for width, repeats in zip(plan.widths, plan.repeats, strict=True):
        layers.append(ConvNorm(before, width, 3, 2))
        if repeats:
            layers.append(Split(width, repeats))
        before = width
    return layers
