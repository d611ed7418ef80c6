"""`sightline train siamese` learns, goes on to the bit, says what is wrong, and the product follows with the result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from pipeline.sinks.h264_file import H264File
from pipeline.synthetic.ground_truth import write_truth
from pipeline.synthetic.scene import Scene
from pipeline.training.detection_data import read_detection_data
from pipeline.training.folder import read_state
from pipeline.training.siamese_file import read_siamese
from pipeline.training.siamese_network import TEMPLATE, SiameseNetwork, SiamesePlan
from pipeline.training.siamese_pairs import Drawing
from pipeline.training.siamese_sights import Stills
from pipeline.training.siamese_training import SiameseSettings, SiameseTraining
from tests.integration.command import call_main
from tests.unit.training.labelled_scene import write_pictures
from trackers.siamese_networks import SiameseNetworks
from trackers.structures import FloatArray, ImageArray

CPU = torch.device("cpu")
TINY = SiamesePlan(widths=(4, 8, 16, 16), repeats=(0, 0, 1, 1), channels=16, head=16, depth=1)
FEW = ("--pairs", 8, "--batch", 4, "--judged", 4, "--epochs", 1, "--no-amp")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered people in pictures; their data.yaml."""
    return write_pictures(tmp_path_factory.mktemp("data"), train=24, val=12)


