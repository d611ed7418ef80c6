"""A child process that runs trackers of many objects a round at a time; peers/serving.py is its other end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.peer_process.worker import ROUND_SECONDS, PeerProcess, own_command, peer_command
from pipeline.tracker_benchmark.peers.shots import Entry


class Worker(PeerProcess[Entry]):
    """A process with trackers. A context manager; the process ends with it."""

    def __init__(self, command: Sequence[str], *, folder: Path, round_seconds: float = ROUND_SECONDS) -> None:
        """Start it and learn what it has; see `PeerProcess`."""
        super().__init__(command, folder=folder, read_entry=Entry, round_seconds=round_seconds)

    def time(self, entry: Entry, frames: Path, *, skip: int, limit: float) -> list[float]:
        """Seconds each frame took from the `skip`-th on, a new tracker from the first. TrackerError."""
        wanted = {"do": "time", "entry": entry.name, "frames": str(frames.absolute()), "skip": skip, "limit": limit}
        return [float(one) for one in self.ask(wanted)["seconds"]]

    def track(self, entry: Entry, frames: Path, out: Path, *, motion: bool) -> float:
        """Track a file into `out` (columns of serving.track_frames); seconds it took. TrackerError."""
        files = {"frames": str(frames.absolute()), "out": str(out.absolute())}  # it works in another folder
        wanted = {"do": "track", "entry": entry.name, "motion": motion, **files}
        return float(self.ask(wanted)["seconds"])


def peer_worker(python: str, *, folder: Path) -> Worker:
    """Other people's trackers, of this interpreter's environment."""
    return Worker(peer_command(python, "pipeline.tracker_benchmark.peers.serving"), folder=folder)


def own_worker(names: Sequence[str], *, folder: Path) -> Worker:
    """Sightline's trackers of these names, in a process like the others."""
    return Worker(own_command("pipeline.tracker_benchmark.own_trackers", *names), folder=folder)
