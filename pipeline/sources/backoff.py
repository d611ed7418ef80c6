"""Backoff: how long to wait before trying again, longer each time, never for all at the same moment."""

from __future__ import annotations

from random import Random

SHARE = 0.5  # of a pause that chance decides


class Backoff:
    """Pauses that double up to a cap, each between half of that and all of it."""

    def __init__(self, first: float, *, cap: float, random: Random) -> None:
        """`first`, `cap`: seconds."""
        self._first = first
        self._cap = cap
        self._random = random
        self._tries = 0

    def next(self) -> float:
        """Seconds to wait now."""
        whole = min(self._cap, self._first * 2.0 ** min(self._tries, 60))
        self._tries += 1
        return whole * (1 - SHARE * self._random.random())

    def reset(self) -> None:
        """It went well for long enough: begin with the first pause again."""
        self._tries = 0
