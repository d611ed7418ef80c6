"""Learning: the loop that teaches a network, epoch by epoch, to a state from which it goes on bit-identically."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from pipeline.errors import TrainingError
from pipeline.training.data_parallel import Ranks
from pipeline.training.embedder_file import read_embedder, to_onnx_file, to_safetensors
from pipeline.training.embedder_network import EmbedderNetwork
from pipeline.training.embedding import network_input
from pipeline.training.folder import EPOCH, TrainingFolder
from pipeline.training.precision import mixing
from pipeline.training.random_state import keep_generators, restore_generators

SCORE = "score"  # figure of a validation that decides which epoch is the best; higher is better
BEST = "best.safetensors"
MODEL = "best.onnx"  # the same, for the product
_LARGEST_GRADIENT = 5.0  # norm of all gradients together, beyond which they are shortened


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how fast a network learns."""

    epochs: int = 60
    learning_rate: float = 1e-3  # at the top
    weight_decay: float = 0.05  # AdamW's, of matrices and filters alone
    warm_up: float = 0.05  # share of all steps in which the learning rate rises
    patience: int = 0  # epochs without a better score after which it ends; 0: never
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    mixed: torch.dtype | None = None  # short type that the network computes in; losses are always float32

    @property
    def said(self) -> dict[str, str]:
        """What it is computed on and in, for settings.yaml."""
        return {
            "device": self.device.type,
            "mixed": "" if self.mixed is None else str(self.mixed).removeprefix("torch."),
        }

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of a step, from 0, of `steps`: a straight rise, then half a cosine down to 0.

        That is one period of SGDR (Loshchilov & Hutter 2017, eq. 5) after a warm-up.
        """
        rise = max(1, round(self.warm_up * steps))
        if step < rise:
            return self.learning_rate * (step + 1) / rise
        return self.learning_rate * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise))) / 2


class Material(Protocol):
    """What a network learns from."""

    def __len__(self) -> int:
        """Steps an epoch."""

    def batches(self, epoch: int) -> Iterator[Any]:
        """This process's part of each batch, as the exercise takes it."""

    def validate(self, network: Any) -> dict[str, float]:
        """Figures of the network as it is, among them SCORE. Always the same names."""


class Exercise(Protocol):
    """What is done with a batch."""

    def loss(self, batch: Any) -> Tensor:
        """How wrong the network is about the whole batch, one number to be made smaller."""

    def content(self) -> bytes:
        """The network as it is, as a .safetensors file."""


class Watcher(Protocol):
    """Is told how a training goes."""

    def epoch_began(self, epoch: int, steps: int) -> None:
        """`epoch`: from 1. `steps`: it will take."""

    def stepped(self, loss: float) -> None:
        """A batch was learned from."""

    def epoch_ended(self, row: Mapping[str, float]) -> None:
        """`row`: of the log."""


@dataclass(frozen=True, slots=True)
class Learned:
    """How a training ended."""

    epochs: int  # done
    best_epoch: int  # 0: none was better than the start
    best_score: float
    stopped: bool  # by somebody, before it was done


