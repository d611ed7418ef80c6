"""The `sightline` command as a user would call it: as a process of its own, or within this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from pipeline.cli import main
from tests.conftest import ROOT, logging_as_before

MOTION = ("--config", "motion")  # whatever moves: quick, and blind to what it is
SHOWN = {"COLUMNS": "200", "NO_COLOR": "1"}  # a wide terminal, no colours


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


def call_main(*words: object, folder: Path) -> Finished:
    """The same within this process, seconds faster: where it is the answer that is looked at, not the process.

    Also what libraries write past Python is in `out` and `err`.
    """
    with chdir(folder), _shown(), logging_as_before(), _caught(1) as out, _caught(2) as err:
        with redirect_stdout(out), redirect_stderr(err):
            code = _code(words)
        return Finished(code, _text(out), _text(err))


def environment() -> dict[str, str]:
    """Of the process: the packages of this tree, a wide terminal, no colours."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **SHOWN}


def _code(words: tuple[object, ...]) -> int:
    try:
        main([str(word) for word in words])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


@contextmanager
def _shown() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in SHOWN}
    os.environ.update(SHOWN)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _caught(number: int) -> Iterator[IO[str]]:
    """A file that is what is written to file descriptor `number` until the block ends."""
    kept = os.dup(number)
    with TemporaryFile("w+", encoding="utf-8") as file:
        os.dup2(file.fileno(), number)
        try:
            yield file
        finally:
            os.dup2(kept, number)
            os.close(kept)


def _text(file: IO[str]) -> str:
    file.flush()
    file.seek(0)
    return file.read()
