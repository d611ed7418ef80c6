"""`sightline benchmark pipeline`: whole runs in turns with a peer that only looks like ultralytics."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation.sequences import SequenceBoxes, write_truth
from pipeline.evaluation.sidecars import SequenceInfo, write_seqinfo
from tests.clips import write_moving
from tests.integration.command import MOTION, call_main
from tests.peer_environment import install, make_environment

FRAMES = 30
ULTRALYTICS = """
from types import SimpleNamespace

class Column(list):
    def tolist(self):
        return list(self)

class YOLO:
    names = {0: "person", 1: "moving"}

    def __init__(self, weights, task):
        assert task == "detect"
        self.good = "good" in weights

    def track(self, video, tracker, stream, verbose, classes):
        assert (tracker, stream, classes) == ("bytetrack.yaml", True, [1] if self.good else None)
        for number in range(40):
            boxes = SimpleNamespace(id=None)
            if number > 10:
                x = number * 2.0 % 280
                boxes = SimpleNamespace(id=Column([7.0]), xyxy=Column([[x, 100.0, x + 40, 180.0]]), conf=Column([0.9]))
            yield SimpleNamespace(boxes=boxes, speed={"inference": 2.0})
"""


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with things called ultralytics, torch and lap."""
    python = make_environment(tmp_path_factory.mktemp("peer"), with_libraries=False)
    for name, source in (("ultralytics", ULTRALYTICS), ("torch", ""), ("lap", "")):
        install(python, name, source)
    return python


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    """A folder with a block that walks, and its truth as a sequence."""
    write_moving(tmp_path / "walk.mp4", count=FRAMES)
    frames = np.arange(12, FRAMES + 1)
    left = 2.0 * (frames - 1)
    boxes = np.column_stack([left, np.full(len(left), 100.0), left + 40, np.full(len(left), 180.0)])
    ones = np.ones(len(frames), int)
    (tmp_path / "walk" / "gt").mkdir(parents=True)
    truth = SequenceBoxes(frames, ones, boxes, ones.astype(float), ones, ones.astype(float))
    write_truth(tmp_path / "walk" / "gt" / "gt.txt", truth)
    write_seqinfo(tmp_path / "walk" / "seqinfo.ini", SequenceInfo("walk", 25.0, FRAMES, 320, 240))
    return tmp_path


def test_ours_and_the_peer_stand_in_one_table_with_a_picture_and_json(peer: Path, walk: Path) -> None:
    (walk / "good.onnx").touch()
    done = call_main(
        *("benchmark", "pipeline", "walk.mp4", *MOTION, "--set", "detector.keep=[moving]", "--streams", "2"),
        *("--rounds", "1", "--max-frames", FRAMES, "--truth", "walk", "--out", "out"),
        *("--peer-weights", "good.onnx", "--peer-python", peer),
        folder=walk,
    )
    assert done.code == 0, done.err
    figures = json.loads((walk / "out" / "pipeline.json").read_text())
    (one,), (two,) = (figures["streams"][count]["rounds"] for count in ("1", "2"))
    assert (one["frames"], two["frames"], two["streams"]) == (FRAMES, 2 * FRAMES, 2)
    assert 0 < one["start_up"] < one["usage"]["seconds"]
    assert one["usage"]["cpu_seconds"] > 0.1
    assert one["usage"]["peak_memory"] > 30 << 20
    assert one["stages"]["detect"]["frames"] == FRAMES
    assert two["stages"]["detect"]["frames"] == 2 * FRAMES
    assert set(figures["parts"][0]) == {"read", "detect", "embed", "track"}
    assert figures["wall_by_serial_sum"]["serial"] > 0
    assert figures["peer"]["failure"] is None
    assert figures["peer"]["rounds"][0]["frames"] == FRAMES  # of the forty it would have given
    assert figures["peer"]["scores"][0]["HOTA"] == pytest.approx(1.0)
    assert figures["scores"][0]["HOTA"] > 0.2  # a part of the walk is over before a track is confirmed
    assert figures["peer"]["ours_by_theirs"]["frames_per_second"] > 0
    assert "2 streams" in done.out
    assert "ultralytics track" in done.out
    assert (walk / "out" / "pipeline.png").stat().st_size > 10_000
    assert not list(walk.glob("runs*")), "takes leave nothing in the folder"


def test_bad_input_is_told_before_anything_is_measured(peer: Path, walk: Path) -> None:
    def told(*words: object) -> str:
        done = call_main("benchmark", "pipeline", *words, folder=walk)
        assert done.code == 2
        return done.err

    assert "nowhere.mp4: no such file" in told("nowhere.mp4")
    assert "--peer-python needs --peer-weights" in told("walk.mp4", "--peer-python", peer)
    assert "no.onnx: no such file" in told("walk.mp4", "--peer-weights", "no.onnx")
    assert "no ground truth" in told("walk.mp4", "--truth", "nowhere")
    assert "unknown setting detector.wieghts" in told("walk.mp4", "--set", "detector.wieghts=a")
    write_seqinfo(walk / "walk" / "seqinfo.ini", SequenceInfo("walk", 25.0, FRAMES, 640, 480))
    assert "pictures of 640x480, but walk.mp4 has 320x240" in told("walk.mp4", *MOTION, "--truth", "walk")


@pytest.mark.long
def test_a_peer_that_fails_is_left_out_and_a_run_of_ours_is_not(peer: Path, walk: Path) -> None:
    (walk / "other.onnx").touch()
    words = ("benchmark", "pipeline", "walk.mp4", *MOTION, "--set", "detector.keep=[moving]", "--rounds", 1)
    peers = ("--max-frames", 5, "--peer-weights", "other.onnx", "--peer-python", peer)
    done = call_main(*words, *peers, folder=walk)
    assert done.code == 0, done.err
    assert "ultralytics failed: it ended with exit code 1: AssertionError" in done.out
    (walk / "walk.mp4").write_text("no video")
    failed = call_main(*words, folder=walk)
    assert failed.code == 2
    assert "walk.mp4 is not a video file" in failed.err
