"""Sequel: the results of a camera that a run takes up once more, counted on from where it was left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.sinks.base import Result
from pipeline.sinks.gathering import Moment
from trackers.structures import Frame, Gap, IntArray

_STEP = 1e-3  # seconds; least time between two frames, where a clock was set back meanwhile


class Sequel:
    """Shifts frame numbers, sessions, times and track ids, which all began anew."""

    def __init__(self, last: Moment, last_id: int, *, told_until: int | None = None) -> None:
        """`last`: the frame stored last. `last_id`: the highest track id stored. `told_until`: end of the last gap
        stored, microseconds UTC; None where there is none.
        """
        self._last = last
        self._told_until = last.at if told_until is None else max(last.at, told_until)
        self._last_id = last_id
        self._seconds: float | None = None  # added to times

    def shifted(self, result: Result) -> Result:
        """A result as the store is to see it."""
        frame, first = result.frame, self._seconds is None
        if self._seconds is None:
            since = max((frame.at - self._last.at) / 1e6, _STEP)
            self._seconds = self._last.time + since - frame.time
        frame = replace(
            frame,
            index=frame.index + self._last.index + 1,
            session=frame.session + self._last.session + 1,
            time=frame.time + self._seconds,
            gap=self._gap(frame) if first else frame.gap,
        )
        tracks = replace(result.tracks, ids=self._ids(result.tracks.ids))
        events = replace(result.events, ids=self._ids(result.events.ids))
        return replace(result, frame=frame, tracks=tracks, events=events)

    def _ids(self, ids: IntArray) -> IntArray:
        return np.where(ids > 0, ids + self._last_id, ids)

    def _gap(self, frame: Frame) -> Gap | None:
        """From the last frame of old, or the end of the outage in which it was left, to the first new one."""
        if frame.at <= self._told_until:
            return frame.gap
        return Gap(self._told_until, frame.at, "the camera was not watched" if frame.gap is None else frame.gap.reason)
