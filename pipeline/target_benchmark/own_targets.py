"""A process that runs Sightline's own target trackers when it is told to, as peers/serving.py runs other people's."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from typing import Any

import cv2

from pipeline import build
from pipeline.config import change_settings
from pipeline.peer_process.loop import own_stdout
from pipeline.target_benchmark.peers.serving import serve
from pipeline.target_benchmark.peers.shapes import TargetEntry, TargetMaker
from pipeline.target_settings import FollowSettings
from trackers.structures import FloatArray, ImageArray
from trackers.targets import TargetTracker


class Own:
    """One of ours."""

    def __init__(self, tracker: TargetTracker) -> None:
        self.tracker = tracker

    def add(self, picture: ImageArray, boxes: FloatArray) -> None:
        self.tracker.add(picture, boxes)

    def update(self, picture: ImageArray) -> tuple[FloatArray, FloatArray]:
        found = self.tracker.update(picture)
        return found.boxes, found.scores


def entries(settings: dict[str, dict[str, Any]]) -> dict[TargetEntry, TargetMaker]:
    """Sightline's target trackers with these settings of `target`, by label."""
    version = importlib.metadata.version("sightline")
    return {TargetEntry(label, "sightline", version, True): _maker(values) for label, values in settings.items()}


def _maker(values: dict[str, Any]) -> TargetMaker:
    chosen = change_settings({"target": values}, [], FollowSettings).target
    return lambda: Own(build.target_tracker(chosen))


if __name__ == "__main__":
    cv2.setNumThreads(1)
    serve(entries(json.loads(sys.argv[1])), [], sys.stdin, own_stdout())
