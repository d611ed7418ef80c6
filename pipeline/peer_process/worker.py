"""A child process that runs trackers a round at a time, seen from a benchmark; loop.py is its other end."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from pipeline.errors import ConfigError, DependencyError
from pipeline.peer_process import peer

START_SECONDS = 180.0  # torch may have to be loaded from a cold disk
ROUND_SECONDS = 900.0
_END_SECONDS = 3.0
_ROOT = Path(__file__).resolve().parents[2]  # of our packages
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


_Entry = TypeVar("_Entry")  # what is known of a tracker that can be asked for


class TrackerError(Exception):
    """A tracker could not do a round; says why. The benchmark goes on without it."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A package that could not be used in an environment."""

    package: str
    reason: str


class PeerProcess(Generic[_Entry]):
    """A process with trackers. A context manager; the process ends with it.

    All workers compute with one thread each, so that libraries do not compete for what they are compared on.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        read_entry: Callable[..., _Entry],
        round_seconds: float = ROUND_SECONDS,
    ) -> None:
        """Start it and learn what it has. `folder`: its working folder, in which nothing can be imported by mistake.

        `read_entry`: called with what it says of each tracker, by name; TypeError where it says other things.
        `round_seconds`: one that takes longer for a round is killed.
        ConfigError where there is no such program, DependencyError where it does not come up.
        """
        self._program = command[0]
        self._round_seconds = round_seconds
        self._messages = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed with the worker
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._messages,
                cwd=folder,
                env=os.environ | dict.fromkeys(_ONE_THREAD, "1") | {"PYTHONPATH": str(_ROOT)},  # unread under -I
                start_new_session=True,  # Ctrl-C is for the benchmark, which then ends its workers
            )
        except OSError as error:
            self._messages.close()
            raise ConfigError(f"{self._program} cannot be run: {error.strerror}; give a Python interpreter") from error
        self._rest = b""
        try:
            hello = self._answer(START_SECONDS)
            self.entries = tuple(read_entry(**entry) for entry in hello["entries"])
            self.missing = tuple(Missing(**each) for each in hello["missing"])
            self.python = str(hello["python"])
        except (TrackerError, KeyError, TypeError) as error:
            self._end()
            raise DependencyError(
                f"{self._program} cannot run trackers: {error}; it must be Python 3.10 or later with numpy"
            ) from error
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._end()

    def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """Its answer. TrackerError where the tracker fails or the process ends."""
        assert self._process.stdin is not None, "opened with a pipe"
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise TrackerError(self._last_words()) from error
        return self._answer(self._round_seconds)

    def _answer(self, seconds: float) -> dict[str, Any]:
        line = self._line(seconds)
        try:
            said = json.loads(line)
        except ValueError as error:
            raise TrackerError(f"it said {line[:100]!r}") from error
        if not isinstance(said, dict):
            raise TrackerError(f"it said {line[:100]!r}")
        if "error" in said:
            raise TrackerError(" ".join(str(said["error"]).split()))
        return said

    def _line(self, seconds: float) -> bytes:
        assert self._process.stdout is not None, "opened with a pipe"
        pipe, latest = self._process.stdout.fileno(), time.monotonic() + seconds
        while b"\n" not in self._rest:
            ready, _, _ = select.select([pipe], [], [], max(0.0, latest - time.monotonic()))
            if not ready:
                self._end()  # its answer would be taken for that to the next question
                raise TrackerError(f"no answer for {seconds:.0f} s")
            piece = os.read(pipe, 1 << 16)
            if not piece:
                raise TrackerError(self._last_words())
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _last_words(self) -> str:
        """How its process ended and the last line it wrote."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        ended = self._process.returncode
        how = f"signal {signal.Signals(-ended).name}" if ended is not None and ended < 0 else f"exit code {ended}"
        if self._messages.closed:
            return f"its process ended ({how})"
        self._messages.seek(0)
        lines = self._messages.read().decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f"its process ended ({how}){': ' + said[-1] if said else ''}"

    def _end(self) -> None:
        """Close its pipes, upon which it ends by itself; a process that does not is killed, with all it has started."""
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
        finally:  # also where Ctrl-C is pressed again meanwhile
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
                process.wait()
            self._messages.close()


def peer_command(python: str, module: str, *words: str) -> list[str]:
    """Runs a module of ours (see peer.py) with this interpreter: isolated, so nothing of ours is in its path."""
    program = str(Path(python).absolute()) if os.sep in python else python  # not resolved: a link may be what it says
    return [program, "-I", str(Path(peer.__file__).resolve()), module, *words]


def own_command(module: str, *words: str) -> list[str]:
    """Runs a module of ours with this interpreter, in a process like the others."""
    return [sys.executable, "-m", module, *words]
