"""Run by torchrun: a few steps of a detector's training, whose losses the first process writes as JSON.

python -m tests.unit.training.joined_detector DATA NETWORK OUT
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline.training.data_parallel import joined_ranks
from pipeline.training.detector_settings import DetectorSettings
from pipeline.training.detector_training import DetectorTraining, Place

SETTINGS = {"epochs": 2, "batch": 4, "image_size": 96, "learning_rate": 0.002, "amp": False}
LIBRARY = {"nbs": 4, "warmup_epochs": 0.0, "optimizer": "SGD"}


class Losses:
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def epoch_began(self, epoch: int, steps: int) -> None:
        """Nothing to do."""

    def stepped(self, loss: float) -> None:
        """Keep it."""
        self.losses.append(loss)

    def epoch_ended(self, row: Mapping[str, float]) -> None:
        """Nothing to do."""


def main(data: str, network: str, out: str) -> None:
    settings = DetectorSettings(network, library=dict(LIBRARY), **SETTINGS)  # type: ignore[arg-type]
    with joined_ranks("cpu") as ranks:
        heard = Losses()
        DetectorTraining(Path(data), settings, place=Place(threads=1), ranks=ranks).run(Path(out), heard)
        if ranks.first:
            (Path(out) / "losses.json").write_text(json.dumps(heard.losses), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
