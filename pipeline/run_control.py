"""RunControl: starts, pauses, stops and resumes runs for those who only watch: the page and the HTTP interface.

A run is always a process of its own. What is wanted of it is written into the store, where its heart reads it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from sqlalchemy import update

from pipeline.config import DATABASE_VARIABLE
from pipeline.errors import ConfigError, StoreError
from pipeline.store.database import Database
from pipeline.store.filters import scope_of
from pipeline.store.liveness import can_resume, is_alive
from pipeline.store.public_id import PublicIds
from pipeline.store.records import PROJECT
from pipeline.store.rows import RunRow
from pipeline.store.run_queries import run_detail
from pipeline.store.states import RequestedState
from pipeline.store.tables import Run
from pipeline.store.writer import now_microseconds
from pipeline.tracker_names import TargetName

BEGIN_SECONDS = 180.0  # how long a process may take to load its networks and look at its sources
_POLL_SECONDS = 0.1
_ERROR = "error: "  # how the command line begins the line that says what went wrong
_SKIPPED = "skipped "


class RunControl:
    """Runs as child processes. They go on when this process ends. Threads may share it."""

    def __init__(self, database: Database, media_folder: Path) -> None:
        """`media_folder`: where the runs keep their crops; their logs go there too."""
        self._database = database
        self._media = media_folder.resolve()
        self._public_ids = PublicIds()

    def start(self, addresses: Sequence[str], *, config: str = "default", overrides: Sequence[str] = ()) -> UUID:
        """Start a run and return its public id once it is in the store.

        `config`, `overrides`: as `--config` and `--set` take them. Raises ConfigError with the command's own message
        if it ended before, or had nothing to do because all was finished before.
        """
        run = self._public_ids.new()
        words = ["run", f"--config={config}", f"--run-id={run}", "--preview"]
        words += [f"--set={one}" for one in (*overrides, f"store.media={self._media}")]
        self._launch(run, [*words, "--", *addresses], None)
        return run

    def follow(
        self,
        address: str,
        *,
        box: Sequence[float],
        start_frame: int = 0,
        tracker: TargetName = "correlation",
        label: str = "",
        overrides: Sequence[str] = (),
    ) -> UUID:
        """Start a run that follows one target; returns and raises as `start` does.

        `box`: left, top, width, height in the picture `start_frame`, pixels. `overrides`: as `sightline follow --set`.
        """
        run = self._public_ids.new()
        words = ["follow", f"--box={','.join(f'{side:g}' for side in box)}", f"--start-frame={start_frame}"]
        words += [f"--tracker={tracker}", f"--run-id={run}", "--preview", *([f"--label={label}"] if label else [])]
        words += [f"--set={one}" for one in (*overrides, f"store.media={self._media}")]
        self._launch(run, [*words, "--", address], None)
        return run

    def resume(self, run: UUID) -> None:
        """Go on with a run that ended early. Returns once it is at work. Raises ConfigError, StoreError."""
        row = self._row(run)
        if not can_resume(row, now_microseconds()):
            raise ConfigError(f"run {run} cannot be resumed: it is {row.status.value}")
        self._launch(run, ["resume", "--preview", str(run)], row.heartbeat_at)

    def request(self, run: UUID, wanted: RequestedState) -> None:
        """Ask a living run to pause, to go on or to stop; it obeys at its next heartbeat. Raises StoreError."""
        row = self._row(run)
        if not is_alive(row, now_microseconds()):
            raise StoreError(f"run {run} is not at work; there is nothing to {wanted.value}")
        with self._database.write(f"ask run {run} to {wanted.value}") as connection:
            connection.execute(update(Run).where(Run.public_id == run).values(requested_state=wanted))

    def _launch(self, run: UUID, words: Sequence[str], beaten_at: int | None) -> None:
        """Start the command and wait until the run beats. `beaten_at`: its last heartbeat before."""
        log = self._log(run)
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as out:
                process = subprocess.Popen(
                    [sys.executable, "-m", "pipeline", *words],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    env=self._environment(),
                    start_new_session=True,  # Ctrl-C in the page's terminal is not meant for it
                )
        except OSError as error:
            raise ConfigError(f"a run cannot be started: {error}") from error
        ended = threading.Event()
        threading.Thread(target=_bury, args=(process, ended), name="sightline run", daemon=True).start()
        deadline = time.monotonic() + BEGIN_SECONDS
        while not self._beats(run, beaten_at):
            if ended.wait(_POLL_SECONDS):
                if self._beats(run, beaten_at):  # it was quick
                    return
                raise ConfigError(_complaint(log, process.returncode))
            if time.monotonic() > deadline:
                process.terminate()
                raise ConfigError(f"the run did not begin within {BEGIN_SECONDS:.0f} s and was ended; see {log.name}")

    def _log(self, run: UUID) -> Path:
        return self._media / "logs" / f"{run}.log"

    def _environment(self) -> dict[str, str]:
        """The database's address may hold a password, which a command line would show to everybody."""
        address = self._database.engine.url
        text = address.render_as_string(hide_password=False)
        if address.get_backend_name() == "sqlite":
            text = str(Path(str(address.database)).resolve())
        folders = [str(Path(__file__).resolve().parent.parent), os.environ.get("PYTHONPATH", "")]
        return {
            **os.environ,
            DATABASE_VARIABLE: text,
            "PYTHONPATH": os.pathsep.join(folder for folder in folders if folder),
            "PYTHONUNBUFFERED": "1",
        }

    def _row(self, run: UUID) -> RunRow:
        with self._database.read(f"find run {run}") as connection:
            found = run_detail(scope_of(connection, [PROJECT]), connection, run)
        if found is None:
            raise StoreError(f"there is no run {run}")
        return found.run

    def _beats(self, run: UUID, beaten_at: int | None) -> bool:
        try:
            return self._row(run).heartbeat_at != beaten_at
        except StoreError:
            return False


def _bury(process: subprocess.Popen[bytes], ended: threading.Event) -> None:
    """A child that nobody waits for would still look alive."""
    process.wait()
    ended.set()


def _complaint(log: Path, code: int) -> str:
    """Why a command ended before its run began: its own words."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    for beginning in (_ERROR, _SKIPPED):
        for line in reversed(lines):
            if line.startswith(beginning):
                return line.removeprefix(_ERROR)
    said = lines[-1] if lines else "it said nothing"
    return f"the run ended with code {code} before it began: {said}"
