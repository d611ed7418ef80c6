"""ReaderWatch: looks after one reading process until its connection is over, whoever notices that first."""

from __future__ import annotations

import time
from collections.abc import Callable
from multiprocessing.connection import wait

from pipeline.sources.bell import Bell
from pipeline.sources.reader_process import ReaderProcess
from pipeline.sources.reading import LossKind, Lost, Opened, Told
from pipeline.sources.ring import Ring

_KILL_MARGIN = 0.5  # seconds; a reader that should have noticed a stall by itself is given up after them
_LOOK = 1.0  # seconds between looks where nothing happens


class ReaderWatch:
    """Of one connection."""

    def __init__(
        self,
        process: ReaderProcess,
        *,
        open_seconds: float,
        stall_seconds: float,
        hear: Callable[[Told | Ring], None],
        frames_came: Callable[[bool], None],
    ) -> None:
        """`hear`: what the process says, but for its last word. `frames_came`: True for the first time."""
        self._process = process
        self._open_seconds = open_seconds
        self._stall_seconds = stall_seconds
        self._hear_more = hear
        self._frames_came = frames_came
        self._deadline = time.monotonic() + open_seconds + _KILL_MARGIN
        self.last_word: Lost | None = None
        self.live_since: float | None = None  # monotonic seconds
        self.stalled = False  # it did not notice by itself, and hangs

    def follow(self, going: Callable[[], bool], bell: Bell) -> Lost | None:
        """Returns why it is over; None where `going` says that it is to end. `bell`: rings when to ask that."""
        while going():
            left = self._deadline - time.monotonic()
            wait([*self._process.watched, bell], max(0.0, min(left, _LOOK)))  # type: ignore[list-item]
            alive = self._process.alive  # asked first, so that its last words are heard
            self.hear()
            if self._process.frames_came():
                self._live()
            if self.last_word is not None:
                return self.last_word
            if not alive:
                return Lost(LossKind.BROKEN, "the reading process died")
            if left <= 0 and time.monotonic() >= self._deadline:  # nor was it this thread that was held up
                return self._stall()
        return None

    def hear(self) -> None:
        """What the process has said by now."""
        for told in self._process.told():
            if isinstance(told, Lost):
                self.last_word = told
                continue
            if isinstance(told, Opened):  # the first key picture may take its time
                longest = max(self._open_seconds, self._stall_seconds)
                self._deadline = time.monotonic() + longest + _KILL_MARGIN
            self._hear_more(told)

    def _live(self) -> None:
        now = time.monotonic()
        self._deadline = now + self._stall_seconds + _KILL_MARGIN
        first = self.live_since is None
        if first:
            self.live_since = now
        self._frames_came(first)

    def _stall(self) -> Lost:
        self.stalled = True
        if self.live_since is None:
            return Lost(LossKind.BROKEN, f"no picture within {self._open_seconds:g} s")
        return Lost(LossKind.BROKEN, f"no frame for {self._stall_seconds:g} s")
