"""Backfill: frames that no detector looked at wait for the next one that it did, and get their tracks from both sides.

The tracker takes only the frames that were looked at, and those after which something breaks: a chunk's last one, from
where a run may have to go on; the last one before a gap in the pictures; and one now and then where the next look is so
far that too many pictures would wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from pipeline.events import Events
from pipeline.sinks.base import ChunkEnd
from pipeline.stages import Follower
from trackers.lines import lines
from trackers.structures import Detections, Frame, State, Tracks, joined, part_of

BACKFILL = "backfill."  # prefix of its arrays in a stream's state
MOST_WAITING = 29  # frames; pictures are large
_PART = BACKFILL.removesuffix(".")


class Seen(Protocol):
    """What is known of a frame that comes to the tracker."""

    @property
    def frame(self) -> Frame: ...

    @property
    def looked(self) -> bool:
        """Whether a detector looked at it."""

    @property
    def detections(self) -> Detections:
        """What it found, if so."""


_Item = TypeVar("_Item", bound=Seen)


@dataclass(frozen=True, slots=True, eq=False)
class Tracked(Generic[_Item]):
    """A frame with its tracks, and whether a chunk ends with it."""

    item: _Item
    tracks: Tracks
    events: Events
    end: ChunkEnd


class _Before(NamedTuple):
    """The frame that the tracker took last."""

    time: float  # seconds
    tracks: Tracks


class Backfill(Generic[_Item]):
    """Of one stream. Without `waits` every frame is tracked as it comes."""

    def __init__(self, follower: Follower, *, waits: bool) -> None:
        self._follower, self._waits = follower, waits
        self._before: _Before | None = None
        self._kept: Tracked[_Item] | None = None  # that frame, until it is known that no stop comes right after it
        self._waiting: list[_Item] = []  # those after it

    def waits(self, item: _Item, end: ChunkEnd) -> bool:
        """Whether the tracker never sees this frame, which is the next one; see `take`."""
        may = self._waits and not item.looked and end is not ChunkEnd.WHOLE and len(self._waiting) < MOST_WAITING
        return may and self._before is not None and not self._follower.breaks(item.frame)

    def take(self, item: _Item, end: ChunkEnd) -> Iterator[Tracked[_Item]]:
        """Take a frame, and give those whose tracks are known by now, in order. `end`: whether a chunk ends with it.

        After a WHOLE one none waits. Those that wait when a chunk is CUT are forgotten: the cut is before them, so that
        a run that goes on reads them again, and comes to what it would have come to without the stop.
        """
        if not self.waits(item, end):
            yield from self._track(item, end)
        elif end is ChunkEnd.NONE:
            self._waiting.append(item)
        else:
            kept, self._kept, self._waiting = self._kept, None, []
            if kept is not None:
                yield replace(kept, end=end)

    def to_arrays(self) -> State:
        """Everything needed to go on after the frame that was tracked last; the names begin with BACKFILL."""
        if not self._waits or self._before is None:
            return {}
        tracks = {column.name: getattr(self._before.tracks, column.name).copy() for column in fields(Tracks)}
        return joined({_PART: tracks | {"time": np.array(self._before.time)}})

    def from_arrays(self, state: State) -> None:
        """Go on from a stream's state, before any frame."""
        if own := part_of(state, _PART):
            tracks = Tracks(**{column.name: own[column.name] for column in fields(Tracks)})
            self._before = _Before(float(own["time"]), tracks)

    def _track(self, item: _Item, end: ChunkEnd) -> Iterator[Tracked[_Item]]:
        """Have a frame tracked; it and all before it are known then."""
        if self._waiting and self._follower.breaks(item.frame):
            yield from self._track(self._waiting.pop(), ChunkEnd.NONE)
        tracks = self._follower.track(item.frame, item.detections if item.looked else None)
        if self._kept is not None:
            yield self._kept
        yield from self._between(item.frame, tracks)
        self._before, self._kept, self._waiting = _Before(item.frame.time, tracks), None, []
        tracked = Tracked(item, tracks, self._follower.watch(item.frame, tracks), end)
        if self._waits and end is ChunkEnd.NONE:
            self._kept = tracked
        else:
            yield tracked

    def _between(self, frame: Frame, tracks: Tracks) -> Iterator[Tracked[_Item]]:
        """Those that waited for this frame, which has these tracks."""
        if not self._waiting or self._before is None:
            return
        began, length = self._before.time, frame.time - self._before.time
        shares = [(one.frame.time - began) / length for one in self._waiting]
        for one, placed in zip(self._waiting, lines(self._before.tracks, tracks, shares), strict=True):
            yield Tracked(one, placed, self._follower.watch(one.frame, placed), ChunkEnd.NONE)
