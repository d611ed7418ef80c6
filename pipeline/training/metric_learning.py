"""Metric learning: crops by identity become batches, an objective, and figures of other identities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from pipeline.evaluation.reid import Crops, rank_one, same_different_auc
from pipeline.training.crop_augmentation import Augmentation, augmented, centre
from pipeline.training.crop_set import CropSet
from pipeline.training.data_parallel import Ranks
from pipeline.training.embedder_network import EmbedderNetwork
from pipeline.training.embedding import embedded
from pipeline.training.identity_batches import IdentityBatches
from pipeline.training.learning import SCORE
from pipeline.training.metric_losses import ArcFaceLoss, BatchHardLoss, ContrastiveLoss, TripletLoss
from pipeline.training.worker_signals import leave_signals
from trackers.structures import ImageArray, IntArray

Loss = Literal["contrastive", "triplet", "batch-hard", "arcface"]
MARGINS: dict[Loss, float] = {"contrastive": 1.0, "triplet": 0.2, "batch-hard": 0.3, "arcface": 0.5}  # of the papers


def objective(loss: Loss, *, margin: float | None, dimension: int, identities: int) -> nn.Module:
    """What is made small. `margin`: None for the loss's own. `identities`: of the crops to learn from."""
    chosen = MARGINS[loss] if margin is None else margin
    match loss:
        case "contrastive":
            return ContrastiveLoss(margin=chosen)
        case "triplet":
            return TripletLoss(margin=chosen)
        case "batch-hard":
            return BatchHardLoss(margin=chosen)
        case "arcface":
            return ArcFaceLoss(dimension=dimension, identities=identities, margin=chosen)


@dataclass(frozen=True, slots=True, eq=False)
class IdentityMaterial:
    """Crops to learn from and crops of other identities to validate on (see `learning.Material`)."""

    learned: CropSet
    validated: CropSet
    drawn: IdentityBatches  # of `learned`
    size: tuple[int, int]  # height, width of boxes, pixels
    change: Augmentation
    seed: int
    device: torch.device
    mixed: torch.dtype | None = None
    workers: int = 0  # processes that change crops; 0: this one
    ranks: Ranks = field(default_factory=Ranks)

    def __len__(self) -> int:
        return len(self.drawn)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's part of each batch: changed crops, and their identities from 0."""
        identities = torch.from_numpy(np.unique(self.learned.identities, return_inverse=True)[1])
        crops = ChangedCrops(self.learned.pictures, self.size, self.change, seed=self.seed, epoch=epoch)
        batches = [self.ranks.part(keys) for keys in _placed(self.drawn.epoch(epoch))]
        for pictures, rows in loaded(crops, batches, workers=self.workers):
            yield pictures, identities[rows]

    def validate(self, network: EmbedderNetwork) -> dict[str, float]:
        """Same/different AUC (the score) and rank 1 of the crops to validate on."""
        crops = centre(self.validated.pictures, self.size)
        features = embedded(network, crops, device=self.device, mixed=self.mixed)
        owned = self.validated
        described = Crops(features, owned.identities, owned.sequences, owned.times)
        return {SCORE: same_different_auc(described), "rank 1": rank_one(described)}


class ChangedCrops(Dataset[tuple[ImageArray, int]]):
    """Stored crops, changed by chance; item (place in the epoch, row) is the same whenever it is asked for."""

    def __init__(
        self, pictures: ImageArray, size: tuple[int, int], change: Augmentation, *, seed: int, epoch: int
    ) -> None:
        self._pictures, self._size, self._change = pictures, size, change
        self._chance = (seed, epoch)

    def __getitem__(self, key: tuple[int, int]) -> tuple[ImageArray, int]:
        place, row = key
        random = np.random.default_rng((*self._chance, place))
        return augmented(self._pictures[row], self._size, self._change, random), row


def loaded(
    crops: ChangedCrops, batches: Sequence[list[tuple[int, int]]], *, workers: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """(n, H, W, 3) uint8 crops and their (n,) rows, batch by batch; made ahead by other processes where there are."""
    yield from DataLoader(
        crops, batch_sampler=batches, num_workers=workers, collate_fn=_stacked, worker_init_fn=leave_signals
    )


def _stacked(items: Sequence[tuple[ImageArray, int]]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(np.stack([item[0] for item in items])), torch.tensor([item[1] for item in items])


def _placed(batches: Iterator[IntArray]) -> Iterator[list[tuple[int, int]]]:
    """Rows with their places in the epoch."""
    place = 0
    for rows in batches:
        yield list(enumerate(rows.tolist(), start=place))
        place += len(rows)
