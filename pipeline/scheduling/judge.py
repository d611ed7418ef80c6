"""TrackJudge: what the tracks of a frame ask of the detector."""

from __future__ import annotations

import numpy as np

from pipeline.schedule import CELLS, Verdict
from trackers.geometry import iou_matrix
from trackers.structures import CONFIRMED, TENTATIVE, BoolArray, Evidence, FloatArray, Frame, Tracks

_AROUND = 0.25  # of a box's sides; its surroundings in which motion is its own: shadow, blur, errors of flow


class TrackJudge:
    """Where no track is in doubt, the detector may wait; where one is, it is to look soon; see Judge."""

    def __init__(self, *, calm_seconds: float, doubt_seconds: float, meeting: float, crowd: int) -> None:
        """`calm_seconds`, `doubt_seconds`: waits where no track is in doubt, and where one is. `meeting`: IoU of two
        located tracks from which on they may be taken for each other. `crowd`: of so many on every frame is looked at.
        """
        self._calm, self._doubt, self._meeting, self._crowd = calm_seconds, doubt_seconds, meeting, crowd

    def verdict(self, frame: Frame, tracks: Tracks, *, looked: bool) -> Verdict:
        """After a frame. `looked`: whether the detector looked at it."""
        located = tracks.stages == CONFIRMED
        tentative = tracks.stages == TENTATIVE
        boxes = tracks.boxes[located]
        unsure = not looked and bool((tracks.evidence[located] == Evidence.PREDICTED).any())
        wait = self._calm
        if unsure or self._meet(boxes):
            wait = self._doubt
        if tentative.any():
            wait = 0.0
        seen = tracks.boxes[located | tentative]
        sides = (seen[:, 2:] - seen[:, :2]) * (CELLS / np.array([frame.width, frame.height]))
        size = float(np.median(sides.prod(axis=1))) if len(seen) else 0.0
        return Verdict(frame.time, wait, size, occupied(seen, frame.width, frame.height), len(boxes) >= self._crowd)

    def _meet(self, boxes: FloatArray) -> bool:
        overlaps = iou_matrix(boxes, boxes)
        np.fill_diagonal(overlaps, 0)
        return bool((overlaps > self._meeting).any())


def occupied(boxes: FloatArray, width: int, height: int) -> BoolArray:
    """Cells (CELLS, CELLS) that the boxes (n, 4) and their surroundings touch."""
    around = _AROUND * (boxes[:, 2:] - boxes[:, :2])
    scale = CELLS / np.array([width, height])
    starts = np.floor((boxes[:, :2] - around) * scale).clip(0, CELLS).astype(np.int64)
    ends = np.ceil((boxes[:, 2:] + around) * scale).clip(0, CELLS).astype(np.int64)
    cells = np.zeros((CELLS, CELLS), dtype=bool)
    for (left, top), (right, bottom) in zip(starts.tolist(), ends.tolist(), strict=True):
        cells[top:bottom, left:right] = True
    return cells
