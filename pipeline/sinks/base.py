"""What reaches a sink, and what a sink is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from pipeline.events import Events
from trackers.structures import Detections, Frame, Gap, State, Tracks


class ChunkEnd(Enum):
    """Whether a chunk of frames ends with a frame."""

    NONE = "none"
    CUT = "cut"  # stopped within a chunk: the rest of it may come when the run goes on
    WHOLE = "whole"  # the next frame belongs to another chunk, or there is none

    @classmethod
    def between(cls, index: int, following: int, chunk: int) -> ChunkEnd:
        """After a frame that another one follows; chunks are of `chunk` frames."""
        return cls.NONE if index // chunk == following // chunk else cls.WHOLE

    @classmethod
    def at_stop(cls, index: int, chunk: int) -> ChunkEnd:
        """After the last frame before a stop: nothing more can come of a chunk whose last frame it is."""
        return cls.WHOLE if (index + 1) % chunk == 0 else cls.CUT


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Everything known about one frame of one stream."""

    frame: Frame
    detections: Detections  # as the tracker saw them, with features where there is an embedder
    tracks: Tracks  # as the tracker returned them: every stage; row -> detections
    state: State | None = None  # the tracker's after this frame, where a chunk ends with it
    end: ChunkEnd = ChunkEnd.NONE
    events: Events = field(default_factory=Events.empty)  # at zones and lines
    looked: bool = True  # whether the detector looked at the frame; else there are no detections


class Sink(Protocol):
    """Takes the results of one stream, in order, from one thread.

    Entered before the first frame is read: what cannot be written is refused there (OutputError). Left without an
    exception, it finishes what it wrote, also after a stop or a damaged source. Left with one, it takes back what
    would be half a file.
    """

    def __enter__(self) -> Self: ...

    def write(self, result: Result) -> None:
        """Take one frame's result."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@runtime_checkable
class GatheringSink(Sink, Protocol):
    """A sink that writes what it took only from time to time, and can be told to do so."""

    def cut(self, state: State, end: ChunkEnd = ChunkEnd.CUT) -> None:
        """Write what has been taken, if anything. `state`: the tracker's. `end`: WHOLE where no frame follows."""

    def lost(self, gap: Gap) -> None:
        """The source is left while it gives no pictures: nobody else will tell of this gap."""
