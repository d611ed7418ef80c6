"""Following one target through a video: from the box in its first picture to a box and a score in every one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.errors import ConfigError, DamagedSourceError, SourceError
from pipeline.sources.base import Source
from trackers.structures import CONFIRMED, LOST, Evidence, FloatArray, Frame, Tracks
from trackers.targets import LOST_SCORE, TargetTracker

PAUSE_INTERVAL = 0.05  # seconds between two looks whether a pause is over


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


class Following:
    """One target through one source. Iterate once; `damage`, `stopped` and `count` say how it went.

    `stop`, `pause` and `go_on` from any thread, or in a signal handler.
    """

    def __init__(self, source: Source, tracker: TargetTracker, box: FloatArray) -> None:
        """`box`: (4,) x1 y1 x2 y2, what the tracker is shown of the source's first picture."""
        self._source, self._tracker, self._box = source, tracker, np.asarray(box, np.float64)
        self.damage: DamagedSourceError | None = None  # where the source broke off; what came before was given
        self.stopped = False
        self.count = FollowCount()
        self._paused = False

    def __iter__(self) -> Iterator[Step]:
        """A step for each picture; in one of another size than the first the target is lost.

        Raises ConfigError where the box shows nothing, SourceError where there is no picture.
        """
        size: tuple[int, ...] | None = None  # of the picture that showed it
        pictures = iter(self._source)
        while (frame := self._next(pictures)) is not None:
            began = time.perf_counter()
            if size is None:
                self._learn(frame)
                place, score, size = self._box, 1.0, frame.image.shape
            elif frame.image.shape != size:  # its box would mean something else there
                place, score = self._tracker.boxes[0], 0.0
            else:
                found = self._tracker.update(frame.image)
                place, score = found.boxes[0], float(found.scores[0])
            step = Step(frame, place, score, time.perf_counter() - began)
            self.count.add(step)
            yield step
        if size is None and not self.stopped:
            raise self.damage or SourceError(f"{self._source.name} has no picture there; choose an earlier one")

    def stop(self) -> None:
        """Let the iteration end soon."""
        self.stopped = True
        self._source.stop()

    def pause(self) -> None:
        """Look at no more pictures until `go_on` or `stop`."""
        self._paused = True

    def go_on(self) -> None:
        """End a pause."""
        self._paused = False

    def _next(self, pictures: Iterator[Frame]) -> Frame | None:
        """The next picture, None after the last one."""
        while self._paused and not self.stopped:
            time.sleep(PAUSE_INTERVAL)
        try:
            return next(pictures, None)
        except DamagedSourceError as damage:
            self.damage = damage
            return None

    def _learn(self, frame: Frame) -> None:
        try:
            self._tracker.add(frame.image, self._box[None])
        except ValueError as error:
            raise ConfigError(f"{self._source.name}: {error}") from error


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
