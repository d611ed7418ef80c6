"""Stored detections are tracked again: the same settings give the same rows, others a run that can be compared."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.command import MOTION, call_main
from tests.integration.rules import RULES
from tests.integration.stored import count, rows_of_run

NOTHING_HELD = ("--set", "tracker.hold=none")  # stored detections have no pictures to look at
OUTPUTS = ("--mot-out", "t.txt", "--csv-out", "t.csv")


@pytest.fixture(scope="module")
def tracked(pets: Path, people: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store, in which 100 frames of PETS were tracked with networks, in three chunks."""
    folder = tmp_path_factory.mktemp("tracked")
    options = ["--max-frames", 100, "--set", "store.chunk=40", *NOTHING_HELD, *OUTPUTS]
    done = call_main("run", pets / "video.mp4", *people, *RULES, *options, folder=folder)
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def folder(tracked: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(tracked, tmp_path / "copy"))


def test_the_same_settings_give_the_same_rows_and_files(folder: Path) -> None:
    done = call_main("retrack", "last", folder=folder)
    assert done.code == 0, done.err
    database = folder / "runs" / "sightline.db"
    first, second = rows_of_run(database, 1), rows_of_run(database, 2)
    assert len(first.observations) > 400
    assert first.tracks == second.tracks
    assert first.observations == second.observations
    assert first.embeddings == second.embeddings
    assert first.sources == second.sources
    assert first.events == second.events
    assert {row[3] for row in first.events} == {"enter", "leave", "dwell", "count", "cross"}
    assert len(second.pictures) >= len(first.pictures) - 1  # one that no detection gave is not taken over
    assert set(second.pictures) <= set(first.pictures)
    assert count(database, "detection_chunks") == 3  # none is stored twice
    done = call_main("export", "last", "--format", "mot", "--out", "again.txt", folder=folder)
    assert done.code == 0, done.err
    assert (folder / "again.txt").read_bytes() == (folder / "t.txt").read_bytes()


def test_nothing_is_held_and_that_is_said(folder: Path) -> None:
    done = call_main("retrack", "last", "--set", "tracker.hold=flow", folder=folder)
    assert done.code == 0, done.err
    assert "held      nothing: stored detections have no pictures" in done.out
    database = folder / "runs" / "sightline.db"
    assert rows_of_run(database, 2).observations == rows_of_run(database, 1).observations
    with closing(sqlite3.connect(database)) as connection:
        kept = [json.loads(row[0])["tracker"]["hold"] for row in connection.execute("SELECT settings FROM runs")]
    assert kept == ["none", "none"]
    assert "held" not in call_main("retrack", "last", folder=folder).out


@pytest.mark.parametrize(
    ("schedule", "between"),
    [("detector.every=3", "none"), ("detector.schedule=adaptive", "none"), ("detector.every=4", "line")],
)
def test_frames_nobody_looked_at_are_carried_again(schedule: str, between: str, pets: Path, tmp_path: Path) -> None:
    words = ["--set", schedule, "--set", f"tracker.between={between}", *NOTHING_HELD]
    frames = 41  # the last one is looked at: no picture shows a run that is tracked again where tracks are at its end
    done = call_main("run", pets / "video.mp4", *words, "--max-frames", frames, folder=tmp_path)
    assert done.code == 0, done.err
    assert call_main("retrack", "last", folder=tmp_path).code == 0
    database = tmp_path / "runs" / "sightline.db"
    first, second = rows_of_run(database, 1), rows_of_run(database, 2)
    assert len(first.observations) > 100
    assert first.observations == second.observations


def test_another_tracker_and_hindsight(folder: Path) -> None:
    other = call_main("retrack", "last", "--tracker", "bytetrack", "--set", "tracker.new_score=0.5", folder=folder)
    assert other.code == 0, other.err
    refined = call_main("retrack", "last", "--refine", folder=folder)  # a retracked run can be tracked again
    assert refined.code == 0, refined.err
    database = folder / "runs" / "sightline.db"
    first, second, third = (rows_of_run(database, run) for run in (1, 2, 3))
    assert second.observations != first.observations
    assert len(third.tracks) <= len(second.tracks)
    assert "predicted" in {row[3] for row in third.observations}
    assert {row[3] for row in third.events} == {"enter", "leave", "dwell", "count", "cross"}
    ends = {track: last for track, _, _, _, last, *_ in third.tracks}
    leaves = [(row[1], row[0]) for row in third.events if row[3] == "leave"]
    assert any(at == ends[track] for track, at in leaves)  # who was last seen inside left then
    compared = call_main("compare", "last", "--json", third_id(database), folder=folder)
    assert compared.code == 0, compared.err


def third_id(database: Path) -> str:
    """Public id of the first run."""
    with closing(sqlite3.connect(database)) as connection:
        return str(connection.execute("SELECT public_id FROM runs ORDER BY id").fetchone()[0])


def test_runs_that_cut_differently_share_detections(pets: Path, tmp_path: Path) -> None:
    """37 frames in chunks of 10 by one run, then 90 in chunks of 25 by another: each frame once."""
    for frames, chunk in ((37, 10), (90, 25)):
        options = ["--max-frames", frames, "--set", f"store.chunk={chunk}", *NOTHING_HELD]
        assert call_main("run", *MOTION, pets / "video.mp4", *options, folder=tmp_path).code == 0
    done = call_main("retrack", "last", folder=tmp_path)
    assert done.code == 0, done.err
    database = tmp_path / "runs" / "sightline.db"
    assert rows_of_run(database, 3).observations == rows_of_run(database, 2).observations
    assert rows_of_run(database, 3).sources[0][2] == 90


def test_what_cannot_be_tracked_again_says_why(folder: Path) -> None:
    wrong = call_main("retrack", "last", "--set", "detector.min_score=0.5", folder=folder)
    assert wrong.code == 2
    assert "only tracker, refine and analytics can change" in wrong.err
    database = folder / "runs" / "sightline.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM detection_chunks WHERE first_frame = 40")
    missing = call_main("retrack", "last", folder=folder)
    assert missing.code == 2
    assert "detections from frame 40 on are not stored" in missing.err
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT status FROM runs ORDER BY id").fetchall()[-1] == ("failed",)
