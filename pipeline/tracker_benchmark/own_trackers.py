"""A process that runs Sightline's own trackers when it is told to, as peer.py runs other people's."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from pipeline import build
from pipeline.config import load_settings
from pipeline.peer_process.loop import own_stdout
from pipeline.tracker_benchmark.peers.serving import serve
from pipeline.tracker_benchmark.peers.shots import Entry, Maker, Shot
from trackers.structures import Detections, MultiObjectTracker, Tracks

LOOKS = ("deepsort",)  # of ours: they use features


class Own:
    """One of ours."""

    def __init__(self, tracker: MultiObjectTracker) -> None:
        self.tracker = tracker

    def prepare(self, shot: Shot) -> Any:
        labels = np.zeros(len(shot.boxes), np.int64)
        return Detections(shot.boxes, shot.scores, labels, shot.features), shot.seconds, shot.motion

    def update(self, given: Any) -> Tracks:
        detections, seconds, motion = given
        return self.tracker.update(detections, seconds, camera_motion=motion)

    def read(self, result: Tracks) -> Any:
        tracks = result.confirmed
        return np.column_stack([tracks.ids, tracks.boxes, tracks.scores])


def entries(names: list[str]) -> dict[Entry, Maker]:
    """Sightline's trackers of these names, with and without features."""
    found: dict[Entry, Maker] = {}
    for name in names:
        for features in (False, True) if name in LOOKS else (False,):
            label = f"{name}{' + features' if features else ''}"
            found[Entry(label, "sightline", importlib.metadata.version("sightline"), features, True)] = _maker(name)
    return found


def new_tracker(name: str) -> MultiObjectTracker:
    """A tracker with its own defaults."""
    return build.tracker(load_settings(None, [f"tracker.name={name}"]).tracker)


def _maker(name: str) -> Callable[[float, bool], Own]:
    return lambda *_: Own(new_tracker(name))


if __name__ == "__main__":
    serve(entries(sys.argv[1:]), [], sys.stdin, own_stdout())
