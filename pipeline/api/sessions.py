"""Sessions: who has given the password, kept here; the browser holds nothing but a random token."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

COOKIE = "sightline_session"
LIFETIME = 7 * 24 * 3600.0  # seconds after which everybody logs in again
IDLE = 24 * 3600.0  # seconds without a request after which a session ends
MOST = 1000  # sessions; the one that was idle longest makes room


class Sessions:
    """Tokens that were given out and when they end. Only their hashes are kept. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._ends: OrderedDict[bytes, tuple[float, float]] = OrderedDict()  # hash -> (end, end if idle); oldest first

    def begin(self) -> str:
        """A new token."""
        token = secrets.token_urlsafe(32)
        now = self._clock()
        with self._lock:
            self._ends[_digest(token)] = (now + LIFETIME, now + IDLE)
            while len(self._ends) > MOST:
                self._ends.popitem(last=False)
        return token

    def holds(self, token: str | None) -> bool:
        """Whether the token is of a session that goes on; using it keeps it from ending for being idle."""
        if not token:
            return False
        key, now = _digest(token), self._clock()
        with self._lock:
            found = self._ends.pop(key, None)
            if found is None or now >= min(found):
                return False
            self._ends[key] = (found[0], now + IDLE)
        return True

    def end(self, token: str | None) -> None:
        """Log out. An unknown token is no error."""
        if token:
            with self._lock:
                self._ends.pop(_digest(token), None)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
