"""Course: a schedule that hears of the tracker, which runs in another thread, with a fixed lag.

What is decided about a frame depends on the frame and on the tracks a fixed number of frames before it, never on how
far the tracker has come meanwhile: where it is late, the detector waits for it.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from pipeline.channel import Channel
from pipeline.schedule import SCHEDULE, Judge, Schedule, Verdict
from trackers.structures import Frame, State, Tracks

LAG = 2  # batches that are on their way to the tracker while it is decided about the next one
_DECIDER = SCHEDULE + "own."
_VERDICTS = SCHEDULE + "verdicts."


class Course:
    """Of one stream. `wants`, `decided` are for the detector's thread, `tracked`, `to_arrays` for the tracker's."""

    def __init__(self, schedule: Schedule, judge: Judge | None = None, *, batch: int = 1) -> None:
        """`judge`: of whom verdicts come; None: the schedule needs none. `batch`: frames of the stream that the
        detector may take at once.
        """
        self._schedule, self._judge = schedule, judge
        self._lag = LAG * batch
        self._said: Channel[Verdict] = Channel(self._lag + 1)
        self._last: deque[Verdict] = deque(maxlen=self._lag)  # those that are not heard yet
        self._expect([Verdict.none()] * self._lag)

    def wants(self, frame: Frame) -> bool:
        """Whether the detector is to look at a frame. Waits for the tracker. Raises Cancelled."""
        verdict = None if self._judge is None else self._said.get()
        return self._schedule.wants(frame, verdict)

    def decided(self) -> State:
        """What was decided so far, to be given to `to_arrays` when the tracker has come to the same frame."""
        return self._schedule.to_arrays()

    def tracked(self, frame: Frame, tracks: Tracks, *, looked: bool) -> None:
        """The tracker has taken a frame. Frames in order, each once."""
        if self._judge is not None:
            verdict = self._judge.verdict(frame, tracks, self._last[-1], looked=looked)
            self._last.append(verdict)
            self._said.put(verdict)

    def cancel(self) -> None:
        """Make whoever waits, and will wait, raise Cancelled."""
        self._said.cancel()

    def to_arrays(self, decided: State) -> State:
        """Everything needed to go on after the frame that was tracked last. `decided`: as it was after that frame."""
        if self._judge is None:
            return {}
        columns = {name: np.array([getattr(one, name) for one in self._last]) for name in Verdict.columns()}
        return {_DECIDER + name: array for name, array in decided.items()} | {
            _VERDICTS + name: column for name, column in columns.items()
        }

    def from_arrays(self, state: State) -> None:
        """Go on from a stream's state, before any frame. Raises ValueError where another schedule wrote it."""
        self._schedule.from_arrays(_after(_DECIDER, state))
        if self._judge is None:
            return
        columns = _after(_VERDICTS, state)
        count = len(columns["time"])
        if count != self._lag:
            raise ValueError(f"the state was saved with a lag of {count} frames, this one is {self._lag}")
        self._expect([Verdict.of({name: columns[name][row] for name in Verdict.columns()}) for row in range(count)])

    def _expect(self, verdicts: list[Verdict]) -> None:
        self._said = Channel(self._lag + 1)
        self._last.clear()
        if self._judge is not None:
            for verdict in verdicts:
                self._last.append(verdict)
                self._said.put(verdict)


def _after(prefix: str, state: State) -> State:
    """The arrays whose names begin so, without it."""
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
