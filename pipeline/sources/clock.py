"""FrameClock: strictly increasing seconds out of the time stamps that containers really have."""

from __future__ import annotations

from fractions import Fraction

NEW_CLOCK_BACK = 1.0  # seconds; a step back of more than this is a restarted clock, a smaller one a stray stamp
NEW_CLOCK_AHEAD = 3600.0  # seconds; recordings on motion have true gaps, but a longer one is a broken clock


class FrameClock:
    """Turns presentation time stamps into seconds since the first frame, and repairs those that cannot be true.

    A missing stamp, or one before its predecessor, is replaced by one nominal interval (half an interval for a stray
    stamp, so that the next good one still fits) after the last frame. A stamp that jumps by more than a second back or
    more than an hour (or 100 intervals) ahead is taken for a clock that was set anew: it and everything after it is
    shifted to continue the old one. Repairs are counted in `repaired`.
    """

    def __init__(self, time_base: Fraction, fps: float) -> None:
        """`time_base`: seconds per unit of the stamps. `fps`: nominal rate, used only where a stamp is replaced."""
        self._unit = time_base
        self._interval = 1.0 / fps
        self._ahead = max(NEW_CLOCK_AHEAD, 100.0 * self._interval)
        self._origin: int | None = None  # stamp that counts as zero
        self._shift = 0.0  # seconds added since the clock was set anew
        self._last: float | None = None
        self.repaired = 0

    def seconds(self, pts: int | None) -> float:
        """Time of the next frame, seconds since the first; greater than every earlier answer."""
        raw = None if pts is None else self._since_origin(pts)
        if self._last is None:
            time = 0.0
            self.repaired += pts is None
        elif raw is None:
            time = self._replace(self._interval)
        elif raw <= self._last:
            time = self._step_back(raw)
        elif raw - self._last > self._ahead:
            time = self._set_anew(raw)
        else:
            time = raw
        self._last = time
        return time

    def _since_origin(self, pts: int) -> float:
        if self._origin is None:
            self._origin = pts
            self._shift = 0.0 if self._last is None else self._last + self._interval
        return float((pts - self._origin) * self._unit) + self._shift

    def _step_back(self, raw: float) -> float:
        assert self._last is not None
        if self._last - raw > NEW_CLOCK_BACK:
            return self._set_anew(raw)
        return self._replace(self._interval / 2)

    def _set_anew(self, raw: float) -> float:
        time = self._replace(self._interval)
        self._shift += time - raw
        return time

    def _replace(self, interval: float) -> float:
        assert self._last is not None
        self.repaired += 1
        return self._last + interval
