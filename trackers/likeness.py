"""How much boxes look like targets: in shares, which mean the same whatever describes the looks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trackers.columns import Columns
from trackers.structures import BoolArray, FloatArray, ImageArray, IntArray, State, joined, part_of
from trackers.template_gallery import TemplateGallery

Embed = Callable[[ImageArray, FloatArray], FloatArray]  # a picture, boxes (m, 4) -> looks (m, d) of unit length

_FRESH = 0.75  # likeness of the next pictures to the first; about
_AROUND = np.array([(x, y) for x in (-1.5, 0, 1.5) for y in (-1.5, 0, 1.5) if (x, y) != (0, 0)])  # sides of a target
_LEAST_GAP = 0.05  # between what a target and what its surroundings look like; with less, nothing is like it
_EVERY = 5  # pictures after which looks are learned again
_RECENT = 0.3  # share of a new likeness in what it was of late
_RATE = 0.2  # share of a new likeness in what is usual


class JoinedLooks:
    """Looks by several descriptions at once: a cosine of theirs is the mean of the parts' cosines.

    What one takes for the target the other seldom does: networks that were made for different ends err differently.
    """

    def __init__(self, *parts: Embed) -> None:
        self._parts = parts

    def __call__(self, image: ImageArray, boxes: FloatArray) -> FloatArray:
        """Looks (n, d) of unit length of what the boxes (n, 4) show; zeros where one of the parts can tell nothing."""
        looks = [part(image, boxes) for part in self._parts]
        seen = np.concatenate(looks, axis=1) / np.sqrt(len(looks))
        seen[~np.all([one.any(axis=1) for one in looks], axis=0)] = 0
        return np.asarray(seen, np.float64)


class Likeness:
    """What the targets look like, usually and of late. Row i is target i.

    A share is part of the way from what surrounds a target (0) to what it usually looks like (1), by cosines of looks.
    """

    def __init__(self, embed: Embed, *, least: float, gallery: TemplateGallery | None = None) -> None:
        """`least`: share from which a look is the target's own and may be learned."""
        self._embed, self._least = embed, least
        self._gallery = TemplateGallery() if gallery is None else gallery
        self._age = np.zeros(0, np.int64)  # pictures since a target was learned
        self._recent = np.zeros(0)  # share of late
        self._usual = np.zeros(0)  # cosine of a target's looks and its gallery
        self._others = np.zeros(0)  # the same of what surrounds it
        self._columns = Columns(self, ("_age", "_recent", "_usual", "_others"))

    @property
    def recent(self) -> FloatArray:
        """Share of the targets' looks of late (n,) 0..1."""
        return self._recent.clip(0, 1)

    def start(self, image: ImageArray, boxes: FloatArray) -> None:
        """Further targets, in the boxes (k, 4) of the picture."""
        count = len(boxes)
        rows = np.arange(len(self._age), len(self._age) + count)
        self._gallery.start(self._embed(image, boxes))
        others = self._surrounding(image, boxes, rows)
        self._columns.append(
            _age=np.zeros(count, np.int64),
            _recent=np.ones(count),
            _usual=np.maximum(_FRESH, others + _LEAST_GAP),
            _others=others,
        )

    def shares(self, image: ImageArray, rows: IntArray, boxes: FloatArray) -> FloatArray:
        """How much the boxes (m, 4) look like the targets `rows` (m,): 0 as what surrounds them does, 1 as usual."""
        return self._compared(rows, self._embed(image, boxes)) if len(rows) else np.zeros(0)

    def learn(self, image: ImageArray, boxes: FloatArray, surely: BoolArray) -> None:
        """Learn now and then what the targets look like that are `surely` (n,) in the boxes (n, 4)."""
        self._age += 1
        rows = np.flatnonzero(surely & (self._age % _EVERY == 0))
        if len(rows) == 0:
            return
        looks = self._embed(image, boxes[rows])
        likeness = self._compared(rows, looks)
        self._recent[rows] += _RECENT * (likeness - self._recent[rows])
        own = likeness >= self._least
        rows, looks = rows[own], looks[own]
        self._usual[rows] += _RATE * (self._gallery.likeness(rows, looks) - self._usual[rows])
        self._usual[rows] = np.maximum(self._usual[rows], self._others[rows] + _LEAST_GAP)
        self._gallery.add(rows, looks)

    def keep(self, rows: BoolArray) -> None:
        """Forget the targets that are not in the mask `rows` (n,)."""
        self._gallery.keep(rows)
        self._columns.keep(rows)

    def to_arrays(self) -> State:
        """Everything but the settings."""
        return joined({"gallery": self._gallery.to_arrays(), "likeness": self._columns.to_arrays()})

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        self._gallery.from_arrays(part_of(state, "gallery"))
        self._columns.from_arrays(part_of(state, "likeness"))

    def _compared(self, rows: IntArray, looks: FloatArray) -> FloatArray:
        """The share of each of the looks (m, d), compared with the target in `rows` (m,)."""
        others = self._others[rows]
        return np.asarray((self._gallery.likeness(rows, looks) - others) / (self._usual[rows] - others))

    def _surrounding(self, image: ImageArray, boxes: FloatArray, rows: IntArray) -> FloatArray:
        """Mean cosine (k,) of what surrounds boxes (k, 4) and the first looks of the targets `rows` (k,)."""
        sides = boxes[:, 2:] - boxes[:, :2]
        near = (boxes[:, None] + np.tile(_AROUND * sides[:, None], 2)).reshape(-1, 4)
        looks = self._embed(image, near)
        cosines = self._gallery.likeness(rows.repeat(len(_AROUND)), looks)
        return np.asarray(cosines.reshape(len(boxes), -1).mean(axis=1))