@pytest.fixture(scope="module")
def plaza(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered people along a video."""
    folder = tmp_path_factory.mktemp("data") / "plaza"
    folder.mkdir()
    scene = Scene(6.0, size=(640, 360), fps=4.0, seed=3)
    with H264File(folder / "video.mp4", fps=scene.fps) as video:
        for index in range(len(scene)):
            video.write(scene.frame(index).image, index / scene.fps)
    write_truth(folder, scene, scene.truths())
    return folder


class StopsIn:
    """A watcher that ends the training in the first step of an epoch."""

    def __init__(self, training: SiameseTraining, epoch: int) -> None:
        self._training, self._last, self._epoch = training, epoch, 0

    def epoch_began(self, epoch: int, steps: int) -> None:
        self._epoch = epoch

    def stepped(self, loss: float) -> None:
        if self._epoch == self._last:
            self._training.stop()

    def epoch_ended(self, row: Mapping[str, float]) -> None:
        pass


def quadrants(crops: ImageArray) -> FloatArray:
    """A teacher's maps: the colours themselves, a cell each 16 pixels, of three channels and not alike."""
    cells = -(-crops.shape[1] // 16)
    padded = np.pad(crops, ((0, 0), (0, 16 * cells - crops.shape[1]), (0, 16 * cells - crops.shape[2]), (0, 0)))
    means = padded.reshape(len(crops), cells, 16, cells, 16, 3).mean(axis=(2, 4))
    return np.ascontiguousarray((means.transpose(0, 3, 1, 2) - 120) / 50, np.float32)


def no_answer(templates: FloatArray, maps: FloatArray) -> tuple[FloatArray, FloatArray]:
    raise AssertionError("a teacher is only asked what it sees")


TEACHER = SiameseNetworks(template=quadrants, search=quadrants, compare=no_answer)


def training(
    labelled: Path, *, epochs: int, pairs: int = 24, judged: int = 8, teacher: SiameseNetworks | None = None
) -> SiameseTraining:
    data = read_detection_data(labelled)
    torch.manual_seed(0)
    settings = SiameseSettings(
        drawing=Drawing(pairs=pairs, batch=4, seed=1), judged=judged, epochs=epochs, amp=False, learning_rate=4e-3
    )
    return SiameseTraining(
        SiameseNetwork(TINY),
        settings,
        learned=Stills(data.train),
        validated=Stills(data.val, parts=0),
        device=CPU,
        teacher=teacher,
    )


@pytest.mark.long
def test_it_learns_where_the_target_is_and_what_a_teacher_sees(labelled: Path, tmp_path: Path) -> None:
    taught = training(labelled, epochs=4, pairs=160, judged=24, teacher=TEACHER)
    learned = taught.run(tmp_path / "out", resume=False)
    assert (learned.epochs, learned.stopped) == (4, False)
    rows = read_state(tmp_path / "out")["log"]
    assert rows[-1]["loss"] < 0.6 * rows[0]["loss"]
    assert max(row["score"] for row in rows[1:]) > rows[0]["score"] + 0.08
    assert {"above half", "told apart"} <= set(rows[0])
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["best epoch"]["score"] == max(row["score"] for row in rows) == learned.best_score
    assert report["pairs"] == 4 * 160
    assert read_siamese(tmp_path / "out/best.onnx").plan == TINY


def test_what_was_stopped_goes_on_to_the_bit(labelled: Path, tmp_path: Path) -> None:
    few: dict[str, Any] = {"epochs": 3, "pairs": 8, "judged": 4, "teacher": TEACHER}
    training(labelled, **few).run(tmp_path / "whole", resume=False)
    stopped = training(labelled, **few)
    ended = stopped.run(tmp_path / "parts", resume=False, watcher=StopsIn(stopped, 2))
    assert (ended.stopped, ended.epochs) == (True, 1)
    training(labelled, **few).run(tmp_path / "parts", resume=True)
    whole, parts = read_state(tmp_path / "whole"), read_state(tmp_path / "parts")
    assert whole["epoch"] == parts["epoch"] == 3
    for part in ("network", "objective"):
        assert all(torch.equal(value, parts[part][name]) for name, value in whole[part].items())
    for before, after in zip(whole["log"], parts["log"], strict=True):
        assert before | {"seconds": 0} == after | {"seconds": 0}
    assert (tmp_path / "whole/best.onnx").read_bytes() == (tmp_path / "parts/best.onnx").read_bytes()


def test_a_teacher_of_other_crops_is_refused(labelled: Path) -> None:
    other = SiameseNetworks(quadrants, quadrants, no_answer, template_size=TEMPLATE + 1)
    with pytest.raises(Exception, match=r"crops of 128 and 255 pixels, 16 a cell, but the network at 127"):
        training(labelled, epochs=1, teacher=other)


def test_the_command_makes_a_file_that_follow_takes(labelled: Path, plaza: Path, shared: Path, tmp_path: Path) -> None:
    networks = shared / "weights/nanotrack_v2"
    teacher = [
        word for part in ("backbone", "head") for word in (f"--teacher-{part}", networks / f"nanotrack_{part}_sim.onnx")
    ]
    start = ("--weights", "bundled:person-vehicle-bicycle", "--freeze", 5)
    done = call_main("train", "siamese", labelled, plaza, "--out", "out", *start, *teacher, *FEW, folder=tmp_path)
    assert done.code == 0, done.err
    assert "epoch 1/1" in done.out
    assert "best        epoch 1" in done.out
    settings = yaml.safe_load((tmp_path / "out/settings.yaml").read_text())
    assert [text[:7] for text in settings["teacher"]] == ["sha256:", "sha256:"]
    assert len(settings["data"]["sequences"]) == len(settings["data"]["pictures"]) == 1
    words = (
        "--tracker",
        "siamese",
        "--set",
        "target.weights=out/best.onnx",
        "--box",
        "300,150,40,80",
        "--out",
        "b.txt",
    )
    followed = call_main("follow", plaza / "video.mp4", *words, folder=tmp_path)
    assert followed.code == 0, followed.err
    assert np.loadtxt(tmp_path / "b.txt", delimiter=",").shape == (24, 5)
    other = call_main("train", "siamese", labelled, plaza, "--out", "out", *start, *FEW, "--resume", folder=tmp_path)
    assert other.code == 2
    assert "teacher is" in other.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent"], "absent is no folder"),
        (["{plaza}"], "nothing to validate on"),
        (["{plaza}/gt", "--validation", "{plaza}"], "gt/gt.txt is missing"),
        (["absent.yaml"], "absent.yaml"),
        (["{labelled}", "--freeze", "2"], "give --weights"),
        (["{labelled}", "--freeze", "9", "--weights", "bundled:person-vehicle-bicycle"], "the trunk has 7"),
        (["{labelled}", "--weights", "bundled:person"], "did you mean bundled:person"),
        (["{labelled}", "--weights", "bundled:person-reid"], "--weights: model 'bundled:person-reid' is for 'embed'"),
        (["{labelled}", "--weights", "yolo11q"], "--weights: there is no file and no model 'yolo11q'; did you mean"),
        (["{labelled}", "--weights", "absent.safetensors"], "cannot be read as safetensors"),
        (["{labelled}", "--teacher-head", "a.onnx"], "give both --teacher-backbone and --teacher-head"),
        (["{labelled}", "--teacher-head", "a.onnx", "--teacher-backbone", "b.onnx"], "b.onnx"),
        (["{labelled}", "--device", "cuda:99"], "torch has no such device here"),
        (["{labelled}", "--resume"], "no training was begun"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    words: list[str], said: str, labelled: Path, plaza: Path, tmp_path: Path
) -> None:
    filled = [word.format(labelled=labelled, plaza=plaza) for word in words]
    done = call_main("train", "siamese", *filled, "--out", tmp_path / "out", *FEW, folder=tmp_path)
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert not (tmp_path / "out").exists()
