"""DetectorTraining: it learns, goes on to the bit, and says what is wrong."""

from __future__ import annotations

import json
import math
import multiprocessing
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import ConfigError, ModelError, OutputError, TrainingError
from pipeline.models.ultralytics_library import load_network
from pipeline.models.yolo import YoloDetector
from pipeline.training.data_parallel import Ranks
from pipeline.training.detector_network import build_network, freeze, start_from, train_mode
from pipeline.training.detector_onnx import detector_onnx
from pipeline.training.detector_pictures import batches_of
from pipeline.training.detector_settings import OF_WEIGHTS, DetectorSettings
from pipeline.training.detector_training import DetectorTraining, Place
from pipeline.training.folder import read_state
from tests.conftest import ROOT
from tests.unit.training import joined_detector
from tests.unit.training.labelled_scene import NAMES, write_network, write_pictures
from trackers.structures import Frame

ONE = Place(threads=1)  # tests share the cores


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
    recorder.training = DetectorTraining(data, settings, place=Place(workers=workers, threads=1))
    recorder.training.run(out, recorder, resume=resume)
    return recorder


def parameters(out: Path) -> dict[str, torch.Tensor]:
    state = read_state(out)
    return {f"{part}.{name}": value for part in ("network", "ema") for name, value in state[part].items()}


def equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.long
def test_two_epochs_and_one_resumed_are_three_to_the_bit(
    pictures: Path, settings: DetectorSettings, tmp_path: Path
) -> None:
    whole = train(pictures, settings, tmp_path / "whole")
    broken = train(pictures, settings, tmp_path / "broken", stop_in_epoch=3)  # in the middle of the third
    assert len(broken.rows) == 2
    resumed = train(pictures, settings, tmp_path / "broken", resume=True, workers=2)
    assert multiprocessing.active_children() == []
    assert equal(parameters(tmp_path / "whole"), parameters(tmp_path / "broken"))
    assert resumed.rows[0] | {"seconds": 0} == whole.rows[2] | {"seconds": 0}
    assert resumed.losses == whole.losses[-2:]
    report = json.loads((tmp_path / "broken" / "report.json").read_text())
    assert report["epochs"] == 3
    lines = (tmp_path / "broken" / "log.csv").read_text().splitlines()
    assert len(lines) == 4


def test_other_settings_data_or_a_full_folder_are_refused(
    pictures: Path, settings: DetectorSettings, tmp_path: Path
) -> None:
    train(pictures, settings, tmp_path, stop_in_epoch=1)  # nothing is learned yet, and it can go on all the same
    assert read_state(tmp_path)["epochs_done"] == 0
    with pytest.raises(TrainingError, match="--resume goes on"):
        train(pictures, settings, tmp_path)
    with pytest.raises(TrainingError, match=r"focal is 0\.0 there and 2\.0 here"):
        train(pictures, replace(settings, focal=2.0), tmp_path, resume=True)
    other = write_pictures(tmp_path / "other", train=9, val=2)
    with pytest.raises(TrainingError, match="train_pictures is 10 there and 9 here; data_sha256"):
        train(other, settings, tmp_path, resume=True)
    changed = write_network(tmp_path / Path(settings.architecture).name)
    changed.write_text(changed.read_text() + "# a word\n")
    with pytest.raises(TrainingError, match="architecture_sha256"):
        train(pictures, replace(settings, architecture=str(changed)), tmp_path, resume=True)


def test_a_loss_that_is_no_number_ends_it(pictures: Path, settings: DetectorSettings, tmp_path: Path) -> None:
    class Spoiler(Recorder):
        def epoch_ended(self, row: Mapping[str, float]) -> None:
            super().epoch_ended(row)
            assert self.training is not None
            next(self.training.trainer.model.parameters()).data.fill_(math.nan)

    spoiler = Spoiler()
    spoiler.training = DetectorTraining(pictures, settings, place=ONE)
    with pytest.raises(TrainingError, match=r"the loss is nan in epoch 2, step 1 of 2.*--learning-rate") as caught:
        spoiler.training.run(tmp_path / "out", spoiler)
    assert "--no-amp" in str(caught.value)
    kept = read_state(tmp_path / "out")
    assert kept["epochs_done"] == 1
    assert all(bool(value.isfinite().all()) for value in kept["network"].values())


