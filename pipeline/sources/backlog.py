"""Backlog: which packets are not worth decoding, because decoding lags behind the camera."""

from __future__ import annotations

from pipeline.sources.live_clock import LiveClock
from pipeline.sources.packet_source import Arrival

LATE = 500_000  # microseconds that a packet may have waited for us
NO_BACKLOG = 30_000_000  # more than that is no delay, but a clock


class Backlog:
    """Of one connection. Once packets wait, all up to a fresh key picture are left out; so lag stays bounded."""

    def __init__(self) -> None:
        self._skipping = False

    def is_stale(self, arrival: Arrival, clock: LiveClock) -> bool:
        """Whether to leave the packet out. To be asked of every packet, in order."""
        if arrival.pts is not None:
            lag = arrival.at - clock.expected(arrival.pts)
            if not self._skipping:
                self._skipping = not arrival.waited and LATE < lag < NO_BACKLOG
            elif arrival.packet.is_keyframe and (arrival.waited or lag <= LATE):
                self._skipping = False
        return self._skipping
