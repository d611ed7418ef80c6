"""The text sinks and the part file: exact lines, byte-identical runs, nothing half-written."""

from __future__ import annotations

import csv
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import OutputError
from pipeline.evaluation.sequences import read_tracks
from pipeline.sinks.base import Result, Sink
from pipeline.sinks.csv_rows import COLUMNS, CsvSink
from pipeline.sinks.mot_text import MotTextSink
from pipeline.sinks.part_file import PartFile
from pipeline.sinks.track_text import boxes_of
from pipeline.store.tracked_boxes import TrackedBoxes
from tests.fakes import make_frame
from trackers.structures import Detections, Evidence, Stage, Tracks


def result(index: int, ids: list[int], *, stages: list[int] | None = None) -> Result:
    """Track i at (10 i, 20) of 30x40 pixels."""
    count = len(ids)
    left = 10.0 * np.array(ids, np.float32).reshape(-1)
    boxes = np.stack([left, left * 0 + 20, left + 30, left * 0 + 60], axis=1)
    tracks = Tracks(
        boxes=boxes,
        scores=np.full(count, 0.875, np.float32),
        labels=np.array([identity % 3 for identity in ids], np.int64),
        ids=np.array(ids, np.int64),
        stages=np.array(stages or [Stage.CONFIRMED] * count, np.int8),
        evidence=np.array([Evidence.FLOW if identity == 2 else Evidence.DETECTED for identity in ids], np.int8),
        rows=np.arange(count),
    )
    return Result(make_frame(index), Detections.empty(), tracks)


RESULTS = [
    result(0, []),
    result(1, [7, 2, 11]),
    result(2, [2, 3], stages=[Stage.CONFIRMED, Stage.TENTATIVE]),
    result(3, [2], stages=[Stage.LOST]),
]


def make(kind: str, path: Path) -> Sink:
    return MotTextSink(path) if kind == "mot" else CsvSink(path, ("person", "car, red"))


def write(sink: Sink) -> None:
    with sink:
        for item in RESULTS:
            sink.write(item)


def test_mot_lines(tmp_path: Path) -> None:
    path = tmp_path / "tracks.txt"
    write(MotTextSink(path))
    assert path.read_text().splitlines() == [
        "2,2,20,20,30,40,0.875,-1,-1,-1",
        "2,7,70,20,30,40,0.875,-1,-1,-1",
        "2,11,110,20,30,40,0.875,-1,-1,-1",
        "3,2,20,20,30,40,0.875,-1,-1,-1",
    ]
    assert read_tracks(path).ids.tolist() == [2, 7, 11, 2]


def test_csv_rows(tmp_path: Path) -> None:
    path = tmp_path / "tracks.csv"
    write(CsvSink(path, ("person", "car, red")))
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == COLUMNS
    assert [row[3] for row in rows] == ["2", "7", "11", "2"]
    assert rows[1] == [
        *("1", "0.100000", "2026-11-02T08:30:00.100000+00:00", "7", "car, red", "0.8750", "detected"),
        *("70.000", "20.000", "100.000", "60.000"),
    ]
    assert (rows[0][4], rows[0][6]) == ("2", "flow")  # a label beyond the names is written as its number


@pytest.mark.parametrize("kind", ["mot", "csv"])
def test_two_runs_give_identical_bytes(tmp_path: Path, kind: str) -> None:
    paths = [tmp_path / name for name in ("first", "second")]
    for path in paths:
        write(make(kind, path))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


@pytest.mark.parametrize("kind", ["mot", "csv"])
def test_columns_give_the_bytes_of_results(tmp_path: Path, kind: str) -> None:
    """Many frames at once, or a frame at a time."""
    paths = [tmp_path / name for name in ("results", "columns")]
    write(make(kind, paths[0]))
    parts = [boxes_of(item) for item in RESULTS]
    names = [field.name for field in fields(TrackedBoxes) if field.name != "masks"]
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    sink = make(kind, paths[1])
    assert isinstance(sink, MotTextSink | CsvSink)
    with sink:
        sink.write_columns(TrackedBoxes(**columns, masks=(None,) * len(columns["ids"])))
        sink.write_columns(TrackedBoxes.empty())
    assert paths[1].read_bytes() == paths[0].read_bytes()
    assert len(paths[0].read_bytes()) > 50


def test_seconds_are_those_that_the_store_can_give_back(tmp_path: Path) -> None:
    """312.5 microseconds are stored as 312; f"{0.0003125:.6f}" alone would give 313."""
    frame = replace(make_frame(0), index=1, time=0.0003125, at=312)
    with CsvSink(tmp_path / "tracks.csv", ()) as sink:
        sink.write(replace(result(1, [1]), frame=frame))
    assert (tmp_path / "tracks.csv").read_text().splitlines()[1].startswith("1,0.000312,1970-01-01T00:00:00.000312")


@pytest.mark.parametrize("kind", ["mot", "csv"])
def test_a_failed_run_leaves_the_older_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "tracks"
    path.write_text("older")

    def run_and_break() -> None:
        with make(kind, path) as sink:
            sink.write(RESULTS[1])
            raise RuntimeError("the run broke")

    with pytest.raises(RuntimeError, match="broke"):
        run_and_break()
    assert path.read_text() == "older"
    assert [file.name for file in tmp_path.iterdir()] == ["tracks"]


@pytest.mark.parametrize("kind", ["mot", "csv"])
def test_a_run_without_tracks_gives_an_empty_table(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "tracks"
    with make(kind, path):
        pass
    assert path.read_text() == ("" if kind == "mot" else ",".join(COLUMNS) + "\n")


@pytest.mark.parametrize("kind", ["mot", "csv"])
def test_what_cannot_be_written_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    with pytest.raises(OutputError, match="there is no folder"), make(kind, tmp_path / "missing" / "tracks"):
        pass
    with pytest.raises(OutputError, match="is a folder"), make(kind, tmp_path):
        pass
    with pytest.raises(OutputError, match="cannot be written"), make(kind, Path("/proc/tracks")):
        pass


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    path = tmp_path / "tracks.txt"
    PartFile(path).part.symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left"):
        write(MotTextSink(path))
    assert list(tmp_path.iterdir()) == []