def test_a_full_disk_leaves_the_epoch_before(pictures: Path, settings: DetectorSettings, tmp_path: Path) -> None:
    class Filler(Recorder):
        def epoch_ended(self, row: Mapping[str, float]) -> None:
            super().epoch_ended(row)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limit[1]))

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    filler = Filler()
    filler.training = DetectorTraining(pictures, settings, place=ONE)
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            filler.training.run(tmp_path / "out", filler)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, heard)
    assert read_state(tmp_path / "out")["epochs_done"] == 1
    train(pictures, settings, tmp_path / "out", resume=True)
    assert read_state(tmp_path / "out")["epochs_done"] == 3


def test_it_ends_when_no_better_score_comes(pictures: Path, settings: DetectorSettings, tmp_path: Path) -> None:
    held = replace(settings, epochs=8, patience=2, learning_rate=0.0)  # scores of 0 are no reason: they may yet rise
    weak = DetectorTraining(pictures, held, place=ONE)
    weak.trainer.stopper.best_fitness, weak.trainer.stopper.best_epoch = 0.5, 1
    recorder = Recorder()
    outcome = weak.run(tmp_path, recorder)
    assert (outcome.epochs, outcome.best_epoch, outcome.stopped) == (3, 1, False)


def test_patience_counts_nothing_before_the_first_score(
    pictures: Path, settings: DetectorSettings, tmp_path: Path
) -> None:
    rarely = replace(settings, epochs=4, patience=1, validate_every=3)
    recorder = train(pictures, rarely, tmp_path)
    assert [row["epoch"] for row in recorder.rows if row["ap"] == row["ap"]] == [3, 4]
    assert (tmp_path / "best.pt").exists()


