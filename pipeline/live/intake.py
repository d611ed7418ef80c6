"""Intake: makes batches of what the cameras of a live engine have, those that have waited longest first."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue

from pipeline.live.lane import Batch, Item, Lane
from pipeline.sources.feed import CameraState

EXPECTED = 1.0  # seconds; who gave a frame within these may give another one soon
LOOK = 0.25  # seconds between two looks for feeds that have ended or hang
POLL = 0.1  # seconds; a waiting thread looks so often whether it is to end


class Intake:
    """A queue of the streams that have something. Each stands in it at most once, so it is short, and fair.

    A stream is asked for one frame and then goes to the queue's end: one that is faster than all others together
    gets what they leave over.
    """

    def __init__(self, *, max_wait: float, give_up: Callable[[Lane, Exception], None]) -> None:
        """`max_wait`: seconds that the first frame of a batch waits for others.

        `give_up`: ends a stream whose feed fails when it is asked.
        """
        self._give_up = give_up
        self._max_wait = max_wait
        self._ready: SimpleQueue[Lane | None] = SimpleQueue()  # its put may be interrupted by itself: fit for signals
        self._looked_at = time.monotonic()
        self.lanes: dict[int, Lane] = {}  # replaced, never changed: any thread may go through it

    @property
    def waiting(self) -> int:
        """Streams in the queue."""
        return self._ready.qsize()

    def offer(self, lane: Lane) -> None:
        """There may be something to take. From any thread."""
        if not lane.queued:
            lane.queued = True
            self._ready.put(lane)

    def wake(self) -> None:
        """Make `take` look whether it is to end. Safe in a signal handler."""
        self._ready.put(None)

    def take(self, stopped: Callable[[], bool], most: int) -> Batch | None:
        """The next frames, `most` of them at most, waiting for the first one; None once `stopped`."""
        items: list[Item] = []
        leavers: list[Lane] = []
        due = float("inf")
        while len(items) < most and not stopped():
            self._look_around()
            lane = self._next(0.0)
            if lane is None:
                if leavers or time.monotonic() >= due or (items and not self._more_expected(items)):
                    break
                lane = self._next(min(POLL, max(0.0, due - time.monotonic())))
            if lane is None:
                continue
            item = self._ask(lane, leavers)
            if item is not None:
                items.append(item)
                due = min(due, time.monotonic() + self._max_wait)
        return Batch(items, leavers) if items or not stopped() else None

    def _next(self, seconds: float) -> Lane | None:
        try:
            return self._ready.get(timeout=seconds) if seconds > 0 else self._ready.get_nowait()
        except Empty:
            return None

    def _ask(self, lane: Lane, leavers: list[Lane]) -> Item | None:
        """A frame of the lane, if it has one. What becomes fresh meanwhile puts it into the queue again."""
        lane.queued = False
        frame = None
        try:
            frame = None if lane.leaving else lane.take()
        except Exception as error:  # noqa: BLE001 (told as the stream's)
            self._give_up(lane, error)
        if frame is not None:
            self.offer(lane)
            return Item(lane, replace(frame, stream=lane.stream.number))
        if lane.may_leave and not lane.left_intake:
            lane.leaving = lane.left_intake = True
            leavers.append(lane)
        return None

    def _more_expected(self, items: list[Item]) -> bool:
        """Whether somebody who is not yet among the items gave a frame lately."""
        here = {item.lane.stream.number for item in items}
        since = time.monotonic() - EXPECTED
        return any(lane.taken_at > since and number not in here for number, lane in self.lanes.items())

    def _look_around(self) -> None:
        """A feed that is over for good gives what it still has, then its stream leaves; so does one that hangs."""
        now = time.monotonic()
        if now - self._looked_at < LOOK:
            return
        self._looked_at = now
        for lane in self.lanes.values():
            quiet = not lane.leaving and now - lane.taken_at > LOOK
            if quiet and lane.stream.feed.status().state is CameraState.ENDED:
                lane.draining = True
                self.offer(lane)
            elif lane.may_leave and not lane.left_intake:
                self.offer(lane)
