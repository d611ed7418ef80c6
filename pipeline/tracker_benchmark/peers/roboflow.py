"""The trackers of roboflow's package `trackers`, which has the name of one of Sightline's."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

import numpy as np

from .shots import NO_PICTURE, Entry, Given, Maker, Shot


class Roboflow:
    """A tracker of roboflow's `trackers`."""

    def __init__(self, kind: Any, rate: float, motion: bool) -> None:
        self.box_type = importlib.import_module("supervision").Detections
        self.tracker = kind(frame_rate=rate)
        self.motion = Given() if motion else None
        if self.motion is not None:
            self.tracker.cmc = self.motion

    def prepare(self, shot: Shot) -> Any:
        labels = np.zeros(len(shot.boxes), int)
        return self.box_type(xyxy=shot.boxes, confidence=shot.scores, class_id=labels), shot.motion

    def update(self, given: Any) -> Any:
        boxes, motion = given
        if self.motion is None or motion is None:
            return self.tracker.update(boxes)
        self.motion.affine = motion
        return self.tracker.update(boxes, frame=NO_PICTURE)

    def read(self, result: Any) -> Any:
        known = result.tracker_id >= 0
        return np.column_stack([result.tracker_id, result.xyxy, result.confidence])[known]


def find_roboflow() -> dict[Entry, Maker]:
    """The trackers of roboflow that need no masks. ImportError where the package is another of that name."""
    module = importlib.import_module("trackers")
    if not hasattr(module, "ByteTrackTracker"):
        raise ImportError(f"{getattr(module, '__path__', module)} is another package of that name")
    kinds = {
        "ByteTrack": "ByteTrackTracker",
        "SORT": "SORTTracker",
        "OC-SORT": "OCSORTTracker",
        "BoT-SORT": "BoTSORTTracker",
        "C-BIoU": "CBIoUTracker",
    }
    version = importlib.metadata.version("trackers")
    found: dict[Entry, Maker] = {}
    for name, attribute in kinds.items():
        if hasattr(module, attribute):
            entry = Entry(f"roboflow {name}", "trackers", version, False, name == "BoT-SORT")
            kind = getattr(module, attribute)
            found[entry] = lambda rate, motion, kind=kind: Roboflow(kind, rate, motion)  # type: ignore[misc]
    return found
