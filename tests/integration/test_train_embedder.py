"""`sightline train embedder` learns, goes on to the bit, learns the same in two processes, and says what is wrong."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from pipeline.clips.originals import Originals
from pipeline.config import load_settings
from pipeline.runs import Run
from pipeline.sinks.h264_file import H264File
from pipeline.store.database import open_database
from pipeline.store.filters import ObjectOrder, scope_of
from pipeline.store.queries import page_objects
from pipeline.store.review import merge_objects, set_verdict
from pipeline.store.run_queries import find_run
from pipeline.store.states import Verdict
from pipeline.synthetic.ground_truth import write_truth
from pipeline.synthetic.scene import Scene
from pipeline.training.embedder_network import EmbedderPlan
from pipeline.training.embedder_training import EmbedderSettings, EmbedderTraining
from pipeline.training.folder import read_state
from pipeline.training.identity_data import read_folder
from pipeline.training.run_identities import read_run
from tests.integration.command import call_main, environment

SMALL = ("--input-size", "64x32", "--identities", 4, "--crops", 8, "--most", 24)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def plaza(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rendered sequence of some fifteen people, with its truth."""
    folder = tmp_path_factory.mktemp("data") / "plaza"
    folder.mkdir()
    scene = Scene(40.0, size=(640, 360), fps=4.0, seed=3)
    with H264File(folder / "video.mp4", fps=scene.fps) as video:
        for index in range(len(scene)):
            video.write(scene.frame(index).image, index / scene.fps)
    write_truth(folder, scene, scene.truths())
    return folder


