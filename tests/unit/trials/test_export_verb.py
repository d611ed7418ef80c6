"""`sightline export` of models: what it writes, shows and refuses; pictures to calibrate with."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipeline import build
from pipeline.cli import app
from pipeline.config import SourceSettings, load_settings
from pipeline.errors import SourceError
from pipeline.sources.base import Source
from pipeline.trials.calibration_pictures import calibration_crops, calibration_frames
from pipeline.trials.speed import milliseconds
from tests.fakes import make_frame
from tests.integration.command import call_main

RUNNER = CliRunner()


def opened(address: str) -> Source:
    return build.source(address, SourceSettings())


def weights(shared: Path, name: str) -> Path:
    return shared / "weights" / name / f"{name}.xml"


@pytest.mark.long
def test_a_detector_in_eight_bits(shared: Path, tmp_path: Path) -> None:
    """Average precision falls by less than 3 points on 8 frames, with 12 calibration frames of another video."""
    words = ["export", str(weights(shared, "person-vehicle-bike-detection-2000")), "--precision", "int8"]
    words += ["--calibration", str(shared / "data/videos/people-walking.mp4"), "--frames", "12"]
    words += ["--truth", str(shared / "data/mot15/TUD-Campus"), "--every", "10", "--classes", "person"]
    words += ["--out", str(tmp_path / "small.xml"), "--report", str(tmp_path / "report.json")]
    shown = RUNNER.invoke(app, words, env={"COLUMNS": "120"})
    assert shown.exit_code == 0, shown.output
    held = json.loads((tmp_path / "report.json").read_text())
    assert held["task"] == "detect"
    before, after = held["rows"][0], held["rows"][-1]
    assert (before["name"], after["name"]) == ("before", "after")
    assert before["runtime"] == "openvino CPU f32"
    assert before["scores"]["AP50"] > 0.8
    assert after["scores"]["AP50"] > before["scores"]["AP50"] - 0.03
    assert after["bytes"] == sum((tmp_path / f"small.{end}").stat().st_size for end in ("xml", "bin"))
    assert after["bytes"] < before["bytes"]
    assert all(row["milliseconds"] > 0 for row in held["rows"])
    made = build.detector(load_settings(None, [f"detector.weights={tmp_path / 'small.xml'}"]).detector)
    assert made.card.classes == ("vehicle", "person", "bike")  # the file's name no longer tells


def test_an_embedder_in_sixteen_bits_without_truth(shared: Path, tmp_path: Path) -> None:
    words = ["export", str(weights(shared, "person-reidentification-retail-0288")), "--format", "openvino"]
    words += ["--out", str(tmp_path / "small.xml"), "--report", str(tmp_path / "report.json")]
    shown = RUNNER.invoke(app, words)
    assert shown.exit_code == 0, shown.output
    held = json.loads((tmp_path / "report.json").read_text())
    assert held["task"] == "embed"
    assert [row["scores"] for row in held["rows"]] == [{}] * len(held["rows"])
    assert held["rows"][0]["milliseconds"] is None  # nothing to measure on


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a.onnx", "--out", "b.txt"], "a model becomes --format onnx"),
        (["a.onnx", "--format", "mot", "--out", "b.txt"], "not mot"),
        (["a.onnx", "--format", "onnx", "--out", "b.xml"], "ends in .onnx"),
        (["a.onnx", "--precision", "int8", "--out", "b.onnx"], "int8 needs --calibration"),
        (["a.onnx", "--reviewed", "--out", "b.onnx"], "a.onnx is a model, for which there is no --reviewed"),
        (["a.onnx", "--out", "b.onnx"], "no weights file a.onnx"),
        (["a.pt", "--out", "b.onnx", "--image-size", "0"], "write one side"),
        (["last", "--precision", "f16", "--out", "b.txt"], "last is a run, for which there is no --precision"),
        (["last", "--format", "onnx", "--out", "b.onnx"], "last is no file that ends in"),
    ],
)
def test_bad_words_are_refused(words: list[str], says: str, tmp_path: Path) -> None:
    done = call_main("export", *words, folder=tmp_path)
    assert done.code == 2
    assert says in " ".join(done.err.split())
    assert not any(tmp_path.iterdir())


def test_calibration_frames_are_spread_and_shared_fairly(shared: Path, tmp_path: Path) -> None:
    for number in range(5):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((8 + number, 8, 3), number, np.uint8))
    video = str(shared / "data/mot15/TUD-Campus/video.mp4")
    found = calibration_frames([video, str(tmp_path)], 6, opened=opened)
    assert [one.shape[:2] for one in found] == [(480, 640)] * 3 + [(8, 8), (9, 8), (11, 8)]
    assert not np.array_equal(found[0], found[1])
    assert len(calibration_frames([str(tmp_path)], 100, opened=opened)) == 5


def test_calibration_crops_are_people(shared: Path, tmp_path: Path) -> None:
    folder = str(shared / "data/mot15/TUD-Campus")
    found = calibration_crops([folder], 20, opened=opened)
    assert len(found) == 20
    assert all(one.shape[0] > one.shape[1] for one in found)  # people are upright
    with pytest.raises(SourceError, match="calibrated with crops"):
        calibration_crops([f"{folder}/video.mp4"], 20, opened=opened)
    with pytest.raises(SourceError, match="no crop"):
        calibration_crops([], 20, opened=opened)
    with pytest.raises(SourceError, match="no calibration picture"):
        calibration_frames([], 20, opened=opened)
    with pytest.raises(SourceError, match="holds no pictures"):
        calibration_frames([str(tmp_path)], 20, opened=opened)


def test_models_are_timed_in_turn() -> None:
    seen: list[tuple[str, int]] = []
    frames = [make_frame(index) for index in range(2)]
    times = milliseconds(
        [lambda frame: seen.append(("a", frame.index)), lambda frame: seen.append(("b", frame.index))], frames
    )
    assert seen == [(name, index) for index in (0, 1, 0, 0, 1) for name in "ab"]
    assert all(0 < one < 100 for one in times)
    assert all(np.isnan(milliseconds([lambda frame: None], [])))
