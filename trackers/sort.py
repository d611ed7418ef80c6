"""SORT (Bewley et al. 2016): a constant-velocity filter and one assignment by overlap.

Each frame: predict (sec. 3.2), pair all tracks with all detections by IoU (sec. 3.3), start and end tracks (sec. 3.4).
Nothing is searched for that was lost.

Where this departs from the paper: life is counted in seconds, and T_lost is a second, not one frame, which takes MOT17
from HOTA 48 to 55 and keeps tracks at low rates of frames (`lost_seconds=0.04` is the paper's); the motion model is in
seconds (see kalman.py); a pair below IoU_min is left out of the assignment, not struck from it afterwards; a track and
a detection of different classes never match.
"""

from __future__ import annotations

import numpy as np

from trackers import kalman
from trackers.association import Pairing, overlap, surest_first
from trackers.structures import Detections, FloatArray, ImageArray, State, Tracks
from trackers.track_table import TrackTable


class Sort:
    """Multi-object tracker by overlap of predicted and detected boxes, from one frame to the next."""

    def __init__(
        self,
        *,
        strong_score: float = 0.5,
        overlap_limit: float = 0.7,
        confirm_seconds: float = 0.1,
        tentative_seconds: float = 0.0,
        lost_seconds: float = 1.0,
        model: kalman.MotionModel = kalman.XYSR7,
    ) -> None:
        self.strong_score = strong_score  # weaker detections are not looked at (sec. 4)
        self.overlap_limit = overlap_limit  # 1 - IoU_min: largest 1 - IoU
        self.confirm_seconds = confirm_seconds  # probation: matched for so long, a track is confirmed
        self.tentative_seconds = tentative_seconds  # unseen for longer, a tentative track ends
        self.lost_seconds = lost_seconds  # T_lost: unseen for longer, a confirmed track ends
        self.table = TrackTable(model)

    def update(
        self,
        detections: Detections,
        seconds: float,
        *,
        image: ImageArray | None = None,  # noqa: ARG002  part of the protocol; this tracker goes by boxes alone
        camera_motion: FloatArray | None = None,
        gap: float = 0.0,
    ) -> Tracks:
        """Take one frame's detections; see MultiObjectTracker."""
        table = self.table
        strong = detections.usable & (detections.scores >= self.strong_score)

        outlasted = table.outlasted(seconds, gap, tentative=self.tentative_seconds, lost=self.lost_seconds)
        table.predict(seconds, camera_motion, without=outlasted)
        pairing = Pairing(len(table), len(detections), without=outlasted)
        everyone = np.ones(len(table), dtype=bool)
        by_overlap = overlap(table.boxes, table.labels, detections)
        pairing.match(everyone, strong, by_overlap, limit=self.overlap_limit)

        table.correct(pairing, detections)
        table.confirm(after=self.confirm_seconds)
        tracks, _ = table.turn_over(
            pairing,
            detections,
            surest_first(pairing.free & strong, detections),
            outlasted=outlasted,
            tentative=self.tentative_seconds,
            lost=self.lost_seconds,
        )
        return tracks

    def carry(
        self,
        seconds: float,
        *,
        image: ImageArray | None = None,  # noqa: ARG002  part of the protocol; this tracker goes by boxes alone
        camera_motion: FloatArray | None = None,
        gap: float = 0.0,
    ) -> Tracks:
        """Take a frame that no detector looked at; see MultiObjectTracker."""
        table = self.table
        outlasted = table.coast(seconds, camera_motion, gap, tentative=self.tentative_seconds, lost=self.lost_seconds)
        return table.part(outlasted)

    def to_arrays(self) -> State:
        """Everything needed to go on from here."""
        return self.table.to_arrays()

    def from_arrays(self, state: State) -> None:
        """Go on from a state saved by `to_arrays`."""
        self.table.from_arrays(state)
