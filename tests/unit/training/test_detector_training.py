"""DetectorTraining: it learns, goes on to the bit, and says what is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.errors import ConfigError, ModelError, OutputError, TrainingError
from pipeline.models.yolo import YoloDetector
from pipeline.training.detector_network import build_network, freeze, start_from, train_mode
from pipeline.training.detector_settings import DetectorSettings
from pipeline.training.detector_training import DetectorTraining, Place
from pipeline.training.folder import read_state
from tests.unit.training.labelled_scene import NAMES, write_network, write_pictures
from trackers.structures import Frame


class Recorder:
    """Keeps what a training says; may stop it after so many steps, or spoil it."""

    def __init__(self, *, stop_in_epoch: int = 0) -> None:
        self.rows: list[dict[str, float]] = []
        self.losses: list[float] = []
        self.training: DetectorTraining | None = None
        self._stop_in_epoch, self._epoch = stop_in_epoch, 0

    def epoch_began(self, epoch: int, steps: int) -> None:
        self._epoch = epoch

    def stepped(self, loss: float) -> None:
        self.losses.append(loss)
        if self._epoch == self._stop_in_epoch:
            assert self.training is not None
            self.training.trainer.stop()

    def epoch_ended(self, row: Mapping[str, float]) -> None:
        self.rows.append(dict(row))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("plaza"), train=10, val=2)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> DetectorSettings:
    network = write_network(tmp_path_factory.mktemp("network") / "tiny.yaml")
    return DetectorSettings(
        str(network),
        epochs=3,
        batch=4,
        image_size=96,
        learning_rate=0.002,
        library={"nbs": 8, "warmup_epochs": 1.0, "close_mosaic": 1, "mixup": 0.5, "multi_scale": 0.34},
    )


def train(
    data: Path, settings: DetectorSettings, out: Path, *, workers: int = 0, stop_in_epoch: int = 0, resume: bool = False
) -> Recorder:
    recorder = Recorder(stop_in_epoch=stop_in_epoch)
    recorder.training = DetectorTraining(data, settings, place=Place(workers=workers))
    recorder.training.run(out, recorder, resume=resume)
    return recorder


def parameters(out: Path) -> dict[str, torch.Tensor]:
    state = read_state(out)
    return {f"{part}.{name}": value for part in ("network", "ema") for name, value in state[part].items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_two_epochs_and_one_resumed_are_three_to_the_bit(
    pictures: Path, settings: DetectorSettings, tmp_path: Path
) -> None:
    whole = train(pictures, settings, tmp_path / "whole")
    broken = train(pictures, settings, tmp_path / "broken", stop_in_epoch=3)  # in the middle of the third
    assert len(broken.rows) == 2
    resumed = train(pictures, settings, tmp_path / "broken", resume=True, workers=2)
    assert equal(parameters(tmp_path / "whole"), parameters(tmp_path / "broken"))
    assert resumed.rows[0] | {"seconds": 0} == whole.rows[2] | {"seconds": 0}
    assert resumed.losses == whole.losses[-2:]
    report = json.loads((tmp_path / "broken" / "report.json").read_text())
    assert report["epochs"] == 3
    lines = (tmp_path / "broken" / "log.csv").read_text().splitlines()
    assert len(lines) == 4
