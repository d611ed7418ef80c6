"""Patience: what the store cannot take now is tried again until it can, and said aloud meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError

from pipeline.errors import OutputError, StoreError
from pipeline.store.camera_rows import add_gap
from pipeline.store.chunk import ChunkData, ChunkRest
from pipeline.store.database import Database
from pipeline.store.writer import RunWriter
from trackers.structures import Gap

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0  # between two tries
_LOOK_SECONDS = 0.05  # between two looks at whether to give up
_SAY_SECONDS = 10.0  # between two log lines of one trouble, after the first ones


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why the store takes nothing at present."""

    since: float  # seconds, of the monotonic clock
    error: str


class Patience:
    """Tries again each second. One for all that write; threads share it.

    The thread that insists waits, so what feeds it fills up and drops by its own rules; nothing is kept here.
    """

    def __init__(self, *, again_seconds: float = AGAIN_SECONDS) -> None:
        self._again = again_seconds
        self._until: float | None = None  # give up then, monotonic seconds
        self._said = float("-inf")
        self._lock = threading.Lock()
        self._insisting = 0  # calls of `insist` that are trying again
        self.trouble: Trouble | None = None  # None while all goes well
        self.retries = 0  # since the start

    def end(self, within: float) -> None:
        """Give up on what is not done `within` so many seconds. Safe in a signal handler: it takes no lock."""
        self._until = time.monotonic() + within

    def insist(self, doing: Callable[[], _Result]) -> _Result:
        """Do it until it is done. Raises what may not pass (`may_pass`), and at the end the last error."""
        tried = False
        try:
            while True:
                try:
                    done = doing()
                    break
                except (StoreError, OutputError) as error:
                    if not may_pass(error) or self._is_over():
                        raise
                    if not tried:
                        tried = True
                        self._count(1)
                    self.note(error)
                    self._wait()
        finally:
            if tried:
                self._count(-1)
        self.went_well()
        return done

    def note(self, error: StoreError | OutputError) -> None:
        """Something could not be written or read."""
        with self._lock:
            now = time.monotonic()
            self.retries += 1
            since = now if self.trouble is None else self.trouble.since
            self.trouble = Trouble(since, " ".join(str(error).split()))
            due = now - self._said >= (_SAY_SECONDS if now - since > _SAY_SECONDS else self._again)
            if due:
                self._said = now
        if due:
            _log.error("the store takes nothing, it is tried again each second: %s", error)

    def went_well(self) -> None:
        """The store has taken something; the trouble is over unless somebody is still trying."""
        with self._lock:
            trouble = self.trouble
            if trouble is None or self._insisting:
                return
            self.trouble = None
            self._said = float("-inf")
        _log.warning("the store can be written again, after %.1f s", time.monotonic() - trouble.since)

    def _count(self, more: int) -> None:
        with self._lock:
            self._insisting += more

    def _wait(self) -> None:
        end = time.monotonic() + self._again
        while time.monotonic() < end and not self._is_over():
            time.sleep(_LOOK_SECONDS)

    def _is_over(self) -> bool:
        return self._until is not None and time.monotonic() >= self._until


class PatientWriter:
    """Keeps results as a run's writer does, and insists."""

    def __init__(self, writer: RunWriter, database: Database, patience: Patience) -> None:
        self._writer = writer
        self._database = database
        self._patience = patience

    def write_chunk(self, run_source_id: int, chunk: ChunkData) -> bool:
        """A chunk that came through although an error said otherwise is not written twice."""
        return self._patience.insist(lambda: self._writer.write_chunk(run_source_id, chunk))

    def write_rest(self, run_source_id: int, rest: ChunkRest) -> None:
        """Likewise."""
        self._patience.insist(lambda: self._writer.write_rest(run_source_id, rest))

    def add_gap(self, run_source_id: int, gap: Gap) -> None:
        """Likewise."""
        self._patience.insist(lambda: add_gap(self._database, run_source_id, gap))


def may_pass(error: BaseException) -> bool:
    """Whether waiting may help: a lock, a full disk, a server that is away; not rows that contradict each other."""
    if isinstance(error, OutputError):
        return True
    cause = error.__cause__
    while isinstance(cause, StoreError):  # said once more, with the name of the store
        cause = cause.__cause__
    return isinstance(cause, DBAPIError) and not isinstance(cause, (IntegrityError, ProgrammingError))
