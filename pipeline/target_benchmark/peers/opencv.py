"""The target trackers of OpenCV: CSRT and KCF of opencv-contrib below version 5, NanoTrack of any OpenCV."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .shapes import TargetEntry, TargetMaker

PACKAGE = "opencv-contrib-python"


class OpenCvTracker:
    """A tracker a target. One that does not say how sure it is has the score 1 where it finds its target, else 0."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make
        self.trackers: list[Any] = []
        self.boxes = np.zeros((0, 4))

    def add(self, picture: Any, boxes: Any) -> None:
        for left, top, right, bottom in np.rint(boxes).astype(int).tolist():
            tracker = self.make()
            tracker.init(picture, (left, top, right - left, bottom - top))
            self.trackers.append(tracker)
        self.boxes = np.concatenate([self.boxes, boxes])

    def update(self, picture: Any) -> tuple[Any, Any]:
        scores = np.zeros(len(self.trackers))
        for row, tracker in enumerate(self.trackers):
            found, (left, top, wide, high) = tracker.update(picture)
            if found:
                self.boxes[row] = left, top, left + wide, top + high
            sure = tracker.getTrackingScore() if hasattr(tracker, "getTrackingScore") else 1.0
            scores[row] = sure if found else 0.0
        return self.boxes.copy(), scores


def find_opencv(networks: tuple[str, str] | None) -> tuple[dict[TargetEntry, TargetMaker], list[dict[str, str]]]:
    """The trackers there are, and why others are not to be had. `networks`: NanoTrack's backbone and head, ONNX."""
    try:
        import cv2
    except ImportError as error:
        return {}, [{"package": PACKAGE, "reason": f"ImportError: {error}"}]
    cv2.setNumThreads(1)
    found: dict[TargetEntry, TargetMaker] = {}
    missing = []
    library: Any = cv2
    for name in ("CSRT", "KCF"):
        places = (library, getattr(library, "legacy", None))
        makers = [make for place in places if (make := getattr(place, f"Tracker{name}_create", None)) is not None]
        if makers:
            found[TargetEntry(f"OpenCV {name}", PACKAGE, cv2.__version__, False)] = partial(OpenCvTracker, makers[0])
        else:
            missing.append({"package": PACKAGE, "reason": f"OpenCV {cv2.__version__} has no {name}"})
    if networks is not None:
        if hasattr(library, "TrackerNano_Params"):
            entry = TargetEntry("OpenCV NanoTrack", PACKAGE, cv2.__version__, False)
            found[entry] = partial(OpenCvTracker, partial(_nanotrack, library, networks))
        else:
            missing.append({"package": PACKAGE, "reason": f"OpenCV {cv2.__version__} has no NanoTrack"})
    return found, missing


def _nanotrack(library: Any, networks: tuple[str, str]) -> Any:
    parameters = library.TrackerNano_Params()
    parameters.backbone, parameters.neckhead = networks
    return library.TrackerNano_create(parameters)
