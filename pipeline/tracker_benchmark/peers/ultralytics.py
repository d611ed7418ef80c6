"""The trackers of ultralytics."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from typing import Any

import numpy as np

from .shots import NO_PICTURE, Entry, Given, Maker, Shot


class Ultralytics:
    """A tracker of ultralytics with the settings of its own YAML file."""

    def __init__(self, kind: Any, name: str, motion: bool, *, features: bool) -> None:
        utilities = importlib.import_module("ultralytics.utils")
        find = importlib.import_module("ultralytics.utils.checks").check_yaml
        settings = utilities.YAML.load(find(f"{name}.yaml"))
        settings["with_reid"] = features
        self.box_type = importlib.import_module("ultralytics.engine.results").Boxes
        self.tracker = kind(utilities.IterableSimpleNamespace(**settings))
        self.motion = Given() if motion else None
        if self.motion is not None:
            self.tracker.gmc = self.motion

    def prepare(self, shot: Shot) -> Any:
        rows = np.column_stack([shot.boxes, shot.scores, np.zeros(len(shot.boxes))]).astype(np.float32)
        return self.box_type(rows, (1, 1)), shot.features, shot.motion

    def update(self, given: Any) -> Any:
        boxes, features, motion = given
        if self.motion is None or motion is None:
            return self.tracker.update(boxes, None, feats=features)
        self.motion.affine = motion
        return self.tracker.update(boxes, NO_PICTURE, feats=features)

    def read(self, result: Any) -> Any:
        rows = np.asarray(result, float).reshape(-1, 8)
        return rows[:, [4, 0, 1, 2, 3, 5]]


def find_ultralytics() -> dict[Entry, Maker]:
    """The trackers of ultralytics; those that can look at features, with them too."""
    os.environ["YOLO_AUTOINSTALL"] = "false"  # a benchmark changes no environment
    importlib.import_module("lap")  # which ultralytics would install by itself when it tracks
    known = importlib.import_module("ultralytics.trackers.track").TRACKER_MAP
    names = {
        "bytetrack": "ByteTrack",
        "botsort": "BoT-SORT",
        "tracktrack": "TrackTrack",
        "ocsort": "OC-SORT",
        "deepocsort": "Deep OC-SORT",
        "fasttrack": "FastTracker",
    }
    moving = ("botsort", "tracktrack", "deepocsort")  # they measure camera motion and can look at features
    version = importlib.metadata.version("ultralytics")
    found: dict[Entry, Maker] = {}
    for key, name in names.items():
        for features in (False, True) if key in moving else (False,):
            if key in known:
                label = f"ultralytics {name}{' + features' if features else ''}"
                entry = Entry(label, "ultralytics", version, features, key in moving)
                found[entry] = lambda _, motion, key=key, features=features: Ultralytics(  # type: ignore[misc]
                    known[key], key, motion and key in moving, features=features
                )
    return found
