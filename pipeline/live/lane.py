"""Lane: one stream on its way through a live engine, and what its stages remember of it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from pipeline.events import Analyst
from pipeline.live_report import StreamMeter
from pipeline.schedule import Judge, Schedule, Verdict
from pipeline.sinks.base import Sink
from pipeline.sources.feed import Feed
from pipeline.stages import Follower
from trackers.doubts import Doubts
from trackers.structures import Detections, Frame, Gap, MultiObjectTracker, Tracks


@dataclass(frozen=True, slots=True)
class LiveStream:
    """A camera, its tracker and where its results go. The engine starts and closes the feed and enters the sinks."""

    number: int  # never used again for another stream
    feed: Feed
    tracker: MultiObjectTracker
    sinks: Sequence[Sink]
    analyst: Analyst | None = None
    labels: Collection[int] | None = None  # only detections of these classes are tracked; None: all


class Lane:
    """What the stages know of a stream. Each field is written by one stage, or by whoever ends the stream."""

    def __init__(self, stream: LiveStream, schedule: Schedule, judge: Judge | None = None) -> None:
        """`schedule`: which frames the detector looks at. `judge`: what tells it of the tracks, where it must know."""
        self.stream = stream
        self.name = stream.feed.name
        self.follower = Follower(stream.tracker, stream.analyst)
        self._schedule, self._judge = schedule, judge
        self._verdict = Verdict.none()  # after the last frame that was tracked
        self.meter = StreamMeter(self.name)
        self.sinks = ExitStack()  # those that were entered
        self.queued = False  # waits to be asked for a frame
        self.taken_at = -np.inf  # monotonic seconds, of the last frame taken
        self.draining = False  # the feed has ended; once nothing is left in it, the stream ends
        self.leaving = False  # no more frames are taken
        self.leave_by = np.inf  # monotonic seconds: then it leaves, whether or not its feed is closed
        self.left_intake = False  # its last frame has been passed on
        self.odd: Counter[str] = Counter()  # network -> frames in a row on which it failed
        self.last: tuple[int, int] | None = None  # index and capture (microseconds) of the last frame tracked
        self.failure: Exception | None = None
        self.broken = False  # a sink failed: nothing more is given to any
        self.gap: Gap | None = None  # the outage in which the feed was closed
        self.closer: threading.Thread | None = None  # of the feed
        self.closed = threading.Event()
        self.over = threading.Event()  # the sinks are left

    def take(self) -> Frame | None:
        """The next frame, if there is one."""
        frame = self.stream.feed.take()
        if frame is not None:
            self.taken_at = time.monotonic()
        return frame

    def wants(self, frame: Frame) -> bool:
        """Whether the detector is to look at it. By what the tracker knows by now: a camera waits for nobody."""
        return self._schedule.wants(frame, self._verdict)

    def tracked(self, frame: Frame, tracks: Tracks, *, looked: bool) -> None:
        """The tracker has taken a frame."""
        if self._judge is not None:
            self._verdict = self._judge.verdict(frame, tracks, self._verdict, looked=looked)

    @property
    def may_leave(self) -> bool:
        """Whether nothing more comes of its feed; earlier than that, it would keep the sinks of all others waiting."""
        return self.draining or self.closed.is_set() or time.monotonic() >= self.leave_by

    def wanted(self, detections: Detections) -> Detections:
        """The detections that are tracked."""
        labels = self.stream.labels
        return detections if labels is None else detections[np.isin(detections.labels, list(labels))]


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A frame on its way, with what the networks have found out so far."""

    lane: Lane
    frame: Frame
    looked: bool = True  # whether the detector is to look at it, or has
    detections: Detections = field(default_factory=Detections.empty)
    doubts: Doubts | None = None  # of its tracker, where it was asked and can say


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Frames that go through the networks together, and streams whose last frame was before them."""

    items: Sequence[Item]
    leavers: Sequence[Lane] = ()
