"""AsideSink: gives results to another sink in a thread of its own, and leaves out what that has no time for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from pipeline.sinks.base import Result, Sink

_log = logging.getLogger(__name__)


class AsideSink:
    """For pictures that are only looked at: drawing and coding them must not keep a camera's results waiting.

    Of the results that came meanwhile the last is given on. A failure of the other sink is logged, and ends it alone.
    """

    def __init__(self, sink: Sink, *, interval: float = 0.5, clock: Callable[[], float] = time.monotonic) -> None:
        """`interval`: seconds between two results that are given on, at least. `clock`: seconds."""
        self._sink = sink
        self._interval = interval
        self._clock = clock
        self._due = float("-inf")
        self._next: Result | None = None
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="sightline aside", daemon=True)

    def __enter__(self) -> Self:
        self._sink.__enter__()
        self._thread.start()
        return self

    def write(self, result: Result) -> None:
        """Returns at once."""
        now = self._clock()
        if now < self._due:
            return
        self._due = now + self._interval
        with self._changed:
            self._next = result
            self._changed.notify()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()
        self._sink.__exit__(kind, error, trace)

    def _work(self) -> None:
        while (result := self._wait()) is not None:
            try:
                self._sink.write(result)
            except Exception:  # noqa: BLE001 (logged; a preview is no result)
                _log.exception("a picture could not be shown; there will be no more of this source")
                return

    def _wait(self) -> Result | None:
        """The next result; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._next is not None)
            result, self._next = self._next, None
            return None if self._ended else result
