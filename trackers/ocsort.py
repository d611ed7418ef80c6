"""OC-SORT (Cao et al. 2023): SORT that trusts what was measured more than what its filter made of it.

Each frame: predict; pair all tracks with strong detections by overlap and direction (momentum, sec. 4.2); let weak ones
carry on the tracks still without (as the released tracker offers); pair what is left with where the tracks were last
measured (recovery, sec. 4.2); tell the filters of the tracks found again what they missed (re-update, sec. 4.1); start
new tracks and end old ones.

Where this departs from the paper and its released tracker, whose frames are taken as 1/30 s: life and the span of a
direction are seconds; the motion model is in seconds (see kalman.py); the direction's cost is the released one, since
the paper's loses 2 HOTA on MOT17 and MOT15; weak detections are used (`weak_score=1` is the paper's), without which
most tracks of detectors with low scores are lost; camera motion also moves what was measured; a tentative track ends
when it is not seen; one found again is reported at once, without a second probation; a track and a detection of
different classes never match.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from trackers import kalman
from trackers.association import Candidates, Pairing, overlap, surest_first
from trackers.geometry import centres
from trackers.observations import Observations, unit_vectors
from trackers.reupdate import Anchors, replay
from trackers.structures import Detections, FloatArray, ImageArray, State, Tracks, joined, part_of
from trackers.track_table import TrackTable

NO_OVERLAP = 1.0  # 1 - IoU of boxes that share nothing: what a track without a detection costs


class OcSort:
    """Multi-object tracker by overlap, direction and last measured boxes."""

    def __init__(
        self,
        *,
        strong_score: float = 0.6,
        weak_score: float = 0.1,
        overlap_limit: float = 0.7,
        weak_overlap_limit: float = 0.5,
        recovery_limit: float = 0.7,
        direction_weight: float = 0.2,
        direction_seconds: float = 0.1,
        confirm_seconds: float = 0.1,
        tentative_seconds: float = 0.0,
        lost_seconds: float = 1.0,
        model: kalman.MotionModel = kalman.XYSR7,
    ) -> None:
        self.strong_score = strong_score  # detections from here are matched first, and may start a track
        self.weak_score = weak_score  # from here they may carry one on that found no strong one; 1: none may
        self.overlap_limit = overlap_limit  # largest 1 - IoU with the predicted box
        self.weak_overlap_limit = weak_overlap_limit  # the same with a weak detection
        self.recovery_limit = recovery_limit  # largest 1 - IoU with the box measured last
        self.direction_weight = direction_weight  # lambda of eq. 8
        self.confirm_seconds = confirm_seconds  # matched for so long, a track is confirmed
        self.tentative_seconds = tentative_seconds  # unseen for longer, a tentative track ends
        self.lost_seconds = lost_seconds  # unseen for longer, a confirmed track ends
        self.table = TrackTable(model)
        self.observations = Observations(span=direction_seconds)
        self.anchors = Anchors(model)

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
        table, seen = self.table, self.observations
        usable = detections.usable
        strong = usable & (detections.scores >= self.strong_score)
        weak = usable & (detections.scores >= self.weak_score) & ~strong

        outlasted = table.outlasted(seconds, gap, tentative=self.tentative_seconds, lost=self.lost_seconds)
        table.predict(seconds, camera_motion, without=outlasted)
        if camera_motion is not None:
            seen.warp(camera_motion)
            self.anchors.warp(camera_motion)
        pairing = Pairing(len(table), len(detections), without=outlasted)
        everyone = np.ones(len(table), dtype=bool)
        by_overlap = overlap(table.boxes, table.labels, detections)
        by_recovery = overlap(seen.boxes, table.labels, detections)
        pairing.match(everyone, strong, self._momentum(by_overlap, detections, seconds), limit=NO_OVERLAP)
        pairing.match(everyone, weak, by_overlap, limit=self.weak_overlap_limit)
        pairing.match(everyone, strong, by_recovery, limit=self.recovery_limit)

        self._reupdate(pairing, detections)
        table.correct(pairing, detections)
        table.confirm(after=self.confirm_seconds)
        rows, born = pairing.matched, surest_first(pairing.free & strong, detections)
        seen.add(rows, detections.boxes[pairing.detection_of[rows]], seconds)
        seen.start(detections.boxes[born], seconds)
        tracks, kept = table.turn_over(
            pairing,
            detections,
            born,
            outlasted=outlasted,
            tentative=self.tentative_seconds,
            lost=self.lost_seconds,
        )
        seen.keep(kept)
        self.anchors.take(kept, seen.missed == 0, table.mean, table.covariance)
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
        if camera_motion is not None:
            self.observations.warp(camera_motion)
            self.anchors.warp(camera_motion)
        tracks, kept = table.part(outlasted), ~outlasted
        self.observations.keep(kept)
        self.anchors.take(kept, np.zeros(len(table), dtype=bool), table.mean, table.covariance)
        return tracks

    def to_arrays(self) -> State:
        """Everything needed to go on from here."""
        parts = {"observations": self.observations.to_arrays(), "anchors": self.anchors.to_arrays()}
        return self.table.to_arrays() | joined(parts)

    def from_arrays(self, state: State) -> None:
        """Go on from a state saved by `to_arrays`."""
        self.table.from_arrays(state)
        self.observations.from_arrays(part_of(state, "observations"))
        self.anchors.from_arrays(part_of(state, "anchors"))

    def _momentum(self, by_overlap: Candidates, detections: Detections, seconds: float) -> Candidates:
        """C = C_IoU + lambda C_v (eq. 8) of the pairs up to the largest 1 - IoU.

        C_v = score (angle / pi - 1/2) of the angle between the way a track went and the way it would have gone to the
        detection, both between measured boxes; where there is no telling it is a right one. The paper has the angle.
        """
        pairs = by_overlap[by_overlap.cost <= self.overlap_limit]
        origins = centres(self.observations.before(seconds))[pairs.rows]
        found = centres(detections.boxes[pairs.columns].astype(np.float64))
        went, would_go = self.observations.directions[pairs.rows], unit_vectors(found - origins)
        angle = np.arccos(np.clip((went * would_go).sum(axis=1), -1, 1))
        turn = detections.scores[pairs.columns] * (angle / np.pi - 0.5)
        return dataclasses.replace(pairs, cost=pairs.cost + self.direction_weight * turn)

    def _reupdate(self, pairing: Pairing, detections: Detections) -> None:
        """Tell the filters of the tracks that were found again what they missed."""
        table, seen = self.table, self.observations
        rows = np.flatnonzero((pairing.detection_of >= 0) & (seen.missed > 0))
        if len(rows):
            table.mean[rows], table.covariance[rows] = replay(
                table.model,
                self.anchors.mean[rows],
                self.anchors.covariance[rows],
                seen.boxes[rows],
                detections.boxes[pairing.detection_of[rows]],
                table.time - seen.times[rows],
                seen.missed[rows],
            )
