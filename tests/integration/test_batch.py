"""Many sources in one command: bad ones stop nobody, finished ones are left out, processes share the work."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from pipeline.config import load_settings
from pipeline.errors import ModelError
from pipeline.outcome import RunObserver
from pipeline.runs import Run
from tests.clips import cut, write_clip, write_moving
from tests.integration.command import MOTION, call_main, sightline
from tests.integration.stored import assert_same_rows, count, reading
from tests.integration.test_resume import start
from tests.promptness import until
from tests.unit.models.tiny_onnx import brightness_of_any_size

REAL = ("people-walking", "one-by-one-person-detection", "cars", "dense-traffic", "person-bicycle-car-detection")


def statuses(database: Path) -> list[tuple[str, str]]:
    """Name and state of each source of the newest run."""
    query = """
        SELECT s.name, r.status FROM run_sources r JOIN sources s ON s.id = r.source_id
        WHERE r.run_id = (SELECT max(id) FROM runs) ORDER BY s.name
    """
    with reading(database) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def folder(shared: Path, tmp_path: Path) -> Path:
    """Five real clips, one that was cut off before its index, and a text."""
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in REAL:
        (videos / f"{name}.mp4").symlink_to(shared / "data" / "videos" / f"{name}.mp4")
    cut(write_clip(videos / "broken.mp4", count=60), 0.6)
    (videos / "notes.mp4").write_text("this is no video\n")
    (videos / "readme.txt").write_text("nor is this\n")
    return videos


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.long), 2])
def test_bad_files_stop_nobody_and_finished_ones_are_left_out(folder: Path, tmp_path: Path, workers: int) -> None:
    command = ["run", *MOTION, folder, "--max-frames", 15, "--workers", workers, "--mot-out", "{name}.txt"]
    done = sightline(*command, folder=tmp_path)
    assert done.code == 1, done.err
    assert "left out, because their names are not those of videos: readme.txt" in done.out
    assert sorted(file.stem for file in tmp_path.glob("*.txt")) == sorted(REAL)
    assert "broken.mp4" in done.out
    assert "notes.mp4 is not a video file" in done.out
    database = tmp_path / "runs" / "sightline.db"
    good = [(f"{name}.mp4", "finished") for name in REAL]
    bad = [("broken.mp4", "failed"), ("notes.mp4", "failed")]
    assert statuses(database) == sorted(good + bad)
    with reading(database) as connection:
        assert connection.execute("SELECT status, error FROM runs").fetchall() == [
            ("finished", "2 of 7 sources failed: broken.mp4, notes.mp4")
        ]

    again = sightline(*command, folder=tmp_path)
    assert again.code == 1
    assert len(re.findall(r"^skipped .* finished before", again.out, re.MULTILINE)) == 5
    assert statuses(database) == bad
    assert count(database, "runs") == 2

    (tmp_path / "cars.txt").unlink()  # what was written is gone: it is written again
    (folder / "broken.mp4").unlink()
    (folder / "notes.mp4").unlink()
    third = sightline(*command, folder=tmp_path)
    assert third.code == 0, third.out + third.err
    assert statuses(database) == [("cars.mp4", "finished")]
    fourth = call_main(*command, folder=tmp_path)
    assert fourth.code == 0
    assert count(database, "runs") == 3  # nothing to do, no run


def test_a_source_that_breaks_off_is_done_again_and_the_others_not(tmp_path: Path) -> None:
    write_moving(tmp_path / "whole.mp4")
    cut(write_clip(tmp_path / "damaged.mp4", count=60, container={"movflags": "+faststart"}), 0.6)
    command = ["run", *MOTION, "*.mp4"]
    first = call_main(*command, folder=tmp_path)
    assert first.code == 1, first.err
    database = tmp_path / "runs" / "sightline.db"
    assert statuses(database) == [("damaged.mp4", "damaged"), ("whole.mp4", "finished")]
    assert call_main(*command, folder=tmp_path).code == 1
    assert statuses(database) == [("damaged.mp4", "damaged")]


def test_processes_share_the_work_and_change_nothing(folder: Path, tmp_path: Path) -> None:
    stores = []
    for workers in (1, 3):
        store = tmp_path / f"{workers}.db"
        names = [folder / f"{name}.mp4" for name in REAL[:4]]
        run = call_main if workers == 1 else sightline
        done = run(
            "run", *MOTION, *names, "--max-frames", 30, "--workers", workers, "--database", store, folder=tmp_path
        )
        assert done.code == 0, done.err
        assert done.out.count("finished") >= 4
        stores.append(store)
    assert_same_rows(*stores)


def test_a_worker_compiles_the_detector_for_the_shape_of_its_source(tmp_path: Path) -> None:
    """For the shape of most videos, 16:9, this one cannot be compiled."""
    brightness_of_any_size(tmp_path / "high.onnx", np.array([96, 96, 16, 8, 1.0, 0.5]), least_height=140)
    for name in ("a", "b"):
        write_clip(tmp_path / f"{name}.mp4", size=(96, 72))
    chosen = ("detector.weights=high.onnx", "detector.input_size=[192,192]", "detector.classes=[a,b]")
    said = [word for one in (*chosen, "embedder.weights=null") for word in ("--set", one)]
    done = sightline("run", "a.mp4", "b.mp4", *said, "--workers", 2, folder=tmp_path)
    assert done.code == 0, done.out + done.err
    assert statuses(tmp_path / "runs" / "sightline.db") == [("a.mp4", "finished"), ("b.mp4", "finished")]


def test_workers_that_cannot_load_the_networks_of_the_run_fail_no_source(tmp_path: Path) -> None:
    """They give their sources back, and the last one's error is the run's; it goes on where the networks are back."""
    weights = tmp_path / "net.onnx"
    brightness_of_any_size(weights, np.array([96, 96, 16, 8, 1.0, 0.5]))
    before = weights.read_bytes()
    for name in ("a", "b", "c"):
        write_clip(tmp_path / f"{name}.mp4", size=(96, 72))

    class Exchanger(RunObserver):
        def sources_known(self, count: int) -> None:
            assert count == 3
            brightness_of_any_size(weights, np.array([96, 96, 16, 8, 1.0, 0.7]))

    database = tmp_path / "runs.db"
    chosen = [f"detector.weights={weights}", "detector.input_size=[192,192]", "detector.classes=[a,b]"]
    settings = load_settings("default", [*chosen, "embedder.weights=null", f"store.database={database}"])
    run = Run([str(tmp_path / f"{name}.mp4") for name in ("a", "b", "c")], settings, observer=Exchanger(), workers=2)
    with pytest.raises(ModelError, match=r"networks of a worker are not those of its run: .*net"):
        run.execute()
    assert {state for _, state in statuses(database)} == {"pending"}
    weights.write_bytes(before)
    done = sightline("resume", "last", "--database", database, "--workers", 2, folder=tmp_path)
    assert done.code == 0, done.out + done.err
    assert {state for _, state in statuses(database)} == {"finished"}


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_a_stop_while_workers_begin_fails_no_source(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and systemd tell all processes, also those that cannot say yet that they do not mind."""
    for name in ("a", "b"):
        write_moving(tmp_path / f"{name}.mp4", count=200)
    process = start("run", *MOTION, "a.mp4", "b.mp4", "--workers", 2, folder=tmp_path)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def have_begun() -> bool:
        assert process.poll() is None
        return len(children.read_text().split()) >= 3  # two workers, and the tracker of multiprocessing

    until(have_begun, 30, "the workers do not begin", pause=0.01)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, out + err
    assert "Traceback" not in err
    assert "failed" not in out
    assert statuses(tmp_path / "runs" / "sightline.db") in (
        [("a.mp4", "stopped"), ("b.mp4", "stopped")],
        [("a.mp4", "pending"), ("b.mp4", "pending")],  # nobody had been given a source yet
        [("a.mp4", "stopped"), ("b.mp4", "pending")],
    )
    done = sightline("resume", "last", folder=tmp_path)
    assert done.code == 0, done.err


