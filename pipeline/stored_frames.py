"""The frames of a stored source as they went through the trackers: times, sizes, gaps, looks, without pictures."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from pipeline.schedule import Schedule
from pipeline.sinks.gathering import Moment, hole
from pipeline.store.chunk import FrameDetections, SessionStart
from pipeline.store.records import AdoptedSource
from trackers.structures import Detections, Frame, Gap, ImageArray


class StoredFrames:
    """Gives the frames of one source, chunk after chunk.

    A gap that the source itself told is told again by the frame after it, since trackers end what it outlasts. One that
    stands for a jump in the frame numbers is not: nobody told the trackers, and whoever stores the frames sees it.
    """

    def __init__(self, source: AdoptedSource) -> None:
        self._sessions = {session.n: session for session in source.sessions}
        self._size = (source.height or 1, source.width or 1)
        self._gaps = deque(sorted(source.gaps, key=lambda gap: (gap.to_at, gap.from_at)))
        self._lone: list[Gap] = []
        self._before: Moment | None = None

    @property
    def lone_gaps(self) -> list[Gap]:
        """Gaps that no frame so far has told: before a camera was taken up, after it was left."""
        return [*self._lone, *self._gaps]

    def of(self, chunk: FrameDetections) -> Iterator[Frame]:
        """The frames of a chunk; chunks in order."""
        columns = (chunk.frames.tolist(), chunk.times.tolist(), chunk.sessions.tolist())
        for index, seconds, session in zip(*columns, strict=True):
            own = self._sessions[session]
            frame = Frame(
                picture=self._blank(own),
                index=index,
                time=seconds,
                at=own.started_at + round(seconds * 1e6),
                session=session,
            )
            yield self._told(frame)

    def _told(self, frame: Frame) -> Frame:
        """With the gap before it."""
        this = Moment.of(frame)
        holes = [] if self._before is None or this.index == self._before.index + 1 else [hole(self._before, this)]
        self._before = this
        gap: Gap | None = None
        while self._gaps and self._gaps[0].to_at <= frame.at:
            found = self._gaps.popleft()
            if found in holes:
                continue
            if found.to_at == frame.at and gap is None:
                gap = found
            else:
                self._lone.append(found)
        return frame if gap is None else replace(frame, gap=gap)

    def _blank(self, session: SessionStart) -> ImageArray:
        """A picture that has a shape and takes no memory."""
        height, width = session.height or self._size[0], session.width or self._size[1]
        return np.broadcast_to(np.zeros((), np.uint8), (height, width, 3))


class StoredLooks:
    """Tells the frames of one source that the detector looked at from those that it did not."""

    def __init__(self, schedule: Schedule | None) -> None:
        """`schedule`: of chunks that do not say it, of before they did; None: it looked at all of their frames."""
        self._schedule = schedule

    def of(self, chunk: FrameDetections, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Detections, bool]]:
        """The frames of a chunk, what was found in each, and whether it was looked at; chunks in order."""
        said = [None] * len(chunk) if chunk.looked is None else chunk.looked.tolist()
        for frame, found, looked in zip(frames, chunk.detections, said, strict=True):
            wanted = self._schedule is None or self._schedule.wants(frame)
            yield frame, found, (wanted or len(found) > 0) if looked is None else looked
