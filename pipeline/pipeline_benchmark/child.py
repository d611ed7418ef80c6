"""A program run in a process of its own: how long it takes, on how much processor time, and with how much memory."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psutil

SAMPLE_SECONDS = 0.2  # between two looks at the memory
_END_SECONDS = 3.0


class ChildError(Exception):
    """The program could not be run or did not succeed; says what it said last."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and all that it started took."""

    began_at: float  # seconds since 1970
    seconds: float  # wall time, from its start to its end
    cpu_seconds: float  # processor time
    peak_memory: int  # bytes, of all of them together: the most of what was seen at the start and five times a second


def run_child(command: Sequence[str], *, environment: Mapping[str, str], limit: float) -> Usage:
    """Run it to its end, in the folder in which this process works. Its output is not shown.

    `environment`: variables beside those of this process. `limit`: seconds after which it is killed, with all that it
    has started; so it is if this process is interrupted. ChildError where it cannot be run or fails.
    """
    with tempfile.TemporaryFile() as said:
        began_at, started = time.time(), time.perf_counter()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=os.environ | dict(environment),
                start_new_session=True,  # Ctrl-C is for the benchmark, which then ends it
            )
        except OSError as error:
            raise ChildError(f"{command[0]} cannot be run: {error.strerror}") from error
        with _Watch(process.pid) as watch:
            try:
                code, cpu_seconds = _wait(process, limit)
            finally:
                _end(process)
        seconds = time.perf_counter() - started
        if code != 0:
            said.seek(0)
            raise ChildError(_told(code, said.read().decode(errors="replace"), limit))
    return Usage(began_at, seconds, cpu_seconds, watch.peak)


class _Watch:
    """Looks at the memory of a process and its children until the block ends."""

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="sightline memory watch", daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            self.peak = max(self.peak, memory_of(self._pid))
            if self._ended.wait(SAMPLE_SECONDS):
                return


def memory_of(pid: int) -> int:
    """Bytes that a process and its children take now, what they share counted once (Linux; elsewhere each time)."""
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):  # it has ended meanwhile
                info = process.memory_full_info()
                total += int(getattr(info, "pss", info.rss))
    except psutil.NoSuchProcess:
        return total
    return total


def _wait(process: subprocess.Popen[bytes], limit: float) -> tuple[int | None, float]:
    """Its exit code, None where it took too long, and processor seconds of it and its children."""
    latest = time.monotonic() + limit
    while time.monotonic() < latest:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_utime + usage.ru_stime
        time.sleep(0.01)
    return None, 0.0


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill it and all that it has started, where it is still there."""
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
        process.wait(_END_SECONDS)


def _told(code: int | None, text: str, limit: float) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = f": {lines[-1]}" if lines else ""
    if code is None:
        return f"it did not end within {limit:.0f} s{last}"
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"it ended with {how}{last}"
