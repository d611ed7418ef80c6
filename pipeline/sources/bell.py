"""Bell: wakes a thread that waits for descriptors."""

from __future__ import annotations

import os
import threading
from contextlib import suppress


class Bell:
    """A pipe to oneself; `multiprocessing.connection.wait` takes it as it is. Anybody rings, one thread listens.

    Holds nothing until it is opened.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = False
        self._ear = self._rope = -1

    def open(self) -> None:
        """Before anybody listens, once. Raises OSError where there is no descriptor left."""
        with self._lock:
            self._ear, self._rope = os.pipe()
            self._open = True
            for end in (self._ear, self._rope):
                os.set_blocking(end, False)

    def fileno(self) -> int:
        """Readable while it rings."""
        return self._ear

    def ring(self) -> None:
        """Wake whoever waits, now or next. Nothing before `open` and after `close`."""
        with self._lock, suppress(BlockingIOError):  # it rings already
            if self._open:
                os.write(self._rope, b"\0")

    def hush(self) -> None:
        """It has been heard. By the listening thread, before it looks at what has changed."""
        with suppress(BlockingIOError):
            os.read(self._ear, 4096)

    def close(self) -> None:
        """Once nobody listens any more."""
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._ear)
                os.close(self._rope)
