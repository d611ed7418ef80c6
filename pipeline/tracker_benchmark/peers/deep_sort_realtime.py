"""The tracker of deep-sort-realtime."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any

import numpy as np

from .shots import SURE, Entry, Maker, Shot


class DeepSortRealtime:
    """deep-sort-realtime, which needs features."""

    def __init__(self, module: Any) -> None:
        self.tracker = module.DeepSort(embedder=None)

    def prepare(self, shot: Shot) -> Any:
        sure = shot.scores >= SURE
        corners = shot.boxes[sure].astype(float)
        rows = zip(corners, shot.scores[sure].astype(float), strict=True)
        boxes = [([x1, y1, x2 - x1, y2 - y1], score, "0") for (x1, y1, x2, y2), score in rows]
        return boxes, list(shot.features[sure])

    def update(self, given: Any) -> Any:
        return self.tracker.update_tracks(given[0], embeds=given[1])

    def read(self, result: Any) -> Any:
        seen = [one for one in result if one.is_confirmed() and one.time_since_update == 0]
        rows = [[int(one.track_id), *one.to_ltrb(), one.get_det_conf()] for one in seen]
        return np.array(rows, float).reshape(-1, 6)


def find_deep_sort_realtime() -> dict[Entry, Maker]:
    """deep-sort-realtime."""
    module = importlib.import_module("deep_sort_realtime.deepsort_tracker")
    version = importlib.metadata.version("deep-sort-realtime")
    entry = Entry("deep-sort-realtime + features", "deep-sort-realtime", version, True, False)
    return {entry: lambda *_: DeepSortRealtime(module)}
