"""Which frames of a stream the detector looks at."""

from __future__ import annotations

from trackers.structures import Frame


class Schedule:
    """One frame of each group of `every` by its index: the first one that comes. One instance a stream.

    Groups go by the index and not by what has come, so that a run that was interrupted goes on with the frames it would
    have taken; and where a camera drops frames, no group is missed of which one came.
    """

    def __init__(self, every: int, *, first_frame: int = 0) -> None:
        """`first_frame`: the frames before it were seen by an earlier part of the run."""
        if every < 1:
            raise ValueError(f"every {every}: the detector looks at one of 1 or more frames")
        self._every = every
        self._last = (first_frame - 1) // every  # group of the last frame that was asked about

    def wants(self, frame: Frame) -> bool:
        """Whether the detector is to look at it. Frames in order, each once."""
        group = frame.index // self._every
        wanted = group != self._last
        self._last = group
        return wanted
