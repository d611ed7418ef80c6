"""SiameseTraining: a Siamese network learns to find again what it was shown, from pairs to a file that runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import TrainingError
from pipeline.training.folder import TrainingFolder
from pipeline.training.learning import BEST, MODEL, Course, Learned, Learning, Watcher
from pipeline.training.precision import mixed_type, mixing
from pipeline.training.random_state import seed_generators
from pipeline.training.siamese_file import digest_of, read_siamese, to_onnx_file, to_safetensors
from pipeline.training.siamese_loss import SiameseLoss
from pipeline.training.siamese_network import SEARCH, STRIDE, TEMPLATE, SiameseNetwork
from pipeline.training.siamese_pairs import Drawing, Lesson, SiamesePairs, inputs
from pipeline.training.siamese_sights import Sights
from trackers.siamese_networks import SiameseNetworks


@dataclass(frozen=True, slots=True)
class SiameseSettings:
    """What decides the result, beside where the pairs come from, the network at the start and the teacher."""

    drawing: Drawing = field(default_factory=Drawing)
    freeze: int = 0  # so many layers of the trunk learn nothing
    boxes: float = 1.5  # weight of the boxes, beside the presence
    teacher: float = 1.0  # weight of the teacher's maps
    judged: int = 512  # pairs to validate on
    epochs: int = 20
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    patience: int = 0
    amp: bool = True


class SiameseTraining:
    """One training."""

    def __init__(
        self,
        network: SiameseNetwork,
        settings: SiameseSettings,
        *,
        learned: Sights,
        validated: Sights,
        device: torch.device,
        teacher: SiameseNetworks | None = None,
        said: Mapping[str, object] | None = None,
    ) -> None:
        """`said`: of data and teacher, for settings.yaml; where it differs, a training is not gone on with.

        Raises TrainingError where the network has fewer layers than are to be kept, and for a teacher of other crops.
        """
        layers = len(network.trunk)
        if settings.freeze > layers:
            raise TrainingError(f"{settings.freeze} layers are to be kept, but the trunk has {layers}")
        self._settings, self._said = settings, dict(said or {})
        seed_generators(settings.drawing.seed)
        self._course = Course(
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            patience=settings.patience,
            device=device,
            mixed=mixed_type(device, wanted=settings.amp),
        )
        self._sources = {"learned": learned.objects, "validated": validated.objects}
        self._pairs = SiamesePairs(
            learned,
            validated,
            settings.drawing,
            judged=settings.judged,
            device=device,
            mixed=self._course.mixed,
            teacher=teacher,
        )
        taught = 0 if teacher is None else _channels(teacher)
        self._start = digest_of(network)
        self._network = network
        network.freeze(settings.freeze)
        objective = SiameseLoss(network.plan.channels, taught, boxes=settings.boxes, teacher=settings.teacher)
        exercise = Matching(network, objective, self._course)
        self._learning = Learning(network, objective, self._course, exercise=exercise)

    def lines(self) -> list[str]:
        """What it learns from, in words."""
        return [
            f"{'learning' if name == 'learned' else 'validating':<12}{count} objects"
            for name, count in self._sources.items()
        ]

    def stop(self) -> None:
        """End soon; what finished epochs learned is kept. Safe in a signal handler."""
        self._learning.stop()

    def run(self, out: Path, *, resume: bool, watcher: Watcher | None = None) -> Learned:
        """Learn, and leave the best epoch's network in `out` as best.safetensors and best.onnx.

        Raises TrainingError where the folder does not fit or the loss is no number, OutputError.
        """
        settings = {**asdict(self._settings), "weights": self._start, **self._course.said, **self._said}
        folder = self._learning.opened(out, settings, resume=resume)
        learned = self._learning.run(self._pairs, folder, watcher=watcher)
        if folder is not None and learned.best_epoch:
            folder.write_bytes(MODEL, to_onnx_file(read_siamese(out / BEST)))
            folder.write_report(self._report(folder, learned))
        return learned

    def _report(self, folder: TrainingFolder, learned: Learned) -> dict[str, object]:
        return {
            "model": MODEL,
            "parameters": sum(one.numel() for one in self._network.parameters()),
            "epochs": learned.epochs,
            "best epoch": folder.rows[learned.best_epoch - 1],
            "stopped": learned.stopped,
            "objects": self._sources,
            "pairs": learned.epochs * len(self._pairs) * self._settings.drawing.batch,
        }


class Matching:
    """The exercise of a Siamese network (see `learning.Exercise`): find the target of each pair."""

    def __init__(self, network: SiameseNetwork, objective: SiameseLoss, course: Course) -> None:
        self._network, self._objective, self._course = network, objective, course

    def loss(self, batch: Lesson) -> Tensor:
        """The parts of `SiameseLoss` together."""
        device = self._course.device
        with mixing(device, self._course.mixed):
            templates, maps = (self._network.look(crops) for crops in inputs(batch, device))
            found = self._network.compare(templates, maps)
        taught = tuple(one.to(device) for one in batch.taught)
        parts = self._objective(found, batch.boxes.to(device), (templates.float(), maps.float()), taught)
        return torch.stack(list(parts.values())).sum()

    def content(self) -> bytes:
        """The network as it is."""
        return to_safetensors(self._network)


def _channels(teacher: SiameseNetworks) -> int:
    """Of a teacher's maps. Raises TrainingError where it does not see what the network sees."""
    theirs = teacher.template_size, teacher.search_size, teacher.stride
    if theirs != (TEMPLATE, SEARCH, STRIDE):
        raise TrainingError(
            f"the teacher looks at crops of {theirs[0]} and {theirs[1]} pixels, {theirs[2]} a cell, but the network at "
            f"{TEMPLATE} and {SEARCH}, {STRIDE} a cell; give one of the NanoTrack v2 family"
        )
    return int(teacher.template(np.zeros((1, TEMPLATE, TEMPLATE, 3), np.uint8)).shape[1])
