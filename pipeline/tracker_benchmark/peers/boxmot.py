"""The trackers of boxmot."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Mapping
from typing import Any

import numpy as np

from .shots import PICTURE, Entry, Given, Maker, Shot


class Boxmot:
    """A tracker of boxmot, which wants a picture for its size even where it looks at none."""

    def __init__(self, kind: Any, motion: bool, settings: Mapping[str, Any]) -> None:
        self.tracker = kind(**settings)
        self.motion = Given() if motion else None
        if self.motion is not None:
            self.tracker.cmc = self.motion

    def prepare(self, shot: Shot) -> Any:
        rows = np.column_stack([shot.boxes, shot.scores, np.zeros(len(shot.boxes))]).astype(np.float32)
        return rows, shot.motion

    def update(self, given: Any) -> Any:
        rows, motion = given
        if self.motion is not None:
            self.motion.affine = np.eye(2, 3) if motion is None else motion
        return self.tracker.update(rows, PICTURE)

    def read(self, result: Any) -> Any:
        rows = np.asarray(result, float).reshape(-1, 8)
        return rows[:, [4, 0, 1, 2, 3, 5]]


class BoxmotWithFeatures:
    """A tracker of boxmot that is given features, for which it wants tensors."""

    def __init__(self, kind: Any) -> None:
        self.shapes = importlib.import_module("boxmot.structures")
        self.as_tensor = importlib.import_module("torch").from_numpy
        self.tracker = kind(use_cmc=False)

    def prepare(self, shot: Shot) -> Any:
        boxes, scores, features = map(self.as_tensor, (shot.boxes, shot.scores, shot.features))
        labels = self.as_tensor(np.zeros(len(shot.boxes), np.int64))
        return self.shapes.Detections(self.shapes.Boxes(boxes), scores, labels, "crowd", embeddings=features)

    def update(self, given: Any) -> Any:
        return self.tracker.update(given, PICTURE)

    def read(self, result: Any) -> Any:
        columns = [result.track_ids, result.geometry.values, result.scores]
        return np.column_stack([np.asarray(column, float) for column in columns])


def find_boxmot() -> dict[Entry, Maker]:
    """The trackers of boxmot that can do without a network that looks at pictures."""
    module = importlib.import_module("boxmot")
    blind = {"use_cmc": False}  # no measuring of camera motion
    kinds: dict[str, tuple[str, dict[str, Any], bool]] = {
        "ByteTrack": ("ByteTrack", {}, False),
        "OC-SORT": ("OcSort", {}, False),
        "SFSORT": ("SFSORT", {}, False),
        "BoostTrack": ("BoostTrack", blind, False),
        "BoT-SORT": ("BotSort", {**blind, "use_embeddings": False}, True),
    }
    version = importlib.metadata.version("boxmot")
    found: dict[Entry, Maker] = {}
    for name, (attribute, settings, moving) in kinds.items():
        entry = Entry(f"boxmot {name}", "boxmot", version, False, moving)
        kind = getattr(module, attribute)
        found[entry] = lambda _, motion, kind=kind, settings=settings: Boxmot(  # type: ignore[misc]
            kind, motion, settings
        )
    entry = Entry("boxmot BoT-SORT + features", "boxmot", version, True, False)
    found[entry] = lambda *_: BoxmotWithFeatures(module.BotSort)
    return found
