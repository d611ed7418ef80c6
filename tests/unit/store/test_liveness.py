"""Whether a run's process lives, by status, heartbeat and process number."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from uuid import UUID

import pytest

from pipeline.store.liveness import QUIET_SECONDS, ShownStatus, can_resume, is_alive, shown_status
from pipeline.store.rows import RunRow
from pipeline.store.states import RequestedState, RunStatus

NOW = 1_800_000_000_000_000
RUN = RunRow(
    public_id=UUID(int=1),
    kind="files",
    status=RunStatus.RUNNING,
    requested_state=RequestedState.RUN,
    error=None,
    settings={},
    settings_hash="",
    code_version="1",
    parent=None,
    created_at=NOW - 60_000_000,
    finished_at=None,
    heartbeat_at=NOW - 1_000_000,
    host=socket.gethostname(),
    pid=os.getpid(),
)


def dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_beating_process_of_this_machine_is_alive() -> None:
    assert is_alive(RUN, NOW)
    assert shown_status(RUN, NOW) is ShownStatus.RUNNING
    assert not can_resume(RUN, NOW)


def test_a_dead_process_of_this_machine_is_known_at_once() -> None:
    dead = replace(RUN, pid=dead_process())
    assert shown_status(dead, NOW) is ShownStatus.INTERRUPTED
    assert can_resume(dead, NOW)


def test_of_another_machine_only_the_heartbeat_is_known() -> None:
    there = replace(RUN, host="elsewhere", pid=dead_process())
    assert shown_status(there, NOW) is ShownStatus.RUNNING
    assert shown_status(there, NOW + round(QUIET_SECONDS * 1e6)) is ShownStatus.INTERRUPTED


def test_a_process_that_inherited_the_number_does_not_beat() -> None:
    assert shown_status(replace(RUN, heartbeat_at=NOW - 3_600_000_000), NOW) is ShownStatus.INTERRUPTED


@pytest.mark.parametrize(
    ("status", "resumable"),
    [(RunStatus.FINISHED, False), (RunStatus.STOPPED, True), (RunStatus.FAILED, True), (RunStatus.PENDING, False)],
)
def test_a_run_that_is_over_says_so_itself(status: RunStatus, resumable: bool) -> None:
    over = replace(RUN, status=status, pid=dead_process())
    assert shown_status(over, NOW).value == status.value
    assert can_resume(over, NOW) is resumable
    assert not can_resume(replace(over, kind="retrack"), NOW)
