"""LiveClock: when a camera's frames were taken, in this computer's time, out of the stamps that cameras really send."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from pipeline.sources.ring import Stamp

STRAY = 1_000_000  # microseconds back or ahead; within it a stamp is stray, beyond it the clock was set anew
AHEAD = 100_000  # a frame cannot come before it was taken; by so much the first one of a session may have been late
DRIFT = 500_000  # all frames of a while late by more than this: the camera's clock goes slower than ours
WATCHED = 2_000_000  # that while
AGREE = 250_000  # two stamps that tell the same new clock


class LiveClock:
    """Strictly rising times over all sessions of a camera, in microseconds of the host's monotonic clock and of UTC.

    Within a session a frame's time is its stamp plus a constant, the session's anchor, and UTC is that time plus
    another constant. A stamp that is missing or stray is replaced, in `repaired`. A new session begins, without a gap,
    where stamps go on from elsewhere (counted as repaired, too), where the camera's clock has drifted from ours, and
    where this computer's UTC was set ahead; so latencies and UTC stay true. UTC never goes back: where it was set back,
    that is followed at the next outage that is long enough.
    """

    def __init__(
        self, *, session: int = 0, after: int | None = None, after_at: int | None = None, offset: Callable[[], int]
    ) -> None:
        """`session`: number of the first. `after`, `after_at`: time of the last frame before, in both clocks.

        `offset`: UTC less monotonic time, now, microseconds.
        """
        self.session = session
        self.repaired = 0
        self._last, self._last_at = after, after_at
        self._now_offset = offset
        self._offset = 0
        self._unit = Fraction(1)
        self._interval = 0
        self._anchor = 0
        self._begun = False
        self._lag = 0  # of the last good frame
        self._told: int | None = None  # anchor that an unlikely stamp would mean
        self._least = 0  # lag since `_since`
        self._since: int | None = None

    def begin(self, time_base: Fraction, interval: int, *, anchor: int) -> None:
        """A connection, or a file from its start. `interval`: nominal, between frames, microseconds.

        `time_base`: seconds per unit of the stamps. `anchor`: monotonic microseconds at which stamp 0 was or would
        have been taken; see `anchor_of`.
        """
        self.session += self._begun
        self._begun = True
        self._unit, self._interval = time_base * 1_000_000, max(1, interval)
        self._anchor = anchor
        self._lag, self._told = 0, None
        self._set_utc()

    @property
    def last(self) -> int | None:
        """Time of the last frame, monotonic microseconds."""
        return self._last

    def go_on(self) -> None:
        """Begin a session with the same clocks: the stream has changed otherwise."""
        self._renew(self._anchor)

    def expected(self, pts: int) -> int:
        """When the frame with this stamp was taken, if the stamp is right: monotonic microseconds."""
        return self._anchor + round(pts * self._unit)

    def stamp(self, pts: int | None, arrived: int, *, waited: bool = True) -> Stamp:
        """Time of the next frame, which came at `arrived` (monotonic microseconds).

        `waited`: whether it was waited for. One that was there already tells nothing about clocks.
        """
        if self._utc_was_set():
            self._renew(self._anchor)
        capture = self._repair(self._guess(arrived)) if pts is None else self._judge(pts, arrived, waited=waited)
        if self._last is not None:
            capture = max(capture, self._last + 1)
        at = capture + self._offset
        if self._last_at is not None and at <= self._last_at:
            self._offset += self._last_at + 1 - at  # only at the beginning of a session
            at = self._last_at + 1
        self._last, self._last_at = capture, at
        return Stamp(capture, at, arrived, self.session, pts, self._unit / 1_000_000)

    def _judge(self, pts: int, arrived: int, *, waited: bool) -> int:
        expected = self.expected(pts)
        back = 0 if self._last is None else self._last - expected
        if back > STRAY or expected - arrived > STRAY:
            return self._unlikely(pts, arrived)
        self._told = None
        if expected - arrived > AHEAD:
            self._renew(self._anchor - (expected - arrived))
            return arrived
        if back >= 0 and self._last is not None:
            return self._repair(self._last + max(1, self._interval // 2))
        self._lag = max(0, arrived - expected)
        if waited and self._has_drifted(self._lag, arrived):
            self._renew(self._anchor + self._least)
            return self.expected(pts)
        return expected

    def _unlikely(self, pts: int, arrived: int) -> int:
        """A stamp from far off: stray, unless the next one agrees with it."""
        guess = self._guess(arrived)
        told = guess - round(pts * self._unit)
        if self._told is None or abs(told - self._told) > AGREE:
            self._told = told
            return self._repair(guess)
        self._renew(self._told)
        return self.expected(pts)

    def _has_drifted(self, lag: int, arrived: int) -> bool:
        """Whether every frame of a while was late. Leaves the least lag of it in `_least`."""
        if self._since is None:
            self._since, self._least = arrived, lag
        self._least = min(self._least, lag)
        if arrived - self._since < WATCHED:
            return False
        if self._least > DRIFT:
            return True
        self._since = None
        return False

    def _guess(self, arrived: int) -> int:
        """When a frame without a usable stamp was taken: as long before it came as the last one, after that one."""
        earliest = arrived if self._last is None else self._last + max(1, self._interval // 2)
        return min(max(arrived - self._lag, earliest), arrived + AHEAD)

    def _repair(self, capture: int) -> int:
        self.repaired += 1
        return capture

    def _renew(self, anchor: int) -> None:
        """Begin a session with other constants."""
        self.session += 1
        self._anchor, self._lag, self._told = anchor, 0, None
        self._set_utc()

    def _set_utc(self) -> None:
        self._since = None
        self._offset = self._now_offset()

    def _utc_was_set(self) -> bool:
        return self._last_at is not None and self._now_offset() - self._offset > DRIFT


def anchor_of(arrivals: list[tuple[int | None, int]], time_base: Fraction) -> int:
    """Anchor for frames that came together: (stamp, arrival in monotonic microseconds) each, the last ones waited for.

    What was buffered came late; the one that was least late tells the clock.
    """
    offsets = [arrived - round(pts * time_base * 1_000_000) for pts, arrived in arrivals if pts is not None]
    return min(offsets) if offsets else arrivals[-1][1]
