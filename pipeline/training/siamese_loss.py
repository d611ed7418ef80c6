"""What a Siamese network is told: where the target is, how large it is, and what a teacher sees in the same crops."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.training.siamese_network import SEARCH, SEARCH_CELLS, STRIDE
from trackers.siamese_networks import cell_middles

_INNER, _OUTER = 0.5, 1.0  # of the sides of the box: ellipses within which, and beyond which, a cell is labelled


class SiameseLoss(nn.Module):
    """Presence, boxes, and the teacher's maps, added up.

    Cells in the ellipse of half the box's sides show the target, those beyond the ellipse of its whole sides do not,
    those between count for nothing (Chen et al. 2020, section 3.3). Both kinds weigh the same, whatever their number.
    Boxes of the cells that show it are as good as their GIoU with the true one (Rezatofighi et al. 2019, algorithm 1).
    A linear layer, which is no part of the network, turns its maps into those of the teacher; what is left, as a share
    of their variance, is the third part.
    """

    def __init__(self, channels: int, taught: int, *, boxes: float = 1.5, teacher: float = 1.0) -> None:
        """`channels`: of the network's maps. `taught`: of the teacher's, 0 where there is none. Others: weights."""
        super().__init__()
        self.teacher = nn.Conv2d(channels, taught, 1) if taught else None
        self._boxes, self._teacher = boxes, teacher
        self.cells: Tensor
        self.register_buffer("cells", search_cells(), persistent=False)

    def forward(
        self, found: tuple[Tensor, Tensor], boxes: Tensor, maps: tuple[Tensor, ...], taught: tuple[Tensor, ...]
    ) -> dict[str, Tensor]:
        """Parts of the loss by name.

        `found`: logits and distances of `SiameseNetwork.compare`. `boxes`: (n, 4) x1 y1 x2 y2 in the search crop; NaN
        where the target is not there. `maps`: of template and search crop; `taught`: the teacher's of the same.
        """
        logits, distances = found
        there, beyond = self.labels(boxes)
        losses = functional.binary_cross_entropy_with_logits(logits, there.float(), reduction="none")
        parts = {"presence": (_mean(losses, there) + _mean(losses, beyond)) / 2}
        overlap = giou(self._decoded(distances), boxes.nan_to_num(0)[:, :, None, None])
        parts["boxes"] = self._boxes * _mean(1 - overlap, there)
        if self.teacher is not None and taught:
            errors = [
                functional.mse_loss(self.teacher(own), theirs) / theirs.var()
                for own, theirs in zip(maps, taught, strict=True)
            ]
            parts["teacher"] = self._teacher * torch.stack(errors).mean()
        return parts

    def labels(self, boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Cells (n, rows, columns) that show the target, and cells that do not."""
        centre = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, :, None, None]
        sides = (boxes[:, 2:] - boxes[:, :2])[:, :, None, None].clamp(min=2 * STRIDE)  # at least a cell lies in it
        away = (((self.cells - centre) / (sides / 2)) ** 2).sum(1).nan_to_num(torch.inf)
        return away <= _INNER**2, away > _OUTER**2

    def _decoded(self, distances: Tensor) -> Tensor:
        """Boxes (n, 4, rows, columns) of distances l t r b."""
        return torch.cat([self.cells - distances[:, :2], self.cells + distances[:, 2:]], dim=1)


def search_cells() -> Tensor:
    """Where the cells of a search region's map look (2, rows, columns) x y, pixels of the crop."""
    places = cell_middles(SEARCH_CELLS, SEARCH_CELLS, size=SEARCH, stride=STRIDE)
    return torch.from_numpy(places).permute(2, 0, 1).float().contiguous()


def giou(one: Tensor, other: Tensor) -> Tensor:
    """Generalised IoU -1..1 of boxes (n, 4, ...) x1 y1 x2 y2."""
    low, high = torch.maximum(one[:, :2], other[:, :2]), torch.minimum(one[:, 2:], other[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    areas = ((box[:, 2:] - box[:, :2]).prod(1) for box in (one, other))
    union = (sum(areas) - shared).clamp(min=1e-6)
    around = torch.maximum(one[:, 2:], other[:, 2:]) - torch.minimum(one[:, :2], other[:, :2])
    hull = around.prod(1).clamp(min=1e-6)
    return shared / union - (hull - union) / hull


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """Mean of the values in a mask; 0 where it is empty."""
    return (values * where).sum() / where.sum().clamp(min=1)
