"""Past: what a run stored of a stream before it was interrupted, for the files that a resumed run completes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from pipeline.events import Tally
from pipeline.sinks.base import Sink
from pipeline.store.tracked_boxes import TrackedBoxes


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What was stored of a stream. Its confirmed tracks may be read more than once."""

    next_frame: int  # index of the first frame to come
    processed: int  # frames stored
    blocks: Callable[[], Iterator[TrackedBoxes]]  # in order of time; labels are the detector's
    counted: Callable[[], Tally] = dict  # events at zones and lines


class FileSink(Sink, Protocol):
    """A sink that writes a file, which a resumed run completes."""

    def resume(self, past: Past) -> None:
        """Go on after what was stored. Called before the sink is entered. Raises OutputError where that cannot be."""
