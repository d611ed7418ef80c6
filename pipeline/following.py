"""Following one target through a video: from the box in its first picture to a box and a score in every one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.errors import ConfigError, SourceError
from pipeline.sources.base import Source
from trackers.structures import CONFIRMED, LOST, Evidence, FloatArray, Frame, Tracks
from trackers.targets import LOST as LOST_SCORE
from trackers.targets import TargetTracker


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Where the target is in one picture."""

    frame: Frame
    box: FloatArray  # (4,) x1 y1 x2 y2, pixels; of a lost target: the last one
    score: float  # 0..1
    seconds: float  # that the tracker took

    @property
    def lost(self) -> bool:
        """Whether it is taken to be hidden or gone."""
        return self.score < LOST_SCORE


def follow(source: Source, tracker: TargetTracker, box: FloatArray) -> Iterator[Step]:
    """Show the tracker what is in `box` (4,) of the source's first picture, and look for it in all others.

    Raises ConfigError where the box shows nothing, SourceError where there is no picture or one is of another kind.
    """
    first = True
    for frame in source:
        began = time.perf_counter()
        if first:
            try:
                tracker.add(frame.image, box[None])
            except ValueError as error:
                raise ConfigError(f"{source.name}: {error}") from error
            place, score, first = np.asarray(box, np.float64), 1.0, False
        else:
            found = tracker.update(frame.image)
            place, score = found.boxes[0], float(found.scores[0])
        yield Step(frame, place, score, time.perf_counter() - began)
    if first:
        raise SourceError(f"{source.name} has no picture from there on; choose an earlier --start-frame")


def as_tracks(step: Step, *, given: bool) -> Tracks:
    """The target as the only track, for drawing. `given`: somebody has said where it is."""
    return Tracks(
        boxes=np.asarray(step.box, np.float32)[None],
        scores=np.array([step.score], np.float32),
        labels=np.zeros(1, np.int64),
        ids=np.ones(1, np.int64),
        stages=np.array([LOST if step.lost else CONFIRMED], np.int8),
        evidence=np.array([Evidence.DETECTED if given else Evidence.TARGET], np.int8),
        rows=np.array([-1], np.int64),
    )


def row(step: Step) -> str:
    """One line of a file of boxes: x,y,w,h,score."""
    left, top, right, bottom = step.box
    return f"{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f},{step.score:.4f}\n"


@dataclass
class FollowCount:
    """What following has come to so far."""

    frames: int = 0
    lost: int = 0
    seconds: float = 0.0  # that the tracker took; without reading and writing

    def add(self, step: Step) -> None:
        """Count one picture."""
        self.frames += 1
        self.lost += step.lost
        self.seconds += step.seconds

    @property
    def frames_per_second(self) -> float:
        """Of the tracker alone."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0
