"""Imitation: crops with what a teacher says of them, for a student's network to learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain

import cv2
import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from pipeline.errors import TrainingError
from pipeline.models.base import Embedder
from pipeline.training.crop_augmentation import Augmentation, augmented, centre
from pipeline.training.crop_mixing import unlikely
from pipeline.training.embedder_network import EmbedderNetwork
from pipeline.training.embedding import embedded
from pipeline.training.imitation_loss import ImitationLoss
from pipeline.training.learning import SCORE
from pipeline.training.teacher_notes import TeacherNotes
from trackers.structures import Detections, FloatArray, Frame, ImageArray, IntArray

_AT_ONCE = 64  # crops the teacher is given at once


@dataclass(frozen=True, slots=True)
class Lessons:
    """How crops become lessons."""

    batch: int = 128
    change: Augmentation = field(default_factory=Augmentation)
    mix: float = 0.2  # share of crops that are no whole object
    clean: float = 0.0  # share of the others whose target is what the teacher says of the unchanged crop
    views: int = 0  # ways a crop is changed, after which they come again, from the teacher's notes; 0: always new
    seed: int = 0


class Imitation:
    """Material of a `Learning`: the teacher looks at the very crop that the student sees.

    What happens to a crop is decided by (seed, view, row) alone. The next batch is made while the student learns.
    """

    def __init__(
        self,
        stock: ImageArray,
        rows: Sequence[int],
        held: Sequence[int],
        teacher: Embedder,
        objective: ImitationLoss,
        lessons: Lessons,
        *,
        sizes: tuple[tuple[int, int], tuple[int, int]],
        notes: TeacherNotes | None = None,
    ) -> None:
        """`stock`: stored crops (n, H, W, 3). `rows`, `held`: of it, to learn from and to validate on. `sizes`: height
        and width of the crops the teacher is shown, and of those the student is. `notes`: needed with views."""
        self._stock, self._rows, self._lessons = stock, np.array(rows, np.int64), lessons
        self._teacher, self._objective, self._notes = teacher, objective, notes
        self._shown, self._seen = sizes
        self.learned, self.validated = len(rows), len(held)  # crops
        self._batch = min(lessons.batch, len(rows))
        crops = centre(stock[np.array(held, np.int64)], self._shown)
        self._held_targets = teach(teacher, crops)
        self._held_crops = shrunk(crops, self._seen)
        if np.ptp(self._held_targets, axis=0).max() < 1e-6:
            raise TrainingError(f"the teacher {teacher.card.name} says the same of every crop; is it the right file?")

    def __len__(self) -> int:
        """Steps an epoch."""
        return max(1, len(self._rows) // self._batch)

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Crops (n, H, W, 3) uint8 and the teacher's features (n, d)."""
        order = np.random.default_rng((self._lessons.seed, epoch)).permutation(self._rows)
        view = (epoch - 1) % self._lessons.views if self._lessons.views else epoch - 1
        parts = [order[step * self._batch : (step + 1) * self._batch] for step in range(len(self))]
        with ThreadPoolExecutor(1, "sightline teacher") as ahead:
            waiting: Future[tuple[Tensor, Tensor]] | None = None
            for part in chain(parts, [None]):
                following = None if part is None else ahead.submit(self._lesson, view, part)
                if waiting is not None:
                    yield waiting.result()
                waiting = following

    def validate(self, network: EmbedderNetwork) -> dict[str, float]:
        """Of crops that are not learned from: cosine to the teacher, and SCORE, how alike both rank all others."""
        device = next(network.parameters()).device
        found = embedded(network, self._held_crops, device=device)
        with torch.inference_mode():
            pair = (torch.from_numpy(each).to(device) for each in (found, self._held_targets))
            cosine = float(self._objective.cosines(*pair).mean())
        return {"cosine": cosine, SCORE: rank_agreement(found, self._held_targets)}

    def _lesson(self, view: int, rows: IntArray) -> tuple[Tensor, Tensor]:
        """Crops as the student sees them, and what the teacher says."""
        made = [self._make(view, row) for row in rows.tolist()]
        crops = np.stack([crop for crop, _ in made])
        known = None if self._notes is None else self._notes.read(view, rows)
        if known is None:
            known = teach(self._teacher, np.stack([shown for _, shown in made]))
            if self._notes is not None:
                known = self._notes.write(view, rows, known)
        return torch.from_numpy(shrunk(crops, self._seen)), torch.from_numpy(known)

    def _make(self, view: int, row: int) -> tuple[ImageArray, ImageArray]:
        """A changed crop, and what the teacher is shown of it."""
        lessons, picture = self._lessons, self._stock[row]
        random = np.random.default_rng((lessons.seed, view, row))
        if random.random() < lessons.mix:
            other = self._stock[self._rows[int(random.integers(len(self._rows)))]]
            crop = unlikely(picture, other, self._shown, lessons.change, random)
            return crop, crop
        clean = random.random() < lessons.clean
        crop = augmented(picture, self._shown, lessons.change, random)
        return crop, centre(picture, self._shown) if clean else crop


def teach(teacher: Embedder, crops: ImageArray) -> FloatArray:
    """(n, d) float32 what the teacher says of crops (n, H, W, 3). Raises ModelError."""
    height, width = crops.shape[1:3]
    whole = Detections(np.array([[0, 0, width, height]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    found = []
    for start in range(0, len(crops), _AT_ONCE):
        some = crops[start : start + _AT_ONCE]
        frames = [Frame(picture=crop, index=number, time=float(number), at=0) for number, crop in enumerate(some)]
        found += teacher.embed(frames, [whole] * len(frames))
    return np.concatenate(found)


def shrunk(crops: ImageArray, size: tuple[int, int]) -> ImageArray:
    """(n, *size, 3) of (n, H, W, 3), stretched as the product does it."""
    if crops.shape[1:3] == size:
        return np.ascontiguousarray(crops)
    return np.stack([cv2.resize(crop, size[::-1], interpolation=cv2.INTER_LINEAR) for crop in crops])


def rank_agreement(features: FloatArray, targets: FloatArray) -> float:
    """How alike two embedders rank: mean over crops of Spearman's correlation of their cosines to all others, -1..1.

    `features` (n, d), `targets` (n, e), unit length, n >= 3.
    """
    others = ~np.eye(len(features), dtype=bool)
    ranks = []
    for each in (features, targets):
        alike = (each @ each.T)[others].reshape(len(each), -1)
        rank = rankdata(alike, axis=1)
        rank -= rank.mean(axis=1, keepdims=True)
        ranks.append(rank / np.maximum(np.linalg.norm(rank, axis=1, keepdims=True), 1e-12))
    return float((ranks[0] * ranks[1]).sum(axis=1).mean())
