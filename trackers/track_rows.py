"""Tracks of a whole recording as one table, a row a track and frame, and what was recorded: what hindsight works on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np

from trackers.structures import BoolArray, Detections, Evidence, FloatArray, Index, IntArray, Stage, Tracks

_MEASURED = np.array([one in (Evidence.DETECTED, Evidence.FLOW, Evidence.TARGET) for one in Evidence])


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """The frames that were processed. A frame that is not here gets no box."""

    frames: IntArray  # (f,) int64 numbers of the frames, rising
    times: FloatArray  # (f,) float64 seconds, rising
    width: int  # pixels
    height: int  # pixels
    gaps: Sequence[tuple[float, float]] = field(default=())  # from, to: seconds in which nothing was recorded

    def __post_init__(self) -> None:
        if len(self.frames) != len(self.times):
            raise ValueError(f"{len(self.frames)} frames have {len(self.times)} times")
        if not ((np.diff(self.frames) > 0).all() and (np.diff(self.times) > 0).all()):
            raise ValueError("frames and times of a recording must rise")

    @property
    def durations(self) -> FloatArray:
        """Seconds each frame stands for (f,): since the one before, gaps left out.

        The first stands for as long as is usual, and one alone, of which nothing is known, for a second.
        """
        if len(self.times) < 2:
            return np.ones(len(self.times))
        steps = np.diff(self.times)
        for start, end in self.gaps:
            shared = np.minimum(self.times[1:], end) - np.maximum(self.times[:-1], start)
            steps -= np.clip(shared, 0, None)
        return np.concatenate([[np.median(steps)], np.maximum(steps, 0)])

    def in_gap(self, times: FloatArray) -> BoolArray:
        """Which times (k,) lie where nothing was recorded (k,)."""
        inside = np.zeros(len(times), dtype=bool)
        for start, end in self.gaps:
            inside |= (times >= start) & (times <= end)
        return inside


@dataclass(frozen=True, slots=True, eq=False)
class TrackRows:
    """Row i of every column is the same track in the same frame; an id occurs at most once in a frame."""

    frames: IntArray  # (n,) int64 frame numbers of the recording
    times: FloatArray  # (n,) float64 seconds
    ids: IntArray  # (n,) int64
    boxes: FloatArray  # (n, 4) float64 x1 y1 x2 y2, pixels, as the tracker has them
    scores: FloatArray  # (n,) float64 0..1
    labels: IntArray  # (n,) int64
    evidence: IntArray  # (n,) int8 Evidence
    stages: IntArray  # (n,) int8 Stage.CONFIRMED, or TENTATIVE before the track was believed
    rows: IntArray  # (n,) int64 row of the matched detection in its frame, -1 if none
    measured: FloatArray  # (n, 4) float64 the box as it was found in the picture; NaN where it was predicted
    features: FloatArray | None = None  # (n, d) float32 unit length, NaN where not described; None: nothing is

    def __post_init__(self) -> None:
        for name in ("boxes", "measured"):
            if getattr(self, name).shape != (len(self.frames), 4):
                raise ValueError(f"{name} must be ({len(self.frames)}, 4), got {getattr(self, name).shape}")
        for column in fields(self):
            values = getattr(self, column.name)
            if values is not None and len(values) != len(self.frames):
                raise ValueError(f"{column.name} has {len(values)} rows, frames {len(self.frames)}")

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: Index) -> Self:
        columns: dict[str, Any] = {column.name: getattr(self, column.name) for column in fields(self)}
        rows: dict[str, Any] = {name: None if values is None else values[index] for name, values in columns.items()}
        return type(self)(**rows)

    @classmethod
    def gather(cls, tracks: Sequence[Tracks], detections: Sequence[Detections], recording: Recording) -> Self:
        """What a tracker said of each frame of a recording, given the detections it was given.

        Every located row of the tracks that were ever confirmed, with the rows from before they were. ValueError where
        the three are not of the same frames.
        """
        if not len(tracks) == len(detections) == len(recording.frames):
            raise ValueError(f"{len(recording.frames)} frames, {len(detections)} detections, {len(tracks)} tracks")
        believed = np.unique(np.concatenate([np.zeros(0, np.int64), *(each.confirmed.ids for each in tracks)]))
        located = [each[_located(each) & np.isin(each.ids, believed)] for each in tracks]
        counts = [len(each) for each in located]
        table = [Tracks.empty(), *located]  # there may be no frame at all
        return cls(
            frames=np.repeat(np.asarray(recording.frames, np.int64), counts),
            times=np.repeat(np.asarray(recording.times, np.float64), counts),
            ids=np.concatenate([each.ids for each in table]),
            boxes=np.concatenate([each.boxes for each in table]).astype(np.float64),
            scores=np.concatenate([each.scores for each in table]).astype(np.float64),
            labels=np.concatenate([each.labels for each in table]),
            evidence=np.concatenate([each.evidence for each in table]),
            stages=np.concatenate([each.stages for each in table]),
            rows=np.concatenate([each.rows for each in table]),
            measured=np.concatenate([np.zeros((0, 4)), *map(_measured, located, detections)]),
            features=_features(located, detections),
        )


def in_picture(tracks: Tracks) -> BoolArray:
    """Which boxes were found in the picture (n,): the others were predicted, or put between two that were."""
    return np.asarray(_MEASURED[tracks.evidence])


Refiner = Callable[[TrackRows, Recording], TrackRows]


def _located(tracks: Tracks) -> BoolArray:
    """Rows that say where a track is: confirmed, or tentative with a detection (n,)."""
    tentative = (tracks.stages == Stage.TENTATIVE) & (tracks.rows >= 0)
    return np.asarray((tracks.stages == Stage.CONFIRMED) | tentative)


def _measured(tracks: Tracks, detections: Detections) -> FloatArray:
    """The box that was found in the picture for each track (n, 4), NaN for one that was predicted."""
    measured = np.where(in_picture(tracks)[:, None], tracks.boxes.astype(np.float64), np.nan)
    matched = tracks.rows >= 0
    measured[matched] = detections.boxes[tracks.rows[matched]]
    return measured


def _features(tracks: Sequence[Tracks], detections: Sequence[Detections]) -> FloatArray | None:
    """The features of the matched detections, frame after frame (n, d); None where no frame has any."""
    dimension = next((found.features.shape[1] for found in detections if found.features is not None), None)
    if dimension is None:
        return None
    columns = [np.zeros((0, dimension), np.float32)]
    for each, found in zip(tracks, detections, strict=True):
        column = np.full((len(each), dimension), np.nan, np.float32)
        matched = each.rows >= 0
        if found.features is not None:
            column[matched] = found.features[each.rows[matched]]
        columns.append(column)
    return np.concatenate(columns)


def concatenate(tables: Sequence[TrackRows]) -> TrackRows:
    """One table, one after the other; all with features or none. At least one."""
    columns: dict[str, Any] = {}
    for column in fields(TrackRows):
        parts = [getattr(table, column.name) for table in tables]
        columns[column.name] = None if parts[0] is None else np.concatenate(parts)
    return TrackRows(**columns)
