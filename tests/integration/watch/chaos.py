"""Chaos: what cameras do to a service, round after round, and a report of how it took that."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from sqlalchemy import select

from pipeline.sources.feed import CameraState
from pipeline.store.packing import unpack_detections
from pipeline.store.tables import DetectionChunk, RunSource, Session, Source
from tests.integration.rtsp_server import Mount, RtspServer
from tests.integration.watch.process import ServiceProcess
from tests.promptness import allowed

BACKOFF, MOST = 0.5, 10.0  # seconds: first pause of the cameras here, which doubles with every attempt, and the last
STABLE = 10.0  # seconds that a connection must live for pauses to begin with the first one again


@dataclass(frozen=True)
class Blow:
    """Something that was done to cameras."""

    kind: str
    cameras: tuple[str, ...]
    away: float  # seconds without the server
    recovered: dict[str, float]  # camera -> seconds from the server's return to its first frame
    allowed: float  # seconds


class Yardstick:
    """How long this machine leaves a program waiting that only writes a little to the same disk, ten times a second."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "yardstick"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="yardstick")
        self.longest = 0.0  # seconds between two writes

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _measure(self) -> None:
        with self._file.open("wb", buffering=0) as file:
            before = time.monotonic()
            while not self._ended.wait(0.1):
                file.write(b"x" * 4096)
                os.fsync(file.fileno())
                now = time.monotonic()
                self.longest = max(self.longest, now - before)
                before = now


@dataclass
class Report:
    """What became of it."""

    seconds: float = 0.0
    machine_pause: float = 0.0  # seconds for which the machine itself stood still at most, by the yardstick
    blows: list[Blow] = field(default_factory=list)
    longest_pause: dict[str, float] = field(default_factory=dict)  # between two frames of cameras that nobody touched
    gaps: dict[str, list[tuple[float, str]]] = field(default_factory=dict)  # camera -> seconds and reason
    frames: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    damaged: dict[str, int] = field(default_factory=dict)
    latency: dict[str, dict[str, float]] = field(default_factory=dict)  # camera -> p50, p95, p99 to the tracks, seconds
    stored: dict[str, dict[str, float]] = field(default_factory=dict)  # likewise to the commit
    memory: list[float] = field(default_factory=list)  # MiB of the service, after each blow

    def write(self, folder: Path) -> None:
        """As JSON, and as a table for people."""
        (folder / "chaos.json").write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")
        lines = ["| blow | cameras | away s | back after s (allowed) |", "|---|---|---|---|"]
        for one in self.blows:
            back = ", ".join(f"{seconds:.2f}" for seconds in one.recovered.values())
            lines.append(f"| {one.kind} | {', '.join(one.cameras)} | {one.away:.1f} | {back} ({one.allowed:.1f}) |")
        lines += ["", "| camera | frames | dropped | damaged | gaps | longest pause s |", "|---|---|---|---|---|---|"]
        for name, count in self.frames.items():
            pause = self.longest_pause.get(name)
            shown = "" if pause is None else f"{pause:.2f}"
            others = f"{self.dropped[name]} | {self.damaged[name]} | {len(self.gaps[name])}"
            lines.append(f"| {name} | {count} | {others} | {shown} |")
        lines += ["", f"longest pause of the machine itself: {self.machine_pause:.2f} s"]
        (folder / "chaos.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


class Chaos:
    """Blows against the cameras of one server, seen from the store."""

    def __init__(self, service: ServiceProcess, server: RtspServer, cameras: Sequence[str]) -> None:
        self.service = service
        self.server = server
        self.cameras = tuple(cameras)
        self.report = Report()
        self._tries = 0  # at most, since a connection was stable
        self._back_at = float("-inf")  # monotonic seconds

    def kill(self, seconds: float, *, mounts: dict[str, Mount] | None = None) -> None:
        """End the server at once and start it again. `mounts`: with other videos."""
        kind = "killed" if mounts is None else "killed, another size"
        began = time.monotonic()
        self.server.kill()
        if mounts is not None:
            self.server.mounts = mounts
        time.sleep(seconds)
        self.server.start()
        self._recover(kind, began)

    def suspend(self, seconds: float) -> None:
        """Let the server stand still."""
        began = time.monotonic()
        self.server.suspend()
        time.sleep(seconds)
        self.server.resume()
        self._recover("suspended", began)

    def _recover(self, kind: str, began: float) -> None:
        """Wait until all cameras are live again, with new frames."""
        back, back_at = time.monotonic(), time.time_ns() // 1000
        away = back - began
        most = allowed(2.0) + self._pause_in_force(began, away)
        recovered: dict[str, float] = {}
        while len(recovered) < len(self.cameras):
            assert time.monotonic() - back < most + allowed(10), (kind, recovered, self.service.said()[-3000:])
            for name, row in self.service.cameras().items():
                fresh = row.status.get("last_frame_at") or 0
                live = row.state is CameraState.LIVE and fresh > back_at + 300_000
                if name in self.cameras and name not in recovered and live:
                    recovered[name] = max(0.0, (row.since_at - back_at) / 1e6)
            time.sleep(0.2)
        self._back_at = time.monotonic()
        self.report.blows.append(Blow(kind, self.cameras, away, recovered, most))
        self.report.memory.append(self.service.memory())

    def _pause_in_force(self, began: float, away: float) -> float:
        """The longest pause in which the return can find a camera; chance makes pauses up to half as long."""
        if began - self._back_at >= STABLE:
            self._tries = 0
        passed = 0.0
        while (passed := passed + min(MOST, BACKOFF * 2**self._tries) / 2) < away:
            self._tries += 1
        return min(MOST, BACKOFF * 2**self._tries)

    def finish(self, untouched: Sequence[str]) -> Report:
        """Once the service has ended. `untouched`: cameras that nobody did anything to."""
        report = self.report
        for name, row in self.service.cameras().items():
            status = row.status
            report.frames[name] = int(status["frames_processed"])
            report.dropped[name] = sum(status["dropped"].values())
            report.damaged[name] = int(status["damaged"])
            report.gaps[name] = [((end - start) / 1e6, why) for start, end, why in self.service.gaps(name)]
            report.latency[name] = dict(status["latency"]["tracked"])
            report.stored[name] = dict(status["latency"]["stored"])
        for name in untouched:
            report.longest_pause[name] = float(np.diff(frame_times(self.service, name)).max())
        return report


def frame_times(service: ServiceProcess, name: str) -> np.ndarray:
    """When each processed frame of a camera was taken, seconds, in order; without those of rows cut at the end."""
    query = (
        select(DetectionChunk.payload, Session.started_at)
        .join(RunSource, RunSource.id == DetectionChunk.run_source_id)
        .join(Source, Source.id == RunSource.source_id)
        .join(Session, (Session.run_source_id == RunSource.id) & (Session.n == 0))
        .where(Source.name == name)
        .order_by(DetectionChunk.first_frame)
    )
    with service.database.read() as connection:
        parts = [row.started_at / 1e6 + unpack_detections(row.payload).times for row in connection.execute(query)]
    return np.unique(np.concatenate(parts))
