"""ImitationLoss: how far a student's features are from doing what its teacher's do."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEAST = 1e-12  # a squared distance below this counts as this, since the root has no slope at 0


class ImitationLoss(nn.Module):
    """The teacher's direction, and the teacher's distances between the crops of a batch.

    The first term is 1 - cos(M s, t), where M is a linear map that is learned where the two have other dimensions, and
    nothing else. The second is the distance-wise relational loss (Park et al. 2019, eq. 5 and 6): Huber's loss of the
    difference between the distances of all pairs, each divided by its batch's mean.
    """

    def __init__(self, student: int, teacher: int, *, direction: float = 1.0, relation: float = 10.0) -> None:
        """`student`, `teacher`: dimensions. `direction`, `relation`: weights of the two terms.

        Where a map is learned, the map alone can satisfy the first term: what a search needs, that near ones are near,
        comes of the second, so it weighs more.
        """
        super().__init__()
        self.map: nn.Module = nn.Identity() if student == teacher else nn.Linear(student, teacher, bias=False)
        self._weights = direction, relation

    def forward(self, features: Tensor, targets: Tensor) -> Tensor:
        """Loss of unit-length features (n, student) given the teacher's (n, teacher)."""
        direction, relation = self._weights
        loss = direction * (1 - self.cosines(features, targets)).mean()
        if relation > 0:
            loss = loss + relation * relational_loss(features, targets)
        return loss

    def cosines(self, features: Tensor, targets: Tensor) -> Tensor:
        """(n,) cosine of each feature, mapped, with the teacher's."""
        return functional.cosine_similarity(self.map(features), targets, dim=1)


def relational_loss(features: Tensor, targets: Tensor) -> Tensor:
    """Park et al. 2019, eq. 5 and 6, of unit-length features (n, d) and (n, e); 0 for a single row."""
    if len(features) < 2:
        return features.sum() * 0
    own, theirs = _relative_distances(features), _relative_distances(targets)
    return functional.smooth_l1_loss(own, theirs)


def _relative_distances(features: Tensor) -> Tensor:
    """(n * (n - 1) / 2,) Euclidean distances of all pairs over their mean."""
    squared = 2 - 2 * features @ features.T
    rows, columns = torch.triu_indices(len(features), len(features), 1, device=features.device)
    found = squared[rows, columns].clamp(min=_LEAST).sqrt()
    return found / found.mean().clamp(min=_LEAST**0.5)
