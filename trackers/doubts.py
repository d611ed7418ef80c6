"""Doubts: which of a frame's detections a tracker could not place by motion alone, asked before it takes them.

A network that describes or outlines objects costs more than a tracker. Of somebody who walks alone it tells what is
known: the only detection near the prediction of the only track near it. So a tracker says beforehand which detections
are such, and since when nothing was learned of their tracks; nothing of the tracker changes by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np

from trackers import kalman
from trackers.association import Candidates, overlap
from trackers.structures import CONFIRMED, BoolArray, Detections, FloatArray, IntArray, MultiObjectTracker
from trackers.track_table import Prediction, TrackTable

_MARGIN = 0.2  # of IoU, by which a track out of sight must be farther away
_CLEAR = 0.5  # IoU with its prediction from which on a detection is where its track was expected


@dataclass(frozen=True, slots=True, eq=False)
class Doubts:
    """What a tracker knows of detections before it takes them. Row i of every column is the same detection."""

    unsure: BoolArray  # (m,) it may be of several tracks, of none yet, or of one that was out of sight
    compared: BoolArray  # (m,) the tracker goes by its looks; of weak detections it does not
    undescribed: FloatArray  # (m,) seconds since its track took in a feature; infinite where unsure, or none yet
    unmasked: FloatArray  # (m,) likewise a mask

    @classmethod
    def but_for(
        cls, rows: IntArray, compared: BoolArray, seconds: float, described_at: FloatArray, masked_at: FloatArray | None
    ) -> Self:
        """All but the detections `rows` (k,) are unsure. The tracks of these were described at `described_at` (k,) and
        masked at `masked_at` (k,), seconds; None where masks are not kept.
        """
        unsure, ages = np.ones(len(compared), dtype=bool), np.full((2, len(compared)), np.inf)
        unsure[rows] = False
        ages[0, rows] = seconds - described_at
        if masked_at is not None:
            ages[1, rows] = seconds - masked_at
        return cls(unsure, compared, ages[0], ages[1])


@runtime_checkable
class DoubtfulTracker(MultiObjectTracker, Protocol):
    """A tracker that says what it is unsure of."""

    def doubts(self, detections: Detections, seconds: float, *, gap: float = 0.0) -> Doubts:
        """About the detections of the frame that `update` is given next; arguments as there. Changes nothing."""


def placed(
    table: TrackTable,
    prediction: Prediction,
    detections: Detections,
    strong: BoolArray,
    *,
    living: BoolArray,
    least_overlap: float,
) -> tuple[IntArray, IntArray]:
    """Tracks (k,) and detections (k,) that can only belong together: rows of `table` and of `detections`.

    `prediction`: where the tracks are when the detections are taken. `strong` (m,): the detections that take part.
    `living` (n,): the tracks that do. The track was seen when anything was seen last, and the boxes overlap well. No
    other located track is near the detection, and no other detection near the track: within the motion gate, or by an
    overlap of `least_overlap` (IoU). Of a track out of sight, or one that is not believed yet, the detection may lie in
    the gate: those choose later. But it must overlap the detection much less.
    """
    located = living & (table.stages == CONFIRMED)
    touching = overlap(kalman.to_boxes(table.model, prediction.mean), table.labels, detections, among=strong)
    touching = touching[living[touching.rows]]
    seen = touching[located[touching.rows]]
    tracks, found = _near(table, prediction, detections, strong, located, seen[seen.cost <= 1 - least_overlap])
    rivals_of_track = np.bincount(tracks, minlength=len(table))
    rivals_of_detection = np.bincount(found, minlength=len(detections))
    unseen = touching[~located[touching.rows]]
    nearest = np.full(len(detections), np.inf)  # cost of the track out of sight that overlaps it most
    np.minimum.at(nearest, unseen.columns, unseen.cost)
    rows, columns = seen.rows, seen.columns
    alone = (rivals_of_track[rows] == 1) & (rivals_of_detection[columns] == 1)
    steady = table.seen_at[rows] == table.seen_at.max(initial=-np.inf)
    clear = (seen.cost <= 1 - _CLEAR) & (seen.cost + _MARGIN <= nearest[columns])
    sure = np.flatnonzero(alone & steady & clear)
    return rows[sure], columns[sure]


def _near(
    table: TrackTable,
    prediction: Prediction,
    detections: Detections,
    strong: BoolArray,
    located: BoolArray,
    touching: Candidates,
) -> tuple[IntArray, IntArray]:
    """Tracks (p,) and detections (p,) of all pairs that are near each other, each once: those that touch, and those
    within the motion gate.
    """
    tracks, seen = np.flatnonzero(located), np.flatnonzero(strong)
    i, j, _ = kalman.gated_pairs(
        table.model,
        prediction.mean[tracks],
        prediction.covariance[tracks],
        detections.boxes[seen],
        table.heights[tracks],
    )
    rows, columns = np.concatenate([touching.rows, tracks[i]]), np.concatenate([touching.columns, seen[j]])
    count = max(1, len(detections))
    return np.divmod(np.unique(rows * count + columns), count)
