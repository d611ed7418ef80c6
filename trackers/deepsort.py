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
from trackers.association import Candidates, Pairing, overlap, surest_first
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
        self._match_cascade(pairing, detections, strong)
        by_overlap = overlap(table.boxes, table.labels, detections, among=(strong | weak) & pairing.free)
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
        candidates = self._gated_appearance(detections, among)
        confirmed, seen_at = self.table.confirmed, self.table.seen_at
        for last in np.unique(seen_at[candidates.rows])[::-1]:
            pairing.match(confirmed & (seen_at == last), among, candidates, limit=np.inf)

    def _gated_appearance(self, detections: Detections, among: BoolArray) -> Candidates:
        """c = lambda d1 + (1 - lambda) d2 of pairs with d1 <= t1 and d2 <= t2 (eqs. 5 and 6)."""
        table = self.table
        assert detections.features is not None
        tracks, seen = np.flatnonzero(table.confirmed), np.flatnonzero(among)
        i, j, d1 = kalman.gated_pairs(
            table.model, table.mean[tracks], table.covariance[tracks], detections.boxes[seen], table.heights[tracks]
        )
        rows, columns = tracks[i], seen[j]
        alike = table.labels[rows] == detections.labels[columns]
        rows, columns, d1 = rows[alike], columns[alike], d1[alike]
        d2 = self.gallery.pair_cost(rows, columns, detections.features)
        cost = np.where(d2 <= self.appearance_limit, self.motion_weight * d1 + (1 - self.motion_weight) * d2, np.inf)
        return Candidates(rows, columns, cost, (len(table), len(detections)))

    def _remember(self, pairing: Pairing, detections: Detections, strong: BoolArray, born: IntArray) -> None:
        """Take the features of strong matches and of new tracks into the gallery."""
        if detections.features is None:
            self.gallery.start(len(born), None)
            return
        rows = pairing.matched
        rows = rows[strong[pairing.detection_of[rows]]]
        self.gallery.add(rows, detections.features[pairing.detection_of[rows]])
        self.gallery.start(len(born), detections.features[born])