def test_frozen_modules_keep_weights_and_statistics(settings: DetectorSettings) -> None:
    network = build_network(settings.architecture, NAMES, seed=0)
    freeze(network, 3)
    train_mode(network, 3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD([one for one in network.parameters() if one.requires_grad], 0.1)
    predicted = network(torch.rand(2, 3, 64, 64))
    (predicted["scores"].mean() + predicted["boxes"].mean()).backward()
    optimizer.step()
    after = network.state_dict()
    frozen = [name for name in before if int(name.split(".")[1]) < 3]
    assert any("running_mean" in name for name in frozen)
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert not torch.equal(before["model.4.conv.weight"], after["model.4.conv.weight"])
    assert not torch.equal(before["model.4.bn.running_mean"], after["model.4.bn.running_mean"])
    with pytest.raises(ModelError, match="leaves nothing to train: the network has 8 modules"):
        freeze(network, 8)


def test_a_model_is_the_start_of_another_with_other_classes(
    pictures: Path, settings: DetectorSettings, tmp_path: Path
) -> None:
    first = train(pictures, replace(settings, epochs=1), tmp_path / "first")
    best = tmp_path / "first" / "best.pt"
    detector = YoloDetector(best)
    assert detector.card.classes == tuple(NAMES)
    assert len(detector.detect([Frame(np.zeros((96, 128, 3), np.uint8), 0, 0.0, 0)])) == 1
    network = build_network(settings.architecture, ["new", "odd", "even"], seed=5)
    head = [name for name, _ in network.named_parameters() if "cv3" in name and name.endswith("2.weight")]
    random = {name: value.clone() for name, value in network.state_dict().items()}
    assert start_from(network, best, seed=5) > 300_000
    kept, source = network.state_dict(), torch.load(best, weights_only=False)["model"].float().state_dict()
    assert torch.equal(kept["model.0.conv.weight"], source["model.0.conv.weight"])
    assert head
    for name in head:  # of each scale: rows go with their names, the new class stays random
        assert torch.equal(kept[name][[2, 1]], source[name])
        assert torch.equal(kept[name][0], random[name][0])
    assert network.names == {0: "new", 1: "odd", 2: "even"}
    (tmp_path / "best.onnx").write_bytes(detector_onnx(load_network(best), None, half=True))
    other = build_network(settings.architecture, ["new", "odd", "even"], seed=5)
    start_from(other, tmp_path / "best.onnx", seed=5)
    for name, value in kept.items():
        if "num_batches_tracked" not in name:
            assert torch.equal(other.state_dict()[name], value), name
    assert first.rows[0]["epoch"] == 1
    for weights in (best, tmp_path / "best.onnx"):  # who names no architecture gets that of the weights
        held = replace(settings, architecture=OF_WEIGHTS, weights=str(weights))
        training = DetectorTraining(pictures, held, place=ONE)
        assert training.taken_over > 0.99 * training.parameters  # the others are what they were at random, too


def test_weights_that_cannot_be_started_from(settings: DetectorSettings, tmp_path: Path) -> None:
    network = build_network(settings.architecture, NAMES, seed=0)
    (tmp_path / "bad.pt").write_bytes(b"nothing")
    for name, says in (("absent.pt", "no weights file"), ("bad.pt", "ultralytics refuses"), ("a.pth", "no weights")):
        with pytest.raises(ModelError, match=says):
            start_from(network, tmp_path / name, seed=0)


@pytest.mark.parametrize(
    ("architecture", "says"),
    [
        ("yolo11q", "is unknown"),
        ("nowhere.yaml", "there is no architecture"),
        ("yolov8n-cls", "is no detector of boxes"),
        ("yolov8n-seg", "is no detector of boxes"),
    ],
)
def test_architectures_that_are_none(architecture: str, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        build_network(architecture, NAMES, seed=0)


def test_devices_that_are_not_there(pictures: Path, settings: DetectorSettings) -> None:
    with pytest.raises(ConfigError, match="torch has no such device here; there are cpu"):
        DetectorTraining(pictures, settings, place=Place("cuda:99"))


def test_a_batch_is_shared_evenly_or_not_at_all(pictures: Path, settings: DetectorSettings) -> None:
    with pytest.raises(ConfigError, match="--batch 4 cannot be shared evenly by 3 processes"):
        DetectorTraining(pictures, settings, ranks=Ranks(0, 3))


@pytest.mark.parametrize("share", [(0, 2), (1, 2)])
def test_shares_of_a_batch_are_the_batch(share: tuple[int, int]) -> None:
    whole = batches_of(11, seed=3, epoch=5, batch=4)
    parts = batches_of(11, seed=3, epoch=5, batch=4, share=share)
    assert [len(batch) for batch in whole] == [4, 4]
    assert parts == [batch[2 * share[0] : 2 * share[0] + 2] for batch in whole]
    assert len({index for batch in whole for _, index in batch}) == 8
    assert whole != batches_of(11, seed=3, epoch=6, batch=4)
    assert batches_of(3, seed=0, epoch=0, batch=8)[0] != []
    assert batches_of(0, seed=0, epoch=0, batch=8) == []


@pytest.mark.long
def test_two_processes_have_the_loss_of_one(pictures: Path, settings: DetectorSettings, tmp_path: Path) -> None:
    words = str(pictures), settings.architecture
    joined_detector.main(*words, str(tmp_path / "one"))
    module = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", joined_detector.__name__]
    done = subprocess.run(
        [sys.executable, *module, *words, str(tmp_path / "two")],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, two = (json.loads((tmp_path / out / "losses.json").read_text()) for out in ("one", "two"))
    assert len(one) == 4
    np.testing.assert_allclose(one, two, rtol=2e-4)
    first, second = (parameters(tmp_path / out) for out in ("one", "two"))
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-2, atol=2e-3, msg=name)
    assert YoloDetector(tmp_path / "two" / "best.pt").card.classes == tuple(NAMES)
