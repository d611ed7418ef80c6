"""A program in a process of its own: what it takes is measured, and none outlives its time."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from pipeline.pipeline_benchmark.child import ChildError, run_child
from tests.promptness import allowed, until

MIB = 1 << 20


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_time_and_memory_of_a_process_and_its_child() -> None:
    child = f"import time; a = bytearray({60 * MIB}); time.sleep(1.2)"
    code = f"import subprocess, sys; a = bytearray({40 * MIB}); subprocess.run([sys.executable, '-S', '-c', {child!r}])"
    usage = run_child(python(code), environment={}, limit=120)
    assert 1.2 < usage.seconds < 120
    assert 100 * MIB < usage.peak_memory < 200 * MIB
    assert abs(usage.began_at + usage.seconds - time.time()) < allowed(5)


def test_processor_time_is_no_wall_time() -> None:
    usage = run_child(python("import time; time.sleep(1)"), environment={}, limit=120)
    assert usage.cpu_seconds < 0.9 < usage.seconds


def test_a_failure_is_told_with_its_last_line() -> None:
    with pytest.raises(ChildError, match="exit code 3: that was bad"):
        run_child(python("print('first'); print('that was bad'); raise SystemExit(3)"), environment={}, limit=120)
    with pytest.raises(ChildError, match="signal SIGKILL"):
        run_child(python("import os; os.kill(os.getpid(), 9)"), environment={}, limit=120)
    with pytest.raises(ChildError, match="nowhere cannot be run: No such file"):
        run_child(["nowhere"], environment={}, limit=120)


def test_who_takes_too_long_is_killed_with_all_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"sleep 600 & echo $! > {note}; wait"
    with pytest.raises(ChildError, match="did not end within 3 s"):
        run_child(["/bin/sh", "-c", script], environment={}, limit=3)
    status = Path(f"/proc/{note.read_text().strip()}/status")
    until(lambda: not _alive(status), 5, "it goes on")


def test_variables_are_given() -> None:
    assert "SIGHTLINE_TOLD" not in os.environ
    code = "import os; raise SystemExit(os.environ['SIGHTLINE_TOLD'] != 'yes')"
    assert run_child(python(code), environment={"SIGHTLINE_TOLD": "yes"}, limit=120).seconds > 0


def _alive(status: Path) -> bool:
    try:
        return "State:\tZ" not in status.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
