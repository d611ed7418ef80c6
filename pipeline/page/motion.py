"""How fast a track moved: from its boxes, in pixels and in heights of its box a second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.store.rows import ObservationTable
from trackers.structures import FloatArray

WINDOW = 0.5  # seconds that a speed is measured over: a box trembles from frame to frame
MISSING = 2.5  # usual times between observations after which some are missing


@dataclass(frozen=True, slots=True, eq=False)
class Speeds:
    """Speed at each observation; nan where a track has a single one."""

    pixels: FloatArray  # (n,) pixels/s
    heights: FloatArray  # (n,) heights of its box there, a second


def speeds(table: ObservationTable) -> Speeds:
    """How fast the box's centre moved, over half a second around each moment, within one track of one source."""
    pixels = np.full(len(table), np.nan)
    for track in np.unique(table.track_ids):
        rows = np.flatnonzero(table.track_ids == track)
        pixels[rows] = _speed(table.at[rows] / 1e6, table.boxes[rows].astype(np.float64))
    tall = np.maximum(table.boxes[:, 3] - table.boxes[:, 1], 1.0) if len(table) else np.zeros(0)
    return Speeds(pixels, pixels / tall)


def _speed(seconds: FloatArray, boxes: FloatArray) -> FloatArray:
    """(n,) pixels/s. `seconds`: rising. Where the window holds one moment, its neighbours are taken."""
    n = len(seconds)
    if n < 2:
        return np.full(n, np.nan)
    own = np.arange(n)
    before = np.minimum(np.searchsorted(seconds, seconds - WINDOW / 2 - 1e-9), np.maximum(own - 1, 0))
    after = np.maximum(
        np.searchsorted(seconds, seconds + WINDOW / 2 + 1e-9, side="right") - 1, np.minimum(own + 1, n - 1)
    )
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    moved = np.linalg.norm(centres[after] - centres[before], axis=1)
    speed: FloatArray = moved / (seconds[after] - seconds[before])
    return speed
