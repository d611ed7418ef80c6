"""What a benchmark says: tables, notes, JSON and a picture."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console
from rich.table import Table

from pipeline.errors import OutputError
from pipeline.evaluation.benchmark import Benchmark, evaluate_folders
from pipeline.evaluation.sequences import SequenceBoxes, write_tracks, write_truth
from pipeline.peer_process.worker import Missing
from pipeline.tracker_benchmark.accuracy import Group, Result
from pipeline.tracker_benchmark.contest import Contestant
from pipeline.tracker_benchmark.peers.shots import Entry
from pipeline.tracker_benchmark.plot import spread, write_plot
from pipeline.tracker_benchmark.speed import Timing, Trial
from pipeline.tracker_benchmark.summary import Summary, accuracy_table, notes, speed_table, summary_to_dict
from tests.fakes import FakeTrackerWorker

WORKER = FakeTrackerWorker({})
OWN = Contestant(Entry("deepsort", "sightline", "0.1", False, True), WORKER, True)
PEER = Contestant(Entry("roboflow ByteTrack", "trackers", "2.6", False, False), WORKER, False)
LOOKS = Contestant(Entry("deepsort + features", "sightline", "0.1", True, True), WORKER, True)


@pytest.fixture
def summary(tmp_path: Path) -> Summary:
    """Ours twice as fast as the peer's, with every box right; the peer has half of them."""
    box = np.array([[0, 0, 10, 20.0]])
    one = np.ones(1)
    frames = [SequenceBoxes(np.array([n]), np.array([1]), box + n, one, one.astype(int), one) for n in (1, 2)]
    both = SequenceBoxes(
        *(
            np.concatenate(pair)
            for pair in zip(
                *((f.frames, f.ids, f.boxes, f.scores, f.classes, f.visibility) for f in frames), strict=True
            )
        )
    )
    for folder in ("data/A/gt", "own", "peer"):
        (tmp_path / folder).mkdir(parents=True)
    write_truth(tmp_path / "data" / "A" / "gt" / "gt.txt", both)
    write_tracks(tmp_path / "own" / "A.txt", both)
    write_tracks(tmp_path / "peer" / "A.txt", frames[0])
    own, peer = Result(OWN, moved=True), Result(PEER)
    for result, place in ((own, "own"), (peer, "peer")):
        result.groups["data"] = evaluate_folders(tmp_path / "data", tmp_path / place, benchmark=Benchmark.MOT17)
    return Summary(
        trial=Trial([10, 100], 40, 2, 128),
        timings=[
            Timing(OWN, {10: [0.5, 0.7], 100: [12.0, 14.0]}),
            Timing(PEER, {10: [1.0, 1.4], 100: [300.0]}),
            Timing(LOOKS, {10: [2.0]}, "100 objects: out of\nmemory"),
        ],
        groups=[Group(tmp_path / "data", Benchmark.MOT17, ("A",))],
        results=[peer, own, Result(OWN, refined=True, moved=True, failures={"data": "lost"})],
        missing=[Missing("norfair", "peers/bin/python: No module named 'norfair'")],
    )


def text(table: Table) -> list[str]:
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(table)
    return [" ".join(line.split()) for line in console.export_text().splitlines() if line.strip()]


def test_speed_stands_beside_how_many_times_as_fast_it_is(summary: Summary) -> None:
    lines = text(speed_table(summary))
    assert "deepsort 0.60 (x2) 13 (x25)" in lines
    assert "roboflow ByteTrack 1.20 (x1) 300 (x1)" in lines
    assert "deepsort + features 2.00 -" in lines  # nobody to compare it with
    assert "x: times as fast as roboflow ByteTrack" in lines
    assert lines.index("deepsort 0.60 (x2) 13 (x25)") < lines.index("roboflow ByteTrack 1.20 (x1) 300 (x1)")


def test_accuracy_has_the_best_first_and_a_dash_for_a_failure(summary: Summary) -> None:
    lines = text(accuracy_table(summary))
    assert "deepsort + gmc 100.0 / 100.0 / 100.0" in lines
    assert "roboflow ByteTrack 50.0 / 66.7 / 50.0" in lines
    assert lines[-1] == "deepsort + refine + gmc -"
    assert lines.index("deepsort + gmc 100.0 / 100.0 / 100.0") < lines.index("roboflow ByteTrack 50.0 / 66.7 / 50.0")


def test_notes_name_what_failed_and_what_is_not_installed(summary: Summary) -> None:
    assert notes(summary) == [
        "deepsort + features failed: 100 objects: out of\nmemory",
        "deepsort + refine failed on data: lost",
        "not measured: norfair (pip install norfair); peers/bin/python: No module named 'norfair'",
    ]


def test_json_has_every_round_every_ratio_and_every_sequence(summary: Summary) -> None:
    figures = json.loads(json.dumps(summary_to_dict(summary)))
    own, peer, looks = figures["speed"]["trackers"]
    assert own["milliseconds"] == {"10": pytest.approx(0.6), "100": 13.0}
    assert own["rounds"] == {"10": [0.5, 0.7], "100": [12.0, 14.0]}
    assert own["reference"] == peer["tracker"] == "roboflow ByteTrack"
    assert own["times_as_fast_as_reference"] == {"10": pytest.approx(2.0), "100": 25.0}
    assert looks["reference"] is None
    assert looks["failure"] == "100 objects: out of\nmemory"
    assert figures["speed"]["times_as_fast"]["deepsort"] == {"roboflow ByteTrack": {"10": 2.0, "100": 25.0}}
    theirs, ours, failed = figures["accuracy"]
    assert theirs["groups"]["data"]["sequences"]["A"]["MOTA"] == 0.5
    assert ours["groups"]["data"]["COMBINED"]["HOTA"] == pytest.approx(1.0)
    assert (ours["camera_motion"], theirs["camera_motion"], failed["refined"]) == (True, False, True)
    assert failed["failures"] == {"data": "lost"}
    assert figures["missing"][0]["install"] == "pip install norfair"


def test_the_picture_has_a_panel_for_speed_and_one_a_group(summary: Summary, tmp_path: Path) -> None:
    write_plot(tmp_path / "all.png", summary)
    everything = cv2.imread(str(tmp_path / "all.png"))
    only_speed = Summary(summary.trial, summary.timings, [], [], [])
    write_plot(tmp_path / "speed.png", only_speed)
    speed = cv2.imread(str(tmp_path / "speed.png"))
    assert speed.shape[1] < everything.shape[1]
    own = np.array([0x3B, 0x7A, 0x0B])  # blue green red
    assert (np.abs(everything.astype(int) - own).sum(axis=2) < 6).sum() > 1000
    with pytest.raises(ValueError, match="speeds or scores"):
        write_plot(tmp_path / "none.png", Summary(summary.trial, [], [], [], []))
    with pytest.raises(OutputError, match="cannot be written"):
        write_plot(tmp_path / "gone" / "x.png", only_speed)


def test_labels_stay_in_order_and_apart() -> None:
    wanted = np.array([0.0, 0.01, 0.02, 0.5, 0.5, 1.0])
    places = spread(wanted, (0.0, 1.0))
    assert (np.diff(places) >= 0.034 - 1e-9).all()
    assert np.abs(places - wanted).max() < 0.05
    assert places.min() >= 0
    assert places.max() <= 1 + 1e-9
    assert spread(np.array([0.3]), (0.0, 1.0)).tolist() == [0.3]
    crowded = spread(np.full(100, 0.5), (0.0, 1.0))
    assert (np.diff(crowded) > 0).all()
