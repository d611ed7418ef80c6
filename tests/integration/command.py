"""The `sightline` command as a process, as a user would start it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT


@dataclass(frozen=True)
class Finished:
    """A command that came to its end."""

    code: int
    out: str
    err: str


def sightline(*words: object, folder: Path, seconds: float = 240) -> Finished:
    """Run `sightline WORDS...` in `folder`; the terminal is 200 columns wide."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, words)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def environment() -> dict[str, str]:
    """Of the process: the packages of this tree, a wide terminal, no colours."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
