"""Runs as child processes: started, paused, stopped, killed and resumed through the store."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from pipeline.errors import ConfigError, StoreError
from pipeline.run_control import RunControl
from pipeline.store.database import Database, open_database
from pipeline.store.filters import scope_of
from pipeline.store.liveness import ShownStatus, can_resume, shown_status
from pipeline.store.rows import RunDetail
from pipeline.store.run_queries import run_detail
from pipeline.store.states import RequestedState
from pipeline.store.writer import now_microseconds
from tests.clips import write_moving
from tests.promptness import allowed, until

FRAMES = 1000


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty seconds of something that moves, which takes some seconds."""
    return write_moving(tmp_path_factory.mktemp("clips") / "moving.mp4", count=FRAMES)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "runs.db") as opened:
        yield opened


@pytest.fixture
def control(store: Database, tmp_path: Path) -> RunControl:
    return RunControl(store, tmp_path / "media")


def detail(store: Database, run: UUID) -> RunDetail:
    with store.read() as connection:
        found = run_detail(scope_of(connection, ["default"]), connection, run)
    assert found is not None
    return found


def status(store: Database, run: UUID) -> ShownStatus:
    return shown_status(detail(store, run).run, now_microseconds())


def processed(store: Database, run: UUID) -> int:
    return detail(store, run).sources[0].processed


def test_a_run_is_paused_goes_on_is_killed_and_resumed(
    store: Database, control: RunControl, clip: Path, tmp_path: Path
) -> None:
    run = control.start([str(clip)], config="motion", overrides=["store.chunk=50"])
    assert status(store, run) is ShownStatus.RUNNING
    preview = tmp_path / "media" / "preview" / f"{run}.jpg"
    until(preview.exists, 30, pause=0.05)
    control.request(run, RequestedState.PAUSE)
    until(lambda: status(store, run) is ShownStatus.PAUSED, 30, pause=0.05)
    time.sleep(allowed(0.5))  # what was read before is finished
    before = processed(store, run)
    assert before < FRAMES
    time.sleep(1)
    assert processed(store, run) == before
    assert preview.read_bytes()[:2] == b"\xff\xd8"

    control.request(run, RequestedState.RUN)
    until(lambda: processed(store, run) > before, 30, pause=0.05)
    with pytest.raises(ConfigError, match="cannot be resumed"):
        control.resume(run)
    pid = detail(store, run).run.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: status(store, run) is ShownStatus.INTERRUPTED, 30, pause=0.05)
    assert can_resume(detail(store, run).run, now_microseconds())
    with pytest.raises(StoreError, match="not at work"):
        control.request(run, RequestedState.STOP)

    control.resume(run)
    until(lambda: status(store, run) is ShownStatus.FINISHED, 30, pause=0.05)
    assert processed(store, run) == FRAMES
    assert not preview.exists()
    with pytest.raises(ConfigError, match="finished before, in run"):
        control.start([str(clip)], config="motion", overrides=["store.chunk=50"])


def test_a_run_is_stopped_and_resumed(store: Database, control: RunControl, clip: Path) -> None:
    run = control.start([str(clip)], config="motion")
    control.request(run, RequestedState.STOP)
    until(lambda: status(store, run) is ShownStatus.STOPPED, 30, pause=0.05)
    assert processed(store, run) < FRAMES
    control.resume(run)
    assert detail(store, run).run.requested_state is RequestedState.RUN
    control.request(run, RequestedState.STOP)
    until(lambda: status(store, run) in (ShownStatus.STOPPED, ShownStatus.FINISHED), 30, pause=0.05)


@pytest.mark.parametrize(
    ("address", "overrides", "message"),
    [
        ("missing.mp4", [], "there is no file missing.mp4"),
        ("--help", [], "there is no file --help"),
        ("rtsp://user:geheim@127.0.0.1/stream", [], "holds a password"),
        (None, ["detector.min_scor=1"], "did you mean"),
    ],
)
def test_what_cannot_begin_is_told_in_the_commands_words(
    control: RunControl, clip: Path, address: str | None, overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        control.start([address or str(clip)], overrides=overrides)
    assert "geheim" not in str(caught.value)


def test_runs_that_are_not_there(control: RunControl) -> None:
    with pytest.raises(StoreError, match="there is no"):
        control.resume(uuid4())
