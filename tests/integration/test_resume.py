"""A run that is killed, stopped or fails goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import pytest

from tests.integration.command import MOTION, call_main, environment, sightline
from tests.integration.rules import RULES
from tests.integration.stored import assert_same_rows, count, next_frame, reading
from tests.promptness import until

OUTPUTS = ("--mot-out", "t.txt", "--csv-out", "t.csv", "--video-out", "t.mp4")
CHUNK = 20
OUTPUTS_OF_REAL_RUN = ("--mot-out", "tracks.txt", "--csv-out", "tracks.csv", "--video-out", "tracks.mp4")


def start(*words: object, folder: Path) -> subprocess.Popen[str]:
    """`sightline WORDS...`, going on in its own process group."""
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *map(str, words)],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_frame(process: subprocess.Popen[Any], database: Path, frame: int) -> None:
    """Until the checkpoint is there or beyond, or the process has ended."""
    until(lambda: next_frame(database) >= frame or process.poll() is not None, 40, "the run does not move", pause=0.01)


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def times(path: Path) -> list[float]:
    """Of every picture of a video."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        return sorted(
            float(packet.pts * stream.time_base) for packet in container.demux(stream) if packet.pts is not None
        )


def assert_same_files(one: Path, other: Path) -> None:
    assert (one / "t.txt").read_bytes() == (other / "t.txt").read_bytes()
    assert (one / "t.csv").read_bytes() == (other / "t.csv").read_bytes()
    assert times(one / "t.mp4") == times(other / "t.mp4")


def leftovers(folder: Path) -> list[str]:
    """What must not be left beside the outputs."""
    return sorted(file.name for file in folder.iterdir() if file.name.startswith("."))


EVERY_FRAME, LINES = "every frame", "lines"
every_frame = pytest.mark.parametrize("command", [EVERY_FRAME], indirect=True)
both = pytest.mark.parametrize("command", [pytest.param(EVERY_FRAME, marks=pytest.mark.long), LINES], indirect=True)


@pytest.fixture(scope="module")
def command(request: pytest.FixtureRequest, pets: Path, exact: list[str]) -> list[object]:
    """80 frames of PETS with networks, the embedder asked by the tracker, a zone and a line, in chunks of 20.

    Or 240 with every third one looked at, which is not where chunks end, and boxes on lines between.
    """
    asked = ["--set", "embedder.when=asked"]
    if request.param == LINES:
        asked += ["--set", "detector.every=3", "--set", "tracker.between=line"]
    return [
        "run",
        pets / "video.mp4",
        *exact,
        *asked,
        *RULES,
        "--max-frames",
        80 if request.param == EVERY_FRAME else 240,
        "--set",
        f"store.chunk={CHUNK}",
        *OUTPUTS,
    ]


