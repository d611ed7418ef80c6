"""`sightline benchmark targets`: ours beside trackers that only look like OpenCV's, on a square that stands still."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.evaluation.sot_files import evaluate_targets, find_targets
from tests.integration.command import call_main, sightline
from tests.peer_environment import OPENCV, install, make_environment

FRAMES = 100  # at 25 a second


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips: four seconds of a picture with something in it, and two that begin before it is there."""
    folder = tmp_path_factory.mktemp("clips")
    chance = np.random.default_rng(5)
    picture = cv2.resize(chance.integers(40, 200, (16, 20, 3), np.uint8), (96, 72), interpolation=cv2.INTER_CUBIC)
    picture[28:48, 38:58] = cv2.resize(chance.integers(0, 255, (5, 5, 3), np.uint8), (20, 20))
    for name, count, absent in (("long", FRAMES, 0), ("short", 50, 3)):
        (folder / name / "img").mkdir(parents=True)
        for number in range(count):
            cv2.imwrite(str(folder / name / "img" / f"{number:04d}.png"), picture)
        rows = ["NaN,NaN,NaN,NaN\n"] * absent + ["38,28,20,20\n"] * (count - absent)
        (folder / name / "groundtruth.txt").write_text("".join(rows))
    return folder


def test_ours_and_others_are_scored_timed_and_tried_with_absences(clips: Path, tmp_path: Path) -> None:
    peers = make_environment(tmp_path / "peers")
    install(peers, "cv2", OPENCV)
    done = sightline(
        *("benchmark", "targets", "--data", clips, "--tracker", "mosse", "--peer-python", peers),
        *("--absences", "--targets", "3", "--out", "out"),
        folder=tmp_path,
    )
    assert done.code == 0, done.err
    figures = json.loads((tmp_path / "out" / "targets.json").read_text())
    by_name = {one["tracker"]: one for one in figures["trackers"]}
    assert set(by_name) == {"mosse", "OpenCV CSRT", "OpenCV KCF"}
    still, own = by_name["OpenCV CSRT"], by_name["mosse"]
    assert still["clips"]["MEAN"]["auc"] == pytest.approx(20 / 21)
    assert still["clips"]["targets"]["short"]["frames"] == 47
    assert own["clips"]["MEAN"]["auc"] > 0.9
    assert own["times_as_fast"]["OpenCV CSRT"] > 0
    assert own["many"]["targets"] == 3
    assert own["many"]["milliseconds"] > 0
    # one that never says lost is right where the target stands, once it is back
    away = still["absences"]
    assert (away["absences"], away["lost_in_time"], away["recovered_in_time"]) == (1, 0.0, 1.0)
    assert away["score"]["auc"] == 0.5
    assert list(away["clips"]) == ["long"]
    assert own["absences"]["lost_in_time"] == 1.0
    assert by_name["OpenCV KCF"]["failure"] is not None
    assert "OpenCV KCF failed: " in done.out
    assert "ValueError: it fell" in done.out
    assert (tmp_path / "out" / "targets.png").stat().st_size > 10_000
    again = evaluate_targets(find_targets(clips, tmp_path / "out" / "boxes" / "opencv-csrt"))
    assert [one.scores.auc for one in again] == pytest.approx([20 / 21] * 2)


def test_bad_input_is_told(clips: Path, tmp_path: Path) -> None:
    def told(*words: object) -> str:
        done = call_main("benchmark", "targets", *words, folder=tmp_path)
        assert done.code == 2
        return done.err

    assert "no clip; expected NAME/groundtruth.txt" in told("--data", tmp_path)
    assert "there is no clip 'Car9'" in told("--data", clips, "--absence-clip", "Car9")
    assert "there is no target tracker 'best'" in told("--data", clips, "--tracker", "best")
    broken = tmp_path / "broken" / "one"
    shutil.copytree(clips / "short", broken)
    (broken / "groundtruth.txt").write_text("38,28,20,20\n" * 49)
    said = told("--data", tmp_path / "broken", "--tracker", "mosse", "--targets", "0")
    assert "50 pictures from number 0 on, but the truth of one has 49 rows" in said
