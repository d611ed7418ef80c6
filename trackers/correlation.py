"""Correlation filters of many channels that learn from the background: Galoogahi, Fagg & Lucey 2017 (BACF).

A filter answers, for every shift of a search region around the target, how alike it is there. It is learned from the
region's own shifts, which in the frequency domain costs one division a frequency. Shifts beyond the border wrap round
and are no real pictures; so the filter is kept to the target's own size, while real background is what it learns to
refuse. Sizes are found by a filter of their own (scale_filter.py). All targets go through one transform.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.fft

from trackers.columns import Columns
from trackers.geometry import centres, to_xywh
from trackers.patches import boxes_around, patches
from trackers.peaks import peak_to_sidelobe, shifts, wanted_answers
from trackers.scale_filter import ScaleFilter
from trackers.structures import BoolArray, ComplexArray, FloatArray, ImageArray, IntArray, State, joined, part_of
from trackers.targets import (
    LEAST_SIDE,
    Found,
    checked_boxes,
    checked_image,
    expected,
    graded,
    learning,
    placed_boxes,
    still_visible,
)

Features = Callable[[ImageArray], FloatArray]  # patches (n, h, w, 3) -> (n, channels, cells, cells)

_FRESH = 0.75  # how high and clear a new picture is answered, in shares of the one that was learned from; about

# Odd, without a pattern: fractional parts of the square roots of 2, 3, 5 and 7, times 2^64.
_MULTIPLIERS = np.array([0x6A09E667F3BCC909, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1], np.uint64)


class Correlation:
    """Follows targets by what distinguishes them from their surroundings. Row i is target i."""

    def __init__(
        self,
        features: Features,
        *,
        scale: ScaleFilter | None = None,
        cells: int = 24,
        cell: int = 4,
        region: float = 3.5,
        spread: float = 1 / 16,
        rate: float = 0.035,
        regularisation: float = 0.001,
        steps: int = 2,
        penalty: float = 300.0,
        learn_share: float = 0.7,
        lost_share: float = 0.3,
        usual_rate: float = 0.05,
        chance: float = 0.0,
        largest_growth: float = 8.0,
        every: int = 1,
    ) -> None:
        """`scale`: finds sizes; without one they stay. `cells`: along a side of the square search region.

        `cell`: pixels along the side of what `features` make one cell of. `region`: its side in mean sides of the
        target. `spread`: standard deviation of the wanted answer, in mean sides. `rate`: share of a new picture in what
        is known. `regularisation`: lambda of `background_aware`, with as many `steps` and a first `penalty` (the
        paper's is the number of cells in the region). `every`: in each so many-th picture a target gets a new size and
        is learned from; targets take turns, see `first_turns`. `largest_growth`: a target becomes at most so many times
        larger or smaller than it was given.

        The score comes from the height of the answer's peak or its peak-to-sidelobe ratio, whichever is the smaller
        share of what is usual for the target; `chance`, which a place without the target comes to, counts as none of
        it. From `learn_share` on the new picture is learned, and blended into what is usual by `usual_rate`; below
        `lost_share` the target is taken to be elsewhere, and its box stays.
        """
        self._features, self._scale, self._cells, self._region = features, scale, cells, region
        self._side = cells * cell  # of the patches that are looked at, pixels
        self._spread, self._rate, self._regularisation, self._steps = spread, rate, regularisation, steps
        self._penalty = penalty
        self._learn_share, self._lost_share, self._usual_rate = learn_share, lost_share, usual_rate
        self._chance = chance
        self._largest_growth, self._every = largest_growth, every
        if every < 1:
            raise ValueError(f"every is {every}; a target's turn comes in each picture (1) or less often")
        if cells < 12:
            raise ValueError(f"cells is {cells}; answers below 12 cells have no sidelobe")
        window = np.hanning(cells + 2)[1:-1]
        self._window = np.outer(window, window).astype(np.float32)
        self._shape = (cells, cells)
        spectrum = (cells, cells // 2 + 1)
        self._boxes: FloatArray = np.zeros((0, 4))
        self._given = np.zeros((0, 2))  # width and height of each target when it was given, pixels
        self._turns = np.zeros(0, np.int64)  # pictures until each target's turn
        self._usual = np.zeros((0, 2))  # height and ratio of each target's answers when it is there
        self._inside = np.zeros((0, 1, *self._shape), np.float32)  # 1 where the filter may be other than 0
        self._wanted = np.zeros((0, 1, *spectrum), np.complex64)
        self._known: ComplexArray = np.zeros((0, 0, *spectrum), np.complex64)  # targets and their surroundings
        self._filters: ComplexArray = np.zeros((0, 0, *spectrum), np.complex64)
        names = ("_boxes", "_given", "_turns", "_usual", "_inside", "_wanted", "_known", "_filters")
        self._columns = Columns(self, names)

    @property
    def boxes(self) -> FloatArray:
        """Where the targets were found last (n, 4)."""
        return self._boxes.copy()

    def add(self, image: ImageArray, boxes: FloatArray) -> None:
        """Learn further targets; see TargetTracker."""
        image = checked_image(image)
        boxes = checked_boxes(boxes, image)
        if not len(boxes):
            return
        sides = to_xywh(boxes)[:, 2:]
        mean_sides = np.sqrt(sides.prod(axis=1))
        reach = sides / mean_sides[:, None] * (self._cells / self._region)  # cells that a target is wide and high
        samples = self._samples(image, boxes)
        answers = wanted_answers(self._cells, self._spread * self._cells / self._region * np.ones(len(boxes)))
        wanted, inside = scipy.fft.rfft2(answers)[:, None], _middles(self._cells, reach)
        filters = self._learned(samples, wanted, inside)
        self._columns.append(
            _boxes=boxes,
            _given=sides,
            _turns=first_turns(boxes, self._every),
            _usual=_seen(self._answers(samples, filters)) * _FRESH,
            _inside=inside,
            _wanted=wanted,
            _known=samples,
            _filters=filters,
        )
        if self._scale is not None:
            self._scale.add(image, boxes)

    def update(self, image: ImageArray, *, around: FloatArray | None = None, learn: BoolArray | None = None) -> Found:
        """Look for every target in the next picture; see TargetTracker."""
        image = checked_image(image)
        places = expected(around, self._boxes)
        if not len(places):
            return Found(places, np.zeros(0))
        answers = self._answers(self._samples(image, places), self._filters)
        may = learning(learn, len(places))
        shares = self._compared(answers, may)
        moved = places + np.tile(shifts(answers) * self._pitch(places), 2)
        shares[~still_visible(moved, image)] = 0
        found = shares >= self._lost_share
        self._boxes[found] = moved[found]
        turn = self._next_turn()
        self._resize(image, found & turn)
        self._learn(image, may & turn & (shares >= self._learn_share))
        return Found(self.boxes, graded(shares, least=self._lost_share))

    def place(self, rows: BoolArray, boxes: FloatArray) -> None:
        """Say where the targets in the mask `rows` are by now; see TargetTracker."""
        self._boxes = placed_boxes(rows, boxes, self._boxes)

    def keep(self, rows: BoolArray) -> None:
        """Forget the targets that are not in the mask `rows`."""
        self._columns.keep(rows)
        if self._scale is not None:
            self._scale.keep(rows)

    def to_arrays(self) -> State:
        """Everything that is known of the targets."""
        scale = {} if self._scale is None else self._scale.to_arrays()
        return joined({"targets": self._columns.to_arrays(), "scale": scale})

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        self._columns.from_arrays(part_of(state, "targets"))
        if self._scale is not None:
            self._scale.from_arrays(part_of(state, "scale"))

    def _answers(self, samples: ComplexArray, filters: ComplexArray) -> FloatArray:
        """What each target's filter says of each shift of its sample (n, cells, cells)."""
        return np.asarray(scipy.fft.irfft2((np.conj(filters) * samples).sum(axis=1), s=self._shape))

    def _compared(self, answers: FloatArray, may: BoolArray) -> FloatArray:
        """How high and clear the answers (n, cells, cells) are, in shares of what is usual (n,) 0..1.

        What is usual is learned of the targets `may` (n,).
        """
        seen = _seen(answers)
        shares = np.divide(seen, self._usual, out=np.zeros_like(seen), where=self._usual > 0).min(axis=1)
        shares = ((shares - self._chance) / (1 - self._chance)).clip(0, 1)
        sure = may & (shares >= self._learn_share)  # what is usual must not sink while the target is covered
        self._usual[sure] += self._usual_rate * (seen[sure] - self._usual[sure])
        return np.asarray(shares)

    def _next_turn(self) -> BoolArray:
        """Whose turn it is in this picture (n,)."""
        turn = np.asarray(self._turns == 0)
        self._turns = np.where(turn, self._every, self._turns) - 1
        return turn

    def _resize(self, image: ImageArray, rows: BoolArray) -> None:
        """Give the targets `rows` the size at which they are most alike."""
        if self._scale is None:
            return
        factors = self._scale.factors_of(image, self._boxes, rows)[:, None]
        sides = to_xywh(self._boxes)[:, 2:] * factors
        least = np.maximum(self._given / self._largest_growth, LEAST_SIDE)
        fits = rows & ((sides >= least) & (sides <= self._given * self._largest_growth)).all(axis=1)
        self._boxes[fits] = boxes_around(centres(self._boxes), sides)[fits]

    def _learn(self, image: ImageArray, rows: BoolArray) -> None:
        """Blend what the targets `rows` look like into what is known of them, and learn their filters anew."""
        if not rows.any():
            return
        self._known[rows] += self._rate * (self._samples(image, self._boxes[rows]) - self._known[rows])
        self._filters[rows] = self._learned(self._known[rows], self._wanted[rows], self._inside[rows])
        if self._scale is not None:
            self._scale.learn(image, self._boxes, rows)

    def _learned(self, known: ComplexArray, wanted: ComplexArray, inside: FloatArray) -> ComplexArray:
        """Filters of what is known of targets; see `background_aware`."""
        return background_aware(
            known,
            wanted,
            inside,
            regularisation=self._regularisation,
            steps=self._steps,
            penalty=self._penalty,
        )

    def _samples(self, image: ImageArray, boxes: FloatArray) -> ComplexArray:
        """Spectra of the search regions around boxes (n, 4): (n, channels, cells, cells / 2 + 1) complex64."""
        regions = boxes_around(centres(boxes), self._pitch(boxes) * self._cells)
        seen = self._features(patches(image, regions, width=self._side, height=self._side))
        seen *= self._window
        return np.asarray(scipy.fft.rfft2(seen), np.complex64)

    def _pitch(self, boxes: FloatArray) -> FloatArray:
        """Pixels of the picture per cell of each target's search region (n, 1)."""
        mean_sides = np.sqrt(to_xywh(boxes)[:, 2:].prod(axis=1, keepdims=True))
        return np.asarray(mean_sides * self._region / self._cells)


def first_turns(boxes: FloatArray, every: int) -> IntArray:
    """Pictures until the first turn of targets given by boxes (n, 4): (n,), 0 .. every - 1.

    By where they are, which spreads targets over the pictures and lets each go alone as it goes among others. Whole
    corners are hashed, since those of targets in rows and columns have factors in common with `every`.
    """
    corners = np.floor(boxes).astype(np.int64).view(np.uint64)
    mixed = (corners * _MULTIPLIERS).sum(axis=1, dtype=np.uint64)  # modulo 2^64
    mixed = (mixed ^ (mixed >> np.uint64(32))) * _MULTIPLIERS[0]
    return np.asarray((mixed >> np.uint64(33)) % np.uint64(every), np.int64)


def background_aware(
    known: ComplexArray,
    wanted: ComplexArray,
    inside: FloatArray,
    *,
    regularisation: float,
    steps: int,
    penalty: float = 1.0,
    growth: float = 10.0,
) -> ComplexArray:
    """Spectra of the filters that answer `wanted` to `known` and are 0 outside of `inside`.

    Galoogahi et al. 2017, eq. 3, over the T positions of a region, with filters h, what is known x, wanted answers y:

        min 1/2 sum_T |y - sum_k h_k * x_k|^2 + regularisation / 2 sum_k |h_k|^2   subject to   h = inside h

    by as many `steps` of the alternating direction method of multipliers (Boyd et al. 2011, sec. 3.1.1, scaled form):
    a free filter g from one linear system of rank one a frequency (Sherman-Morrison, their eq. 12), h by shrinking what
    of it lies inside (their eq. 6), the multipliers by what is left between the two. The `penalty` on that rest grows
    by the factor `growth` a step, and the scaled multipliers shrink with it (Boyd sec. 3.4.1). The paper's penalty of 1
    is one of T here, since it weighs spectra that are not normalised against errors that are.

    `known` (n, channels, h, w / 2 + 1) complex, `wanted` (n, 1, h, w / 2 + 1), `inside` (n, 1, h, w): what `rfft2`
    gives. Returns spectra like `known`.
    """
    power = (np.abs(known) ** 2).sum(axis=1, keepdims=True)
    aimed = known * np.conj(wanted)
    # Products with reciprocals here and below: NumPy divides complex numbers several times as slowly.
    free = aimed * (1 / (penalty + power))  # what the linear system comes down to while nothing is kept
    kept = _kept(free, inside * (penalty / (regularisation + penalty)))
    multipliers = free - kept
    for _ in range(steps - 1):
        multipliers *= 1 / growth
        penalty *= growth
        right = kept - multipliers
        right *= penalty
        right += aimed
        along = (np.conj(known) * right).sum(axis=1, keepdims=True) * (1 / (penalty + power))
        free = right - known * along
        free *= 1 / penalty
        multipliers += free
        kept = _kept(multipliers, inside * (penalty / (regularisation + penalty)))
        multipliers -= kept
    return kept


def _kept(spectra: ComplexArray, share: FloatArray) -> ComplexArray:
    """Spectra of what has the `spectra`, times `share` (n, 1, h, w) at each place."""
    spatial = scipy.fft.irfft2(spectra, s=share.shape[-2:])
    spatial *= share
    return np.asarray(scipy.fft.rfft2(spatial), np.complex64)


def _seen(answers: FloatArray) -> FloatArray:
    """Height and peak-to-sidelobe ratio of each answer (n, cells, cells): (n, 2), not below 0."""
    seen = np.stack([answers.max(axis=(1, 2)), peak_to_sidelobe(answers)], axis=1)
    return np.asarray(np.maximum(seen, 0), np.float64)


def _middles(cells: int, reach: FloatArray) -> FloatArray:
    """1 within `reach` (n, 2) cells, width and height, around the middle of the region: (n, 1, cells, cells)."""
    steps = np.abs(np.arange(cells) - (cells - 1) / 2)
    half = np.maximum(reach / 2, 1)
    there = (steps <= half[:, 1:])[:, :, None] & (steps <= half[:, :1])[:, None, :]
    return np.asarray(there[:, None], np.float32)
