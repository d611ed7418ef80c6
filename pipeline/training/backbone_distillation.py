"""BackboneDistillation: a Mask R-CNN's backbone and pyramid learn to see what a YOLO network sees, without labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

from pipeline.models.mask_rcnn import MaskRcnnPlan
from pipeline.models.pyramid import LEVELS
from pipeline.training.ahead import made_ahead
from pipeline.training.labelled import LabelledPicture
from pipeline.training.learning import BEST, SCORE, Course, Learned, Learning, Watcher
from pipeline.training.mask_rcnn_file import digest_of, to_safetensors
from pipeline.training.neck_teacher import NeckTeacher
from pipeline.training.picture_order import shown_in
from pipeline.training.picture_views import STILL, View, ViewChange, stacked, view_of
from pipeline.training.precision import mixed_type, mixing
from pipeline.training.random_state import seed_generators

_STILL_BATCH = 8
_QUIET = 0.25  # of the mean variance of a level's channels: those that vary less say little, and count less


@dataclass(frozen=True, slots=True)
class BackboneSettings:
    """What decides the result, beside the pictures, the network at the start and the teacher."""

    side: int = 320  # pixels of the views
    pictures: int = 2000  # an epoch
    batch: int = 16
    epochs: int = 20
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    patience: int = 0
    amp: bool = True
    seed: int = 0
    change: ViewChange = field(default_factory=ViewChange)


class NeckImitation(nn.Module):
    """How far levels of a pyramid are from those of a teacher.

    A linear layer a level, which is no part of the network, turns its maps into the teacher's; what is left, as a share
    of the variance of each of the teacher's channels, is the loss (FitNets, Romero et al. 2015, eq. 3, with the
    regressor on the student's side and the channels made equally important, but for quiet ones).
    """

    def __init__(self, channels: int, taught: Sequence[int]) -> None:
        """`channels`: of each level. `taught`: of the teacher's."""
        super().__init__()
        self.levels = nn.ModuleList(nn.Conv2d(channels, wanted, 1) for wanted in taught)

    def forward(self, maps: Sequence[Tensor], taught: Sequence[Tensor]) -> Tensor:
        """Mean over the levels, 0 for a perfect imitation and 1 where nothing is imitated."""
        left = []
        for layer, own, theirs in zip(self.levels, maps, taught, strict=True):
            spread = theirs.var(dim=(0, 2, 3), keepdim=True)
            spread = spread.clamp(min=_QUIET * float(spread.mean()))
            left.append(((layer(own) - theirs) ** 2 / spread).mean())
        return torch.stack(left).mean()

    def of(self, maps: Mapping[str, Tensor], taught: Sequence[Tensor]) -> Tensor:
        """`forward`, of all that a network's backbone gives."""
        own = [maps[name].float() for name in LEVELS]
        left: Tensor = self(own, [level.to(own[0].device) for level in taught])
        return left


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A batch."""

    pictures: Tensor  # (n, side, side, 3) uint8 blue green red
    taught: tuple[Tensor, ...]  # the teacher's maps of them, a level each


class Lessons:
    """Views of pictures, and what the teacher sees in them (see `learning.Material`)."""

    def __init__(
        self,
        learned: Sequence[LabelledPicture],
        validated: Sequence[LabelledPicture],
        settings: BackboneSettings,
        *,
        teacher: NeckTeacher,
        imitation: NeckImitation,
    ) -> None:
        self._learned, self._settings, self._teacher, self._imitation = learned, settings, teacher, imitation
        self._judged = list(validated)
        self._told: list[Lesson] = []

    def __len__(self) -> int:
        return max(1, self._settings.pictures // self._settings.batch)

    def batches(self, epoch: int) -> Iterator[Lesson]:
        """The batches of an epoch, from 1; the next is made while this one is learned from."""
        settings = self._settings
        batch = settings.batch
        shown = shown_in(epoch, of=len(self._learned), count=len(self) * batch, seed=settings.seed)
        parts = shown.reshape(-1, batch).tolist()
        return made_ahead(partial(self._lesson, epoch, part, step) for step, part in enumerate(parts))

    def validate(self, network: MaskRCNN) -> dict[str, float]:
        """SCORE: the share of what the teacher sees that the network sees, too, in pictures it does not learn from."""
        if not self._told:
            views = [view_of(one, self._settings.side, STILL, np.random.default_rng(0)) for one in self._judged]
            starts = range(0, len(views), _STILL_BATCH)
            self._told = [self._taught(views[start : start + _STILL_BATCH]) for start in starts]
        training = network.training
        network.eval()
        with torch.inference_mode():
            device = next(network.parameters()).device
            left = [float(left_over(network, self._imitation, one, device, None)) for one in self._told]
        network.train(training)
        counts = [len(one.pictures) for one in self._told]
        return {SCORE: 1 - float(np.average(left, weights=counts))}

    def _lesson(self, epoch: int, rows: Sequence[int], step: int) -> Lesson:
        settings = self._settings
        views = [
            view_of(
                self._learned[row],
                settings.side,
                settings.change,
                np.random.default_rng((settings.seed, epoch, step, place)),
            )
            for place, row in enumerate(rows)
        ]
        return self._taught(views)

    def _taught(self, views: Sequence[View]) -> Lesson:
        pictures = stacked(views)
        taught = tuple(torch.from_numpy(level) for level in self._teacher.maps(pictures))
        return Lesson(torch.from_numpy(pictures), taught)


def left_over(
    network: MaskRCNN, imitation: NeckImitation, lesson: Lesson, device: torch.device, mixed: torch.dtype | None
) -> Tensor:
    """What of a lesson is not imitated (see `NeckImitation`)."""
    pictures = normalised(lesson.pictures.to(device), network)
    with mixing(device, mixed):
        maps = network.backbone(pictures)
    return imitation.of(maps, lesson.taught)


def normalised(pictures: Tensor, network: MaskRCNN) -> Tensor:
    """(n, 3, side, side) as the network's first layer takes them, of (n, side, side, 3) uint8 blue green red."""
    found = pictures.flip(3).permute(0, 3, 1, 2).float() / 255
    mean, spread = (torch.tensor(one, device=found.device)[:, None, None] for one in _expected(network))
    return ((found - mean) / spread).contiguous(memory_format=torch.channels_last)


