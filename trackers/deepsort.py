"""DeepSORT (Wojke, Bewley & Paulus 2017), with the low-score second association of ByteTrack (Zhang et al. 2022).

Each frame: predict; match confirmed tracks by looks and motion, recently seen ones first; match what is left by
overlap; let weak detections carry on the tracks still without one; start new tracks and end old ones. Life is counted
in seconds. Without features the cascade is skipped.

Where this departs from the paper: the overlap stage takes lost tracks too, not only those seen in the last frame (sec.
2.4), which with four pairs of networks on PETS09-S2L1 and TUD-Campus gains 0.7 to 3.6 HOTA seven times and loses 0.2
once; the motion model is in seconds (see kalman.py); a track and a detection of different classes never match.
"""

from __future__ import annotations

import numpy as np

from trackers import kalman
from trackers.appearance import Gallery
from trackers.association import Pairing, forbid, overlap, same_class, surest_first
from trackers.structures import CONFIRMED, BoolArray, Detections, FloatArray, ImageArray, IntArray, State, Tracks
from trackers.track_table import TrackTable


class DeepSort:
    """Multi-object tracker by motion, overlap and looks."""

    def __init__(
        self,
        *,
        strong_score: float = 0.4,
        weak_score: float = 0.1,
        new_score: float = 0.5,
        motion_weight: float = 0.0,
        appearance_limit: float = 0.25,
        overlap_limit: float = 0.8,
        weak_overlap_limit: float = 0.5,
        confirm_seconds: float = 0.15,
        tentative_seconds: float = 0.0,
        lost_seconds: float = 1.0,
        gallery_budget: int = 100,
        model: kalman.MotionModel = kalman.XYWH8,
    ) -> None:
        self.strong_score = strong_score  # detections from here take part in the cascade and the overlap stage
        self.weak_score = weak_score  # from here in the second association
        self.new_score = new_score  # from here they may start a track
        self.motion_weight = motion_weight  # lambda of eq. 5
        self.appearance_limit = appearance_limit  # t(2) of eq. 4: largest cosine distance
        self.overlap_limit = overlap_limit  # largest 1 - IoU
        self.weak_overlap_limit = weak_overlap_limit  # largest 1 - IoU with a weak detection
        self.confirm_seconds = confirm_seconds  # matched for so long, a track is confirmed
        self.tentative_seconds = tentative_seconds  # unseen for longer, a tentative track ends
        self.lost_seconds = lost_seconds  # unseen for longer, a confirmed track ends
        self.table = TrackTable(model)
        self.gallery = Gallery(budget=gallery_budget)

    def update(
        self,
        detections: Detections,
        seconds: float,
        *,
        image: ImageArray | None = None,  # noqa: ARG002  part of the protocol; this tracker sees features
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
        tracked = table.stages == CONFIRMED
        by_overlap = overlap(table.boxes, table.labels, detections)
        self._match_cascade(pairing, detections, strong)
        pairing.match(table.confirmed, strong, by_overlap, limit=self.overlap_limit)
        pairing.match(tracked, weak, by_overlap, limit=self.weak_overlap_limit)
        pairing.match(~table.confirmed, strong, by_overlap, limit=self.overlap_limit)

        table.correct(pairing, detections)
        table.confirm(after=self.confirm_seconds)
        born = surest_first(pairing.free & usable & (detections.scores >= self.new_score), detections)
        self._remember(pairing, detections, strong, born)
        tracks, kept = table.turn_over(
            pairing,
            detections,
            born,
            outlasted=outlasted,
            tentative=self.tentative_seconds,
            lost=self.lost_seconds,
        )
        self.gallery.keep(kept)
        return tracks

    def to_arrays(self) -> State:
        """Everything needed to go on from here."""
        return self.table.to_arrays() | {f"gallery.{name}": array for name, array in self.gallery.to_arrays().items()}

    def from_arrays(self, state: State) -> None:
        """Go on from a state saved by `to_arrays`."""
        self.table.from_arrays(state)
        prefix = "gallery."
        self.gallery.from_arrays({key[len(prefix) :]: array for key, array in state.items() if key.startswith(prefix)})

    def _match_cascade(self, pairing: Pairing, detections: Detections, among: BoolArray) -> None:
        """Listing 1: tracks seen more recently choose first, by appearance within the motion gate."""
        if detections.features is None:
            return
        table = self.table
        cost = np.full((len(table), len(detections)), np.inf)
        rows, columns = np.flatnonzero(table.confirmed), np.flatnonzero(among)
        cost[np.ix_(rows, columns)] = self._gated_appearance(rows, detections[columns])
        for seen_at in sorted(set(table.seen_at[rows].tolist()), reverse=True):
            level = table.confirmed & (table.seen_at == seen_at)
            pairing.match(level, among, lambda i, j: cost[np.ix_(i, j)], limit=np.inf)

    def _gated_appearance(self, rows: IntArray, detections: Detections) -> FloatArray:
        """c = lambda d1 + (1 - lambda) d2 where d1 <= t1 and d2 <= t2 (eqs. 5 and 6), infinite elsewhere (n, m)."""
        table = self.table
        assert detections.features is not None
        d1 = kalman.squared_mahalanobis(
            table.model, table.mean[rows], table.covariance[rows], detections.boxes, table.heights[rows]
        )
        d2 = self.gallery.cost(rows, detections.features)
        gate = (d1 <= kalman.GATE_95) & (d2 <= self.appearance_limit)
        gate &= same_class(table.labels[rows], detections.labels)
        return forbid(self.motion_weight * d1 + (1 - self.motion_weight) * d2, gate)

    def _remember(self, pairing: Pairing, detections: Detections, strong: BoolArray, born: IntArray) -> None:
        """Take the features of strong matches and of new tracks into the gallery."""
        if detections.features is None:
            self.gallery.start(len(born), None)
            return
        rows = pairing.matched
        rows = rows[strong[pairing.detection_of[rows]]]
        self.gallery.add(rows, detections.features[pairing.detection_of[rows]])
        self.gallery.start(len(born), detections.features[born])
