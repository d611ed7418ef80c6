"""SegmentFootage: what a camera showed, out of the segments of its recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.sources.excerpt import VideoFootage
from trackers.structures import Frame

OVERLAP = 1_000  # microseconds by which a segment may seem to begin before the one before it ends


@dataclass(frozen=True, slots=True)
class SegmentPart:
    """A segment on the disk."""

    path: Path
    from_at: int  # of its first picture, microseconds UTC
    to_at: int  # of the picture after its last one


class SegmentFootage:
    """The pictures of several segments one after the other; where nothing was recorded there are none.

    Safe to share between threads, if `open_part` is.
    """

    def __init__(self, parts: Sequence[SegmentPart], *, open_part: Callable[[SegmentPart], VideoFootage]) -> None:
        """`parts`: by time. `open_part`: may keep what it has opened; raises SourceError."""
        self._parts = tuple(parts)
        self._open = open_part

    def between(self, from_at: int, to_at: int) -> Iterator[Frame]:
        """See Footage. All pictures are of one size: it ends where the camera changed it.

        `Frame.index` is -1, as a run that drops frames has other numbers. `Frame.time`: since `from_at`.
        """
        size = None
        last = from_at - 1
        for part in self._parts:
            if part.to_at + OVERLAP < from_at or part.from_at > to_at:
                continue
            for frame in self._open(part).between(max(from_at, last + 1), to_at):
                size = size or (frame.width, frame.height)
                if (frame.width, frame.height) != size:
                    return
                last = frame.at
                yield replace(frame, index=-1, time=(frame.at - from_at) / 1e6)


def open_segment(part: SegmentPart) -> VideoFootage:
    """The pictures of one segment. Raises SourceError where it cannot be read."""
    return VideoFootage(part.path, start_at=part.from_at)