def _expected(network: MaskRCNN) -> tuple[Sequence[float], Sequence[float]]:
    return network.transform.image_mean, network.transform.image_std


class BackboneDistillation:
    """One training."""

    def __init__(
        self,
        network: MaskRCNN,
        plan: MaskRcnnPlan,
        settings: BackboneSettings,
        *,
        learned: Sequence[LabelledPicture],
        validated: Sequence[LabelledPicture],
        teacher: NeckTeacher,
        device: torch.device,
        said: Mapping[str, object],
    ) -> None:
        """`said`: of the data, for settings.yaml; where it differs, a training is not gone on with."""
        seed_generators(settings.seed)
        self._network, self._plan, self._settings = network, plan, settings
        self._course = Course(
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            patience=settings.patience,
            device=device,
            mixed=mixed_type(device, wanted=settings.amp),
        )
        objective = NeckImitation(plan.channels, teacher.channels)
        self._lessons = Lessons(learned, validated, settings, teacher=teacher, imitation=objective)
        self._said = {**said, "teacher": teacher.sha256, "weights": digest_of(network, plan)}
        for name, part in network.named_children():
            part.requires_grad_(name == "backbone")
        exercise = Imitating(network, plan, objective, self._course)
        self._learning = Learning(network, objective, self._course, exercise=exercise)

    def stop(self) -> None:
        """End soon; what finished epochs learned is kept. Safe in a signal handler."""
        self._learning.stop()

    def run(self, out: Path, *, resume: bool, watcher: Watcher | None = None) -> Learned:
        """Learn, and leave the best epoch's network in `out` as best.safetensors.

        Raises TrainingError where the folder does not fit or the loss is no number, OutputError.
        """
        settings = {**asdict(self._settings), **self._course.said, **self._said}
        folder = self._learning.opened(out, settings, resume=resume)
        learned = self._learning.run(self._lessons, folder, watcher=watcher)
        if folder is not None and learned.best_epoch:
            report = {"model": BEST, "epochs": learned.epochs, "best epoch": folder.rows[learned.best_epoch - 1]}
            folder.write_report({**report, "stopped": learned.stopped})
        return learned


class Imitating:
    """The exercise of a backbone (see `learning.Exercise`): see what the teacher sees."""

    def __init__(self, network: MaskRCNN, plan: MaskRcnnPlan, objective: NeckImitation, course: Course) -> None:
        self._network, self._plan, self._objective, self._course = network, plan, objective, course

    def loss(self, batch: Lesson) -> Tensor:
        """See `NeckImitation`."""
        course = self._course
        return left_over(self._network, self._objective, batch, course.device, trunk_type(course, self._plan))

    def content(self) -> bytes:
        """The network as it is."""
        return to_safetensors(self._network, self._plan)


def trunk_type(course: Course, plan: MaskRcnnPlan) -> torch.dtype | None:
    """What the backbone computes in: on a processor float32 for MobileNetV3, whose layers are slower in short types."""
    return course.mixed if course.device.type == "cuda" or plan.trunk is not None else None
