"""CameraFacts: how a camera is doing, written by its thread and read by anybody."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace

from pipeline.sources.camera_counts import CameraCounts
from pipeline.sources.feed import CameraState, DropReason, FeedStatus
from pipeline.sources.ledger import Count, Ledger
from pipeline.sources.reading import Opened
from pipeline.sources.ring import Ring


class CameraFacts:
    """A FeedStatus that is kept up to date. Every method may be called from any thread."""

    def __init__(self, state: CameraState) -> None:
        self._lock = threading.Lock()
        self._counts = CameraCounts()
        self._status = FeedStatus(state, utc_now())

    @property
    def state(self) -> CameraState:
        """Of now."""
        return self._status.state

    @property
    def error(self) -> str:
        """The last one."""
        return self._status.error

    @property
    def was_live(self) -> bool:
        """Whether there ever was a frame."""
        return self._status.connections > 0

    @property
    def decoder(self) -> str:
        """Of the last connection."""
        return self._status.decoder

    @property
    def past(self) -> tuple[int, int | None, int | None]:
        """What a new connection goes on from: its session, and the last frame's time, monotonic and UTC."""
        with self._lock:
            return self._counts.session, self._counts.capture, self._counts.at

    def status(self, *, taken: int, dropped: Mapping[str, int]) -> FeedStatus:
        """All of it. `taken` and `dropped`: of the frames that were in a ring."""
        with self._lock:
            counts = self._counts
            return replace(
                self._status,
                frames_read=counts[Count.FRAMES],
                frames_taken=taken,
                dropped={**dropped, DropReason.STALE: dropped[DropReason.STALE] + counts[Count.SKIPPED]},
                repaired=counts[Count.REPAIRED],
                damaged=counts[Count.DAMAGED],
                bytes_read=counts[Count.BYTES],
                last_frame_at=counts.last_at,
                delivered_fps=counts.rate(time.monotonic()),
            )

    def set(self, state: CameraState, *, error: str | None = None) -> None:
        """It is in this state, since now if that is new."""
        with self._lock:
            since = self._status.since_at if state is self._status.state else utc_now()
            error = self._status.error if error is None else error
            self._status = replace(self._status, state=state, since_at=since, error=error)

    def begin(self, ledger: Ledger) -> None:
        """A connection is tried, which counts in `ledger`."""
        with self._lock:
            self._counts.begin(ledger)

    def end(self) -> None:
        """It is over."""
        with self._lock:
            self._counts.end()
            if self._status.recording == "on":
                self._status = replace(self._status, recording="off")

    def opened(self, told: Opened) -> None:
        """The connection stands."""
        with self._lock:
            self._status = replace(self._status, codec=told.codec, fps=told.fps, decoder=told.decoder)

    def sized(self, ring: Ring) -> None:
        """Pictures have this size from now on."""
        with self._lock:
            self._status = replace(self._status, width=ring.width, height=ring.height)

    def recording(self, state: str) -> None:
        """Of now."""
        with self._lock:
            self._status = replace(self._status, recording=state)

    def connected(self) -> None:
        """The first frame of a connection is here."""
        with self._lock:
            self._status = replace(self._status, connections=self._status.connections + 1)

    def frames_came(self) -> None:
        """There are more frames."""
        with self._lock:
            self._counts.sample(time.monotonic())

    def lost(self) -> None:
        """An outage has begun."""
        with self._lock:
            self._status = replace(self._status, outages=self._status.outages + 1)


def utc_now() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000
