"""EmbedderDistillation: a small embedder learns to say what a large one says, of crops that nobody has named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from pipeline.errors import TrainingError
from pipeline.models.base import Embedder
from pipeline.training.crop_sources import CropSource
from pipeline.training.crop_stock import Crops, fill_stock, held_out, open_stock
from pipeline.training.embedder_file import digest_of
from pipeline.training.embedder_network import EmbedderNetwork, EmbedderPlan
from pipeline.training.folder import TrainingFolder
from pipeline.training.imitation import Imitation, Lessons
from pipeline.training.imitation_loss import ImitationLoss
from pipeline.training.learning import MODEL, Course, Learned, Learning, Watcher, write_model
from pipeline.training.precision import mixed_type
from pipeline.training.random_state import seed_generators
from pipeline.training.teacher_notes import TeacherNotes

STOCK, NOTES = "crops.bgr", "teacher.f16"


@dataclass(frozen=True, slots=True)
class Distillation:
    """What decides the student, beside the teacher and the sources."""

    plan: EmbedderPlan = field(default_factory=EmbedderPlan)
    lessons: Lessons = field(default_factory=Lessons)
    direction: float = 1.0  # weight of the cosine with the teacher
    relation: float = 10.0  # weight of the distances between crops
    most: int = 20_000  # crops
    val_share: float = 0.05
    most_val: int = 1000  # crops to validate on
    epochs: int = 30
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    amp: bool = True
    sources: tuple[str, ...] = ()  # digests

    def course(self, device: torch.device) -> Course:
        """How it is learned on a device."""
        return Course(
            epochs=self.epochs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            device=device,
            mixed=mixed_type(device, wanted=self.amp),
        )

    def settings(self, teacher: Embedder) -> dict[str, object]:
        """For settings.yaml."""
        card = teacher.card
        held = asdict(self)
        held["plan"] = self.plan.to_text()
        held["sources"] = list(self.sources)
        return {"teacher": {"name": card.name, "sha256": card.sha256, "runtime": card.runtime}, **held}


class EmbedderDistillation:
    """One training."""

    def __init__(
        self,
        teacher: Embedder,
        wanted: Distillation,
        *,
        device: torch.device,
        student: EmbedderNetwork | None = None,
    ) -> None:
        """`student`: one that goes on learning, else a new one from random numbers. Raises TrainingError."""
        card = teacher.card
        if card.dimension is None or card.input_size is None:
            raise TrainingError(f"{card.name} has no fixed size of crops or features and cannot teach; give a network")
        self._dimension, self._shown = card.dimension, card.input_size
        self._teacher, self._wanted, self._course = teacher, wanted, wanted.course(device)
        self._start = digest_of(student)
        seed_generators(wanted.lessons.seed)
        self._network = student or EmbedderNetwork(wanted.plan)
        self._stopping = False
        self._learning: Learning | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the boxes in the stock: what the teacher is shown."""
        return self._shown

    def stop(self) -> None:
        """End soon; what finished epochs learned is kept. Safe in a signal handler."""
        self._stopping = True
        if self._learning is not None:
            self._learning.stop()

    def run(
        self,
        out: Path,
        sources: Sequence[CropSource],
        *,
        resume: bool,
        gathered: Callable[[int], None],
        watcher: Watcher,
    ) -> Learned:
        """Gather crops, then learn; the best epoch's network is left in `out` as best.safetensors and best.onnx.

        `gathered`: is told how many crops were seen so far. Raises TrainingError, OutputError.
        """
        wanted = self._wanted
        settings = {**wanted.settings(self._teacher), "weights": self._start, **self._course.said}
        if resume:
            folder, state = TrainingFolder.resume(out, settings)
        else:
            folder, state = TrainingFolder.begin(out, settings), {}
            folder.save(state)  # from here on it can be resumed
        if not (out / STOCK).exists():
            try:
                crops = self._all(sources)
                fill_stock(out / STOCK, crops, most=wanted.most, seed=wanted.lessons.seed, told=gathered)
            except _StoppedError:
                return Learned(0, 0, float("-inf"), stopped=True)
        objective, material = self._lessons(out)
        self._learning = Learning(self._network, objective, self._course)
        if state:
            self._learning.restore(state)
        if self._stopping:
            self._learning.stop()
        learned = self._learning.run(material, folder, watcher=watcher)
        if learned.best_epoch:
            write_model(folder)
            folder.write_report(self._report(folder, material, learned))
        return learned

    def _report(self, folder: TrainingFolder, material: Imitation, learned: Learned) -> dict[str, object]:
        return {
            "model": MODEL,
            "parameters": sum(one.numel() for one in self._network.parameters()),
            "teacher": self._teacher.card.name,
            "epochs": learned.epochs,
            "best epoch": folder.rows[learned.best_epoch - 1],
            "stopped": learned.stopped,
            "learned": {"crops": material.learned},
            "validated": {"crops": material.validated},
        }

    def _all(self, sources: Sequence[CropSource]) -> Crops:
        for source in sources:
            for crop in source.crops():
                if self._stopping:
                    raise _StoppedError
                yield crop

    def _lessons(self, out: Path) -> tuple[ImitationLoss, Imitation]:
        wanted, lessons = self._wanted, self._wanted.lessons
        stock = open_stock(out / STOCK, self._shown)
        rows, held = held_out(len(stock), share=wanted.val_share, most=wanted.most_val, seed=lessons.seed)
        notes = None
        if lessons.views:
            notes = TeacherNotes(out / NOTES, views=lessons.views, count=len(stock), dimension=self._dimension)
        seed_generators(lessons.seed)
        objective = ImitationLoss(
            self._network.plan.dimension, self._dimension, direction=wanted.direction, relation=wanted.relation
        )
        material = Imitation(
            stock,
            rows,
            held,
            self._teacher,
            objective,
            lessons,
            sizes=(self._shown, self._network.plan.input_size),
            notes=notes,
        )
        return objective, material


class _StoppedError(Exception):
    """Somebody wants the end."""