@pytest.fixture(scope="module")
def tracked(plaza: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a run over it. Not to be changed."""
    database = tmp_path_factory.mktemp("tracked") / "runs.db"
    Run([str(plaza / "video.mp4")], load_settings("motion", [f"store.database={database}"])).execute()
    return database


def log_of(folder: Path) -> list[dict[str, float]]:
    with (folder / "log.csv").open(encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


class StopsIn:
    """A watcher that ends the training in the first step of an epoch."""

    def __init__(self, training: EmbedderTraining, epoch: int) -> None:
        self._training, self._last, self._epoch = training, epoch, 0

    def epoch_began(self, epoch: int, steps: int) -> None:
        self._epoch = epoch

    def stepped(self, loss: float) -> None:
        if self._epoch == self._last:
            self._training.stop()

    def epoch_ended(self, row: Mapping[str, float]) -> None:
        pass


def test_it_learns_and_the_product_takes_the_result(plaza: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call_main("train", "embedder", plaza, "--out", out, "--epochs", 5, *SMALL, folder=tmp_path)
    assert done.code == 0, done.err
    assert "crops of 3 others" in done.out
    rows = log_of(out)
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[-1]["loss"] < 0.85 * rows[0]["loss"]
    assert rows[-1]["score"] > rows[0]["score"] + 0.03
    report = json.loads((out / "report.json").read_text())
    assert report["best epoch"]["score"] == max(row["score"] for row in rows)
    assert report["parameters"] < 1_500_000
    assert yaml.safe_load((out / "settings.yaml").read_text())["plan"]["input_size"] == [64, 32]
    weights = f"embedder.weights={out / 'best.onnx'}"
    words = ("--max-frames", 12, "--set", weights, "--set", "embedder.backend=auto", "--database", tmp_path / "a.db")
    run = call_main("run", plaza / "video.mp4", *words, folder=tmp_path)
    assert run.code == 0, run.err
    further = ("--weights", out / "best.safetensors", "--freeze", "--loss", "arcface", "--epochs", 1, *SMALL[2:])
    tuned = call_main("train", "embedder", plaza, "--out", tmp_path / "tuned", *further, folder=tmp_path)
    assert tuned.code == 0, tuned.err
    first, second = (load_file(folder / "best.safetensors") for folder in (out, tmp_path / "tuned"))
    assert torch.equal(first["trunk.0.0.weight"], second["trunk.0.0.weight"])  # frozen
    assert not torch.equal(first["project.weight"], second["project.weight"])


def test_what_was_stopped_goes_on_to_the_bit(plaza: Path, tmp_path: Path) -> None:
    plan = EmbedderPlan(input_size=(64, 32), dimension=32, widths=(8, 16, 24, 32))
    settings = EmbedderSettings(plan, loss="arcface", people=4, crops=8, epochs=3)
    crops = read_folder(plaza, (64, 32), most=8)
    EmbedderTraining(crops, settings, device=CPU).run(tmp_path / "whole", resume=False)
    stopped = EmbedderTraining(crops, settings, device=CPU)
    ended = stopped.run(tmp_path / "parts", resume=False, watcher=StopsIn(stopped, 2))
    assert (ended.stopped, ended.epochs) == (True, 1)
    EmbedderTraining(crops, settings, device=CPU).run(tmp_path / "parts", resume=True)
    whole, parts = read_state(tmp_path / "whole"), read_state(tmp_path / "parts")
    assert whole["epoch"] == parts["epoch"] == 3
    for part in ("network", "objective"):
        assert all(torch.equal(value, parts[part][name]) for name, value in whole[part].items())
    for before, after in zip(whole["log"], parts["log"], strict=True):
        assert before | {"seconds": 0} == after | {"seconds": 0}
    assert (tmp_path / "whole/best.onnx").read_bytes() == (tmp_path / "parts/best.onnx").read_bytes()


@pytest.mark.long  # the same of the parts: tests/unit/training/test_data_parallel.py
def test_two_processes_learn_what_one_learns(plaza: Path, tmp_path: Path) -> None:
    words = ["train", "embedder", str(plaza), "--epochs", "1", "--no-amp", "--learning-rate", "1e-4", *map(str, SMALL)]
    words[words.index("24")] = "8"  # crops of each, so that an epoch has three steps
    joined = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "pipeline"]
    done = subprocess.run(
        [*joined, *words, "--out", "two"],
        cwd=tmp_path,
        env=environment() | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 1/1") == 1  # only the first process speaks
    assert call_main(*words, "--out", "one", folder=tmp_path).code == 0
    one, two = log_of(tmp_path / "one")[0], log_of(tmp_path / "two")[0]
    assert two["loss"] == pytest.approx(one["loss"], rel=2e-3)  # Adam turns rounding into steps; see test_data_parallel
    first, second = (load_file(tmp_path / name / "best.safetensors") for name in ("one", "two"))
    assert first.keys() == second.keys()
    assert read_state(tmp_path / "one")["step"] == 3
    for name, value in first.items():
        difference = (value.float() - second[name].float()).abs()
        assert difference.mean() < 1e-4, name


def test_reviewed_objects_of_a_run_teach(tracked: Path, tmp_path: Path) -> None:
    words = ("--database", tracked, "--epochs", 1, *SMALL)
    done = call_main("train", "embedder", "run:last", "--out", tmp_path / "all", *words, folder=tmp_path)
    assert done.code == 0, done.err
    before = json.loads((tmp_path / "all/report.json").read_text())
    assert before["learned"]["identities"] >= 3
    twice = call_main("train", "embedder", "run:last", "run:last", "--out", tmp_path / "b", *words, folder=tmp_path)
    assert twice.code == 2
    assert "the same people would count as different ones" in twice.err
    unknown = call_main(
        "train", "embedder", "run:last", "--class", "zebra", "--out", tmp_path / "c", *words, folder=tmp_path
    )
    assert "has no objects called zebra" in unknown.err


def test_what_reviewers_merged_or_rejected_is_so_in_the_crops(tracked: Path, tmp_path: Path) -> None:
    with open_database(shutil.copy(tracked, tmp_path / "runs.db")) as store:

        def identities() -> int:
            opener = lambda row, from_at, to_at: Originals().open(row)  # noqa: E731
            return read_run(store, scope, run, (64, 32), most=4, open_footage=opener).count

        with store.read("find objects") as connection:
            scope = scope_of(connection, ["default"])
            run = find_run(scope, connection, "last")
            rows = page_objects(scope, connection, order=ObjectOrder.LONGEST)
        before = identities()
        assert before >= 5
        first, second, third, *_ = [row.public_id for row in rows]
        with store.write("review") as connection:
            merge_objects(scope, connection, [first, second], actor="anna")
            set_verdict(scope, connection, [third], verdict=Verdict.REJECTED, actor="anna")
        assert identities() == before - 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["absent"], "absent is no folder"),
        (["run:last"], "there is no database"),
        (["{plaza}", "--input-size", "100x64"], "make the height a multiple of 64"),
        (["{plaza}", "--input-size", "big"], "or height x width"),
        (["{plaza}", "--freeze"], "give --weights"),
        (["{plaza}", "{plaza}"], "show the same"),
        (["{plaza}", "--validation", "{plaza}"], "show the same"),
        (["{plaza}", "{plaza}/.."], "show the same"),
        (["{plaza}", "--weights", "absent.safetensors"], "cannot be read as safetensors"),
        (["{plaza}", "--device", "cuda:99"], "torch has no such device here"),
        (["{plaza}", "--resume"], "no training was begun"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(words: list[str], said: str, plaza: Path, tmp_path: Path) -> None:
    filled = [word.format(plaza=plaza) for word in words]
    done = call_main(
        "train", "embedder", *filled, "--out", tmp_path / "out", "--database", tmp_path / "no.db", folder=tmp_path
    )
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert not (tmp_path / "out").exists()


def test_one_identity_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data" / "anna").mkdir(parents=True)
    for index in range(3):
        cv2.imwrite(str(tmp_path / "data" / "anna" / f"{index}.jpg"), np.zeros((60, 30, 3), np.uint8))
    done = call_main("train", "embedder", "data", "--out", "out", folder=tmp_path)
    assert done.code == 2
    assert "1 identities of two or more crops; give at least 2" in done.err


def test_other_settings_do_not_go_on(plaza: Path, tmp_path: Path) -> None:
    words = ("train", "embedder", plaza, "--out", "out", "--epochs", 1, *SMALL[:-1])
    assert call_main(*words, 3, folder=tmp_path).code == 0
    again = call_main(*words, 3, folder=tmp_path)
    assert again.code == 2
    assert "--resume goes on" in again.err
    other = call_main(*words, 4, "--resume", "--seed", 1, folder=tmp_path)
    assert other.code == 2
    assert "seed is 0 there and 1 here" in other.err
    assert "data.learned is" in other.err
