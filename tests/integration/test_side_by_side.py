"""`sightline run --streams N`: several sources at once in one process give what each gives alone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.config import load_settings
from pipeline.outcome import RunObserver
from pipeline.runs import Run
from pipeline.store.packing import unpack_detections
from tests.clips import cut, write_moving
from tests.integration.command import MOTION, call_main
from tests.integration.stored import reading
from tests.integration.test_batch import statuses

FRAMES = 40


def detections(database: Path) -> list[tuple[str, int, bytes]]:
    """Name of each source, how many detections there are, and all of them as they are kept."""
    query = "SELECT s.name, d.payload FROM detection_chunks d JOIN sources s ON s.id = d.source_id ORDER BY s.name"
    with reading(database) as connection:
        rows = connection.execute(query).fetchall()
    return [(name, sum(len(one) for one in unpack_detections(payload).detections), payload) for name, payload in rows]


@pytest.fixture
def walks(tmp_path: Path) -> Path:
    """Three videos of different lengths."""
    for number in range(3):
        write_moving(tmp_path / f"walk{number}.mp4", count=FRAMES + 10 * number)
    return tmp_path


def test_tracks_are_those_of_each_source_alone(walks: Path) -> None:
    words = ("run", "walk0.mp4", "walk1.mp4", "walk2.mp4", *MOTION)  # it learns from each stream
    alone = call_main(*words, "--mot-out", "alone-{name}.txt", folder=walks)
    at_once = call_main(
        *(*words, "--again", "--mot-out", "once-{name}.txt", "--streams", 3, "--report", "report.json"), folder=walks
    )
    assert (alone.code, at_once.code) == (0, 0), alone.err + at_once.err
    for number in range(3):
        tracks = (walks / f"once-walk{number}.txt").read_text()
        assert tracks == (walks / f"alone-walk{number}.txt").read_text() != ""
    report = json.loads((walks / "report.json").read_text())
    assert report["frames"] == sum(source["frames"] for source in report["sources"]) == 3 * FRAMES + 30
    assert report["first_frame_at"] <= report["last_frame_at"]
    for source in report["sources"]:
        assert source["status"] == "finished"
        assert 0 <= source["stages"]["detect"]["seconds"] < source["seconds"], "waiting for a turn is not being busy"


def test_networks_are_shared_and_give_what_they_give_alone(shared: Path, tmp_path: Path) -> None:
    videos = [shared / "data" / "videos" / f"{name}.mp4" for name in ("people-walking", "cars")]
    words = ("run", *videos, "--max-frames", 4)
    alone = call_main(*words, "--database", "alone.db", folder=tmp_path)
    at_once = call_main(*words, "--database", "once.db", "--streams", 2, folder=tmp_path)
    assert (alone.code, at_once.code) == (0, 0), alone.err + at_once.err
    found = detections(tmp_path / "alone.db")
    assert found == detections(tmp_path / "once.db")
    assert sum(count for _, count, _ in found) > 0


def test_a_broken_source_does_not_stop_the_others(walks: Path) -> None:
    cut(walks / "walk1.mp4", 0.6)
    done = call_main("run", "walk0.mp4", "walk1.mp4", "walk2.mp4", *MOTION, "--streams", 2, folder=walks)
    assert done.code == 1
    found = dict(statuses(walks / "runs" / "sightline.db"))
    assert (found["walk0.mp4"], found["walk2.mp4"]) == ("finished", "finished")
    assert found["walk1.mp4"] == "damaged"


def test_a_stop_reaches_all_and_the_run_goes_on_later(walks: Path) -> None:
    class Stopper(RunObserver):
        def advanced(self, address: str, frames: int, tracks: int) -> None:
            run.stop()

    settings = load_settings("motion", [f"store.database={walks / 'stop.db'}", "engine.capacity=1"])
    addresses = [str(walks / f"walk{number}.mp4") for number in range(3)]
    run = Run(addresses, settings, observer=Stopper(), streams=2)
    outcome = run.execute()
    assert run.stopped
    assert all(source.status.value == "stopped" for source in outcome.sources)
    assert outcome.frames < 3 * FRAMES + 30
    resume = ("resume", "last", "--database", walks / "stop.db", "--streams", 2)
    done = call_main(*resume, "--report", "rest.json", folder=walks)
    assert done.code == 0, done.err
    rest = json.loads((walks / "rest.json").read_text())
    assert [source["status"] for source in rest["sources"]] == 3 * ["finished"]
    assert rest["frames"] == 3 * FRAMES + 30 - outcome.frames
    assert {status for _, status in statuses(walks / "stop.db")} == {"finished"}


def test_a_report_overwrites_no_source_of_a_run_that_goes_on(walks: Path) -> None:
    assert call_main("run", "walk0.mp4", *MOTION, folder=walks).code == 0
    with closing(sqlite3.connect(walks / "runs" / "sightline.db")) as connection, connection:
        connection.execute("UPDATE runs SET status = 'stopped'")
    before = (walks / "walk0.mp4").read_bytes()
    done = call_main("resume", "last", "--report", "walk0.mp4", folder=walks)
    assert done.code == 2
    assert "--report walk0.mp4 would overwrite a source; name another file" in done.err
    assert (walks / "walk0.mp4").read_bytes() == before


@pytest.mark.parametrize("command", [("run", "walk0.mp4", *MOTION), ("resume", "last")])
def test_streams_beside_workers_are_refused(walks: Path, command: tuple[str, ...]) -> None:
    both = call_main(*command, "--streams", 2, "--workers", 2, folder=walks)
    assert both.code == 2
    assert "--workers takes several processes and --streams a single one" in both.err


def test_streams_of_cameras_are_refused(walks: Path) -> None:
    camera = call_main("run", "rtsp://127.0.0.1:9/a", *MOTION, "--streams", 2, folder=walks)
    assert camera.code == 2
    assert "--streams, --resume, --again and --report are for files" in camera.err
