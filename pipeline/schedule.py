"""Which frames of a stream the detector looks at: what a schedule is and hears, and the one of every n-th frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from trackers.structures import BoolArray, FloatArray, Frame, State, Tracks

SCHEDULE = "schedule."  # prefix of a schedule's arrays in a stream's state
AHEAD = 16  # frames, looked at or not, that come together, so that several looks are made at once; pictures are large
CELLS = 64  # along each side of a picture, whatever its shape


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """After one frame."""

    time: float  # seconds, of the frame; -inf where there was none yet
    wait: float  # seconds after the last look for which its tracks can do without another one
    size: float  # cells that a typical object covers; 0 where nothing is known
    occupied: BoolArray  # (CELLS, CELLS) where located tracks are, and may move
    crowd: bool = False  # so many of them that flow may cost more than a look: every frame is to be looked at
    missed: bool = False  # the last look has missed so many located and hidden ones: likewise

    @classmethod
    def none(cls) -> Verdict:
        """Before the first frame."""
        return cls(-np.inf, np.inf, 0.0, np.zeros((CELLS, CELLS), dtype=bool))

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Names of what it holds, in order."""
        return tuple(one.name for one in fields(cls))

    @classmethod
    def of(cls, values: Mapping[str, FloatArray | BoolArray]) -> Verdict:
        """Of arrays by the names of `columns`: single values but for the cells."""
        time, wait, size = (float(values[name]) for name in ("time", "wait", "size"))
        crowd, missed = bool(values["crowd"]), bool(values["missed"])
        return cls(time, wait, size, np.asarray(values["occupied"], bool), crowd, missed)


class Schedule(Protocol):
    """One instance a stream, asked by one thread: frames in order, each once."""

    def wants(self, frame: Frame, verdict: Verdict | None = None) -> bool:
        """Whether the detector is to look at it. `verdict`: after a frame a few before it, where there is a judge."""

    def to_arrays(self) -> State:
        """Everything needed to go on with the next frame, but for the verdicts on their way."""

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`. Raises ValueError for another schedule's state."""


MakeSchedule = Callable[[int], Schedule]  # given the first frame that was not seen by an earlier part of the run


class Judge(Protocol):
    """Says what the tracks of a frame ask of the detector. Of the frames before it knows what it said last."""

    def verdict(self, frame: Frame, tracks: Tracks, before: Verdict, *, looked: bool) -> Verdict:
        """After a frame. `before`: after the one before it. `looked`: whether the detector looked at it."""


class EveryNth:
    """One frame of each group of `every` by its index: the first one that comes.

    Groups go by the index and not by what has come, so that a run that was interrupted goes on with the frames it would
    have taken; and where a camera drops frames, no group is missed of which one came.
    """

    def __init__(self, every: int = 1, *, first_frame: int = 0) -> None:
        """`first_frame`: the frames before it were seen by an earlier part of the run."""
        if every < 1:
            raise ValueError(f"every {every}: the detector looks at one of 1 or more frames")
        self._every = every
        self._last = (first_frame - 1) // every  # group of the last frame that was asked about

    def wants(self, frame: Frame, verdict: Verdict | None = None) -> bool:  # noqa: ARG002
        """See Schedule; the verdict does not count."""
        group = frame.index // self._every
        wanted = group != self._last
        self._last = group
        return wanted

    def to_arrays(self) -> State:
        """Nothing: the index of the next frame says it all."""
        return {}

    def from_arrays(self, state: State) -> None:
        """See Schedule."""
        if state:
            raise ValueError("the frames so far were chosen by an adaptive schedule, and not every n-th")


def every_nth(every: int) -> MakeSchedule:
    """Makes the schedule of every n-th frame."""
    return lambda first_frame: EveryNth(every, first_frame=first_frame)
