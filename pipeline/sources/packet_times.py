"""PacketTimes: what a stream says of the times of its packets, made fit for a file."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

TICKS = 90_000  # a second
TIME_BASE = Fraction(1, TICKS)
JUMP = 2 * TICKS  # more than that in one step, while less time went by, is an error of the stream
USUAL_STEP = TICKS // 25  # before anything is known of a stream's rate


@dataclass(frozen=True, slots=True)
class PacketTime:
    """When a packet is decoded and shown, in TICKS since any moment."""

    dts: int  # rising from packet to packet
    pts: int  # not before dts
    jumped: bool  # the stream's own stamps have jumped here


class PacketTimes:
    """Times of the packets of one connection. Stamps that are missing, stand still, run back or jump are repaired."""

    def __init__(self, time_base: Fraction, *, reordered: int = 0) -> None:
        """`time_base`: of the stream's stamps, seconds. `reordered`: how many pictures may be decoded too early."""
        self._ticks = time_base * TICKS
        self._reordered = reordered
        self._early: list[int] = []  # stamps of pictures that were decoded and are shown later
        self._shift = 0  # what was added to the stream's stamps
        self._last: PacketTime | None = None
        self._last_at = 0
        self._newest = 0  # stamp of the last packet as the stream said it, ticks

    def next(self, pts: int | None, dts: int | None, at: int) -> PacketTime:
        """Of the next packet. `pts`, `dts`: as the stream says. `at`: when it came, microseconds UTC."""
        elapsed = max(0, at - self._last_at) * TICKS // 1_000_000
        shown, decoded = self._told(pts, dts)
        last, jumped = self._last, False
        if decoded is None:
            decoded = shown = 0 if last is None else last.dts + max(1, elapsed)
        elif last is not None:
            step = decoded - last.dts
            if step < -JUMP or step > elapsed + JUMP:
                jumped = True
                wanted = last.dts + max(USUAL_STEP, elapsed)
                self._shift += wanted - decoded
                self._early.clear()
                decoded, shown = wanted, shown + wanted - decoded
        if last is not None:
            decoded = max(decoded, last.dts + 1)
        self._last, self._last_at = PacketTime(decoded, max(shown, decoded), jumped), at
        return self._last

    def of(self, pts: int) -> int | None:
        """The time of a picture shown lately, by the stream's own stamp; None where that stamp is of before a jump."""
        stamp = round(pts * self._ticks)
        return stamp + self._shift if abs(stamp - self._newest) <= JUMP else None

    def _told(self, pts: int | None, dts: int | None) -> tuple[int, int | None]:
        """When a packet is shown and decoded by its own stamps, shifted; None for the latter where it has none."""
        known = pts if pts is not None else dts
        if known is None:
            return 0, None
        self._newest = round(known * self._ticks)
        shown = self._newest + self._shift
        return shown, self._guessed(shown) if dts is None else round(dts * self._ticks) + self._shift

    def _guessed(self, shown: int) -> int:
        """When to decode a picture that only says when it is shown: in the order of showing, so much earlier."""
        if not self._early:
            self._early = [shown - step * USUAL_STEP for step in range(self._reordered, 0, -1)]
        self._early = sorted([*self._early, shown])
        return self._early.pop(0)
