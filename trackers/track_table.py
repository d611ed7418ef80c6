"""The state of all tracks of one stream as columns, and their life: tentative, confirmed, lost, ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trackers import kalman
from trackers.association import Pairing
from trackers.structures import (
    CONFIRMED,
    ENDED,
    LOST,
    TENTATIVE,
    BoolArray,
    Detections,
    Evidence,
    FloatArray,
    IntArray,
    Stage,
    State,
    Tracks,
)

FORMAT = 3  # version of to_arrays()
_BEFORE_LOCATED_TO = 2  # the version that did not tell frames without a look from those with one that missed
_DETECTED, _PREDICTED = np.int8(Evidence.DETECTED), np.int8(Evidence.PREDICTED)
_SHADOWED = np.int8(Evidence.SHADOWED)
_ROUNDING = 1e-9  # seconds; times are sums of frame intervals
_COLUMNS = (
    "ids",
    "labels",
    "scores",
    "stages",
    "evidence",
    "started_at",
    "seen_at",
    "located_to",
    "hits",
    "heights",
    "mean",
    "covariance",
)


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Where tracks will be. Row i of both columns is the same track."""

    mean: FloatArray  # (n, d)
    covariance: FloatArray  # (n, d, d)


class TrackTable:
    """Row i of every column is the same track. Rows are in order of birth, so ids rise."""

    def __init__(self, model: kalman.MotionModel) -> None:
        self.model = model
        self.next_id = 1
        self.time = -np.inf  # seconds, of the last frame
        self.opening = True  # the last frame was the first, or there was none
        self.ids = np.zeros(0, np.int64)
        self.labels = np.zeros(0, np.int64)
        self.scores = np.zeros(0, np.float32)  # of the last matched detection
        self.stages = np.zeros(0, np.int8)
        self.evidence = np.zeros(0, np.int8)  # why each is where it is in the last frame
        self.started_at = np.zeros(0)  # seconds
        self.seen_at = np.zeros(0)  # seconds, of the last matched detection
        self.located_to = np.zeros(0)  # seconds; to when nothing had missed it: seen then, or carried on from there
        self.hits = np.zeros(0, np.int64)  # matched detections
        self.heights = np.zeros(0)  # pixels, of the last matched detection
        self.mean: FloatArray = np.zeros((0, model.size))
        self.covariance: FloatArray = np.zeros((0, model.size, model.size))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def boxes(self) -> FloatArray:
        """Where the tracks are believed to be (n, 4)."""
        return kalman.to_boxes(self.model, self.mean)

    @property
    def confirmed(self) -> BoolArray:
        """The tracks that are believed, seen in the last frame or not (n,)."""
        return np.asarray(self.stages != TENTATIVE)

    def outlasted(self, seconds: float, gap: float, *, tentative: float, lost: float) -> BoolArray:
        """Which tracks a time without pictures has outlasted (n,): at the frame that ends it, `seconds`, they have
        been unseen for longer than their patience. They can only end: nobody knows what happened meanwhile.

        Without a gap there is none: where pictures come seldom, the next one may still show a track.
        """
        if not gap >= 0:
            raise ValueError(f"a gap lasts 0 seconds or more, not {gap}")
        if gap == 0:
            return np.zeros(len(self), dtype=bool)
        patience = np.where(self.confirmed, lost, tentative)
        return np.asarray(np.maximum(seconds - self.seen_at, gap) > patience + _ROUNDING)

    def predict(
        self, seconds: float, camera_motion: FloatArray | None = None, *, without: BoolArray | None = None
    ) -> None:
        """Move every track on to the time of a new frame, `seconds`, but for those in `without` (n,)."""
        self._check_time(seconds)
        rows = slice(None) if without is None or not without.any() else np.flatnonzero(~without)
        if len(self):
            mean, covariance = kalman.predict(
                self.model, self.mean[rows], self.covariance[rows], seconds - self.time, self.heights[rows]
            )
            if camera_motion is not None:
                mean, covariance = kalman.warp(self.model, mean, covariance, camera_motion)
            if len(mean) == len(self):
                self.mean, self.covariance = mean, covariance
            else:
                self.mean[rows], self.covariance[rows] = mean, covariance
        self.opening = bool(np.isneginf(self.time))
        self.time = seconds

    def foreseen(self, seconds: float) -> Prediction:
        """Where every track will be at the time of a new frame, `seconds`; nothing moves."""
        self._check_time(seconds)
        if len(self) == 0:
            return Prediction(self.mean, self.covariance)
        return Prediction(*kalman.predict(self.model, self.mean, self.covariance, seconds - self.time, self.heights))

    def steady(self, growth: float) -> None:
        """Of how fast the boxes of lost tracks grow, keep this share: nothing was measured that would tell."""
        if growth < 1:
            self.mean[np.flatnonzero(self.stages == LOST), kalman.MEASURED + 2 :] *= growth

    def correct(self, pairing: Pairing, detections: Detections, *, noise: FloatArray | None = None) -> None:
        """Give the matched tracks their detections; the others become lost, unless they are tentative.

        `noise` (m,): factor on the measurement variance of each detection; see kalman.update.
        """
        rows = pairing.matched
        taken = pairing.detection_of[rows]
        boxes = detections.boxes[taken].astype(np.float64)
        self.mean[rows], self.covariance[rows] = kalman.update(
            self.model,
            self.mean[rows],
            self.covariance[rows],
            boxes,
            noise=None if noise is None else noise[taken],
        )
        self.heights[rows] = boxes[:, 3] - boxes[:, 1]
        self.scores[rows] = detections.scores[taken]
        self.labels[rows] = detections.labels[taken]
        self.seen_at[rows] = self.located_to[rows] = self.time
        self.hits[rows] += 1
        self.evidence[:] = _PREDICTED
        self.evidence[rows] = _DETECTED
        believed = self.confirmed
        self.stages[believed] = LOST
        self.stages[rows[believed[rows]]] = CONFIRMED

    def coast(
        self, seconds: float, camera_motion: FloatArray | None, gap: float, *, tentative: float, lost: float
    ) -> BoolArray:
        """Begin a frame that no detector looked at: nothing was missed, and all are where they are predicted.

        Returns the tracks (n,) that a gap before it has outlasted; see `outlasted` and `part`.
        """
        outlasted = self.outlasted(seconds, gap, tentative=tentative, lost=lost)
        self.predict(seconds, camera_motion, without=outlasted)
        self.evidence[:] = _PREDICTED
        return outlasted

    def part(self, ended: BoolArray, shadowed: BoolArray | None = None) -> Tracks:
        """End such a frame: report all tracks, and drop those that `ended` (n,). `shadowed`: see `turn_over`."""
        tracks = self.report(np.full(len(self), -1), ended, shadowed)
        self.keep(~ended)
        return tracks

    def carry(self, rows: IntArray, boxes: FloatArray, evidence: Evidence, *, noise: float = 1.0) -> None:
        """The tracks `rows` (k,) are at boxes (k, 4) by another `evidence` than a detection: believed ones are located.

        They were not seen, so their patience goes on running out. `noise`: factor on the measurement's variance.
        """
        if len(rows):
            self.mean[rows], self.covariance[rows] = kalman.update(
                self.model, self.mean[rows], self.covariance[rows], boxes, noise=np.full(len(rows), noise)
            )
            self.stages[rows[self.confirmed[rows]]] = CONFIRMED
            self.evidence[rows] = evidence

    def exchange(self, one: int, other: int) -> None:
        """Let two tracks change places: all that was seen and believed of one since they met was of the other."""
        for name in ("labels", "scores", "stages", "seen_at", "located_to", "heights", "mean", "covariance"):
            column = getattr(self, name)
            column[[one, other]] = column[[other, one]]

    def confirm(self, *, after: float) -> None:
        """Believe the tentative tracks that have been matched over `after` seconds, and at least twice."""
        lasting = (self.seen_at - self.started_at >= after - _ROUNDING) & (self.hits >= 2)
        self.stages[(self.stages == TENTATIVE) & lasting & (self.seen_at == self.time)] = CONFIRMED

    def start(self, detections: Detections, stage: Stage = Stage.TENTATIVE) -> None:
        """Begin a track for each detection."""
        count = len(detections)
        if count == 0:
            return
        boxes = np.asarray(detections.boxes, np.float64)
        mean, covariance = kalman.initiate(self.model, boxes)
        born = {
            "ids": np.arange(self.next_id, self.next_id + count),
            "labels": detections.labels,
            "scores": detections.scores,
            "stages": np.full(count, stage, np.int8),
            "evidence": np.full(count, _DETECTED),
            "started_at": np.full(count, self.time),
            "seen_at": np.full(count, self.time),
            "located_to": np.full(count, self.time),
            "hits": np.ones(count, np.int64),
            "heights": boxes[:, 3] - boxes[:, 1],
            "mean": mean,
            "covariance": covariance,
        }
        for name in _COLUMNS:
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, born[name].astype(column.dtype, copy=False)]))
        self.next_id += count

    def turn_over(
        self,
        pairing: Pairing,
        detections: Detections,
        born: IntArray,
        *,
        outlasted: BoolArray | None = None,
        shadowed: BoolArray | None = None,
        spared: BoolArray | None = None,
        tentative: float,
        lost: float,
    ) -> tuple[Tracks, BoolArray]:
        """End a frame: start tracks from the detections `born` (rows), report all, drop those unseen for too long.

        `outlasted`: tracks (n,) that end whatever their patience. `tentative`, `lost`: patience in seconds. `spared`:
        tracks (n,) that stay beyond it. `shadowed`: lost tracks (n,) known to be where they are predicted, behind
        another; they are reported as located. On the very first frame tracks are born confirmed. Returns the report
        and which of its rows stay in the table.
        """
        if len(born):
            self.start(detections[born], Stage.CONFIRMED if self.opening else Stage.TENTATIVE)
        rows = np.concatenate([pairing.detection_of, born])
        patience = np.where(self.confirmed, lost, tentative)
        kept = self.time - self.seen_at <= patience + _ROUNDING
        if spared is not None:
            kept[: len(spared)] |= spared
        if outlasted is not None:
            kept[: len(outlasted)] &= ~outlasted
        tracks = self.report(rows, ~kept, shadowed)
        self.keep(kept)
        return tracks, kept

    def keep(self, mask: BoolArray) -> None:
        """Drop the other rows."""
        if mask.all():
            return
        rows = mask.nonzero()[0]
        for name in _COLUMNS:
            setattr(self, name, getattr(self, name).take(rows, axis=0))

    def report(self, rows: IntArray, ended: BoolArray, shadowed: BoolArray | None = None) -> Tracks:
        """The table as Tracks. `rows` (n,): row of each track's detection in this frame, -1 if none.

        `shadowed`: the first tracks (k,) of the table, k <= n, that are located behind others.
        """
        stages, evidence = self.stages.copy(), self.evidence.copy()
        if shadowed is not None:
            located = (shadowed & ~ended[: len(shadowed)]).nonzero()[0]
            stages[located], evidence[located] = CONFIRMED, _SHADOWED
        return Tracks(
            boxes=self.boxes.astype(np.float32),
            scores=self.scores.copy(),
            labels=self.labels.copy(),
            ids=self.ids.copy(),
            stages=np.where(ended, np.int8(ENDED), stages),
            evidence=evidence,
            rows=rows,
        )

    def to_arrays(self) -> State:
        """All columns, the clock and the id counter."""
        scalars = {"format": np.array(FORMAT), "next_id": np.array(self.next_id), "time": np.array(self.time)}
        return {name: getattr(self, name).copy() for name in _COLUMNS} | scalars

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`. Raises ValueError for a format that it does not read."""
        saved = int(state["format"])
        if saved not in (_BEFORE_LOCATED_TO, FORMAT):
            raise ValueError(f"tracks were saved in format {saved}, this version reads {FORMAT}")
        for name in _COLUMNS:
            known = "seen_at" if name == "located_to" and saved == _BEFORE_LOCATED_TO else name
            setattr(self, name, state[known].copy())
        self.next_id, self.time = int(state["next_id"]), float(state["time"])

    def _check_time(self, seconds: float) -> None:
        if not self.time < seconds < np.inf:
            raise ValueError(f"frame at {seconds} s does not follow the one at {self.time} s")