class Embedding:
    """The exercise of an embedder: crops become features, which an objective judges."""

    def __init__(self, network: EmbedderNetwork, objective: nn.Module, course: Course, *, ranks: Ranks) -> None:
        """`objective(features, targets)` gives the loss of (n, d) unit-length features of the whole batch."""
        self._network, self._objective, self._course, self._ranks = network, objective, course, ranks

    def loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Of (n, H, W, 3) uint8 crops, blue green red, and (n, ...) targets."""
        device = self._course.device
        crops, targets = batch
        pictures = network_input(crops.to(device, non_blocking=True))
        with mixing(device, self._course.mixed):
            features = self._network(pictures)
        features = self._ranks.gather(features.float())
        loss: Tensor = self._objective(features, self._ranks.gather(targets.to(device)))
        return loss

    def content(self) -> bytes:
        """The network as it is."""
        return to_safetensors(self._network)


class Learning:
    """A network, its objective (a module, as it may have parameters of its own), and where their training stands."""

    def __init__(
        self,
        network: nn.Module,
        objective: nn.Module,
        course: Course,
        *,
        exercise: Exercise | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        """`exercise`: of this network and this objective; an `EmbedderNetwork` has `Embedding`.

        What of both needs no gradients now learns nothing.
        """
        self.network = network.to(course.device).to(memory_format=torch.channels_last)
        self.objective = objective.to(course.device)
        self._course = course
        self._ranks = ranks or Ranks()
        if exercise is None:
            assert isinstance(network, EmbedderNetwork)
            exercise = Embedding(network, objective, course, ranks=self._ranks)
        self._exercise = exercise
        self._watcher: Watcher | None = None
        self._parameters = [one for one in (*network.parameters(), *objective.parameters()) if one.requires_grad]
        self._optimiser = torch.optim.AdamW(_groups(self._parameters, course.weight_decay), lr=course.learning_rate)
        self._scaler = torch.amp.GradScaler(course.device.type, enabled=course.mixed == torch.float16)
        self._epoch = self._step = self._best_epoch = 0
        self._best = -math.inf
        self._stopping = False

    def stop(self) -> None:
        """End after the step in hand; the epoch is lost, those before are kept. Safe in a signal handler, and before
        there is a step.
        """
        self._stopping = True

    def opened(self, out: Path, settings: Mapping[str, object], *, resume: bool) -> TrainingFolder | None:
        """The folder of a new training, or of the one in it, which is gone on with; of the first process alone.

        `settings`: all that decides the result. Raises TrainingError where the folder does not fit, OutputError.
        """
        if not resume:
            return TrainingFolder.begin(out, settings) if self._ranks.first else None
        folder, state = TrainingFolder.resume(out, settings)
        self.restore(state)
        return folder if self._ranks.first else None

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `run` has kept in a folder."""
        self.network.load_state_dict(state["network"])
        self.objective.load_state_dict(state["objective"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._scaler.load_state_dict(state["scaler"])
        self._epoch, self._step = state["epoch"], state["step"]
        self._best, self._best_epoch = state["best"], state["best_epoch"]
        restore_generators(state["generators"])

    def run(self, material: Material, folder: TrainingFolder | None, *, watcher: Watcher | None = None) -> Learned:
        """Learn to the end of the course. `folder`: of the first process; None in all others.

        Raises TrainingError where the loss is no number, OutputError where the folder cannot be written.
        """
        self._watcher = watcher
        course, steps = self._course, self._course.epochs * len(material)
        if folder is not None and not self._epoch:
            folder.save(self._state())
        while self._epoch < course.epochs and not self._done():
            start = time.perf_counter()
            if self._watcher is not None:
                self._watcher.epoch_began(self._epoch + 1, len(material))
            loss = self._learn(material, steps)
            if loss is None:
                return Learned(self._epoch, self._best_epoch, self._best, stopped=True)
            self._epoch += 1
            figures = self._ranks.from_first(material.validate(self.network) if self._ranks.first else None)
            rate = course.rate(self._step - 1, steps)
            self._keep(folder, {EPOCH: self._epoch, "loss": loss, **figures, "learning rate": rate}, start)
        return Learned(self._epoch, self._best_epoch, self._best, stopped=False)

    def _done(self) -> bool:
        return bool(self._course.patience) and self._epoch - self._best_epoch >= self._course.patience

    def _learn(self, material: Material, steps: int) -> float | None:
        """Mean loss of an epoch; None where it was stopped."""
        self.network.train()
        self.objective.train()
        total, count = 0.0, 0
        for batch in material.batches(self._epoch + 1):
            if self._ranks.any(self._stopping):
                return None
            loss = self._learn_batch(batch, self._course.rate(self._step, steps))
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss is {loss} in epoch {self._epoch + 1}, step {count + 1} of {len(material)}; "
                    "lower --learning-rate, or use --no-amp"
                )
            self._step, total, count = self._step + 1, total + loss, count + 1
            if self._watcher is not None:
                self._watcher.stepped(loss)
        return total / max(1, count)

    def _learn_batch(self, batch: Any, rate: float) -> float:
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        loss = self._exercise.loss(batch)
        self._optimiser.zero_grad()
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._ranks.average_gradients(self._parameters)  # scaled: so all processes see where float16 was left
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_(self._parameters, _LARGEST_GRADIENT)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        return float(loss.detach())

    def _keep(self, folder: TrainingFolder | None, row: dict[str, float], start: float) -> None:
        """Remember whether it was the best epoch, and write what is needed to go on."""
        if not math.isfinite(row[SCORE]):
            raise TrainingError(f"the validation gives the score {row[SCORE]} in epoch {self._epoch}; check the data")
        better = row[SCORE] > self._best
        if better:
            self._best, self._best_epoch = row[SCORE], self._epoch
        if folder is None:
            return
        if better:
            folder.write_bytes(BEST, self._exercise.content())
        row["seconds"] = round(time.perf_counter() - start, 3)
        folder.save(self._state(), row)
        if self._watcher is not None:
            self._watcher.epoch_ended(row)

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "epoch": self._epoch,
            "step": self._step,
            "best": self._best,
            "best_epoch": self._best_epoch,
            "generators": keep_generators(),
        }


def write_model(folder: TrainingFolder) -> None:
    """Write MODEL of an embedder from BEST. Raises OutputError."""
    folder.write_bytes(MODEL, to_onnx_file(read_embedder(folder.path / BEST)))


def _groups(parameters: list[nn.Parameter], decay: float) -> list[dict[str, Any]]:
    """Matrices and filters decay; what scales and shifts does not."""
    return [
        {"params": [one for one in parameters if one.ndim > 1], "weight_decay": decay},
        {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
    ]
