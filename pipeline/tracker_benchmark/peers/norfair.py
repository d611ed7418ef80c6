"""The tracker of norfair."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

import numpy as np

from .shots import SURE, Entry, Maker, Shot


class Norfair:
    """norfair with the overlap of boxes as distance, as in its examples."""

    def __init__(self, module: Any) -> None:
        self.box_type = module.Detection
        self.tracker = module.Tracker(distance_function="iou", distance_threshold=0.7)

    def prepare(self, shot: Shot) -> Any:
        sure = shot.scores >= SURE
        rows = zip(shot.boxes[sure].astype(float), shot.scores[sure].astype(float), strict=True)
        return [self.box_type(box.reshape(2, 2), scores=np.array([score, score])) for box, score in rows]

    def update(self, given: Any) -> Any:
        return self.tracker.update(detections=given)

    def read(self, result: Any) -> Any:
        rows = [[one.id, *one.estimate.ravel(), one.last_detection.scores[0]] for one in result]
        return np.array(rows, float).reshape(-1, 6)


def find_norfair() -> dict[Entry, Maker]:
    """norfair."""
    module = importlib.import_module("norfair")
    entry = Entry("norfair", "norfair", importlib.metadata.version("norfair"), False, False)
    return {entry: lambda *_: Norfair(module)}
