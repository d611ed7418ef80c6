"""EngineReport: what a run did, by stream and by stage, counted while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.errors import DamagedSourceError
from pipeline.sinks.base import Result
from pipeline.tally import TrackTally

STAGES = ("read", "detect", "segment", "embed", "track", "write")


@dataclass(slots=True)
class StageReport:
    """What one stage did."""

    seconds: float = 0.0  # busy: in the stage's own code, not waiting for its neighbours
    cpu_seconds: float = 0.0  # of the processor, in the stage's own thread; a network's threads are not among them
    frames: int = 0
    high_water: int = 0  # most items that waited in front of the stage; 0 for reading and segmenting

    @contextmanager
    def busy(self, frames: int) -> Iterator[None]:
        """Count the time until the block ends, and `frames`, where it ends without an exception."""
        started, started_cpu = time.perf_counter(), time.thread_time()
        yield
        self.seconds += time.perf_counter() - started
        self.cpu_seconds += time.thread_time() - started_cpu
        self.frames += frames


@dataclass(slots=True)
class StreamReport:
    """What became of one stream."""

    frames: int = 0  # that reached the sinks
    detections: int = 0
    damage: DamagedSourceError | None = None  # where the source broke off
    reading: StageReport = field(default_factory=StageReport)
    _tally: TrackTally = field(default_factory=TrackTally)

    @property
    def tracks(self) -> int:
        """Tracks that were confirmed at least once."""
        return self._tally.ever

    def add(self, result: Result) -> None:
        """Count one frame that was written."""
        self._tally.add(result.tracks)
        self.frames += 1
        self.detections += len(result.detections)


@dataclass(slots=True)
class EngineReport:
    """What a run did; complete once `Engine.run` has returned or raised."""

    streams: tuple[StreamReport, ...]
    stages: dict[str, StageReport] = field(default_factory=lambda: {name: StageReport() for name in STAGES})
    seconds: float = 0.0  # wall time of the run
    stopped: bool = False  # by `Engine.stop`

    @property
    def frames(self) -> int:
        """Of all streams, that reached the sinks."""
        return sum(stream.frames for stream in self.streams)

    @property
    def detections(self) -> int:
        """Of all streams."""
        return sum(stream.detections for stream in self.streams)

    @property
    def tracks(self) -> int:
        """Of all streams, confirmed at least once."""
        return sum(stream.tracks for stream in self.streams)

    def sum_reading(self) -> None:
        """Put the readers' times, each kept by its own thread, together as stage "read"."""
        reports = [stream.reading for stream in self.streams]
        self.stages["read"] = StageReport(
            seconds=sum(one.seconds for one in reports),
            cpu_seconds=sum(one.cpu_seconds for one in reports),
            frames=sum(one.frames for one in reports),
        )
