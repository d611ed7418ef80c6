"""SiamesePairs: batches of changed pairs to learn from, with what a teacher says of them, and pairs to judge by."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import ConfigError
from pipeline.training.learning import SCORE
from pipeline.training.precision import mixing
from pipeline.training.siamese_crops import Pair, PairChange, make_pair
from pipeline.training.siamese_loss import search_cells
from pipeline.training.siamese_network import SiameseNetwork
from pipeline.training.siamese_sights import Sights
from trackers.geometry import iou_pairs
from trackers.siamese_networks import SiameseNetworks
from trackers.structures import FloatArray

_VALIDATION = 1 << 32  # apart from every epoch
_DRAWS = 500  # until it is given up to find a search region without the target


@dataclass(frozen=True, slots=True)
class Drawing:
    """How pairs are drawn."""

    pairs: int = 6400  # an epoch
    batch: int = 32
    absent: float = 0.1  # share of pairs whose search region shows something else
    seed: int = 0
    change: PairChange = field(default_factory=PairChange)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A batch. Row i of everything is the same pair."""

    templates: Tensor  # (n, 127, 127, 3) uint8 blue green red
    searches: Tensor  # (n, 255, 255, 3)
    boxes: Tensor  # (n, 4) float32 x1 y1 x2 y2 in the search crop; NaN where the target is not there
    taught: tuple[Tensor, ...] = ()  # the teacher's maps of both


class SiamesePairs:
    """Pairs to learn from and pairs to validate on (see `learning.Material`)."""

    def __init__(
        self,
        learned: Sights,
        validated: Sights,
        drawing: Drawing,
        *,
        judged: int,
        device: torch.device,
        mixed: torch.dtype | None = None,
        teacher: SiameseNetworks | None = None,
    ) -> None:
        """`judged`: pairs to validate on, always the same.

        Raises ConfigError where pairs without their target are wanted and there is no object but the target.
        """
        if drawing.absent > 0 and min(learned.objects, validated.objects if judged else learned.objects) < 2:
            raise ConfigError("there is only one object, so no pair can be without it; give more, or set absent to 0")
        self._learned, self._drawing, self._teacher = learned, drawing, teacher
        self._device, self._mixed = device, mixed
        batch = drawing.batch
        self._judged = [
            self._drawn(validated, _VALIDATION, range(start, min(start + batch, judged)))
            for start in range(0, judged, batch)
        ]

    def __len__(self) -> int:
        return max(1, self._drawing.pairs // self._drawing.batch)

    def batches(self, epoch: int) -> Iterator[Lesson]:
        """The batches of an epoch, from 1; the next is made while this one is learned from."""
        batch = self._drawing.batch
        with ThreadPoolExecutor(1, "sightline pairs") as ahead:
            waiting: Future[Lesson] | None = None
            for step in chain(range(len(self)), [None]):
                rows = None if step is None else range(step * batch, (step + 1) * batch)
                following = None if rows is None else ahead.submit(self._lesson, epoch, rows)
                if waiting is not None:
                    yield waiting.result()
                waiting = following

    def validate(self, network: SiameseNetwork) -> dict[str, float]:
        """Of the pairs to validate on: SCORE, the mean overlap of the best cell's box with the true one; how often it
        is above a half; and how often a target that is there scores higher than the best cell where it is not."""
        training = network.training
        network.eval()
        overlaps: list[FloatArray] = [np.zeros(0)]
        there: list[FloatArray] = [np.zeros(0)]
        absent: list[FloatArray] = [np.zeros(0)]
        with torch.inference_mode(), mixing(self._device, self._mixed):
            for lesson in self._judged:
                sure, boxes = best_boxes(*network.compare(*(network.look(one) for one in inputs(lesson, self._device))))
                truth = lesson.boxes.numpy().astype(np.float64)
                shown = np.isfinite(truth).all(axis=1)
                overlaps.append(iou_pairs(boxes[shown], truth[shown]))
                there.append(sure[shown])
                absent.append(sure[~shown])
        network.train(training)
        overlap = np.concatenate(overlaps)
        higher = np.concatenate(there)[:, None] > np.concatenate(absent)
        return {
            SCORE: float(overlap.mean()),
            "above half": float((overlap > 0.5).mean()),
            "told apart": float(higher.mean()) if higher.size else float("nan"),
        }

    def _lesson(self, epoch: int, rows: range) -> Lesson:
        lesson = self._drawn(self._learned, epoch, rows)
        if self._teacher is None:
            return lesson
        teacher = self._teacher
        taught = teacher.template(lesson.templates.numpy()), teacher.search(lesson.searches.numpy())
        return Lesson(lesson.templates, lesson.searches, lesson.boxes, tuple(map(torch.from_numpy, taught)))

    def _drawn(self, sights: Sights, epoch: int, rows: range) -> Lesson:
        made = [self._pair(sights, np.random.default_rng((self._drawing.seed, epoch, row))) for row in rows]
        stacked = (np.stack([getattr(pair, name) for pair in made]) for name in ("template", "search", "box"))
        templates, searches, boxes = (torch.from_numpy(one) for one in stacked)
        return Lesson(templates, searches, boxes.float())

    def _pair(self, sights: Sights, random: np.random.Generator) -> Pair:
        drawing = self._drawing
        first, second = sights.draw(random)
        if random.random() >= drawing.absent:
            return make_pair(first, second, drawing.change, random)
        for _ in range(_DRAWS):
            other = sights.draw(random)[1]
            if other.owner != first.owner:
                pair = make_pair(first, other, drawing.change, random)
                if first.owner not in pair.shown:
                    return Pair(pair.template, pair.search, np.full(4, np.nan))
            first = sights.draw(random)[0]  # this target may be beside all others
        raise ConfigError("no search region without its target was found; give pictures of more, or set absent to 0")


def inputs(lesson: Lesson, device: torch.device) -> tuple[Tensor, Tensor]:
    """Both crops as the network takes them: (n, 3, side, side) red green blue 0..1, channels last in memory."""
    templates, searches = (
        (crops.to(device, non_blocking=True).flip(3).float() / 255).permute(0, 3, 1, 2)
        for crops in (lesson.templates, lesson.searches)
    )
    return templates, searches


def best_boxes(logits: Tensor, distances: Tensor) -> tuple[FloatArray, FloatArray]:
    """Logit (n,) of the best cell of every pair, and its box (n, 4), pixels of the search crop."""
    count = len(logits)
    sure, best = logits.reshape(count, -1).max(dim=1)
    places = search_cells().to(best.device).flatten(1)[:, best].T
    sides = distances.reshape(count, 4, -1)[torch.arange(count, device=best.device), :, best]
    boxes = torch.cat([places - sides[:, :2], places + sides[:, 2:]], dim=1)
    return sure.double().cpu().numpy(), boxes.double().cpu().numpy()
