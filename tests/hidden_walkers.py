"""Walkers who are hidden for a while, as a detector with faults sees them, and whether a tracker knows them again.

Boxes are those of the truth with noise and misses, masks those of the truth; features are what an embedder says of the
rendered pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipeline.models.base import Embedder
from pipeline.synthetic.hidden_scenes import FPS, Disappearance, HiddenScene
from pipeline.synthetic.scene import frames
from pipeline.synthetic.truth import HIDDEN, Truth
from trackers.geometry import clip_boxes, iou_matrix
from trackers.structures import Detections, FloatArray, Frame, IntArray, MultiObjectTracker

AS_SAID = "[[0, 0], [1, 1]]"  # calibration of scores that are taken at their word
DETECTED = 0.25  # visibility from which a walker is detected
WHOLE = 0.7  # visibility from which the box is that of the whole walker, not only of what is seen
NOISE = 0.03  # standard deviation of each edge, in sides of the box
MISSED = 0.1  # share of the boxes that are missed by chance
BURST, LONGEST_BURST = 0.01, 6  # chance a frame that a walker is missed for some frames, and for how many at most
MEETING = 0.1  # IoU of two who look alike from which they are crossing
SAME = 0.5  # IoU of a track's box with the walker's from which it is the walker's
BEFORE, AFTER = (
    (1.2, 0.2),
    (0.4, 1.4),
)  # seconds before and after it, from and to, in which ids are compared


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One scene as a tracker is given it."""

    scene: HiddenScene
    pictures: list[Frame]
    truths: list[Truth]
    detections: list[Detections]


@dataclass(frozen=True, slots=True)
class Event:
    """One walker was hidden once."""

    disappearance: Disappearance
    seconds: float  # for which the scene was made
    truly: float  # seconds hidden by the truth
    kept: bool  # whether the walker has the same id after it


def see(scene: HiddenScene, embedder: Embedder | None) -> Seen:
    """Render a scene and detect what is in it, faults and all; the same scene always gives the same."""
    chance = np.random.default_rng(scene.scene.seed)
    pictures = list(frames(scene.scene))
    truths = [scene.scene.truth(index) for index in range(len(scene.scene))]
    missing: dict[int, int] = {}  # frames for which a walker is missed still
    found = [_detected(truth, missing, scene.scene.size, chance) for truth in truths]
    if embedder is not None:
        features = embedder.embed(pictures, found)
        found = [replace(seen, features=rows) for seen, rows in zip(found, features, strict=True)]
    return Seen(scene, pictures, truths, found)


def unmasked(seen: Seen) -> Seen:
    """As a detector without masks sees it."""
    return replace(seen, detections=[replace(one, masks=None) for one in seen.detections])


def events(seen: Seen, tracker: MultiObjectTracker) -> Iterator[Event]:
    """What a new tracker makes of the hidings in a scene."""
    ids: list[tuple[IntArray, FloatArray]] = []
    for picture, detections in zip(seen.pictures, seen.detections, strict=True):
        tracks = tracker.update(detections, picture.time, image=picture.image).confirmed
        ids.append((tracks.ids, tracks.boxes.astype(np.float64)))
    for walker in seen.scene.walkers:
        own = [_track_of(walker, truth, *found) for truth, found in zip(seen.truths, ids, strict=True)]
        for first, end in _hidings(walker, seen):
            before = _usual(own[max(first - round(BEFORE[0] * FPS), 0) : first - round(BEFORE[1] * FPS)])
            after = _usual(own[end + round(AFTER[0] * FPS) : end + round(AFTER[1] * FPS)])
            yield Event(seen.scene.disappearance, seen.scene.seconds, (end - first) / FPS, before == after != 0)


def _detected(truth: Truth, missing: dict[int, int], size: tuple[int, int], chance: np.random.Generator) -> Detections:
    """Boxes of the walkers that are seen well enough, with noise, but for those that are missed."""
    whole = (truth.visibility >= WHOLE)[:, None]
    boxes = clip_boxes(np.where(whole, truth.boxes, truth.visible_boxes).astype(np.float64), *size)
    kept = (truth.visibility >= DETECTED) & (chance.random(len(truth)) >= MISSED)
    for row, walker in enumerate(truth.ids.tolist()):
        if missing.get(walker, 0) == 0 and chance.random() < BURST:
            missing[walker] = int(chance.integers(2, LONGEST_BURST + 1))
        if missing.get(walker, 0):
            missing[walker] -= 1
            kept[row] = False
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    boxes += chance.normal(0, NOISE, boxes.shape) * sides
    kept &= (boxes[:, 2:] - boxes[:, :2] > 2).all(axis=1)
    scores = chance.uniform(0.7, 0.98, len(truth)).astype(np.float32)
    labels = np.zeros(len(truth), np.int64)
    return Detections(boxes.astype(np.float32), scores, labels, masks=truth.masks)[kept]


def _track_of(walker: int, truth: Truth, ids: IntArray, boxes: FloatArray) -> int:
    """The id of the track that is on a walker, 0 where none is."""
    row = np.flatnonzero(truth.ids == walker)
    if len(row) == 0 or len(ids) == 0 or truth.visibility[row[0]] < DETECTED:
        return 0
    shown = truth.boxes if truth.visibility[row[0]] >= WHOLE else truth.visible_boxes
    overlaps = iou_matrix(shown[row].astype(np.float64), boxes)[0]
    return int(ids[overlaps.argmax()]) if overlaps.max() >= SAME else 0


def _usual(ids: list[int]) -> int:
    """The id that occurs most, 0 where none does."""
    known = [one for one in ids if one]
    return max(set(known), key=known.count) if known else 0


def _hidings(walker: int, seen: Seen) -> list[tuple[int, int]]:
    """First frame of each disappearance of a walker, and the first one after it; with frames before and after."""
    hidden = np.array([_is_hidden(walker, truth, seen.scene) for truth in seen.truths])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hidden, [False]]).astype(int))).reshape(-1, 2)
    joined: list[list[int]] = []
    for first, end in edges.tolist():
        if joined and first - joined[-1][1] <= FPS * 0.4:  # a swinging arm shows
            joined[-1][1] = end
        else:
            joined.append([first, end])
    return [(first, end) for first, end in joined if first > FPS * 0.4 and end < len(hidden) - FPS * AFTER[1]]


def _is_hidden(walker: int, truth: Truth, scene: HiddenScene) -> bool:
    row = np.flatnonzero(truth.ids == walker)
    if len(row) == 0:
        return True
    if scene.disappearance is Disappearance.LOOK_ALIKE:
        other = np.isin(truth.ids, scene.walkers) & (truth.ids != walker)
        return bool((iou_matrix(truth.boxes[row], truth.boxes[other]) >= MEETING).any())
    return bool(truth.visibility[row[0]] <= HIDDEN)
