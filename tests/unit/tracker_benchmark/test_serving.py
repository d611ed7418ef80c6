"""The far end of the protocol: a loop over commands, with a tracker that gives every box its row as id."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np

from pipeline.evaluation.sequences import UNKNOWN, SequenceBoxes
from pipeline.tracker_benchmark.frame_file import write_frames
from pipeline.tracker_benchmark.peers.serving import serve
from pipeline.tracker_benchmark.peers.shots import Entry, Shot, read_shots


class Counting:
    """Ids are rows; remembers what it was given."""

    def __init__(self, seen: list[Shot]) -> None:
        self.seen = seen

    def prepare(self, shot: Shot) -> Shot:
        return shot

    def update(self, given: Shot) -> Shot:
        self.seen.append(given)
        return given

    def read(self, result: Shot) -> np.ndarray:
        return np.column_stack([np.arange(len(result.boxes)), result.boxes, result.scores])


def frame_file(folder: Path, *, described: bool = False) -> Path:
    boxes = SequenceBoxes(
        frames=np.array([3, 1, 1]),
        ids=np.full(3, UNKNOWN),
        boxes=np.array([[0, 0, 9, 9], [1, 1, 2, 2], [3, 3, 4, 4.0]]),
        scores=np.array([0.5, 0.25, 0.75]),
        classes=np.full(3, UNKNOWN),
        visibility=np.full(3, -1.0),
    )
    path = folder / "frames.npz"
    features = np.eye(3, dtype=np.float32) if described else None
    motion = {2: np.array([[1, 0, 5], [0, 1, 6.0]]), 9: np.eye(2, 3)}
    write_frames(path, boxes, frames=4, frame_rate=8.0, features=features, camera_motion=motion)
    return path


def talk(
    commands: list[dict[str, object] | str], *, features: bool = False
) -> tuple[list[dict[str, object]], list[Shot]]:
    seen: list[Shot] = []
    entry = Entry("counting", "none", "1", features, True)
    answers = io.StringIO()
    lines = [one if isinstance(one, str) else json.dumps(one) for one in commands]
    missing = [{"package": "norfair", "reason": "gone"}]
    serve({entry: lambda *_: Counting(seen)}, missing, io.StringIO("".join(f"{line}\n" for line in lines)), answers)
    return [json.loads(line) for line in answers.getvalue().splitlines()], seen


def test_frames_come_back_in_order_with_empty_ones_between(tmp_path: Path) -> None:
    shots, rate = read_shots(str(frame_file(tmp_path, described=True)))
    assert rate == 8.0
    assert [len(shot.boxes) for shot in shots] == [2, 0, 1, 0]
    assert [shot.seconds for shot in shots] == [0, 0.125, 0.25, 0.375]
    assert shots[0].scores.tolist() == [0.25, 0.75]
    assert shots[2].features.tolist() == [[1, 0, 0]]
    assert [shot.motion is None for shot in shots] == [True, False, True, True]
    assert shots[1].motion.tolist() == [[1, 0, 5], [0, 1, 6]]


def test_it_says_who_is_there_and_times_what_it_is_told(tmp_path: Path) -> None:
    frames = str(frame_file(tmp_path))
    timing = {"do": "time", "entry": "counting", "frames": frames, "skip": 1, "limit": 60}
    (hello, timed), seen = talk([timing])
    assert hello["entries"] == [
        {"name": "counting", "package": "none", "version": "1", "features": False, "motion": True}
    ]
    assert hello["missing"] == [{"package": "norfair", "reason": "gone"}]
    assert len(timed["seconds"]) == 3
    assert len(seen) == 4
    (_, short), seen = talk([{**timing, "limit": -1}])
    assert len(short["seconds"]) == 2
    assert len(seen) == 3


def test_tracks_are_written_by_frame(tmp_path: Path) -> None:
    out = tmp_path / "tracks.npz"
    command = {
        "do": "track",
        "entry": "counting",
        "frames": str(frame_file(tmp_path)),
        "out": str(out),
        "motion": False,
    }
    (_, done), seen = talk([command])
    assert done["seconds"] >= 0
    with np.load(out) as columns:
        assert columns["frames"].tolist() == [1, 1, 3]
        assert columns["rows"].tolist()[1] == [1, 3, 3, 4, 4, 0.75]
    assert all(shot.motion is None for shot in seen)
    _, seen = talk([{**command, "motion": True}])
    assert seen[1].motion is not None


def test_features_go_to_those_that_want_them_alone(tmp_path: Path) -> None:
    timing = {
        "do": "time",
        "entry": "counting",
        "frames": str(frame_file(tmp_path, described=True)),
        "skip": 0,
        "limit": 9,
    }
    assert talk([timing])[1][0].features is None
    assert talk([timing], features=True)[1][0].features is not None


def test_a_failure_is_an_answer_and_the_next_command_is_heard(tmp_path: Path) -> None:
    timing = {"do": "time", "entry": "counting", "frames": str(frame_file(tmp_path)), "skip": 0, "limit": 9}
    (_, unknown, garbled, fine), _ = talk([{**timing, "entry": "nobody"}, "{", timing])
    assert unknown == {"error": "KeyError: 'nobody'"}
    assert "JSONDecodeError" in str(garbled["error"])
    assert len(fine["seconds"]) == 4
