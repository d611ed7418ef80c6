"""Events: what happened at the zones and lines of a camera, as columns, and who finds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from itertools import chain
from typing import Protocol, Self

import numpy as np

from trackers.structures import FloatArray, Frame, IntArray, State, Tracks


class EventKind(StrEnum):
    """What happened."""

    ENTER = "enter"  # a track came into a zone
    LEAVE = "leave"  # it went out, or ended inside; value: seconds it was inside
    DWELL = "dwell"  # it has been inside for so long as the zone asks; value: those seconds
    LOITER = "loiter"  # it has been inside for so long without going anywhere; value: those seconds
    CROSS = "cross"  # it went over a line; direction says which way
    COUNT = "count"  # how many are in a zone has passed a limit; value: how many
    SPEED = "speed"  # it was faster than a zone allows; value: metres a second


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """What happened in one frame. Row i of every column is the same event."""

    at: IntArray  # (n,) int64 microseconds UTC
    ids: IntArray  # (n,) int64 track, 0 for an event of no single track
    labels: IntArray  # (n,) int64 index into the model's class names, -1 for none
    rules: tuple[str, ...]  # n names of zones and lines
    kinds: tuple[EventKind, ...]  # n
    values: FloatArray  # (n,) float64, NaN where the kind has none
    directions: tuple[str, ...]  # n names of a way over a line, "" where there is none
    points: FloatArray  # (n, 2) float32 where, pixels; NaN where nowhere

    def __post_init__(self) -> None:
        if self.points.shape != (len(self.at), 2):
            raise ValueError(f"points must be ({len(self.at)}, 2), got {self.points.shape}")
        for column in fields(self):
            if len(getattr(self, column.name)) != len(self.at):
                raise ValueError(f"{column.name} has {len(getattr(self, column.name))} rows, at {len(self.at)}")

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """One after the other; at least one."""
        return cls(
            at=np.concatenate([part.at for part in parts]),
            ids=np.concatenate([part.ids for part in parts]),
            labels=np.concatenate([part.labels for part in parts]),
            rules=tuple(chain.from_iterable(part.rules for part in parts)),
            kinds=tuple(chain.from_iterable(part.kinds for part in parts)),
            values=np.concatenate([part.values for part in parts]),
            directions=tuple(chain.from_iterable(part.directions for part in parts)),
            points=np.concatenate([part.points for part in parts]),
        )

    @classmethod
    def empty(cls) -> Self:
        """Nothing happened."""
        none = np.zeros(0, np.int64)
        return cls(none, none, none, (), (), np.zeros(0), (), np.zeros((0, 2), np.float32))


Tally = Mapping[tuple[str, EventKind, str], int]  # how many events there were, by rule, kind and direction


class Analyst(Protocol):
    """Watches the zones and lines of one stream. One instance a stream; frames in order."""

    def update(self, frame: Frame, tracks: Tracks) -> Events:
        """What happened in this frame. `tracks`: as the tracker returned them, of every stage.

        The picture itself is not looked at, only its size, time and gap.
        """

    def to_arrays(self) -> State:
        """Everything needed to go on from here, as arrays."""

    def from_arrays(self, state: State) -> None:
        """Go on from a state saved by `to_arrays`."""

    def take_over(self, earlier: Analyst) -> None:
        """Watch on where another one watched the same stream: at rules that both have nothing begins anew."""
