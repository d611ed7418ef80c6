"""One training of a detector: from a data set and settings to a folder with the best model and a report."""

from __future__ import annotations

import hashlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import ModelError
from pipeline.models.ultralytics_library import VERSION
from pipeline.training.data_parallel import Ranks
from pipeline.training.detection_check import Told
from pipeline.training.detection_data import read_detection_data
from pipeline.training.detector_network import build_network, start_from
from pipeline.training.detector_progress import TrainingFiles, TrainingObserver, TrainingOutcome
from pipeline.training.detector_settings import NO_WEIGHTS, DetectorSettings
from pipeline.training.detector_trainer import BEST, DetectorTrainer
from pipeline.training.folder import TrainingFolder, read_state
from pipeline.training.labelled import DetectionData
from pipeline.training.precision import training_device, use_threads


@dataclass(frozen=True, slots=True)
class Place:
    """Where a training runs; decides nothing of the result but rounding."""

    device: str = "cpu"
    workers: int = 0  # processes that prepare pictures, for each one that trains
    threads: int = 0  # of torch in each process; 0: all cores
    local_rank: int = 0


class DetectorTraining:
    """A training that is set up. Nothing is written before `run`."""

    def __init__(
        self,
        data: Path,
        settings: DetectorSettings,
        *,
        place: Place | None = None,
        ranks: Ranks | None = None,
        told: Told | None = None,
    ) -> None:
        """Reads and checks everything. `data`, `told`: see `read_detection_data`. Raises every kind of ours."""
        place = place or Place()
        self.ranks = ranks or Ranks()
        self.settings = settings
        device = training_device(place.device, place.local_rank)
        if device.type == "cuda":
            torch.cuda.set_device(device)  # by which the processes talk
        self.data: DetectionData = read_detection_data(data, told)
        weights = None if settings.weights == NO_WEIGHTS else Path(settings.weights)
        network = build_network(settings.architecture, self.data.names, seed=settings.seed, weights=weights)
        self.taken_over = 0 if weights is None else start_from(network, weights, seed=settings.seed)
        self.parameters = sum(parameter.numel() for parameter in network.parameters())
        with tempfile.TemporaryDirectory(prefix="sightline-training-") as scratch:
            self.trainer = DetectorTrainer(
                network,
                self.data,
                settings,
                scratch=Path(scratch),
                device=device,
                ranks=self.ranks,
                workers=place.workers,
            )
        use_threads(place.threads)

    def run(self, out: Path, observer: TrainingObserver, *, resume: bool = False) -> TrainingOutcome:
        """Train into a folder, or go on with what is in it. Raises TrainingError, OutputError."""
        state: dict[str, Any] | None = None
        files: TrainingFiles = _Nowhere()
        began = time.monotonic()
        if not self.ranks.first:
            state = read_state(out) if resume else None
        elif resume:
            files, state = TrainingFolder.resume(out, self.described())
        else:
            files = TrainingFolder.begin(out, self.described())
        self.trainer.fit(files, observer, state)
        outcome = self.trainer.outcome
        if isinstance(files, TrainingFolder) and not outcome.stopped:
            files.write_report(self._report(out, files.rows, outcome, time.monotonic() - began))
        return outcome

    def described(self) -> dict[str, object]:
        """All that decides the result."""
        return {
            "task": "detector",
            **self.settings.as_mapping(),
            "learning_rate": self.settings.rate(len(self.data.names)),
            "architecture_sha256": _digest(self.settings.architecture),
            "weights_sha256": _digest(self.settings.weights),
            "names": list(self.data.names),
            "train_pictures": len(self.data.train),
            "val_pictures": len(self.data.val),
            "data_sha256": self.data.digest,
        }

    def lines(self) -> list[str]:
        """What will be trained, on what."""
        pictures = {picture.path: picture for picture in self.data.train}.values()
        boxes = sum(len(picture.labels) for picture in pictures)
        empty = sum(not len(picture.labels) for picture in pictures)
        shown = len(self.data.train)
        often = f", {shown} an epoch" if shown > len(pictures) else ""
        without = f" ({empty} show none)" if empty else ""
        start = f"{self.taken_over} of them from {self.settings.weights}" if self.taken_over else "random at the start"
        return [
            f"data      {len(pictures)} pictures with {boxes} boxes of {', '.join(self.data.names)}{without}{often}; "
            f"{len(self.data.val)} to judge by",
            f"network   {self.settings.architecture}: {self.parameters} parameters, {start}; {self.trainer.precision}",
        ]

    def closing_lines(self, out: Path, outcome: TrainingOutcome) -> list[str]:
        """How it ended, and what to do next."""
        if outcome.stopped:
            return [
                f"stopped after {outcome.epochs} of {self.settings.epochs} epochs; --resume with the same words goes on"
            ]
        early = " (no better score came)" if outcome.epochs < self.settings.epochs else ""
        return [
            f"best      epoch {outcome.best_epoch} of {outcome.epochs}{early}: AP50-95 {outcome.best_score:.3f}",
            f"model     {out / BEST}; use it with --set detector.weights={out / BEST}",
        ]

    def _report(
        self, out: Path, rows: list[dict[str, float]], outcome: TrainingOutcome, seconds: float
    ) -> dict[str, object]:
        best = next((row for row in rows if row["epoch"] == outcome.best_epoch), {})
        return {
            "task": "detector",
            "model": BEST,
            "sha256": _digest(str(out / BEST)),
            "names": list(self.data.names),
            "parameters": self.parameters,
            "parameters_taken_over": self.taken_over,
            "train_pictures": len(self.data.train),
            "val_pictures": len(self.data.val),
            "epochs": outcome.epochs,
            "best": {key: value for key, value in best.items() if value == value},
            "seconds": round(sum(row["seconds"] for row in rows), 1),
            "seconds_of_this_part": round(seconds, 1),
            "precision": self.trainer.precision,
            "versions": {"torch": torch.__version__, "ultralytics": VERSION},
        }


class _Nowhere:
    """What processes other than the first write to."""

    def save(self, state: dict[str, Any], row: dict[str, float] | None = None) -> None:
        """Keep nothing."""

    def write_bytes(self, name: str, content: bytes) -> None:
        """Keep nothing."""


def _digest(file: str) -> str:
    """SHA-256 of a file; empty for a name that is none. Raises ModelError where it cannot be read."""
    path = Path(file)
    if not path.suffix:
        return ""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}; check the path") from error
