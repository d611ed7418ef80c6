"""PacketSource: the packets of an open stream in order, with when they came, paced and anchored to a clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from threading import Event
from typing import NamedTuple

import av
from av.error import FFmpegError

from pipeline.sources.camera_address import Kind, kind_of
from pipeline.sources.live_clock import LiveClock, anchor_of
from pipeline.sources.publisher import SIGN_SECONDS
from pipeline.sources.reading import LossError, LossKind, ReadOrder
from pipeline.sources.stream_opening import OpenStream

WAITED = 2_000  # microseconds; a packet that took less was there already
_HELD_FOR = 1_000_000  # microseconds that the beginning is looked at for its clock
_HELD = 300  # packets of it
_TIMER = 20_000  # microseconds by which a time-out may be early
_LONGEST = 60_000_000  # microseconds that a picture is held back
_FALLBACK_RATE = Fraction(25)


class Arrival(NamedTuple):
    """A packet and when it came."""

    packet: av.Packet
    pts: int | None  # of the packet; also where only its neighbours had one
    at: int  # monotonic microseconds
    waited: bool
    stale: bool = False  # fresher ones were there already when it came


class PacketSource:
    """Iterated once. Begins the clock's session at its first packet."""

    def __init__(self, opened: OpenStream, order: ReadOrder, clock: LiveClock) -> None:
        self._opened = opened
        self._order = order
        self._clock = clock
        self.time_base: Fraction = opened.stream.time_base or Fraction(1, 1_000_000)
        rate = opened.stream.average_rate or opened.stream.guessed_rate or _FALLBACK_RATE
        self.interval = round(1_000_000 / rate)

    def __iter__(self) -> Iterator[Arrival]:
        arrivals = self._arrivals()
        head = self._head(arrivals)
        if not head:
            raise LossError(LossKind.BROKEN, "the stream ended before its first picture")
        stamps = [(one.pts, one.at) for one in head]
        first = next((pts for pts, _ in stamps if pts is not None), 0)
        if self._opened.paced:
            begin = max(head[0].at, (self._clock.last or 0) + self.interval)  # a loop goes on without a jolt
            anchor = begin - round(first * self.time_base * 1_000_000)
        else:
            anchor = anchor_of(stamps, self.time_base)
        self._clock.begin(self.time_base, self.interval, anchor=anchor)
        yield from chain(head, arrivals)

    def _head(self, arrivals: Iterator[Arrival]) -> list[Arrival]:
        """What FFmpeg had buffered while it looked at the stream, and the first packet that was waited for."""
        if self._opened.paced or kind_of(self._order.address) is not Kind.RTSP:  # stamped when it came
            return list(_some(arrivals, 1))
        head: list[Arrival] = []
        for arrival in arrivals:
            head.append(arrival)
            if arrival.waited or len(head) >= _HELD or arrival.at - head[0].at > _HELD_FOR:
                break
        known = next((place for place, one in enumerate(head) if one.pts is not None), 0)
        for place in range(known):  # FFmpeg's first RTSP packet has no stamp
            before = round(Fraction((known - place) * self.interval, 1_000_000) / self.time_base)
            pts = head[known].pts
            head[place] = head[place]._replace(pts=None if pts is None else pts - before)
            self._clock.repaired += 1
        return [one._replace(stale=True) for one in head[:-1]] + head[-1:]

    def _arrivals(self) -> Iterator[Arrival]:
        packets = self._opened.container.demux(self._opened.stream)
        while True:
            asked = now()
            try:
                packet = next(packets, None)
            except FFmpegError as error:
                raise LossError(LossKind.BROKEN, self._end(error, now() - asked)) from None
            if packet is None:
                return
            if not self._opened.paced and now() - asked >= 1_000_000 * self._order.stall_seconds - _TIMER:
                raise LossError(LossKind.BROKEN, f"nothing came for {self._order.stall_seconds:g} s")  # a last remnant
            if packet.size or self._opened.paced:  # an empty one flushes the decoder, which nobody waits for
                came = now()
                yield Arrival(packet, packet.pts, came, came - asked > WAITED)

    def _end(self, error: FFmpegError, waited: int) -> str:
        if waited >= 900_000 * self._order.stall_seconds:
            return f"nothing came for {self._order.stall_seconds:g} s"
        return f"the connection broke: {error.strerror}"


class Pace:
    """Holds back what comes faster than it was taken: files, and playlists of segments."""

    def __init__(self, clock: LiveClock, stopping: Event, show_life: Callable[[], None]) -> None:
        """`show_life`: is called now and then while something is held back."""
        self._clock = clock
        self._stopping = stopping
        self._show_life = show_life

    def wait(self, pts: int | None) -> bool:
        """Until the picture with this stamp is due, a minute at most. Returns False where all is to end."""
        began = now()
        due = began if pts is None else min(self._clock.expected(pts), began + _LONGEST)
        while (left := due - now()) > 0:
            if self._stopping.wait(min(left / 1e6, SIGN_SECONDS)):
                return False
            if left / 1e6 > SIGN_SECONDS:
                self._show_life()
        return not self._stopping.is_set()


def now() -> int:
    """Monotonic microseconds, the same in all processes of this computer."""
    return time.monotonic_ns() // 1000


def utc_offset() -> int:
    """UTC less monotonic time, microseconds."""
    return time.time_ns() // 1000 - now()


def _some(arrivals: Iterator[Arrival], count: int) -> Iterator[Arrival]:
    for _, arrival in zip(range(count), arrivals, strict=False):
        yield arrival
