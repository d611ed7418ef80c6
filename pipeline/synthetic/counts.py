"""How much happens in a scene, counted from its truth and not from its plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.synthetic.truth import HIDDEN, Truth
from trackers.geometry import clip_boxes, iou_matrix
from trackers.structures import BoolArray

MET_IOU = 0.1  # amodal boxes that overlap by this are crossing
MET_COVER = 0.3  # so are two of whom one covers this share of the other's silhouette
SAME_MEETING = 0.5  # seconds without overlap up to which two intervals are one crossing: swinging legs part boxes
AWAY = 1.0  # seconds out of the frame before a return; a leg that swings over the edge is none
SHORTEST = 0.2  # seconds a full occlusion lasts at least
SEEN = 0.5  # visibility a walker has at some time before and after a full occlusion


@dataclass(frozen=True, slots=True)
class SceneCounts:
    """What a tracker has to cope with.

    A *crossing* is a pair of walkers and a maximal interval in which their amodal boxes overlap with IoU >= 0.1 or one
    covers >= 30 % of the other's silhouette; intervals less than 0.5 s apart are one crossing.

    A *full occlusion* is a walker and a maximal interval of >= 0.2 s with visibility <= 0.05, in which the walker's
    whole amodal box lies inside the frame, and before and after which the walker is seen (visibility >= 0.5) without
    having left the frame in between.

    A *return* is a walker who has been out of the frame for >= 1 s and comes back.
    """

    frames: int
    walkers: int  # different ids that were ever visible
    crossings: int
    full_occlusions: int
    returns: int
    hidden_seconds: float  # of all full occlusions together
    mean_present: float  # walkers a frame


def count(truths: Iterable[Truth], *, width: int, height: int) -> SceneCounts:
    """Count over the frames of one scene, in order. `width`, `height`: pixels."""
    tally = _Tally(width, height)
    for truth in truths:
        tally.add(truth)
    return tally.counts()


class _Tally:
    """Collects, per walker and per pair, the frames that matter."""

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self._times: list[float] = []
        self._stays: dict[int, list[list[tuple[int, float, bool]]]] = {}  # id -> stays of (frame, visibility, inside)
        self._meetings: dict[tuple[int, int], list[int]] = {}  # ids -> frames
        self._present = 0

    def add(self, truth: Truth) -> None:
        """Take the next frame."""
        frame = len(self._times)
        self._times.append(truth.time)
        self._present += len(truth)
        inside = (clip_boxes(truth.boxes, *self._size) == truth.boxes).all(axis=1)
        rows = zip(truth.ids.tolist(), truth.visibility.tolist(), inside.tolist(), strict=True)
        for identity, visibility, whole in rows:
            stays = self._stays.setdefault(identity, [])
            if not stays or stays[-1][-1][0] != frame - 1:
                stays.append([])
            stays[-1].append((frame, visibility, whole))
        for i, j in np.argwhere(_meeting(truth)).tolist():
            self._meetings.setdefault((int(truth.ids[i]), int(truth.ids[j])), []).append(frame)

    def counts(self) -> SceneCounts:
        """The result so far."""
        seen = [stays for stays in self._stays.values() if any(v > 0 for stay in stays for _, v, _ in stay)]
        hidden = [h for stays in seen for stay in stays for h in self._full_occlusions(stay)]
        return SceneCounts(
            frames=len(self._times),
            walkers=len(seen),
            crossings=sum(self._intervals(frames) for frames in self._meetings.values()),
            full_occlusions=len(hidden),
            returns=sum(self._returns(stays) for stays in seen),
            hidden_seconds=sum(hidden),
            mean_present=self._present / max(1, len(self._times)),
        )

    def _intervals(self, frames: list[int]) -> int:
        times = np.array(self._times)[frames]
        return 1 + int(np.sum((np.diff(times) > SAME_MEETING) & (np.diff(frames) > 1)))

    def _returns(self, stays: list[list[tuple[int, float, bool]]]) -> int:
        away = (self._times[after[0][0]] - self._times[before[-1][0]] for before, after in pairwise(stays))
        return sum(seconds >= AWAY for seconds in away)

    def _full_occlusions(self, stay: list[tuple[int, float, bool]]) -> list[float]:
        """Seconds of each, for one stay in the frame."""
        visibility = np.array([v for _, v, _ in stay], np.float32)
        inside = np.array([whole for _, _, whole in stay])
        edges = np.flatnonzero(np.diff(np.concatenate([[False], visibility <= HIDDEN, [False]]).astype(int)))
        found: list[float] = []
        for first, end in edges.reshape(-1, 2).tolist():
            if end == len(stay) or not inside[first:end].all():
                continue
            seen = (visibility[:first] >= SEEN).any() and (visibility[end:] >= SEEN).any()
            seconds = self._times[stay[end][0]] - self._times[stay[first][0]]
            if seen and seconds >= SHORTEST - 1e-9:
                found.append(seconds)
        return found


def _meeting(truth: Truth) -> BoolArray:
    """(n, n), above the diagonal: the pairs that cross in this frame."""
    covered = np.maximum(truth.covered, truth.covered.T)
    meeting: BoolArray = np.triu((iou_matrix(truth.boxes, truth.boxes) >= MET_IOU) | (covered >= MET_COVER), k=1)
    return meeting
