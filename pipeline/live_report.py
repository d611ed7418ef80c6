"""LiveReport: how a live engine is doing, and the counters behind it, whose size does not grow with time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from pipeline.tally import TrackTally
from trackers.structures import Tracks

REMEMBERED = 1024  # latest values that percentiles are of
RATE_SECONDS = 5.0  # over which frames a second are counted
_NEWEST = 0.2  # weight of the newest batch in the pace
LIVE_STAGES = ("detect", "segment", "embed", "track", "write")


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of the latest values; all 0 before the first."""

    p50: float = 0.0  # seconds
    p95: float = 0.0
    p99: float = 0.0
    count: int = 0  # values ever


@dataclass(frozen=True, slots=True)
class LiveStreamReport:
    """One stream."""

    name: str
    frames: int  # that reached the sinks
    detections: int
    fps: float  # frames a second lately
    tracks_now: int  # confirmed in the last frame
    tracks: int  # ever confirmed
    events: int
    odd_frames: int  # skipped, because a network failed on them alone
    odd_error: str  # of the last one of these
    looked: int  # frames that the detector looked at
    to_track: Percentiles  # seconds from capture to tracks
    to_store: Percentiles  # seconds from capture to the end of the transaction


@dataclass(frozen=True, slots=True)
class LiveStageReport:
    """One stage. The networks take batches, the others frames."""

    busy: Percentiles  # seconds with one batch
    frames: int
    seconds: float  # busy in all
    queue: int  # batches (write: frames) that wait in front of it


@dataclass(frozen=True, slots=True)
class BudgetReport:
    """What was chosen to keep cameras real-time, see Budget in scheduling/budget.py."""

    interval: float  # seconds from one look at a camera to its next one, at least; 0: every frame
    scale: float  # of the sides of the network's usual input, 0..1
    cost: float  # seconds that a look takes at this size, with all networks that follow; 0: not measured yet
    kept: bool  # whether the budget is kept so; else even the smallest input takes more than may be taken

    def __str__(self) -> str:
        often = f"every {self.interval:.2f} s" if self.interval else "at every frame"
        said = f"the detector looks at each camera {often}, at {self.scale:.0%} of its usual input size"
        return (
            said if self.kept else f"{said}; this machine cannot keep the budget: use fewer cameras or a faster model"
        )


@dataclass(frozen=True, slots=True)
class LiveReport:
    """All of it, at one moment."""

    seconds: float  # since the engine began to run
    streams: Mapping[int, LiveStreamReport]  # by number
    stages: Mapping[str, LiveStageReport]  # by name, see LIVE_STAGES
    batches: Mapping[int, int]  # size -> how many batches were given to the detector
    hanging: tuple[str, ...]  # stages that have been busy with one batch for too long, and with what
    budget: BudgetReport | None = None  # None where the detector has none


class Recent:
    """The latest values of one kind. One thread adds, any reads."""

    def __init__(self) -> None:
        self._values = np.zeros(REMEMBERED)
        self._count = 0

    def add(self, value: float) -> None:
        """Take one in."""
        self._values[self._count % REMEMBERED] = value
        self._count += 1

    def percentiles(self) -> Percentiles:
        """Of those remembered."""
        count = self._count
        if count == 0:
            return Percentiles()
        p50, p95, p99 = np.percentile(self._values[: min(count, REMEMBERED)], (50, 95, 99)).tolist()
        return Percentiles(p50, p95, p99, count)


@dataclass(slots=True, eq=False)
class StageMeter:
    """Counts one stage, from its own thread."""

    name: str
    frames: int = 0
    seconds: float = 0.0
    recent: Recent = field(default_factory=Recent)
    pace: float = 0.0  # seconds a frame, lately
    doing: tuple[float, str] | None = None  # since when, and with what

    @contextmanager
    def busy(self, frames: int, what: str) -> Iterator[None]:
        """Count the time until the block ends, however it does. `what`: shown if it does not end."""
        started = time.monotonic()
        self.doing = (started, what)
        try:
            yield
        finally:
            self.doing = None
            took = time.monotonic() - started
            self.seconds += took
            self.frames += frames
            self.recent.add(took)
            if frames:
                self.pace += _NEWEST * (took / frames - self.pace)

    def stuck(self, after: float) -> str | None:
        """What it is busy with for longer than `after` seconds, if so."""
        doing = self.doing
        if doing is None or time.monotonic() - doing[0] <= after:
            return None
        return f"{self.name} ({doing[1]}, for {time.monotonic() - doing[0]:.0f} s)"

    def report(self, queue: int) -> LiveStageReport:
        """As it stands."""
        return LiveStageReport(self.recent.percentiles(), self.frames, self.seconds, queue)


@dataclass(slots=True, eq=False)
class StreamMeter:
    """Counts one stream."""

    name: str
    frames: int = 0
    detections: int = 0
    events: int = 0
    odd_frames: int = 0
    odd_error: str = ""
    looked: int = 0
    to_track: Recent = field(default_factory=Recent)
    to_store: Recent = field(default_factory=Recent)
    _tracks: TrackTally = field(default_factory=TrackTally)
    _window: tuple[float, int] = field(default_factory=lambda: (time.monotonic(), 0))  # when it began, frames then
    _window_before: tuple[float, int] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tracked(self, tracks: Tracks, detections: int, events: int, *, looked: bool) -> None:
        """A frame was tracked. `looked`: after the detector has looked at it."""
        with self._lock:
            now = time.monotonic()
            if now - self._window[0] >= RATE_SECONDS:
                self._window_before, self._window = self._window, (now, self.frames)
            self._tracks.add(tracks)
            self.frames += 1
            self.looked += looked
            self.detections += detections
            self.events += events

    def report(self) -> LiveStreamReport:
        """As it stands."""
        with self._lock:
            since, frames = self._window_before or self._window
            elapsed = time.monotonic() - since
            return LiveStreamReport(
                name=self.name,
                frames=self.frames,
                detections=self.detections,
                fps=(self.frames - frames) / elapsed if elapsed > 0 else 0.0,
                tracks_now=self._tracks.now,
                tracks=self._tracks.ever,
                events=self.events,
                odd_frames=self.odd_frames,
                odd_error=self.odd_error,
                looked=self.looked,
                to_track=self.to_track.percentiles(),
                to_store=self.to_store.percentiles(),
            )
