"""ByteTrack (Zhang et al. 2022, algorithm 1): every detection is associated, the weak ones in a second round.

Motion and overlap only. Thresholds and limits are those of the paper and its released tracker, whose frames are taken
as 1/30 s. Not as there: the motion model is in seconds (see kalman.py), a track and a detection of different classes
never match, and overlapping duplicates of tracks are not removed.
"""

from __future__ import annotations

from trackers import kalman
from trackers.association import Pairing, overlap, scored, surest_first
from trackers.structures import Detections, FloatArray, ImageArray, Stage, State, Tracks
from trackers.track_table import TrackTable


class ByteTrack:
    """Multi-object tracker by overlap of predicted and detected boxes."""

    def __init__(
        self,
        *,
        strong_score: float = 0.6,
        weak_score: float = 0.1,
        new_score: float = 0.7,
        overlap_limit: float = 0.8,
        weak_overlap_limit: float = 0.5,
        tentative_overlap_limit: float = 0.7,
        confirm_seconds: float = 0.03,
        tentative_seconds: float = 0.0,
        lost_seconds: float = 1.0,
        model: kalman.MotionModel = kalman.XYAH8,
    ) -> None:
        self.strong_score = strong_score  # detections from here are associated first
        self.weak_score = weak_score  # from here second
        self.new_score = new_score  # from here they may start a track
        self.overlap_limit = overlap_limit  # first association: largest 1 - IoU * score
        self.weak_overlap_limit = weak_overlap_limit  # second association: largest 1 - IoU
        self.tentative_overlap_limit = tentative_overlap_limit  # tentative tracks: largest 1 - IoU * score
        self.confirm_seconds = confirm_seconds  # matched for so long, a track is confirmed
        self.tentative_seconds = tentative_seconds  # unseen for longer, a tentative track ends
        self.lost_seconds = lost_seconds  # unseen for longer, a confirmed track ends
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
        usable = detections.usable
        strong = usable & (detections.scores >= self.strong_score)
        weak = usable & (detections.scores >= self.weak_score) & ~strong

        outlasted = table.outlasted(seconds, gap, tentative=self.tentative_seconds, lost=self.lost_seconds)
        table.predict(seconds, camera_motion, without=outlasted)
        pairing = Pairing(len(table), len(detections), without=outlasted)
        tracked = table.stages == Stage.CONFIRMED
        by_overlap = overlap(table.boxes, table.labels, detections, among=strong | weak)
        by_score = scored(by_overlap, detections.scores)
        pairing.match(table.confirmed, strong, by_score, limit=self.overlap_limit)
        pairing.match(tracked, weak, by_overlap, limit=self.weak_overlap_limit)
        pairing.match(~table.confirmed, strong, by_score, limit=self.tentative_overlap_limit)

        table.correct(pairing, detections)
        table.confirm(after=self.confirm_seconds)
        born = surest_first(pairing.free & usable & (detections.scores >= self.new_score), detections)
        tracks, _ = table.turn_over(
            pairing,
            detections,
            born,
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
