"""`sightline benchmark trackers`: ours beside trackers of other environments, which only look like the real packages.

Except ultralytics, which is the real one, with another solver of assignments.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest

from pipeline.errors import ConfigError, DependencyError, FormatError
from pipeline.evaluation.sequences import UNKNOWN, SequenceBoxes, write_tracks, write_truth
from pipeline.evaluation.sidecars import SequenceInfo, write_camera_motion, write_seqinfo
from pipeline.peer_process.worker import TrackerError
from pipeline.tracker_benchmark.accuracy import read_group
from pipeline.tracker_benchmark.contest import open_contest
from pipeline.tracker_benchmark.frame_file import write_frames
from pipeline.tracker_benchmark.peers.shots import Entry
from pipeline.tracker_benchmark.worker import Worker, peer_worker
from tests.integration.command import call_main, sightline
from tests.peer_environment import LAP, ROBOFLOW, install, make_environment
from tests.promptness import until

LENGTH = 20  # frames


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with something called `trackers`, and ultralytics."""
    python = make_environment(tmp_path_factory.mktemp("peers"))
    install(python, "trackers", ROBOFLOW)
    install(python, "lap", LAP)
    return python


@pytest.fixture
def two_walkers(tmp_path: Path) -> Path:
    """A folder of one sequence at 10 frames a second: two walk side by side, seen in every frame; the camera too."""
    sequence = tmp_path / "street" / "A"
    for folder in ("gt", "det"):
        (sequence / folder).mkdir(parents=True)
    frames = np.repeat(np.arange(1, LENGTH + 1), 2)
    ids = np.tile([1, 2], LENGTH)
    left = 50.0 * ids + 2 * frames
    boxes = np.column_stack([left, np.full(len(left), 20.0), left + 20, np.full(len(left), 70.0)])
    sure, people = np.full(len(ids), 0.9), np.ones(len(ids), int)
    write_truth(sequence / "gt" / "gt.txt", SequenceBoxes(frames, ids, boxes, people.astype(float), people, sure))
    none = np.full(len(ids), UNKNOWN)
    write_tracks(sequence / "det" / "det.txt", SequenceBoxes(frames, none, boxes, sure, none, none.astype(float)))
    write_seqinfo(sequence / "seqinfo.ini", SequenceInfo("A", 10.0, LENGTH, 320, 100))
    write_camera_motion(sequence / "gmc.txt", {n: np.array([[1, 0, 100.0], [0, 1, 0]]) for n in range(2, LENGTH + 1)})
    return tmp_path / "street"


def test_ours_and_others_stand_in_one_table_with_a_picture_and_json(
    peers: Path, two_walkers: Path, tmp_path: Path
) -> None:
    done = sightline(
        *(
            "benchmark",
            "trackers",
            "--peer-python",
            os.path.relpath(peers, tmp_path),
            "--data",
            two_walkers,
            "--gmc",
            "--refine",
        ),
        *("--objects", "5", "--frames", "4", "--rounds", "2", "--features", "8"),
        *("--tracker", "bytetrack", "--out", "out"),
        folder=tmp_path,
    )
    assert done.code == 0, done.err
    figures = json.loads((tmp_path / "out" / "trackers.json").read_text())
    speed = {one["tracker"]: one for one in figures["speed"]["trackers"]}
    assert len(speed["bytetrack"]["rounds"]["5"]) == 2
    assert figures["speed"]["times_as_fast"]["bytetrack"]["roboflow ByteTrack"]["5"] > 0
    assert speed["ultralytics BoT-SORT + features"]["milliseconds"]["5"] > 0
    assert speed["roboflow SORT"]["failure"] == "5 objects: ValueError: out of order"
    assert "roboflow SORT failed: 5 objects: ValueError: out of order" in done.out
    scores = {(one["tracker"], one["refined"]): one for one in figures["accuracy"]}
    assert set(scores) >= {("bytetrack", False), ("bytetrack", True), ("ultralytics TrackTrack", False)}
    assert scores["roboflow ByteTrack", False]["failures"] == {}
    perfect = scores["roboflow ByteTrack", False]["groups"]["street"]
    assert perfect["COMBINED"]["HOTA"] == pytest.approx(1.0)
    assert perfect["sequences"]["A"]["IDF1"] == 1.0
    assert scores["ultralytics ByteTrack", False]["groups"]["street"]["COMBINED"]["MOTA"] > 0.9
    assert scores["roboflow SORT", False]["failures"] == {"street": "ValueError: out of order"}
    moved = (tmp_path / "out" / "tracks" / "roboflow-bot-sort" / "street" / "A.txt").read_text().splitlines()
    assert [line.split(",")[1] for line in moved[:4]] == ["1", "2", "101", "102"]  # ids say what motion was given
    for line in ("not measured: boxmot (pip install boxmot)", "not measured: norfair (pip install norfair)"):
        assert line in done.out
    assert "bytetrack + refine + gmc" in done.out
    assert (tmp_path / "out" / "trackers.png").stat().st_size > 10_000


def test_without_others_ours_are_measured_alone(tmp_path: Path) -> None:
    done = call_main(
        *("benchmark", "trackers", "--objects", "3", "--frames", "2", "--rounds", "1", "--features", "0"),
        folder=tmp_path,
    )
    assert done.code == 0, done.err
    figures = json.loads((tmp_path / "benchmark" / "trackers.json").read_text())
    assert {one["tracker"] for one in figures["speed"]["trackers"]} >= {"sort", "bytetrack", "ocsort", "deepsort"}
    assert not any(one["failure"] for one in figures["speed"]["trackers"])
    assert "not measured: trackers (pip install trackers); no other Python was given" in done.out