def test_a_worker_that_is_killed_takes_only_its_source_with_it(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_moving(tmp_path / f"{name}.mp4", count=300 if name == "a" else 60)
    command = ["run", *MOTION, "a.mp4", "b.mp4", "c.mp4", "--workers", 2, "--set", "store.chunk=10"]
    process = start(*command, folder=tmp_path)
    database = tmp_path / "runs" / "sightline.db"
    until(lambda: is_at_work(database, "a.mp4"), 30, "no chunk is stored")
    os.kill(process_that_reads(process.pid, "a.mp4"), signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, out + err
    assert "ended with signal SIGKILL; the same command does it again" in out
    assert statuses(database) == [("a.mp4", "failed"), ("b.mp4", "finished"), ("c.mp4", "finished")]
    again = sightline(*command, folder=tmp_path)
    assert again.code == 0, again.err
    assert statuses(database) == [("a.mp4", "finished")]


def is_at_work(database: Path, name: str) -> bool:
    """Whether a chunk of the source is stored."""
    if not database.exists():
        return False
    query = """
        SELECT count(*) FROM checkpoints c JOIN run_sources r ON r.id = c.run_source_id
        JOIN sources s ON s.id = r.source_id WHERE s.name = ?
    """
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        try:
            return bool(connection.execute(query, (name,)).fetchone()[0])
        except sqlite3.OperationalError:  # the tables are being made
            return False


def process_that_reads(parent: int, name: str) -> int:
    """The child that holds the file open."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in children:
        for link in Path(f"/proc/{child}/fd").iterdir():
            try:
                if link.readlink().name == name:
                    return int(child)
            except OSError:  # closed meanwhile
                continue
    raise AssertionError(f"no child of {parent} reads {name}")


def interrupt(database: Path, *sources: str) -> None:
    """As a kill would leave the newest run with some sources not at their end."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE runs SET status = 'running', error = NULL, heartbeat_at = 1")
        for name in sources:
            mine = "source_id = (SELECT id FROM sources WHERE name = ?)"
            connection.execute(f"UPDATE run_sources SET status = 'running' WHERE {mine}", (name,))


def test_an_interrupted_run_that_has_only_bad_files_left_comes_to_its_end(tmp_path: Path) -> None:
    write_moving(tmp_path / "good.mp4", count=20)
    (tmp_path / "notes.mp4").write_text("this is no video\n")
    database = tmp_path / "runs" / "sightline.db"
    assert call_main("run", *MOTION, "good.mp4", "notes.mp4", folder=tmp_path).code == 1
    interrupt(database)
    done = call_main("resume", "last", folder=tmp_path)
    assert done.code == 1, done.out + done.err
    assert "notes.mp4 is not a video file" in done.out
    assert statuses(database) == [("good.mp4", "finished"), ("notes.mp4", "failed")]
    with reading(database) as connection:
        assert connection.execute("SELECT status FROM runs").fetchall() == [("finished",)]


def test_a_run_that_was_killed_before_it_named_its_sources_is_not_resumed(tmp_path: Path) -> None:
    write_moving(tmp_path / "a.mp4", count=20)
    database = tmp_path / "runs" / "sightline.db"
    assert call_main("run", *MOTION, "a.mp4", folder=tmp_path).code == 0
    interrupt(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM run_sources")
    refused = call_main("resume", "last", folder=tmp_path)
    assert refused.code == 2
    assert "before it had said what it reads" in refused.err


def test_the_same_command_resumes_what_left_finished_files_out(tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    database = tmp_path / "runs" / "sightline.db"
    write_moving(videos / "a.mp4", count=20)
    assert call_main("run", *MOTION, "videos", folder=tmp_path).code == 0
    write_moving(videos / "b.mp4", count=30)
    assert call_main("run", *MOTION, "videos", folder=tmp_path).code == 0
    interrupt(database, "b.mp4")
    done = call_main("run", *MOTION, "videos", "--resume", folder=tmp_path)
    assert done.code == 0, done.err
    assert "b.mp4: goes on at frame 30" in done.out
    assert count(database, "runs") == 2
    assert statuses(database) == [("b.mp4", "finished")]

    interrupt(database, "b.mp4")
    write_moving(videos / "c.mp4", count=40)  # no run has seen it: going on would leave it out
    done = call_main("run", *MOTION, "videos", "--resume", folder=tmp_path)
    assert "no run over these sources ended early" in done.out
    assert statuses(database) == [("b.mp4", "finished"), ("c.mp4", "finished")]


def test_a_run_is_not_ended_without_a_file_that_is_gone(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_moving(tmp_path / f"{name}.mp4", count=20)
    database = tmp_path / "runs" / "sightline.db"
    assert call_main("run", *MOTION, "a.mp4", "b.mp4", folder=tmp_path).code == 0
    interrupt(database, "a.mp4", "b.mp4")
    (tmp_path / "b.mp4").rename(tmp_path / "elsewhere.mp4")
    refused = call_main("resume", "last", folder=tmp_path)
    assert refused.code == 2
    assert f"there is no file {tmp_path / 'b.mp4'}" in refused.err
    assert statuses(database) == [("a.mp4", "running"), ("b.mp4", "running")]
    (tmp_path / "elsewhere.mp4").rename(tmp_path / "b.mp4")
    assert call_main("resume", "last", folder=tmp_path).code == 0
    assert statuses(database) == [("a.mp4", "finished"), ("b.mp4", "finished")]


@pytest.mark.long  # tests/integration/store/test_store_processes.py has processes that write at once
def test_two_runs_into_one_store_at_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_moving(tmp_path / f"{name}.mp4", count=300)
    runs = [start("run", *MOTION, f"{name}.mp4", "--set", "store.chunk=5", folder=tmp_path) for name in ("a", "b")]
    for run in runs:
        out, err = run.communicate(timeout=180)
        assert run.returncode == 0, out + err
        assert "locked" not in out + err
    with reading(tmp_path / "runs" / "sightline.db") as connection:
        assert connection.execute("SELECT processed FROM run_sources").fetchall() == [(300,), (300,)]


def test_when_none_can_be_read_nothing_is_done(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    (tmp_path / "b.mp4").write_text("neither")
    done = call_main("run", *MOTION, "a.mp4", "b.mp4", folder=tmp_path)
    assert done.code == 2
    assert "none of the 2 sources can be read" in done.err
    assert not (tmp_path / "runs").exists()
