"""A child process that runs target trackers, seen from the benchmark; peers/serving.py is its other end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.evaluation.sot import Followed
from pipeline.peer_process.contest import gather
from pipeline.peer_process.worker import (
    ROUND_SECONDS,
    Missing,
    PeerProcess,
    TrackerError,
    own_command,
    peer_command,
)
from pipeline.target_benchmark.peers.opencv import PACKAGE
from pipeline.target_benchmark.peers.shapes import TargetEntry
from trackers.structures import FloatArray

INSTALL = {PACKAGE: f"pip install '{PACKAGE}<5'"}


class TargetWorker(PeerProcess[TargetEntry]):
    """A process with target trackers. A context manager; the process ends with it."""

    def __init__(self, command: Sequence[str], *, folder: Path, round_seconds: float = ROUND_SECONDS) -> None:
        """Start it and learn what it has; see `PeerProcess`."""
        super().__init__(command, folder=folder, read_entry=TargetEntry, round_seconds=round_seconds)

    def follow(self, entry: TargetEntry, pictures: Path, box: FloatArray, *, out: Path) -> tuple[Followed, list[float]]:
        """Where it says the target is, and the seconds each picture took. `out`: a file to use. TrackerError."""
        seconds = self._seconds({"do": "follow", "box": box.tolist(), "out": str(out.absolute())}, entry, pictures)
        try:
            with np.load(out, allow_pickle=False) as columns:
                return Followed(columns["boxes"], columns["scores"]), seconds
        except ValueError as error:
            raise TrackerError(str(error)) from error
        finally:
            out.unlink()

    def many(self, entry: TargetEntry, pictures: Path, boxes: FloatArray, *, count: int) -> list[float]:
        """Seconds of each of so many pictures but the first, all boxes (k, 4) followed at once. TrackerError."""
        return self._seconds({"do": "many", "boxes": boxes.tolist(), "count": count}, entry, pictures)

    def _seconds(self, wanted: dict[str, Any], entry: TargetEntry, pictures: Path) -> list[float]:
        done = self.ask(wanted | {"entry": entry.name, "pictures": str(pictures.absolute())})
        return [float(one) for one in done["seconds"]]


@dataclass(frozen=True, slots=True, eq=False)
class TargetContestant:
    """A target tracker and the process it runs in."""

    entry: TargetEntry
    worker: TargetWorker
    own: bool  # Sightline's

    @property
    def name(self) -> str:
        """Unique in a contest."""
        return self.entry.name


@dataclass(frozen=True, slots=True, eq=False)
class TargetContest:
    """Everyone, and who had to stay away."""

    contestants: Sequence[TargetContestant]
    missing: Sequence[Missing]


@contextmanager
def open_target_contest(
    settings: dict[str, dict[str, Any]],
    pythons: Sequence[str],
    *,
    networks: tuple[str, str] | None,
    folder: Path,
) -> Iterator[TargetContest]:
    """Ours with these settings by label, and those of OpenCV in the environments of these interpreters.

    `networks`: for OpenCV's NanoTrack. Raises ConfigError where an interpreter cannot be run, DependencyError where it
    cannot do this work, or where ours cannot.
    """
    words = [] if networks is None else [str(Path(one).absolute()) for one in networks]

    def start(python: str) -> TargetWorker:
        return TargetWorker(peer_command(python, "pipeline.target_benchmark.peers.serving", *words), folder=folder)

    with ExitStack() as stack:
        command = own_command("pipeline.target_benchmark.own_targets", json.dumps(settings))
        own = stack.enter_context(TargetWorker(command, folder=folder))
        everyone, missing = gather(stack, own, pythons, start=start, packages=[PACKAGE] if pythons else [])
        yield TargetContest([TargetContestant(entry, worker, worker is own) for entry, worker in everyone], missing)
