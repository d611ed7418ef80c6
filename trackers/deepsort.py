"""DeepSORT (Wojke, Bewley & Paulus 2017), with what trackers since then have found to help; the default tracker.

Each frame: weigh the detections; predict; match confirmed tracks by looks and motion, recently seen ones first; match
what is left by overlap; let weak detections carry on the tracks still without one; look for lost ones where they were
last seen, and by looks alone; tell apart who has walked past whom; find out who is behind whom; start new tracks and
end old ones. Life is counted in seconds. Without features the stages that go by looks are skipped.

Departures from the paper: thresholds are precisions (calibration.py), not scores; the overlap stage takes lost tracks
too, not only those seen in the last frame (sec. 2.4), and asks how alike heights are; the motion model is in seconds
(kalman.py); a lost box keeps its size; a track and a detection of different classes never match. docs/tracking.md has
the equations, the sources, and what each stage is worth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from trackers import kalman
from trackers.association import Candidates, Pairing, alike_in_score, heightened, overlap, same_class, surest_first
from trackers.calibration import ScoreCalibration
from trackers.doubts import Doubts, placed
from trackers.geometry import iou_matrix, iou_pairs
from trackers.observations import Observations
from trackers.occlusion import ONE_THING, Cover, cover
from trackers.recognition import Recognition
from trackers.silhouettes import Seen, Silhouettes
from trackers.structures import (
    CONFIRMED,
    LOST,
    BoolArray,
    Detections,
    Evidence,
    FloatArray,
    ImageArray,
    IntArray,
    State,
    Tracks,
    joined,
    part_of,
)
from trackers.track_table import TrackTable

if TYPE_CHECKING:
    from trackers.camera_motion import CameraMotion
    from trackers.holding import Holding

Shape = Literal["boxes", "masks"]
FORMAT = 5  # version of to_arrays(); the first one did not say so
_ROUNDING = 1e-9  # seconds; times are sums of frame intervals
_SUREST = 0.0025  # least factor on a measurement's variance: no detector is free of error


class DeepSort:
    """Multi-object tracker by motion, overlap and looks."""

    def __init__(
        self,
        *,
        calibration: ScoreCalibration | None = None,
        strong_score: float = 0.35,
        weak_score: float = 0.25,
        new_score: float = 0.45,
        noise_by_score: float = 0.0,
        motion_weight: float = 0.0,
        appearance_limit: float = 0.25,
        mean_weight: float = 1.0,
        overlap_limit: float = 0.85,
        weak_overlap_limit: float = 0.55,
        height_weight: float = 0.5,
        score_weight: float = 0.0,
        recovery_seconds: float = 0.0,
        recovery_limit: float = 0.6,
        duplicate_overlap: float = 0.8,
        recognition_limit: float = 0.2,
        recognition_speed: float = 2.0,
        swap_margin: float = 0.2,
        covered_share: float = 0.5,
        mask_weight: float = 0.0,
        cover_by: Shape = "masks",
        points_in: Shape = "masks",
        shadow_seconds: float = 0.4,
        shadowed_lost_seconds: float = 3.0,
        confirm_seconds: float = 0.1,
        tentative_seconds: float = 0.0,
        lost_seconds: float = 1.5,
        lost_growth: float = 0.0,
        gallery_budget: int = 100,
        camera: CameraMotion | None = None,
        holding: Holding | None = None,
        hold_seconds: float = 0.3,
        held_noise: float = 3.0,
        model: kalman.MotionModel = kalman.XYWH8,
    ) -> None:
        self.strong_score = strong_score  # detections of this precision take part in the cascade and the overlap stage
        self.weak_score = weak_score  # of this one in the second association
        self.new_score = new_score  # of this one they may start a track
        self.noise_by_score = noise_by_score  # share of the measurement's variance that a sure detection does not have
        self.overlap_limit = overlap_limit  # largest 1 - IoU, heights included
        self.weak_overlap_limit = weak_overlap_limit  # largest 1 - IoU with a weak detection, heights included
        self.height_weight = height_weight  # power of the overlap of heights in the cost
        self.score_weight = score_weight  # weight of a difference in score in the cost
        self.recovery_seconds = recovery_seconds  # for so long a track is looked for where it was last seen
        self.recovery_limit = recovery_limit  # largest 1 - IoU there
        self.duplicate_overlap = duplicate_overlap  # a detection that overlaps a located track more starts none
        self.covered_share = covered_share  # from this share of its box on a track is hidden by another
        self.mask_weight = mask_weight  # share of the masks' 1 - IoU in the overlap's cost, where they are known
        self.cover_by = cover_by  # what tells which share of a track is hidden; boxes where masks are not known
        self.points_in = points_in  # where flow follows points of what it holds
        self.shadow_seconds = shadow_seconds  # a hidden track is where it is predicted for so long
        self.shadowed_lost_seconds = shadowed_lost_seconds  # a hidden one waits for so long, at least as long as others
        self.confirm_seconds = confirm_seconds  # matched for so long, a track is confirmed
        self.tentative_seconds = tentative_seconds  # unseen for longer, a tentative track ends
        self.lost_seconds = lost_seconds  # unseen for longer, a confirmed track ends
        self.lost_growth = lost_growth  # share of its growth that the box of a lost track keeps
        self.camera = camera  # finds its motion where nobody tells it
        self.holding = holding  # looks for tracks that the detector missed, or where none looked
        self.hold_seconds = hold_seconds  # a missed track is held for so long
        self.held_noise = held_noise  # factor on the measurement's variance of a box that was held
        self.calibration = calibration or ScoreCalibration()
        self.table = TrackTable(model)
        self.observations = Observations(span=0.0)
        self.silhouettes = Silhouettes() if mask_weight > 0 or "masks" in (cover_by, points_in) else None
        self.looks = Recognition(
            budget=gallery_budget,
            appearance_limit=appearance_limit,
            motion_weight=motion_weight,
            mean_weight=mean_weight,
            recognition_limit=recognition_limit,
            recognition_speed=recognition_speed,
            swap_margin=swap_margin,
            covered_share=covered_share,
        )

    def update(
        self,
        detections: Detections,
        seconds: float,
        *,
        image: ImageArray | None = None,
        camera_motion: FloatArray | None = None,
        gap: float = 0.0,
    ) -> Tracks:
        """Take one frame's detections; see MultiObjectTracker."""
        table = self.table
        camera_motion = self._camera_motion(camera_motion, image)
        outlasted = table.outlasted(seconds, gap, tentative=self.tentative_seconds, lost=self.lost_seconds)
        table.predict(seconds, camera_motion, without=outlasted)
        if camera_motion is not None:
            self.observations.warp(camera_motion)
        precision = self.calibration.precisions(detections, seconds)
        usable = detections.usable
        strong = usable & (precision >= self.strong_score)
        weak = usable & (precision >= self.weak_score) & ~strong

        pairing = Pairing(len(table), len(detections), without=outlasted)
        tracked = table.stages == CONFIRMED
        shown = None if self.silhouettes is None else Seen.of(detections)
        self.looks.match(pairing, table, detections, strong)
        by_overlap = self._by_mask(self._by_overlap(detections, among=(strong | weak) & pairing.free), shown)
        by_score = alike_in_score(by_overlap, table.scores, detections.scores, self.score_weight)
        pairing.match(table.confirmed, strong, by_score, limit=self.overlap_limit)
        pairing.match(tracked, weak, by_overlap, limit=self.weak_overlap_limit)
        self._match_where_last_seen(pairing, detections, strong)
        self.looks.recover(pairing, table, detections, strong)
        pairing.match(~table.confirmed, strong, by_overlap, limit=self.overlap_limit)
        exchanged = self.looks.tell_apart(pairing, table, detections)

        table.correct(pairing, detections, noise=self._noise(precision))
        table.steady(self.lost_growth)
        table.confirm(after=self.confirm_seconds)
        self._outline(pairing, shown, exchanged)
        located, lost, boxes = table.stages == CONFIRMED, table.stages == LOST, table.boxes
        hidden = self._cover(boxes, located, among=lost if detections.features is None else None)
        held = self._hold(image, hidden, located)
        located, boxes = located | held, table.boxes
        wanted = pairing.free & usable & (precision >= self.new_score)
        born = surest_first(self._no_duplicates(wanted, detections, boxes[located], table.labels[located]), detections)
        self.looks.remember(pairing, table, detections, strong, born, hidden)
        behind = self._behind(hidden)
        tracks, kept = table.turn_over(
            pairing,
            detections,
            born,
            outlasted=outlasted,
            shadowed=behind & self._unseen_for(self.shadow_seconds),
            spared=held | behind & self._unseen_for(self.shadowed_lost_seconds),
            tentative=self.tentative_seconds,
            lost=self.lost_seconds,
        )
        self._observe(pairing, detections, born, kept)
        if self.silhouettes is not None:
            self.silhouettes.start(shown, born, table.time)
            self.silhouettes.keep(kept)
        self.looks.keep(kept)
        if self.holding is not None:
            self.holding.looked()
        self._see(image)
        return tracks

    def carry(
        self,
        seconds: float,
        *,
        image: ImageArray | None = None,
        camera_motion: FloatArray | None = None,
        gap: float = 0.0,
    ) -> Tracks:
        """Take a frame that no detector looked at; see MultiObjectTracker."""
        table, before = self.table, self.table.time
        camera_motion = self._camera_motion(camera_motion, image)
        outlasted = table.coast(seconds, camera_motion, gap, tentative=self.tentative_seconds, lost=self.lost_seconds)
        if camera_motion is not None:
            self.observations.warp(camera_motion)
        self._carry_between(image, (table.stages != LOST) & ~outlasted, before)
        located, lost = (table.stages == CONFIRMED) & ~outlasted, table.stages == LOST
        behind = self._behind(self._cover(table.boxes, located, among=lost))
        self._see(image)
        if self.recovery_seconds > 0:
            self.observations.keep(~outlasted)
        self.looks.keep(~outlasted)
        if self.silhouettes is not None:
            self.silhouettes.keep(~outlasted)
        return table.part(outlasted, shadowed=behind & self._unseen_for(self.shadow_seconds))

    def doubts(self, detections: Detections, seconds: float, *, gap: float = 0.0) -> Doubts:
        """Which detections of the next frame motion alone does not place; see DoubtfulTracker.

        Weak ones are of nobody for sure, and two that hid each other are told apart by looks.
        """
        table = self.table
        outlasted = table.outlasted(seconds, gap, tentative=self.tentative_seconds, lost=self.lost_seconds)
        strong = detections.usable & (self.calibration.known_precisions(detections) >= self.strong_score)
        least = 1 - self.overlap_limit
        prediction = table.foreseen(seconds)
        rows, columns = placed(table, prediction, detections, strong, living=~outlasted, least_overlap=least)
        known = ~np.isin(table.ids[rows], self.looks.encounters.ids)
        rows, columns = rows[known], columns[known]
        masked_at = None if self.silhouettes is None else self.silhouettes.masked_at[rows]
        return Doubts.but_for(columns, strong, seconds, self.looks.gallery.described_at[rows], masked_at)

    def to_arrays(self) -> State:
        """Everything needed to go on from here."""
        parts = joined({name: part.to_arrays() for name, part in self._parts.items()})
        return self.table.to_arrays() | parts | {"deepsort_format": np.array(FORMAT)}

    def from_arrays(self, state: State) -> None:
        """Go on from a state saved by `to_arrays`."""
        saved = int(state.get("deepsort_format", 1))
        if saved != FORMAT:
            raise ValueError(f"deepsort's state was saved in format {saved}, this version reads {FORMAT}")
        self.table.from_arrays(state)
        for name, part in self._parts.items():
            part.from_arrays(part_of(state, name))

    @property
    def _parts(self) -> dict[str, ScoreCalibration | Observations | Recognition | Silhouettes | CameraMotion | Holding]:
        """What remembers something beside the table."""
        parts: dict[str, ScoreCalibration | Observations | Recognition | Silhouettes | CameraMotion | Holding] = {
            "calibration": self.calibration,
            "observations": self.observations,
            "looks": self.looks,
        }
        seeing = {"camera": self.camera, "holding": self.holding, "silhouettes": self.silhouettes}
        return parts | {name: part for name, part in seeing.items() if part is not None}

    def _camera_motion(self, told: FloatArray | None, image: ImageArray | None) -> FloatArray | None:
        """How the camera moved since the frame before: as told, or as seen outside of the tracks' boxes."""
        if told is not None or self.camera is None or image is None:
            return told
        return self.camera.update(image, self.table.boxes)

    def _by_mask(self, pairs: Candidates, shown: Seen | None) -> Candidates:
        """The pairs, dearer the less the masks of track and detection overlap."""
        if self.silhouettes is None:
            return pairs
        return self.silhouettes.weighed(pairs, self.table.boxes, shown, self.mask_weight)

    def _outline(self, pairing: Pairing, shown: Seen | None, exchanged: list[tuple[int, int]]) -> None:
        """Remember the masks of what was matched; those of tracks that changed places change with them."""
        if self.silhouettes is not None:
            for one, other in exchanged:
                self.silhouettes.exchange(one, other)
            rows = pairing.matched
            self.silhouettes.see(rows, shown, pairing.detection_of[rows], self.table.time)

    def _cover(self, boxes: FloatArray, located: BoolArray, *, among: BoolArray | None) -> Cover:
        """What hides each track, by boxes or masks."""
        by_masks = self.cover_by == "masks" and self.silhouettes is not None and self.silhouettes.known.any()
        return cover(boxes, located, among=among, silhouettes=self.silhouettes if by_masks else None)

    def _hold(self, image: ImageArray | None, hidden: Cover, located: BoolArray) -> BoolArray:
        """Carry the missed tracks that nothing covers where they are seen; which they are (n,)."""
        table = self.table
        held = np.zeros(len(table), dtype=bool)
        if self.holding is None or self.holding.missed is None:
            return held
        missed = (table.stages == LOST) & (table.time - table.located_to <= self.hold_seconds + _ROUNDING)
        rows = np.flatnonzero(missed & ~hidden.reaches(self.covered_share))
        boxes = table.boxes
        seen, found = self.holding.carry_missed(
            image, table.ids[rows], boxes[rows], learn=hidden.share[rows] == 0, others=boxes[located]
        )
        held[rows[seen]] = True
        table.carry(rows[seen], found[seen], self.holding.missed.evidence, noise=self.held_noise)
        return held

    def _carry_between(self, image: ImageArray | None, tracks: BoolArray, before: float) -> None:
        """Carry these tracks (n,) where they are seen. `before`: seconds, of the frame before.

        That nobody looked for them takes none of the time for which they are held once a look has missed them; and
        until the next look they are carried, however long ago they were missed.
        """
        if self.holding is None or self.holding.between is None:
            return
        table, rows = self.table, np.flatnonzero(tracks)
        seen, found = self.holding.carry_between(image, table.ids[rows], table.boxes[rows])
        table.carry(rows[seen], found[seen], self.holding.between.evidence, noise=self.held_noise)
        steady = rows[seen & (table.located_to[rows] == before)]
        table.located_to[steady] = table.time

    def _see(self, image: ImageArray | None) -> None:
        """Remember where tracks were seen."""
        if self.holding is not None:
            table = self.table
            rows = np.flatnonzero((table.stages != LOST) & (table.evidence != Evidence.PREDICTED))
            inside = None
            if self.silhouettes is not None and self.points_in == "masks" and self.silhouettes.known.any():
                inside = self.silhouettes.rasters[rows] & self.silhouettes.known[rows, None, None]
            self.holding.see(image, table.ids[rows], table.boxes[rows], inside=inside)

    def _behind(self, hidden: Cover) -> BoolArray:
        """Which lost tracks are behind another one, and are not what the other one follows (n,)."""
        behind = (self.table.stages == LOST) & hidden.reaches(self.covered_share)
        boxes = self.table.boxes
        behind[behind] = iou_pairs(boxes[behind], boxes[hidden.by[behind]]) < ONE_THING
        return np.asarray(behind)

    def _unseen_for(self, seconds: float) -> BoolArray:
        """Which tracks have been without a detection for no longer than that (n,)."""
        return np.asarray(self.table.time - self.table.seen_at <= seconds + _ROUNDING)

    def _by_overlap(self, detections: Detections, *, among: BoolArray) -> Candidates:
        """1 - IoU with predicted boxes, heights included."""
        table = self.table
        boxes = table.boxes
        pairs = overlap(boxes, table.labels, detections, among=among)
        return heightened(pairs, boxes, detections, self.height_weight)

    def _match_where_last_seen(self, pairing: Pairing, detections: Detections, strong: BoolArray) -> None:
        """Observation-centric recovery (Cao et al. 2023, sec. 4.2): a prediction runs away, the last box does not."""
        if self.recovery_seconds == 0:
            return
        table = self.table
        recent = table.confirmed & (table.time - table.seen_at <= self.recovery_seconds + _ROUNDING)
        by_last_box = overlap(self.observations.boxes, table.labels, detections, among=strong & pairing.free)
        pairing.match(recent, strong, by_last_box, limit=self.recovery_limit)

    def _observe(self, pairing: Pairing, detections: Detections, born: IntArray, kept: BoolArray) -> None:
        """Remember where tracks were seen, if anybody is going to ask."""
        if self.recovery_seconds == 0:
            return
        rows = pairing.matched
        self.observations.add(rows, detections.boxes[pairing.detection_of[rows]], self.table.time)
        self.observations.start(detections.boxes[born], self.table.time)
        self.observations.keep(kept)

    def _noise(self, precision: FloatArray) -> FloatArray | None:
        """Factor on each measurement's variance (m,): R' = (1 - w c) R (NSA of Du et al. 2021, where w is 1)."""
        if self.noise_by_score == 0:
            return None
        return np.asarray(np.maximum(1 - self.noise_by_score * precision, _SUREST))

    def _no_duplicates(
        self, wanted: BoolArray, detections: Detections, boxes: FloatArray, labels: IntArray
    ) -> BoolArray:
        """The `wanted` detections (m,) but for those that lie on a located track, boxes (n, 4) and labels (n,)."""
        rows = wanted.nonzero()[0]
        if len(rows) == 0 or self.duplicate_overlap >= 1:
            return wanted
        clash = iou_matrix(boxes, detections.boxes[rows]) > self.duplicate_overlap
        wanted[rows[(clash & same_class(labels, detections.labels[rows])).any(axis=0)]] = False
        return wanted
