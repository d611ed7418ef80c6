"""TrackJudge: what the tracks of a frame ask of the detector."""

from __future__ import annotations

import numpy as np

from pipeline.schedule import CELLS, Verdict
from trackers.geometry import iou_matrix
from trackers.occlusion import ONE_THING
from trackers.structures import CONFIRMED, LOST, TENTATIVE, BoolArray, Evidence, FloatArray, Frame, Tracks

_AROUND = 0.25  # of a box's sides; its surroundings in which motion is its own: shadow, blur, errors of flow


class TrackJudge:
    """Where no track is in doubt, the detector may wait; where one is, it is to look soon; see Judge."""

    def __init__(self, *, calm_seconds: float, doubt_seconds: float, meeting: float, missed: float, crowd: int) -> None:
        """`calm_seconds`, `doubt_seconds`: waits where no track is in doubt, and where one is.

        `meeting`: IoU of two tracks from which on they may be taken for each other, or one may hide the other.
        `missed`: share of the located and hidden tracks; after a look that has missed more than that, every frame in
        which anything moves is looked at, until a look misses no more. `crowd`: likewise while so many are located.
        """
        self._calm, self._doubt = calm_seconds, doubt_seconds
        self._meeting, self._missed, self._crowd = meeting, missed, crowd

    def verdict(self, frame: Frame, tracks: Tracks, before: Verdict, *, looked: bool) -> Verdict:
        """See Judge."""
        located, tentative = tracks.stages == CONFIRMED, tracks.stages == TENTATIVE
        boxes, evidence = tracks.boxes[located], tracks.evidence[located]
        hidden = self._hidden(tracks, boxes)
        wait = self._calm
        if hidden or self._meet(boxes) or (not looked and (evidence == Evidence.PREDICTED).any()):
            wait = self._doubt
        if tentative.any():
            wait = 0.0
        missed = before.missed
        if looked:
            unfound = hidden + int(np.count_nonzero(evidence != Evidence.DETECTED))
            missed = unfound > self._missed * (hidden + len(boxes))
        seen = tracks.boxes[located | tentative]
        sides = (seen[:, 2:] - seen[:, :2]) * (CELLS / np.array([frame.width, frame.height]))
        size = float(np.median(sides.prod(axis=1))) if len(seen) else 0.0
        occupied_cells = occupied(seen, frame.width, frame.height)
        return Verdict(frame.time, wait, size, occupied_cells, crowd=len(boxes) >= self._crowd, missed=missed)

    def _meet(self, boxes: FloatArray) -> bool:
        overlaps = iou_matrix(boxes, boxes)
        np.fill_diagonal(overlaps, 0)
        return bool((overlaps > self._meeting).any())

    def _hidden(self, tracks: Tracks, boxes: FloatArray) -> int:
        """How many lost tracks are where one of the located `boxes` (n, 4) may hide them.

        One that lies on a located one wholly is what that one follows, since their ids were exchanged.
        """
        overlaps = iou_matrix(tracks.boxes[tracks.stages == LOST], boxes)
        return int(((overlaps > self._meeting) & (overlaps < ONE_THING)).any(axis=1).sum())


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
