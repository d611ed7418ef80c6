"""OneAtATime: what is made for a key is made by one thread; the others wait for it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class OneAtATime:
    """Locks by key. Each lives as long as somebody needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of the two below
        self._locks: dict[Hashable, threading.Lock] = {}
        self._users: Counter[Hashable] = Counter()

    @contextmanager
    def at(self, key: Hashable) -> Iterator[None]:
        """Alone with the key."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
            self._users[key] += 1
        try:
            with lock:
                yield
        finally:
            with self._lock:
                self._users[key] -= 1
                if not self._users[key]:
                    del self._users[key], self._locks[key]
