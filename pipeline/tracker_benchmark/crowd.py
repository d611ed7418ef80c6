"""A crowd that never was: what a detector would say of it, frame by frame, and what is true. No pictures.

>>> crowd = simulate(50, frames=20, seed=1)
>>> len(crowd.truth), int(crowd.truth.frames.max())
(1000, 20)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.evaluation.benchmark import PEDESTRIAN
from pipeline.evaluation.sequences import UNKNOWN, SequenceBoxes
from trackers.structures import FloatArray, IntArray

FRAME_RATE = 30.0
NOBODY = -1  # whom a false detection shows

_ROOM = 20_000.0  # square pixels of ground an object: the crowd grows, its density does not
_ASPECT = 16 / 9  # of the picture
_HEIGHT, _HEIGHT_SPREAD = 100.0, 0.25  # pixels; standard deviation of its logarithm
_SLENDER = 0.4  # width of a box in its heights
_SPEED = 0.6  # heights a second: standard deviation of each component of the velocity
_STEADY = 2.0  # seconds after which a velocity is forgotten
_STAY = 20.0  # seconds an object stays on average; another comes for it
_NOISE = 0.03  # of a detected box's centre and size, in heights
_MISSED = 0.05  # share of the objects without a detection in a frame
_WEAK = 0.15  # share of the detections that the detector is unsure of
_FALSE = 0.05  # false detections in a frame, as a share of the objects
_LOOKS_NOISE = 0.5  # length of the noise that is added to an object's unit vector


@dataclass(frozen=True, slots=True, eq=False)
class Crowd:
    """Detections and truth of the same frames. Frames count from 1."""

    detections: SequenceBoxes  # ids are UNKNOWN; by rising frame, in no order within one
    shown: IntArray  # (n,) id of the object each detection shows, NOBODY where there is none
    features: FloatArray | None  # (n, d) float32, unit length
    truth: SequenceBoxes  # exactly `objects` boxes a frame
    frames: int
    width: int  # pixels
    height: int  # pixels


def simulate(objects: int, *, frames: int, seed: int, dimension: int = 0) -> Crowd:
    """A crowd of so many objects at any time. `dimension`: length of the features, 0 for none.

    The same arguments give the same crowd. Velocities are an Ornstein-Uhlenbeck process, whose stationary spread is
    kept by each step: v' = a v + sqrt(1 - a^2) s w with a = exp(-dt / tau) (Gillespie 1996, the exact update). Objects
    turn back at the picture's edges, and leave at a constant rate while others come at random places.
    """
    chance = np.random.default_rng((seed, objects, frames))
    looks_chance = np.random.default_rng((seed, objects, frames, dimension))  # with features the crowd stays the same
    height = round((objects * _ROOM / _ASPECT) ** 0.5)
    width = round(height * _ASPECT)
    people = _People(objects, np.array([width, height], np.float64), chance)
    truths, found, shown = [], [], []
    for number in range(1, frames + 1):
        if number > 1:
            people.walk(1 / FRAME_RATE)
        boxes = people.boxes()
        truths.append(_boxes(number, people.ids, boxes, np.ones(objects)))
        seen, ids = _detect(people, boxes, chance)
        found.append(_boxes(number, np.full(len(ids), UNKNOWN), seen[:, :4], seen[:, 4]))
        shown.append(ids)
    whom = np.concatenate(shown)
    features = _looks(whom, people.born, dimension, looks_chance) if dimension else None
    return Crowd(_joined(found), whom, features, _joined(truths), frames, width, height)


class _People:
    """Where everyone is now."""

    def __init__(self, objects: int, size: FloatArray, chance: np.random.Generator) -> None:
        self.size = size
        self.chance = chance
        self.born = objects  # so many ids were given
        self.ids = np.arange(1, objects + 1)
        self.heights = self._heights(objects)
        self.places = chance.uniform(0, 1, (objects, 2)) * size
        self.velocities = chance.normal(0, _SPEED, (objects, 2))  # heights a second

    def _heights(self, count: int) -> FloatArray:
        return _HEIGHT * np.exp(self.chance.normal(0, _HEIGHT_SPREAD, count))

    def walk(self, seconds: float) -> None:
        """Let time pass."""
        kept = np.exp(-seconds / _STEADY)
        push = self.chance.normal(0, _SPEED, self.velocities.shape)
        self.velocities = kept * self.velocities + (1 - kept**2) ** 0.5 * push
        self.places = self.places + self.velocities * self.heights[:, None] * seconds
        beyond = (self.places < 0) | (self.places > self.size)
        self.places = np.clip(self.places, 0, self.size)
        self.velocities = np.where(beyond, -self.velocities, self.velocities)
        gone = np.flatnonzero(self.chance.uniform(size=len(self.ids)) < 1 - np.exp(-seconds / _STAY))
        self.ids = self.ids.copy()  # what was handed out stays as it is
        self.ids[gone] = self.born + 1 + np.arange(len(gone))
        self.born += len(gone)
        self.heights[gone] = self._heights(len(gone))
        self.places[gone] = self.chance.uniform(0, 1, (len(gone), 2)) * self.size

    def boxes(self) -> FloatArray:
        """(n, 4) x1 y1 x2 y2."""
        half = np.stack([_SLENDER * self.heights, self.heights], axis=1) / 2
        return np.concatenate([self.places - half, self.places + half], axis=1)


def _detect(people: _People, boxes: FloatArray, chance: np.random.Generator) -> tuple[FloatArray, IntArray]:
    """Detections (k, 5) x1 y1 x2 y2 score and whom each shows (k,), shuffled."""
    seen = np.flatnonzero(chance.uniform(size=len(boxes)) >= _MISSED)
    noisy = boxes[seen] + chance.normal(0, _NOISE, (len(seen), 4)) * people.heights[seen, None]
    scores = np.where(
        chance.uniform(size=len(seen)) < _WEAK,
        chance.uniform(0.1, 0.5, len(seen)),
        chance.uniform(0.6, 0.98, len(seen)),
    )
    count = int(chance.poisson(_FALSE * len(boxes)))
    tall = _HEIGHT * np.exp(chance.normal(0, _HEIGHT_SPREAD, count))
    half = np.stack([_SLENDER * tall, tall], axis=1) / 2
    centres = chance.uniform(0, 1, (count, 2)) * people.size
    wrong = np.concatenate([centres - half, centres + half], axis=1)
    every = np.concatenate([noisy, wrong])
    sure = np.concatenate([scores, chance.uniform(0.1, 0.7, count)])
    ids = np.concatenate([people.ids[seen], np.full(count, NOBODY)])
    order = chance.permutation(len(every))
    return np.column_stack([every, sure])[order], ids[order]


def _looks(shown: IntArray, born: int, dimension: int, chance: np.random.Generator) -> FloatArray:
    """Features of the detections (n, d): those of one object alike, all others near to orthogonal."""
    known = _unit(chance.normal(size=(born + 1, dimension)))
    base = np.where((shown == NOBODY)[:, None], _unit(chance.normal(size=(len(shown), dimension))), known[shown])
    noise = chance.normal(size=base.shape) * _LOOKS_NOISE / dimension**0.5
    return _unit(base + noise).astype(np.float32)


def _unit(rows: FloatArray) -> FloatArray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _boxes(frame: int, ids: IntArray, boxes: FloatArray, scores: FloatArray) -> SequenceBoxes:
    count = len(ids)
    return SequenceBoxes(np.full(count, frame), ids, boxes, scores, np.full(count, PEDESTRIAN), np.ones(count))


def _joined(parts: list[SequenceBoxes]) -> SequenceBoxes:
    names = ("frames", "ids", "boxes", "scores", "classes", "visibility")
    return SequenceBoxes(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
