"""Storing: the end of every lane. Results go to the sinks, and what those gather is stored soon."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pipeline.errors import ContentError, StoreError
from pipeline.live.lane import Lane
from pipeline.sinks.base import ChunkEnd, GatheringSink, Result
from trackers.structures import State

CLOSING = 1.5  # seconds that a feed, which promises to close within one, is waited for

_NOTHING: State = {}  # nobody resumes a camera


@dataclass(slots=True)
class _Pending:
    """What a lane's sinks were given since they stored something."""

    chunks: int = 0  # whole ones so far
    since: float = 0.0  # monotonic seconds, of the first frame
    at: list[int] = field(default_factory=list)  # captures, microseconds UTC


class Storing:
    """One thread. A failing sink ends its lane; a failing store is raised: it is everybody's."""

    def __init__(
        self,
        *,
        chunk: int,
        store_seconds: float,
        clock: Callable[[], int],
        give_up: Callable[[Lane, Exception], None],
    ) -> None:
        """`clock`: microseconds UTC. `give_up`: is told of a lane whose sink failed."""
        self._chunk = chunk
        self._store_seconds = store_seconds
        self._clock = clock
        self._give_up = give_up
        self._pending: dict[Lane, _Pending] = {}

    def write(self, lane: Lane, result: Result) -> None:
        """Give a result to the lane's sinks. Raises StoreError where the store fails."""
        if lane.broken:
            return
        pending = self._pending.setdefault(lane, _Pending())
        if not pending.at:
            pending.since = time.monotonic()
        pending.at.append(result.frame.at)
        end = self._end(pending, result.frame.index)
        if end is not ChunkEnd.NONE:
            result = replace(result, state=_NOTHING, end=end)
        if self._guarded(lane, lambda: _write(lane, result)) and end is not ChunkEnd.NONE:
            self._stored(lane, pending)

    def seconds_until_due(self) -> float:
        """Until something gathered has waited long enough, whether or not another frame comes; 0 or more."""
        waiting = [pending.since for pending in self._pending.values() if pending.at]
        return max(0.0, min(waiting) + self._store_seconds - time.monotonic()) if waiting else self._store_seconds

    def cut_due(self) -> None:
        """Store what has waited long enough. Raises StoreError."""
        for lane, pending in list(self._pending.items()):
            if pending.at and time.monotonic() - pending.since >= self._store_seconds:
                self._cut(lane, pending, ChunkEnd.CUT)

    def leave(self, lanes: Sequence[Lane], failure: BaseException | None = None) -> None:
        """Store the last of the lanes, then leave their sinks, with the engine's or the lane's failure if there is one.

        What goes wrong meanwhile is the lane's failure. The store's own failure takes with it what was gathered.
        """
        for lane in lanes:
            pending = self._pending.pop(lane, None)
            if pending is not None and not isinstance(failure, StoreError):
                failure = self._last_cut(lane, pending) or failure
        until = time.monotonic() + CLOSING
        for lane in lanes:
            lane.closed.wait(max(0.0, min(until, lane.leave_by) - time.monotonic()))
            if lane.gap is not None and not lane.broken and not isinstance(failure, StoreError):
                failure = self._tell_gap(lane) or failure
            self._leave(lane, failure)

    def _last_cut(self, lane: Lane, pending: _Pending) -> StoreError | None:
        try:
            self._cut(lane, pending, ChunkEnd.WHOLE)
        except StoreError as error:
            lane.failure = lane.failure or error
            return error
        return None

    def _tell_gap(self, lane: Lane) -> StoreError | None:
        try:
            self._guarded(lane, lambda: _tell(lane))
        except StoreError as error:
            lane.failure = lane.failure or error
            return error
        return None

    def _leave(self, lane: Lane, failure: BaseException | None) -> None:
        error = lane.failure or failure
        try:
            if error is None:
                lane.sinks.close()
            else:
                lane.sinks.__exit__(type(error), error, error.__traceback__)
        except Exception as second:  # noqa: BLE001 (told by who asked to leave)
            if second is not error:
                lane.failure = lane.failure or second

    def _cut(self, lane: Lane, pending: _Pending, end: ChunkEnd) -> None:
        if not lane.broken and self._guarded(lane, lambda: _cut(lane, end)):
            self._stored(lane, pending)

    def _end(self, pending: _Pending, index: int) -> ChunkEnd:
        """Chunks are whole after each `chunk` frames, or soon after, where that very frame was left out."""
        chunks = (index + 1) // self._chunk
        if chunks > pending.chunks:
            pending.chunks = chunks
            return ChunkEnd.WHOLE
        return ChunkEnd.CUT if time.monotonic() - pending.since >= self._store_seconds else ChunkEnd.NONE

    def _stored(self, lane: Lane, pending: _Pending) -> None:
        now = self._clock()
        for at in pending.at:
            lane.meter.to_store.add((now - at) / 1e6)
        pending.at = []

    def _guarded(self, lane: Lane, work: Callable[[], None]) -> bool:
        """Whether it went well. What is wrong with the stream's own content is its own failure, too."""
        try:
            work()
        except Exception as error:
            if isinstance(error, StoreError) and not isinstance(error, ContentError):
                raise
            lane.broken = True
            self._pending.pop(lane, None)
            self._give_up(lane, error)
            return False
        return True


def _write(lane: Lane, result: Result) -> None:
    for sink in lane.stream.sinks:
        sink.write(result)


def _cut(lane: Lane, end: ChunkEnd) -> None:
    for sink in lane.stream.sinks:
        if isinstance(sink, GatheringSink):
            sink.cut(_NOTHING, end)


def _tell(lane: Lane) -> None:
    assert lane.gap is not None
    for sink in lane.stream.sinks:
        if isinstance(sink, GatheringSink):
            sink.lost(lane.gap)
