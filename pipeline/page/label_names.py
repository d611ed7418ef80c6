"""LabelNames: what tracks are called and how many are called so, counted now and then."""

from __future__ import annotations

import math
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
        self._given: set[str] = set()  # labels since the last count

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
            self._given.clear()
        return names

    def known(self, scope: Scope) -> list[str]:
        """The names as they were counted last, for proposals: nothing is read for them."""
        with self._lock:
            _, names = self._counted.get(scope, (0.0, {}))
            return sorted({*names, *self._given})

    def forget(self, given: str | None = None) -> None:
        """Somebody changed labels or tracks: count again when next asked. `given`: a label that may be new."""
        with self._lock:
            self._counted = {scope: (-math.inf, names) for scope, (_, names) in self._counted.items()}
            if given:
                self._given.add(given)
