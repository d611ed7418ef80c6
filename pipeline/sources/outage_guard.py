"""OutageGuard: when many cameras are lost together, they come back one after the other."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from random import Random

WINDOW = 2.0  # seconds within which losses count as one event
EACH = 0.02  # seconds of spreading for each camera that was lost in it
MOST = 2.0  # seconds of spreading at most
ASK_AGAIN = 0.05  # seconds


class OutageGuard:
    """Lets few cameras connect at once, in the order in which they asked, and spreads those that were lost together.

    One for all cameras of a service. A camera that hangs while it connects gives its place away after `hold_seconds`
    (and goes on connecting), so that dead cameras do not keep living ones waiting.
    """

    def __init__(
        self,
        *,
        simultaneous: int = 8,
        hold_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        random: Random | None = None,
    ) -> None:
        """`clock`: seconds."""
        self._most = simultaneous
        self._hold = hold_seconds
        self._clock = clock
        self._random = Random() if random is None else random  # noqa: S311  no secret
        self._lock = threading.Lock()
        self._waiting: dict[str, None] = {}  # in order
        self._connecting: dict[str, float] = {}  # since when
        self._lost: deque[float] = deque()

    def lost(self) -> float:
        """Tell that a living connection was lost. Returns seconds to wait on top of any other pause."""
        with self._lock:
            now = self._clock()
            self._lost.append(now)
            while now - self._lost[0] > WINDOW:
                self._lost.popleft()
            return self._random.random() * min(MOST, EACH * (len(self._lost) - 1))

    def ask(self, camera: str) -> float:
        """Seconds after which to ask again whether this camera may connect; 0.0: it may, until `done`."""
        with self._lock:
            now = self._clock()
            if camera in self._connecting:
                return 0.0
            self._waiting.setdefault(camera)
            for name in [name for name, since in self._connecting.items() if now - since >= self._hold]:
                del self._connecting[name]
            free = self._most - len(self._connecting)
            if camera not in list(self._waiting)[:free]:
                return ASK_AGAIN
            del self._waiting[camera]
            self._connecting[camera] = now
            return 0.0

    def done(self, camera: str) -> None:
        """The attempt succeeded, failed, or will not be made. May be called without one."""
        with self._lock:
            self._connecting.pop(camera, None)
            self._waiting.pop(camera, None)
