"""What is shown of followed targets: table, dict, plot, and the command that writes them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.evaluation.sidecars import FollowInfo
from pipeline.evaluation.sot import Followed, Truth, evaluate
from pipeline.evaluation.sot_files import TargetResult
from pipeline.evaluation.sot_report import curves_plot, to_dict, to_table
from tests.integration.command import call_main

RUNNER = CliRunner()
PNG = b"\x89PNG"
BOX = np.array([[0.0, 0.0, 10.0, 10.0]])
TRUTH = Truth(np.repeat(BOX, 4, axis=0), np.ones(4, bool))
AWAY = np.concatenate([BOX, BOX, BOX + 100, BOX + 100])  # overlaps 1, 1, 0, 0
GOOD = TargetResult("Car4", evaluate(TRUTH, Followed(TRUTH.boxes)), FollowInfo(50.0, "still"))
BAD = TargetResult("jogging.2", evaluate(TRUTH, Followed(AWAY, np.array([1, 0.5, 0.9, 0.1]))), FollowInfo())


def rendered(results: list[TargetResult]) -> list[list[str]]:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(to_table(results))
    return [line.split() for line in capture.get().splitlines() if line.strip()]


def test_table_has_a_row_a_target_and_their_mean() -> None:
    lines = rendered([GOOD, BAD])
    assert " ".join(lines[0]) == "Followed by still; ratios in %"
    assert lines[1] == ["Target", "AUC", "20", "px", "norm.", "robust", "score", "frames", "frames/s"]
    assert lines[3] == ["Car4", "95.2", "100.0", "100.0", "100.0", "-", "4", "50.0"]
    assert lines[4] == ["jogging.2", "47.6", "50.0", "50.0", "100.0", "50.0", "4", "-"]
    assert lines[-1] == ["MEAN", "71.4", "75.0", "75.0", "100.0", "50.0", "8", "50.0"]


def test_table_of_one_target_of_which_nothing_is_told() -> None:
    lines = rendered([BAD])
    assert " ".join(lines[0]) == "Ratios in %"
    assert lines[1][-1] == "frames"
    assert lines[-1] == ["jogging.2", "47.6", "50.0", "50.0", "100.0", "50.0", "4"]


def test_names_are_shown_as_they_are() -> None:
    strange = TargetResult("[bold]a$b$c", BAD.scores, FollowInfo(None, "[red]x"))
    lines = rendered([strange])
    assert lines[0][2] == "[red]x;"
    assert lines[-1][0] == "[bold]a$b$c"
    assert curves_plot([strange]).startswith(PNG)


def test_dict_holds_every_score() -> None:
    result = to_dict([GOOD, BAD])
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert list(result) == ["thresholds", "targets", "MEAN"]
    assert [len(values) for values in result["thresholds"].values()] == [21, 51, 51]
    good, bad, mean = result["targets"]["Car4"], result["targets"]["jogging.2"], result["MEAN"]
    assert (good["auc"], good["score_auc"], good["frames_per_second"]) == (pytest.approx(20 / 21), None, 50)
    assert (good["tracker"], bad["tracker"], mean["tracker"]) == ("still", None, None)  # not told of all
    assert (bad["precision"], bad["normalised_precision"], bad["robustness"]) == (0.5, 0.5, 1)
    assert bad["success_curve"] == [0.5] * 20 + [0]
    assert mean["auc"] == pytest.approx(15 / 21)
    assert (mean["frames"], mean["present"], mean["frames_per_second"]) == (8, 8, 50)
    assert mean["precision_curve"] == [0.75] * 51
    assert to_dict([GOOD, GOOD])["MEAN"]["tracker"] == "still"


def test_without_a_target_there_is_nothing_to_show() -> None:
    for show in (to_table, to_dict):
        with pytest.raises(ValueError, match="no targets"):
            show([])


def test_plot() -> None:
    one, both = curves_plot([GOOD]), curves_plot([GOOD, BAD])
    assert one.startswith(PNG)
    assert both.startswith(PNG)
    assert one != both


@pytest.mark.parametrize(("targets", "named"), [(2, True), (20, True), (21, False)])
def test_names_of_many_targets_are_left_out_of_the_plot(targets: int, named: bool) -> None:
    one, other = curves_plot([GOOD] * targets), curves_plot([replace(GOOD, name="Car5")] * targets)
    assert (one != other) == named


def clips(folder: Path) -> tuple[Path, Path]:
    """Two targets of one clip: the first one is followed, the second one lost after three of 20 frames."""
    (folder / "clips/park").mkdir(parents=True)
    (folder / "boxes").mkdir()
    (folder / "clips/park/groundtruth.1.txt").write_text("5,5,10,10\n" * 20)
    (folder / "clips/park/groundtruth.2.txt").write_text("50 5 10 10\n" * 20)
    (folder / "boxes/park.1.txt").write_text("5,5,10,10,1\n" * 20)
    (folder / "boxes/park.2.txt").write_text("50,5,10,10,0.9\n" * 3 + "90,90,10,10,0.1\n" * 17)
    (folder / "boxes/park.1.txt.json").write_text('{"frames_per_second": 12.5, "tracker": "patient"}')
    return folder / "clips", folder / "boxes"


def test_evaluate_sot(tmp_path: Path) -> None:
    truth, boxes = clips(tmp_path)
    out, plot = tmp_path / "new/a.json", tmp_path / "new/a.png"
    words = ["evaluate", "sot", "--truth", str(truth), "--boxes", str(boxes), "--json", str(out), "--plot", str(plot)]
    shown = RUNNER.invoke(app, words, env={"COLUMNS": "80"})
    assert shown.exit_code == 0, shown.output
    rows = {cells[0]: cells[1:] for line in shown.output.splitlines() if (cells := line.split())}
    assert rows["park.1"] == ["95.2", "100.0", "100.0", "100.0", "-", "20", "12.5"]
    assert rows["park.2"] == ["14.3", "15.0", "15.0", "15.0", "100.0", "20", "-"]
    assert rows["MEAN"] == ["54.8", "57.5", "57.5", "57.5", "100.0", "40", "12.5"]
    held: dict[str, Any] = json.loads(out.read_text())
    assert held["targets"]["park.2"]["robustness"] == 3 / 20
    assert held["targets"]["park.1"]["tracker"] == "patient"
    assert plot.read_bytes().startswith(PNG)


def test_evaluate_sot_of_two_files(tmp_path: Path) -> None:
    truth, boxes = clips(tmp_path)
    words = ["--truth", str(truth / "park/groundtruth.2.txt"), "--boxes", str(boxes / "park.2.txt")]
    shown = RUNNER.invoke(app, ["evaluate", "sot", *words], env={"COLUMNS": "80"})
    assert shown.exit_code == 0, shown.output
    assert shown.output.split()[-7:] == ["park.2", "14.3", "15.0", "15.0", "15.0", "100.0", "20"]


def test_bad_files_end_with_one_line(tmp_path: Path) -> None:
    truth, boxes = clips(tmp_path)
    (boxes / "park.2.txt").write_text("50,5,10,10\n50,5,-10,10\n")
    done = call_main("evaluate", "sot", "--truth", truth, "--boxes", boxes, folder=tmp_path)
    assert done.code == 2
    assert "park.2.txt, line 2: column 3 (width) is -10, not a length from 0" in " ".join(done.err.split())
