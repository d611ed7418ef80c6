"""What every tracker of a benchmark is given, and what it must be to take part."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

SURE = 0.5  # a tracker without a threshold of its own gets the detections from here


@dataclass(frozen=True)
class Shot:
    """One frame as it is given to every tracker."""

    boxes: Any  # (n, 4) float32 x1 y1 x2 y2
    scores: Any  # (n,) float32
    features: Any  # (n, d) float32, or None
    motion: Any  # (2, 3) affine map from the frame before, or None
    seconds: float


class Adapter(Protocol):
    """A tracker at the beginning of a video. Only `update` is timed."""

    def prepare(self, shot: Shot) -> Any:
        """What the tracker wants to be given of a frame."""

    def update(self, given: Any) -> Any:
        """Take it."""

    def read(self, result: Any) -> Any:
        """Rows (k, 6): id, x1, y1, x2, y2, score of the tracks in this frame."""


@dataclass(frozen=True)
class Entry:
    """A tracker that can be asked for."""

    name: str
    package: str
    version: str
    features: bool  # it is given features
    motion: bool  # it can take camera motion


Maker = Callable[[float, bool], Adapter]  # frames a second, whether camera motion is given


class Given:
    """Stands where a tracker measures the camera's motion, and says what was given instead."""

    method = "given"

    def __init__(self) -> None:
        self.affine = np.eye(2, 3)

    def estimate(self, _picture: Any, _boxes: Any = None) -> Any:
        """As roboflow's trackers ask."""
        return self.affine

    def apply(self, _picture: Any, _boxes: Any = None) -> Any:
        """As those of ultralytics ask."""
        return self.affine


NO_PICTURE = np.zeros((1, 1, 3), np.uint8)  # for trackers that measure motion only where there is a picture
PICTURE = np.zeros((1080, 1920, 3), np.uint8)


def read_shots(path: str) -> tuple[list[Shot], float]:
    """Frames of a file of frame_file.py, and their rate."""
    with np.load(path, allow_pickle=False) as file:
        columns = {name: file[name] for name in file.files}
    rate = float(columns["frame_rate"])
    features, motion = columns.get("features"), columns["motion"]
    starts = columns["starts"].tolist()
    shots = []
    for index, (start, end) in enumerate(itertools.pairwise(starts)):
        shots.append(
            Shot(
                boxes=columns["boxes"][start:end],
                scores=columns["scores"][start:end],
                features=None if features is None else features[start:end],
                motion=None if np.isnan(motion[index]).any() else motion[index],
                seconds=index / rate,
            )
        )
    return shots, rate
