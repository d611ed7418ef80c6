"""`sightline train detector` as a user calls it."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.training.folder import read_state
from tests.integration.command import call_main, environment
from tests.promptness import until
from tests.unit.training.labelled_scene import write_network, write_pictures

QUICK = (
    "--architecture",
    "tiny.yaml",
    "--image-size",
    96,
    "--batch",
    4,
    "--set",
    "nbs=4",
    "--set",
    "warmup_epochs=1",
    "--threads",
    1,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training")
    write_pictures(folder, train=12, val=4)
    write_network(folder / "tiny.yaml")
    return folder


def log_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_few_epochs_lower_the_loss_and_leave_all_that_is_promised(place: Path) -> None:
    rates = ("--learning-rate", 0.004, "--epochs", 8, "--validate-every", 4, "--class-weights", "balanced")
    done = call_main("train", "detector", "data.yaml", "--out", "out", *QUICK, *rates, folder=place)
    assert done.code == 0, done.err
    rows = log_of(place / "out")
    losses = [float(row["box_loss"]) + float(row["cls_loss"]) + float(row["dfl_loss"]) for row in rows]
    assert sum(losses[-2:]) < 0.8 * sum(losses[:2])
    assert [row["epoch"] for row in rows if row["ap"] != "nan"] == ["4", "8"]
    assert {path.name for path in (place / "out").iterdir()} == {
        "best.pt", "log.csv", "log.png", "report.json", "settings.yaml", "state.pt",
    }  # fmt: skip
    report = json.loads((place / "out" / "report.json").read_text())
    assert report["epochs"] == 8
    assert report["best"]["epoch"] in (4, 8)
    assert "12 pictures with" in done.out
    assert "epoch 8/8" in done.out
    assert "--set detector.weights=out/best.pt" in done.out
    again = call_main("train", "detector", "data.yaml", "--out", "out", *QUICK, folder=place)
    assert (again.code, "--resume goes on" in again.err) == (2, True)


def test_ctrl_c_keeps_what_was_learned_and_resume_goes_on(place: Path) -> None:
    words = ["train", "detector", "data.yaml", "--out", "broken", "--epochs", "2000", *map(str, QUICK)]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *words],
        cwd=place, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_until((place / "broken" / "log.csv").exists, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130, err
    done = read_state(place / "broken")["epochs_done"]
    assert f"stopped after {done} of 2000 epochs; --resume with the same words goes on" in out
    assert len(log_of(place / "broken")) == done
    resumed = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *words, "--resume"],
        cwd=place, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_until(lambda: read_state(place / "broken")["epochs_done"] > done, resumed)
        resumed.send_signal(signal.SIGTERM)
        out, _ = resumed.communicate(timeout=120)
    finally:
        resumed.kill()
    assert resumed.returncode == 130
    assert f"epoch {done + 1}/2000" in out
    assert [row["epoch"] for row in log_of(place / "broken")][: done + 1] == [str(n + 1) for n in range(done + 1)]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("absent.yaml",), "absent.yaml cannot be read"),
        (("data.yaml", "--image-size", "100"), "--image-size 100 is no multiple of 32; 96 is"),
        (("data.yaml", "--set", "mosiac=1"), "did you mean 'mosaic'"),
        (("data.yaml", "--architecture", "tiny"), "architecture 'tiny' is unknown"),
        (("data.yaml", "--weights", "nothing.pt"), "no weights file nothing.pt"),
        (("data.yaml", "--weights", "nothing.onnx"), "no weights file nothing.onnx"),
        (("data.yaml", "--weights", "bundled:nothing"), "no model 'nothing' comes with Sightline"),
        (("data.yaml", "--freeze", "8"), "--freeze 8 leaves nothing to train"),
        (("data.yaml", "--device", "abacus"), "torch has no such device here"),
        (("data.yaml", "--resume"), "no training was begun in never"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(place: Path, words: tuple[str, ...], says: str) -> None:
    done = call_main("train", "detector", words[0], "--out", "never", *QUICK, *words[1:], folder=place)
    assert done.code == 2
    assert says in done.err
    assert done.err.count("\n") == 1
    assert not (place / "never").exists()


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    until(lambda: reached() or process.poll() is not None, 30, "nothing happened", pause=0.1)
    assert process.poll() is None, process.communicate()
