"""LabelNames: what tracks are called and how many are called so, counted now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection

from pipeline.store.filters import Scope
from pipeline.store.queries import count_names

SECONDS = 15.0  # for which a count is good enough: it reads every object of the store


class LabelNames:
    """Class names and labels in use. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._counted: dict[Scope, tuple[float, dict[str, int]]] = {}  # when, and what

    def read(self, scope: Scope, connection: Connection) -> dict[str, int]:
        """How many tracks have each name, by name."""
        now = self._clock()
        with self._lock:
            counted = self._counted.get(scope)
        if counted is not None and now - counted[0] < SECONDS:
            return counted[1]
        names = count_names(scope, connection)
        with self._lock:
            self._counted[scope] = (now, names)
        return names

    def forget(self) -> None:
        """Somebody changed labels or tracks: count again when next asked."""
        with self._lock:
            self._counted.clear()
