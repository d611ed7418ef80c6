"""What follows single targets: each is shown once, by a box, and then looked for in every picture after that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from trackers.geometry import centres
from trackers.structures import BoolArray, FloatArray, ImageArray, State

LEAST_SIDE = 3.0  # pixels; nothing can be learned from less
LOST_SCORE = 0.1  # score below which a target counts as hidden or gone, whoever follows it; its box stays


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Where the targets are in one picture. Row i of every column is the same target."""

    boxes: FloatArray  # (n, 4) float64 x1 y1 x2 y2, pixels; of one that is not found: where it was last
    scores: FloatArray  # (n,) float64 0..1, how sure it is that the target is there; below `LOST_SCORE`: not found

    def __len__(self) -> int:
        return len(self.boxes)


class TargetTracker(Protocol):
    """Follows any number of targets at once. Row i is the same target everywhere; one instance a stream."""

    @property
    def boxes(self) -> FloatArray:
        """Where the targets were found last (n, 4) float64."""

    def add(self, image: ImageArray, boxes: FloatArray) -> None:
        """Learn further targets, boxes (k, 4), from the picture that shows them; they come after those there are.

        Raises ValueError where a box or a picture cannot be learned from (see `followable`, `checked_image`).
        """

    def update(self, image: ImageArray, *, around: FloatArray | None = None, learn: BoolArray | None = None) -> Found:
        """Look for every target in the next picture, and learn from where one is surely found.

        `around`: boxes (n, 4) around which to search, of the size to expect; by default where each was found last.
        `learn`: the targets (n,) that may be learned from; the others, which something may cover, are only looked for.
        """

    def place(self, rows: BoolArray, boxes: FloatArray) -> None:
        """Say where the targets in the mask `rows` (n,) are by now: boxes (k, 4). Nothing is learned from it."""

    def keep(self, rows: BoolArray) -> None:
        """Forget the targets that are not in the mask `rows` (n,)."""


@runtime_checkable
class OutlinedTargets(Protocol):
    """One that looks only at what of a box is its target, where that is known."""

    def outline(self, rows: BoolArray, inside: BoolArray) -> None:
        """The targets in the mask `rows` (n,) fill these cells of their boxes (k, 24, 24); all False: not known."""


class ResumableTargets(TargetTracker, Protocol):
    """One that can be saved and go on later as if nothing had been."""

    def to_arrays(self) -> State:
        """Everything that is known of the targets."""

    def from_arrays(self, state: State) -> None:
        """Go on from a state saved by `to_arrays` of one with the same settings."""


def checked_image(image: ImageArray) -> ImageArray:
    """The picture as (height, width, 3) blue green red of 8 bits; grey ones are repeated. Raises ValueError."""
    if image.dtype != np.uint8:
        raise ValueError(f"a picture must have 8 bits a channel, got {image.dtype}; scale it to 0..255 first")
    if image.size == 0:
        raise ValueError(f"the picture is empty: {image.shape}")
    if image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 1):
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f"a picture must be (height, width, 3) or grey (height, width), got {image.shape}")
    return image


def checked_boxes(boxes: FloatArray, image: ImageArray) -> FloatArray:
    """The boxes as (k, 4) float64 if each shows something in the picture that can be followed. Raises ValueError."""
    checked = np.array(boxes, np.float64)
    if checked.ndim != 2 or checked.shape[1] != 4:
        raise ValueError(f"boxes must be (k, 4) x1 y1 x2 y2, got {checked.shape}")
    height, width = image.shape[:2]
    for box, middle in zip(checked, still_visible(checked, image), strict=True):
        told = f"box {', '.join(f'{value:g}' for value in box)} (x1, y1, x2, y2)"
        if not np.isfinite(box).all():
            raise ValueError(f"{told} holds a value that is no number")
        sides = box[2:] - box[:2]
        if (sides < LEAST_SIDE).any():
            raise ValueError(f"{told} is smaller than {LEAST_SIDE:g} x {LEAST_SIDE:g} pixels; draw a larger one")
        if not middle:
            raise ValueError(f"{told} has its middle outside the picture of {width} x {height} pixels")
        if (sides > [width, height]).any():
            raise ValueError(f"{told} is larger than the picture of {width} x {height} pixels")
    return checked


def followable(boxes: FloatArray, image: ImageArray) -> BoolArray:
    """Which of the boxes (n, 4) show something in the picture that can be followed (n,): those `add` takes."""
    finite = np.asarray(np.isfinite(boxes).all(axis=1))
    checked = np.where(finite[:, None], boxes, 0).astype(np.float64)
    sides = checked[:, 2:] - checked[:, :2]
    fits = (sides >= LEAST_SIDE) & (sides <= np.array(image.shape[1::-1]))
    return np.asarray(finite & fits.all(axis=1) & still_visible(checked, image))


def graded(shares: FloatArray, *, least: float) -> FloatArray:
    """Scores (n,) of measures 0..1 of how alike a target is: `LOST_SCORE` at `least`, straight lines to both sides.

    ValueError for a `least` that is not between 0 and 1.
    """
    if not 0 < least < 1:
        raise ValueError(f"the least measure of a target that is there must lie between 0 and 1, got {least}")
    return np.interp(shares, [0, least, 1], [0, LOST_SCORE, 1])


def expected(around: FloatArray | None, boxes: FloatArray) -> FloatArray:
    """Boxes (n, 4) around which to search: of `around`, or of `boxes` in rows where that is no box.

    ValueError where there is not a row for each target.
    """
    if around is None:
        return boxes.copy()
    if around.shape != boxes.shape:
        raise ValueError(f"around must be {boxes.shape}, a box for each target, got {around.shape}")
    with np.errstate(invalid="ignore"):
        sides = (around[:, 2:] - around[:, :2]).min(axis=1)
    usable = np.asarray(np.isfinite(around).all(axis=1) & (sides >= LEAST_SIDE))
    return np.where(usable[:, None], around, boxes).astype(np.float64)


def learning(learn: BoolArray | None, count: int) -> BoolArray:
    """Which of `count` targets may be learned from (count,): those in `learn`, or all. ValueError for another shape."""
    if learn is None:
        return np.ones(count, dtype=bool)
    if learn.shape != (count,):
        raise ValueError(f"learn must be ({count},), a value for each target, got {learn.shape}")
    return learn


def placed_boxes(rows: BoolArray, boxes: FloatArray, before: FloatArray) -> FloatArray:
    """Boxes (n, 4): `boxes` (k, 4) in the mask `rows` (n,), `before` (n, 4) elsewhere. Raises ValueError."""
    if rows.shape != (len(before),) or boxes.shape != (int(rows.sum()), 4):
        raise ValueError(f"{boxes.shape} boxes for {int(rows.sum())} of {len(rows)} targets; there are {len(before)}")
    if not (np.isfinite(boxes).all() and (boxes[:, 2:] - boxes[:, :2] >= LEAST_SIDE).all()):
        raise ValueError(f"a target is placed by a box of at least {LEAST_SIDE:g} x {LEAST_SIDE:g} pixels")
    after = before.copy()
    after[rows] = boxes
    return after


def still_visible(boxes: FloatArray, image: ImageArray) -> BoolArray:
    """Which of the boxes (n, 4) have their middle within the picture (n,)."""
    height, width = image.shape[:2]
    middle = centres(boxes)
    return np.asarray(((middle >= 0) & (middle < [width, height])).all(axis=1))
