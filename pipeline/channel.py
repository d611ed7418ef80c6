"""Channel: a bounded queue between two threads. Both ends wake when it is closed or cancelled."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
_TURN = 0.001  # seconds; Python's own are 5 ms, in which a network that is through waits to be asked again


class Cancelled(Exception):  # noqa: N818 (no failure: the run is being given up)
    """The channel was cancelled while, or before, this thread used it."""


def threads_take_turns() -> None:
    """Have this process's threads, of which several work in Python at a time, take short turns."""
    sys.setswitchinterval(_TURN)


class Channel(Generic[T]):
    """First in, first out, at most `capacity` items; `put` waits while it is full, `get` while it is empty."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a channel holds at least 1 item, not {capacity}")
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._emptied = threading.Condition(self._lock)
        self._closed = False
        self._cancelled = False
        self.high_water = 0  # most items ever held

    def put(self, item: T) -> None:
        """Add an item, waiting for room. Raises Cancelled; ValueError after `close`."""
        with self._lock:
            while len(self._items) >= self._capacity and not self._cancelled:
                self._emptied.wait()
            if self._cancelled:
                raise Cancelled
            if self._closed:
                raise ValueError("the channel is closed")
            self._items.append(item)
            self.high_water = max(self.high_water, len(self._items))
            self._filled.notify()

    def get(self) -> T | None:
        """The oldest item, waiting for one; None once the channel is closed and empty. Raises Cancelled."""
        with self._lock:
            while not self._items and not self._closed and not self._cancelled:
                self._filled.wait()
            if self._cancelled:
                raise Cancelled
            if not self._items:
                return None
            self._emptied.notify()
            return self._items.popleft()

    def wait(self, seconds: float) -> bool:
        """Whether within so long there is something for `get` to return or raise at once."""
        with self._lock:
            return self._filled.wait_for(lambda: bool(self._items) or self._closed or self._cancelled, seconds)

    @property
    def waiting(self) -> int:
        """Items inside."""
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        """Items until the channel is closed and empty. Raises Cancelled."""
        while (item := self.get()) is not None:
            yield item

    def close(self) -> None:
        """No item will follow; those inside can still be taken."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()

    def cancel(self) -> None:
        """Drop what is inside and make every present and future `put` and `get` raise Cancelled."""
        with self._lock:
            self._cancelled = True
            self._items.clear()
            self._filled.notify_all()
            self._emptied.notify_all()
