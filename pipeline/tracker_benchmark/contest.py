"""Who takes part in a benchmark of trackers: ours, and those of other environments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.peer_process.contest import gather
from pipeline.peer_process.worker import Missing
from pipeline.tracker_benchmark.peers.discovery import FINDERS
from pipeline.tracker_benchmark.peers.shots import Entry
from pipeline.tracker_benchmark.worker import Worker, own_worker, peer_worker

INSTALL = {
    "trackers": "pip install trackers",
    "ultralytics": "pip install ultralytics lap",
    "boxmot": "pip install boxmot",
    "norfair": "pip install norfair",
    "deep-sort-realtime": "pip install deep-sort-realtime",
}


@dataclass(frozen=True, slots=True, eq=False)
class Contestant:
    """A tracker and the process it runs in."""

    entry: Entry
    worker: Worker
    own: bool  # Sightline's

    @property
    def name(self) -> str:
        """Unique in a contest."""
        return self.entry.name


@dataclass(frozen=True, slots=True, eq=False)
class Contest:
    """Everyone, and who had to stay away."""

    contestants: Sequence[Contestant]
    missing: Sequence[Missing]  # packages that none of the environments could use


@contextmanager
def open_contest(names: Sequence[str], pythons: Sequence[str], *, folder: Path) -> Iterator[Contest]:
    """Ours of these names and all that the environments of these interpreters have; of a name twice, the first.

    Raises ConfigError where an interpreter cannot be run, DependencyError where it cannot do this work.
    """
    with ExitStack() as stack:
        own = stack.enter_context(own_worker(names, folder=folder))
        everyone, missing = gather(
            stack, own, pythons, start=lambda python: peer_worker(python, folder=folder), packages=FINDERS
        )
        yield Contest([Contestant(entry, worker, worker is own) for entry, worker in everyone], missing)
