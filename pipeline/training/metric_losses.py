"""Losses of metric learning: contrastive, triplet with mined negatives, ArcFace. Features have unit length."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEAST = 1e-12  # a squared distance below this counts as this, since the root has no slope at 0


def squared_distances(features: Tensor) -> Tensor:
    """(n, n) squared Euclidean distances of unit-length features (n, d): 2 - 2 cos."""
    return (2 - 2 * features @ features.T).clamp(min=0)


def pairs_of(identities: Tensor) -> tuple[Tensor, Tensor]:
    """(n, n) bool: same identity but not the same row, and different identity. `identities` (n,) whole numbers."""
    same = identities[:, None] == identities[None, :]
    return same & ~torch.eye(len(identities), dtype=torch.bool, device=identities.device), ~same


class ContrastiveLoss(nn.Module):
    """Same pairs are pulled together, different ones pushed apart up to a margin (Hadsell et al. 2006, eq. 4).

    The means over same and over different pairs are added, since there are many more of the latter.
    """

    def __init__(self, *, margin: float = 1.0) -> None:
        """`margin`: a distance, 0..2."""
        super().__init__()
        self.margin = margin

    def forward(self, features: Tensor, identities: Tensor) -> Tensor:
        """Loss of (n, d) features and their (n,) identities; 0 where there are no pairs."""
        squared = squared_distances(features)
        same, different = pairs_of(identities)
        lacking = (self.margin - squared.clamp(min=_LEAST).sqrt()).clamp(min=0)
        return _mean(squared, same) / 2 + _mean(lacking.square(), different) / 2


class TripletLoss(nn.Module):
    """A same pair must be closer than a different one by a margin, squared distances (Schroff et al. 2015, eq. 3).

    Every same pair (a, p) takes its semi-hard negative: the nearest that is farther from a than p is (eq. 4). Where no
    negative is, it takes the farthest one.
    """

    def __init__(self, *, margin: float = 0.2) -> None:
        """`margin`: of squared distances, 0..4."""
        super().__init__()
        self.margin = margin

    def forward(self, features: Tensor, identities: Tensor) -> Tensor:
        """Loss of (n, d) features and their (n,) identities; 0 where there are no triplets."""
        squared = squared_distances(features)
        same, different = pairs_of(identities)
        anchors, positives = torch.nonzero(same & different.any(1, keepdim=True), as_tuple=True)
        if not len(anchors):
            return features.sum() * 0
        near = squared[anchors, positives]
        far = squared[anchors]  # (t, n): of each pair's anchor to everything
        others = different[anchors]
        beyond = far.masked_fill(~(others & (far > near[:, None])), torch.inf).amin(1)
        farthest = far.masked_fill(~others, -torch.inf).amax(1)
        chosen = torch.where(beyond.isfinite(), beyond, farthest)
        return (near - chosen + self.margin).clamp(min=0).mean()


class BatchHardLoss(nn.Module):
    """Each crop against its farthest same and its nearest different one of the batch (Hermans et al. 2017, eq. 5)."""

    def __init__(self, *, margin: float = 0.3) -> None:
        """`margin`: of distances, 0..2."""
        super().__init__()
        self.margin = margin

    def forward(self, features: Tensor, identities: Tensor) -> Tensor:
        """Loss of (n, d) features and their (n,) identities; crops without a same or a different one are left out."""
        distances = squared_distances(features).clamp(min=_LEAST).sqrt()
        same, different = pairs_of(identities)
        whole = same.any(1) & different.any(1)
        if not whole.any():
            return features.sum() * 0
        farthest = distances.masked_fill(~same, -torch.inf).amax(1)[whole]
        nearest = distances.masked_fill(~different, torch.inf).amin(1)[whole]
        return (farthest - nearest + self.margin).clamp(min=0).mean()


class ArcFaceLoss(nn.Module):
    """Classification by angles, the own class with an angle added (Deng et al. 2019, eq. 3)."""

    def __init__(self, *, dimension: int, identities: int, margin: float = 0.5, scale: float = 30.0) -> None:
        """`margin`: radians. `scale`: of the cosines before the softmax. The centres start at random."""
        super().__init__()
        self.margin, self.scale = margin, scale
        self.centres = nn.Parameter(torch.randn(identities, dimension) / math.sqrt(dimension))

    def forward(self, features: Tensor, identities: Tensor) -> Tensor:
        """Mean loss of (n, d) features and their (n,) identities, 0 .. identities - 1.

        Beyond the angle pi - margin the cosine would rise again; there a straight line goes on falling.
        """
        cosines = features @ functional.normalize(self.centres, dim=1).T
        own = cosines.gather(1, identities[:, None]).clamp(-1 + 1e-6, 1 - 1e-6)
        sines = (1 - own.square()).sqrt()
        added = own * math.cos(self.margin) - sines * math.sin(self.margin)
        straight = own - self.margin * math.sin(self.margin)
        marked = torch.where(own > -math.cos(self.margin), added, straight)
        return functional.cross_entropy(self.scale * cosines.scatter(1, identities[:, None], marked), identities)


def _mean(values: Tensor, wanted: Tensor) -> Tensor:
    """Mean of the wanted values, 0 of none, with a gradient either way."""
    return (values * wanted).sum() / wanted.sum().clamp(min=1)
