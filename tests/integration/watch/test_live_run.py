"""`sightline run` over cameras and over files that play as cameras do; what is refused there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import ConfigError
from pipeline.run_control import RunControl
from pipeline.store.database import open_database
from pipeline.store.states import RequestedState, RunStatus, SourceStatus
from pipeline.store.tables import Run, RunSource, Source
from pipeline.watch_verbs import camera_name
from tests.integration.command import environment, sightline
from tests.integration.rtsp_server import Mount, RtspServer
from tests.promptness import allowed, promptly, until


def stored(path: Path) -> tuple[str, RunStatus, list[tuple[str, SourceStatus, int, int]]]:
    """Kind and status of the only run; name, status, processed and dropped of its sources."""
    with open_database(path) as store, store.read() as connection:
        run = connection.execute(select(Run.kind, Run.status)).one()
        rows = connection.execute(
            select(Source.name, RunSource.status, RunSource.processed, RunSource.dropped)
            .join(RunSource, RunSource.source_id == Source.id)
            .order_by(RunSource.id)
        ).all()
    return run.kind, run.status, [tuple(row) for row in rows]


def test_a_file_plays_at_its_own_pace_until_its_end(tmp_path: Path, shared: Path) -> None:
    video = shared / "data" / "mot15" / "TUD-Campus" / "video.mp4"
    begun = time.monotonic()
    done = sightline("run", video, "--policy", "live", "--config", "live-cpu", folder=tmp_path)
    assert done.code == 0, done.err
    assert time.monotonic() - begun > 71 / 25
    kind, status, ((name, source, processed, dropped),) = stored(tmp_path / "runs" / "sightline.db")
    assert (kind, status, name, source) == ("live", RunStatus.FINISHED, "video", SourceStatus.FINISHED)
    assert 0 < processed <= 71
    assert processed + dropped == 71


def test_cameras_are_watched_for_so_many_frames(tmp_path: Path, street: Path) -> None:
    with RtspServer({"gate": Mount(street)}) as server:
        done = sightline("run", server.url("gate"), "--max-frames", "12", folder=tmp_path)
        assert done.code == 0, done.err
    kind, status, ((name, source, processed, _),) = stored(tmp_path / "runs" / "sightline.db")
    assert (kind, status, name, source) == ("live", RunStatus.FINISHED, "127-0-0-1-gate", SourceStatus.FINISHED)
    assert processed == 12


def test_ctrl_c_ends_it(tmp_path: Path, street: Path) -> None:
    database = tmp_path / "runs" / "sightline.db"
    with RtspServer({"gate": Mount(street)}) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "run", server.url("gate")],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        while line := process.stdout.readline():
            if b"has begun" in line:
                break
        until(lambda: any(row[2] for row in stored(database)[2]), 15, "nothing is processed", pause=0.1)
        process.send_signal(signal.SIGINT)
        with promptly(3):
            process.communicate(timeout=allowed(20))
        assert process.returncode == 130
    _, status, ((_, source, processed, _),) = stored(database)
    assert (status, source) == (RunStatus.STOPPED, SourceStatus.STOPPED)
    assert processed > 0


def test_the_page_starts_and_stops_a_camera(tmp_path: Path, street: Path) -> None:
    with RtspServer({"gate": Mount(street)}) as server, open_database(tmp_path / "page.db") as store:
        control = RunControl(store, tmp_path / "media")
        run = control.start([server.url("gate")], config="live-cpu")
        control.request(run, RequestedState.STOP)
        until(lambda: stored(tmp_path / "page.db")[1] is RunStatus.STOPPED, 10, "it does not stop", pause=0.1)
        with pytest.raises(ConfigError, match=r"rtsp://\*\*\*@10.0.0.4/x holds a password"):
            control.start(["rtsp://admin:geheim@10.0.0.4/x"])
    logs = "".join(path.read_text() for path in (tmp_path / "media" / "logs").iterdir())
    assert "geheim" not in logs


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rtsp://127.0.0.1/a", "street.mp4"], "cameras and files cannot be run together"),
        (["rtsp://admin:geheim@127.0.0.1/a"], "rtsp://***@127.0.0.1/a holds a password"),
        (["rtsp://127.0.0.1/a", "--video-out", "x.mp4"], "are for files"),
        (["rtsp://127.0.0.1/a", "--workers", "2"], "are for files"),
        (["rtsp://127.0.0.1/a", "--secret", "nobody"], "SIGHTLINE_SECRET_NOBODY"),
        (["street.mp4", "--secret", "nobody"], "--secret is for cameras"),
        (["ftp://127.0.0.1/a"], "ftp://127.0.0.1/a"),
    ],
)
def test_what_cannot_be_run(tmp_path: Path, words: list[str], message: str) -> None:
    with chdir(tmp_path):
        done = CliRunner().invoke(app, ["run", *words])
    assert isinstance(done.exception, ConfigError)
    assert message in str(done.exception)
    assert "geheim" not in str(done.exception)
    assert not os.listdir(tmp_path)  # noqa: PTH208  nothing was written


def test_names_of_cameras_of_the_command_line() -> None:
    assert camera_name("rtsp://10.0.0.4:554/live/ch1?x=1", taken={}) == "10-0-0-4-live-ch1"
    assert camera_name("rtsp://10.0.0.4/", taken={"10-0-0-4": 1, "10-0-0-4-2": 1}) == "10-0-0-4-3"
    assert camera_name("/videos/Straße 7.mp4", taken={}) == "Stra-e-7"
    assert camera_name("/videos/ß.mp4", taken={}) == "camera"
