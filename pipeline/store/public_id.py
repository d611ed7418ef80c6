"""The ids that stand in addresses: UUID version 7 (RFC 9562), in the order they were made."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from uuid import UUID

_RANDOM_BITS = 74  # rand_a (12) and rand_b (62) of RFC 9562, section 5.7
_STEP_BITS = 32  # how far apart two ids of one millisecond are at most


class PublicIds:
    """Makes UUIDv7s that rise strictly within this instance, also when the clock stands still or goes back.

    Ids of one millisecond continue from a random start in random steps (RFC 9562, section 6.2, method 2), so that
    nobody can guess a neighbour. Safe to share between threads.
    """

    def __init__(self, clock: Callable[[], int] = time.time_ns, random_bits: Callable[[int], int] = secrets.randbits):
        """`clock`: nanoseconds since 1970. `random_bits(n)`: n unpredictable bits."""
        self._clock = clock
        self._random_bits = random_bits
        self._milliseconds = -1
        self._tail = 0
        self._lock = threading.Lock()

    def new(self) -> UUID:
        """The next id."""
        with self._lock:
            now = self._clock() // 1_000_000
            if now > self._milliseconds:
                self._start(now)
            else:
                self._tail += 1 + self._random_bits(_STEP_BITS)
                if self._tail >> _RANDOM_BITS:
                    self._start(self._milliseconds + 1)
            return _assemble(self._milliseconds, self._tail)

    def _start(self, milliseconds: int) -> None:
        """Begin a millisecond. The top bit stays free, as room for the steps."""
        self._milliseconds = milliseconds
        self._tail = self._random_bits(_RANDOM_BITS - 1)


def _assemble(milliseconds: int, tail: int) -> UUID:
    """unix_ts_ms (48) · version 7 (4) · rand_a (12) · variant 0b10 (2) · rand_b (62)."""
    high, low = tail >> 62, tail & ((1 << 62) - 1)
    return UUID(int=(milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
