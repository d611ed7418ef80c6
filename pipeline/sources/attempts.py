"""Attempts: how long a camera that was lost waits before it is tried again."""

from __future__ import annotations

from random import Random

from pipeline.sources.backoff import Backoff
from pipeline.sources.outage_guard import OutageGuard
from pipeline.sources.reading import LossKind

MOST = 10.0  # seconds between attempts
REFUSED_FIRST, REFUSED_MOST = 5.0, 30.0  # seconds: of a wrong password a camera soon has enough


class Attempts:
    """Of one camera. What breaks is tried again soon, what the camera refuses seldom; not together with all others."""

    def __init__(self, first: float, *, stable_seconds: float, guard: OutageGuard, random: Random) -> None:
        """`first`: seconds, of the first pause. `stable_seconds`: after a connection that lived so long, pauses begin
        anew.
        """
        self._broken = Backoff(first, cap=MOST, random=random)
        self._refused = Backoff(REFUSED_FIRST, cap=REFUSED_MOST, random=random)
        self._stable_seconds = stable_seconds
        self._guard = guard
        self._spread = 0.0  # seconds on top of the next pause, as others were lost, too

    def over(self, lived: float | None, *, by_us: bool) -> None:
        """A connection is over. `lived`: seconds since its first frame; None: it gave none. `by_us`: as was wanted."""
        self._spread = 0.0 if lived is None or by_us else self._guard.lost()
        if lived is not None and lived >= self._stable_seconds:
            self._broken.reset()
            self._refused.reset()

    def pause(self, kind: LossKind) -> float:
        """Seconds until the next attempt."""
        backoff = self._refused if kind is LossKind.REFUSED else self._broken
        return backoff.next() + self._spread
