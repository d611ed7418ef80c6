"""Publisher: a camera's decoded pictures into the ring, with their times, counted, and told to whoever waits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Event

from pipeline.sources.ledger import Count, Ledger
from pipeline.sources.live_clock import LiveClock
from pipeline.sources.ring import Ring, Stamp, batch_slots, live_slots
from trackers.structures import ImageArray

SIGN_SECONDS = 0.25  # between signs of life of a reader that holds frames back
_FULL_PAUSE = 0.005  # seconds between looks at a ring that is full


class Publisher:
    """Makes a ring for the first picture, and another one where the size changes."""

    def __init__(
        self,
        ledger: Ledger,
        clock: LiveClock,
        *,
        every: bool,
        max_fps: float | None,
        announce: Callable[[Ring], None],
        wake: int,
        stopping: Event,
    ) -> None:
        """`every`: the ring is to hold many frames. `max_fps`: others are left out before they are converted.

        `announce`: of a new ring, before there is a frame in it. `wake`: descriptor of a pipe that gets a byte a frame,
        and one now and then while a frame has to wait.
        """
        self._ledger = ledger
        self._clock = clock
        self._every = every
        self._spacing = 0 if max_fps is None else round(1_000_000 / max_fps)
        self._announce = announce
        self._wake = wake
        self._stopping = stopping
        self._ring: Ring | None = None
        self._size: tuple[int, int] | None = None
        self._due: int | None = None  # capture of the next frame that is wanted

    def publish(
        self,
        image: Callable[[], ImageArray],
        *,
        size: tuple[int, int],
        pts: int | None,
        arrived: int,
        waited: bool = True,
        patient: bool = False,
    ) -> Stamp:
        """A picture, converted by `image` if it is wanted. Returns its times.

        `size`: as coded; a change begins a session. `patient`: wait for room instead of replacing the oldest.
        """
        if self._size is not None and size != self._size:
            self._clock.go_on()
        changed, self._size = size != self._size, size
        stamp = self._clock.stamp(pts, arrived, waited=waited)
        self._count(stamp)
        if self._is_due(stamp.capture) or changed:
            picture = image()
            ring = self._ring_for(picture)
            if patient and not self._has_room(ring):
                return stamp
            ring.write(picture, stamp)
        self.show_life()
        return stamp

    def show_life(self) -> None:
        """Wake whoever watches: reading goes on."""
        with suppress(BlockingIOError):  # it has enough to wake up for
            os.write(self._wake, b"\0")

    def close(self) -> None:
        """Let go of the ring; whoever takes frames still has it."""
        if self._ring is not None:
            self._ring.close()

    def _has_room(self, ring: Ring) -> bool:
        """Wait for it. Returns False where all is to end before."""
        shown = time.monotonic()
        while ring.published - ring.taken >= ring.slots - 1:
            if self._stopping.wait(_FULL_PAUSE):
                return False
            if time.monotonic() - shown >= SIGN_SECONDS:
                self.show_life()
                shown = time.monotonic()
        return True

    def _count(self, stamp: Stamp) -> None:
        ledger = self._ledger
        ledger[Count.CAPTURE], ledger[Count.AT], ledger[Count.SESSION] = stamp.capture, stamp.at, stamp.session
        ledger[Count.REPAIRED] = self._clock.repaired
        ledger[Count.FRAMES] += 1

    def _is_due(self, capture: int) -> bool:
        if not self._spacing:
            return True
        if self._due is None or abs(capture - self._due) > 10 * self._spacing:
            self._due = capture
        if capture < self._due - self._spacing // 20:
            return False
        self._due += self._spacing
        if self._due <= capture:
            self._due = capture + self._spacing
        return True

    def _ring_for(self, image: ImageArray) -> Ring:
        height, width = image.shape[:2]
        if self._ring is None or (self._ring.height, self._ring.width) != (height, width):
            slots = batch_slots(height, width) if self._every else live_slots()
            old, self._ring = self._ring, Ring.new(height, width, slots)
            self._announce(self._ring)
            if old is not None:
                old.close()
        return self._ring