@pytest.fixture(scope="module")
def whole(command: list[object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    done = call_main(*command, folder=folder)
    assert done.code == 0, done.err
    assert count(folder / "runs" / "sightline.db", "events") > 4
    return folder


@both
def test_killed_again_and_again_it_ends_with_the_same_rows(command: list[object], whole: Path, tmp_path: Path) -> None:
    moments = random.Random(3)
    database = tmp_path / "runs" / "sightline.db"
    for target in (20, 40):
        process = start(*command, "--resume", folder=tmp_path)
        wait_for_frame(process, database, target)
        time.sleep(moments.uniform(0, 0.4))
        kill(process)
        before = next_frame(database)
        assert before >= target
        with reading(database) as connection:
            assert connection.execute("SELECT status FROM runs").fetchall() == [("running",)]
    done = call_main(*command, "--resume", folder=tmp_path)
    assert done.code == 0, done.err
    goes_on = re.search(r"goes on at frame (\d+); .* at most (\d+) frames", done.out)
    assert goes_on is not None
    assert int(goes_on[1]) == before
    assert int(goes_on[2]) <= 100
    assert count(database, "runs") == 1
    assert_same_rows(whole / "runs" / "sightline.db", database)
    assert_same_files(whole, tmp_path)
    assert leftovers(tmp_path) == []


@both
def test_stopped_within_a_chunk_it_ends_with_the_same_rows(command: list[object], whole: Path, tmp_path: Path) -> None:
    database = tmp_path / "runs" / "sightline.db"
    stopped_at = [0]
    for _ in range(2):
        process = start(*command, "--resume", folder=tmp_path)
        wait_for_frame(process, database, stopped_at[-1] + 1)
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 130, out + err
        stopped_at.append(next_frame(database))
        with av.open(str(tmp_path / "t.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == stopped_at[-1]
        assert leftovers(tmp_path) == []
    done = call_main("resume", "last", folder=tmp_path)
    assert done.code == 0, done.err
    assert f"goes on at frame {stopped_at[-1]}" in done.out
    assert_same_rows(whole / "runs" / "sightline.db", database)
    assert_same_files(whole, tmp_path)
    assert leftovers(tmp_path) == []


@pytest.mark.long  # tests/unit/engine/test_engine.py has one that learns
def test_a_detector_that_learns_is_shown_what_it_saw(pets: Path, tmp_path: Path) -> None:
    command = ["run", *MOTION, pets / "video.mp4", "--max-frames", 160, "--set", f"store.chunk={CHUNK}", *OUTPUTS]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    assert sightline(*command, folder=whole).code == 0
    process = start(*command, folder=killed)
    wait_for_frame(process, killed / "runs" / "sightline.db", 60)
    kill(process)
    done = sightline(*command, "--resume", folder=killed)
    assert done.code == 0, done.err
    assert "learns its background again from frames 0 to" in done.out
    assert_same_rows(whole / "runs" / "sightline.db", killed / "runs" / "sightline.db")
    assert_same_files(whole, killed)


def test_a_run_that_cannot_go_on_says_why(pets: Path, tmp_path: Path) -> None:
    video = tmp_path / "video.mp4"
    video.write_bytes((pets / "video.mp4").read_bytes())
    database = tmp_path / "runs" / "sightline.db"
    command = ["run", *MOTION, video, "--max-frames", 400, "--set", f"store.chunk={CHUNK}"]
    process = start(*command, folder=tmp_path)
    wait_for_frame(process, database, 40)
    alive = call_main("resume", "last", folder=tmp_path)
    assert alive.code == 2
    assert "is at work" in alive.err
    kill(process)

    other = call_main(*command, "--resume", "--set", "tracker.lost_seconds=2", folder=tmp_path)
    assert other.code == 2
    assert "tracker.lost_seconds: 4.0 -> 2.0" in other.err
    more = call_main(*command, "--resume", "--mot-out", "t.txt", folder=tmp_path)
    assert more.code == 2
    assert "outputs.mot: None -> " in more.err

    content = video.read_bytes()
    video.write_bytes(content[:-1] + b"\0")
    changed = call_main("resume", "last", folder=tmp_path)
    assert changed.code == 2
    assert "its content has changed" in changed.err
    video.write_bytes(content)

    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE checkpoints SET format_version = format_version - 1")
    old = call_main("resume", "last", folder=tmp_path)
    assert old.code != 0
    assert "resume with the version that began the run" in old.err
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE checkpoints SET format_version = format_version + 1")

    assert call_main("resume", "last", folder=tmp_path).code == 0
    finished = call_main("resume", "last", folder=tmp_path)
    assert finished.code == 2
    assert "is finished" in finished.err
    nothing = call_main("resume", "ffffffff", folder=tmp_path)
    assert nothing.code == 2
    assert count(database, "runs") == 1


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_all_of_pets_killed_at_five_random_moments(
    pets: Path, people: list[str], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, seed: int
) -> None:
    """Chunks of 100 frames, and no regard for where they end."""
    command = ["run", pets / "video.mp4", *people, *OUTPUTS_OF_REAL_RUN]
    whole = tmp_path_factory.mktemp("whole")
    assert sightline(*command, folder=whole, seconds=600).code == 0
    moments = random.Random(seed)
    database = tmp_path / "runs" / "sightline.db"
    began = 0
    for _ in range(5):
        process = start(*command, "--resume", folder=tmp_path)
        deadline = time.monotonic() + moments.uniform(2, 12)
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        kill(process)
        reached = next_frame(database)
        assert reached >= began
        assert reached % 100 == 0 or reached == 795
        began = reached
    done = sightline(*command, "--resume", folder=tmp_path, seconds=600)
    assert done.code == 0, done.err
    if began > 0:
        assert re.search(rf"goes on at frame {began};.* at most 100 frames", done.out)
    assert_same_rows(whole / "runs" / "sightline.db", database)
    for name in ("tracks.txt", "tracks.csv"):
        assert (whole / name).read_bytes() == (tmp_path / name).read_bytes()
    assert times(whole / "tracks.mp4") == times(tmp_path / "tracks.mp4")
    assert leftovers(tmp_path) == []


@every_frame
def test_an_adaptive_run_that_is_killed_ends_with_the_same_rows(command: list[object], tmp_path: Path) -> None:
    adaptive = [*command, "--set", "detector.schedule=adaptive", "--max-frames", 60]
    once, killed = tmp_path / "once", tmp_path / "killed"
    once.mkdir()
    killed.mkdir()
    done = call_main(*adaptive, "--report", "report.json", folder=once)
    assert done.code == 0, done.err
    (source,) = json.loads((once / "report.json").read_text())["sources"]
    assert source["stages"]["detect"]["frames"] < 60
    process = start(*adaptive, "--resume", folder=killed)
    wait_for_frame(process, killed / "runs" / "sightline.db", 20)
    kill(process)
    done = call_main(*adaptive, "--resume", folder=killed)
    assert done.code == 0, done.err
    assert_same_rows(once / "runs" / "sightline.db", killed / "runs" / "sightline.db")
    assert_same_files(once, killed)


@every_frame
def test_a_budget_is_refused_for_files(command: list[object], tmp_path: Path) -> None:
    done = call_main(*command, "--set", "detector.schedule=budget", folder=tmp_path)
    assert done.code == 2
    assert "for cameras" in done.err
    assert not (tmp_path / "runs" / "sightline.db").exists()
