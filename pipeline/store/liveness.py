"""Whether the process of a run still lives, as far as the store and this machine can tell."""

from __future__ import annotations

import os
import socket
from enum import StrEnum

from pipeline.store.rows import RunRow
from pipeline.store.run_kinds import RESUMABLE
from pipeline.store.states import RunStatus

HEARTBEAT_SECONDS = 2.0  # between two signs of life of a run
QUIET_SECONDS = 30.0  # without a sign of life after which a run is taken for interrupted

_ALIVE = (RunStatus.RUNNING, RunStatus.PAUSED)
_MICROSECONDS = 1_000_000


class ShownStatus(StrEnum):
    """What people are told of a run: its own word, or `interrupted` where its process is gone."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


def shown_status(run: RunRow, now: int) -> ShownStatus:
    """`now`: microseconds UTC."""
    if run.status in _ALIVE and not is_alive(run, now):
        return ShownStatus.INTERRUPTED
    return ShownStatus(run.status.value)


def is_alive(run: RunRow, now: int) -> bool:
    """Whether a process is at work on the run. `now`: microseconds UTC.

    A process of this machine is asked for at once; one of another machine counts as gone after QUIET_SECONDS without
    a heartbeat. A process that lives but has not beaten for so long hangs, or has only inherited the number.
    """
    if run.status not in _ALIVE or run.heartbeat_at is None:
        return False
    if now - run.heartbeat_at > QUIET_SECONDS * _MICROSECONDS:
        return False
    return run.pid is None or run.host != socket.gethostname() or _exists(run.pid)


def can_resume(run: RunRow, now: int) -> bool:
    """Whether the run ended early and could go on. `now`: microseconds UTC."""
    ended_early = (ShownStatus.STOPPED, ShownStatus.FAILED, ShownStatus.INTERRUPTED)
    return run.kind in RESUMABLE and shown_status(run, now) in ended_early


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)  # sends nothing
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