def test_bad_input_is_told_before_anything_is_measured(two_walkers: Path, tmp_path: Path) -> None:
    def told(*words: object) -> str:
        done = call_main("benchmark", "trackers", *words, folder=tmp_path)
        assert done.code == 2
        return done.err

    assert "there is no tracker 'best'; known: sort, bytetrack" in told("--tracker", "best")
    assert "--objects 10,x" in told("--objects", "10,x")
    assert "nothing to measure" in told("--objects", "none")
    assert "nowhere/python cannot be run: No such file" in told("--peer-python", "nowhere/python", "--objects", "3")
    assert "two folders of --data are called street" in told("--data", two_walkers, "--data", two_walkers)
    (two_walkers / "A" / "det" / "det.txt").unlink()
    assert "sequence A of" in told("--data", two_walkers)


def test_sequences_need_detections_and_seqinfo(two_walkers: Path) -> None:
    assert read_group(two_walkers).sequences == ("A",)
    (two_walkers / "A" / "seqinfo.ini").unlink()
    with pytest.raises(FormatError, match=r"sequence A of .* has no seqinfo.ini"):
        read_group(two_walkers)


def test_an_environment_without_numpy_is_refused_with_its_reason(tmp_path: Path) -> None:
    bare = make_environment(tmp_path / "bare", with_libraries=False)
    with pytest.raises(DependencyError, match=r"exit code 1.*No module named 'numpy'"):
        peer_worker(str(bare), folder=tmp_path)
    with pytest.raises(DependencyError, match=r"its process ended \(exit code 0\)"):
        Worker(["/bin/true"], folder=tmp_path)
    with pytest.raises(ConfigError, match="cannot be run"):
        Worker([str(tmp_path)], folder=tmp_path)


def test_sightlines_own_package_is_not_taken_for_the_other_of_its_name(tmp_path: Path) -> None:
    with open_contest(["sort"], [sys.executable], folder=tmp_path) as contest:
        reasons = {each.package: each.reason for each in contest.missing}
        assert all(each.own or each.entry.package != "trackers" for each in contest.contestants)
    assert reasons["trackers"].startswith(f"{sys.executable}: ")
    assert "another package of that name" in reasons["trackers"] or "No module named 'trackers'" in reasons["trackers"]


def test_a_process_that_dies_takes_no_one_with_it(peers: Path, tmp_path: Path) -> None:
    frames = tmp_path / "frames.npz"
    write_frames(frames, SequenceBoxes.empty(), frames=3, frame_rate=10.0)
    (tmp_path / "dies").touch()
    with open_contest(["sort"], [str(peers)], folder=tmp_path) as contest:
        by_name = {each.name: each for each in contest.contestants}
        dying, sister = by_name["roboflow OC-SORT"], by_name["roboflow ByteTrack"]
        assert len(sister.worker.time(sister.entry, frames, skip=0, limit=9)) == 3
        with pytest.raises(TrackerError, match=r"its process ended \(exit code 3\)"):
            dying.worker.time(dying.entry, frames, skip=0, limit=9)
        with pytest.raises(TrackerError, match="its process ended"):
            sister.worker.time(sister.entry, frames, skip=0, limit=9)
        own = by_name["sort"]
        assert len(own.worker.time(own.entry, frames, skip=0, limit=9)) == 3


class ImpatientError(Exception):
    """Somebody pressed Ctrl-C again."""


@pytest.fixture
def impatience() -> Iterator[threading.Timer]:
    """Once started, raises ImpatientError in the main thread a little later."""

    def lose(_number: int, _frame: FrameType | None) -> None:
        raise ImpatientError

    before = signal.signal(signal.SIGUSR1, lose)
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.5, lambda: signal.pthread_kill(main, signal.SIGUSR1))
    yield timer
    timer.cancel()
    signal.signal(signal.SIGUSR1, before)


def test_a_process_that_hangs_is_killed_even_if_nobody_waits_for_it(
    tmp_path: Path, impatience: threading.Timer
) -> None:
    hello = '{"entries": [], "missing": [], "python": "3"}'
    script = f"echo $$ > first; sh -c 'echo $$ > second; echo {json.dumps(hello)}; sleep 600'; true"
    with pytest.raises(ImpatientError), Worker(["/bin/sh", "-c", script], folder=tmp_path):
        impatience.start()
    left = [int((tmp_path / name).read_text()) for name in ("first", "second")]  # what it has started, too
    until(lambda: not any(map(running, left)), 5, "not both are gone")


def test_a_process_that_does_not_answer_is_waited_for_so_long_and_no_longer(tmp_path: Path) -> None:
    hello = '{"entries": [], "missing": [], "python": "3"}'
    script = f"echo $$ > process; echo {json.dumps(hello)}; sleep 600; true"
    entry = Entry("sleeper", "none", "1", False, False)
    with Worker(["/bin/sh", "-c", script], folder=tmp_path, round_seconds=0.6) as worker:
        with pytest.raises(TrackerError, match="no answer for 1 s"):
            worker.time(entry, tmp_path / "frames.npz", skip=0, limit=1)
        assert not running(int((tmp_path / "process").read_text()))
        with pytest.raises(TrackerError, match=r"its process ended \(signal SIGKILL\)"):
            worker.time(entry, tmp_path / "frames.npz", skip=0, limit=1)


def running(process: int) -> bool:
    """Whether there is such a process that has not ended; one that nobody has asked about is a zombie."""
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
