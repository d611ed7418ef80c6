"""How much larger or smaller a target has become: a correlation filter over sizes (Danelljan et al. 2014, DSST)."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import scipy.fft

from trackers.columns import Columns
from trackers.patches import grown, patches
from trackers.peaks import parabola_top
from trackers.structures import BoolArray, ComplexArray, FloatArray, ImageArray, State

Features = Callable[[ImageArray], FloatArray]  # patches (n, h, w, 3) -> (n, channels, down, across)


class ScaleFilter:
    """Looks at every target in several sizes at once. Row i is the same target everywhere.

    Each size's patch is one sample along a dimension "size" with as many channels as it has features. A filter over
    that dimension, learned as any other (sec. 3.1), answers how far along it the target has moved.
    """

    def __init__(
        self,
        features: Features,
        *,
        scales: int = 33,
        step: float = 1.02,
        side: int = 24,
        rate: float = 0.025,
        regularisation: float = 0.01,
        spread: float = 0.25,
    ) -> None:
        """`scales`: how many sizes, each `step` times the one before. `side`: of a patch, pixels.

        `rate`: share of a new sample in what is known (eta). `regularisation`: lambda of eq. 4. `spread`: standard
        deviation of the wanted answer, in square roots of the number of sizes.
        """
        self._features, self._side, self._rate, self._regularisation = features, side, rate, regularisation
        if scales < 3:
            raise ValueError(f"scales is {scales}; what grows and what shrinks is told apart from three sizes on")
        self._scales, self._step = scales, step
        offsets = np.arange(scales) - scales // 2  # steps from the size that a target has
        wanted = np.exp(-0.5 * (offsets / (spread * np.sqrt(scales))) ** 2)
        self._wanted = np.fft.rfft(wanted).astype(np.complex64)  # G of eq. 2
        self._window = np.hanning(scales + 2)[1:-1].astype(np.float32)
        # All sizes are cut from one piece of the picture: the largest, fine enough for the smallest.
        factors = step ** offsets.astype(np.float64)
        self._largest = float(factors[-1])
        self._fine = int(np.ceil(side * factors[-1] / factors[0]))
        self._places = _places(self._fine * factors / factors[-1], side, self._fine)
        frequencies = len(self._wanted)
        self._numerators: ComplexArray = np.zeros((0, 0, frequencies), np.complex64)  # A_t of each target and channel
        self._denominators = np.zeros((0, frequencies), np.float32)  # B_t of each target
        self._columns = Columns(self, ("_numerators", "_denominators"))

    def add(self, image: ImageArray, boxes: FloatArray) -> None:
        """Learn further targets, boxes (k, 4)."""
        numerators, denominators = self._learned(self._samples(image, boxes))
        self._columns.append(_numerators=numerators, _denominators=denominators)

    def factors_of(self, image: ImageArray, boxes: FloatArray, rows: BoolArray) -> FloatArray:
        """How many times larger than its box each of the targets `rows` is (n,); 1 for the others (eq. 6)."""
        found = np.ones(len(boxes))
        if rows.any():
            answers = (np.conj(self._numerators[rows]) * self._samples(image, boxes[rows])).sum(axis=1)
            answers *= 1 / (self._denominators[rows] + self._regularisation)
            highest = _highest(scipy.fft.irfft(answers, n=self._scales, axis=1))
            found[rows] = self._step ** (highest - self._scales // 2)
        return found

    def learn(self, image: ImageArray, boxes: FloatArray, rows: BoolArray) -> None:
        """Blend what the targets `rows` look like now into what is known of them (eq. 5a, 5b)."""
        if not rows.any():
            return
        numerators, denominators = self._learned(self._samples(image, boxes[rows]))
        self._numerators[rows] += self._rate * (numerators - self._numerators[rows])
        self._denominators[rows] += self._rate * (denominators - self._denominators[rows])

    def keep(self, rows: BoolArray) -> None:
        """Forget the targets that are not in the mask `rows` (n,)."""
        self._columns.keep(rows)

    def to_arrays(self) -> State:
        """Everything that is known of the targets."""
        return self._columns.to_arrays()

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        self._columns.from_arrays(state)

    def _learned(self, samples: ComplexArray) -> tuple[ComplexArray, FloatArray]:
        """Numerators conj(G) F of every channel and their common denominator (eq. 4); the filter is their quotient."""
        return np.conj(self._wanted) * samples, (np.abs(samples) ** 2).sum(axis=1)

    def _samples(self, image: ImageArray, boxes: FloatArray) -> ComplexArray:
        """What boxes (n, 4) show in every size, over frequencies of size: (n, channels, frequencies) complex64."""
        count, scales, side = len(boxes), self._scales, self._side
        widest = patches(image, grown(boxes, self._largest), width=self._fine, height=self._fine)
        looks = np.empty((count, scales * side, side, *image.shape[2:]), np.uint8)
        for look, piece in zip(looks, widest, strict=True):
            look[...] = cv2.remap(piece, *self._places, cv2.INTER_LINEAR)
        seen = self._features(looks.reshape(count * scales, side, side, *image.shape[2:]))
        channels = seen.reshape(count, scales, int(np.prod(seen.shape[1:]))) * self._window[:, None]
        return np.ascontiguousarray(scipy.fft.rfft(channels, axis=1).swapaxes(1, 2), np.complex64)


def _places(sides: FloatArray, side: int, whole: int) -> tuple[FloatArray, FloatArray]:
    """Where the pixels of patches `side` x `side` lie that show the middle `sides` (k,) of a piece `whole` x `whole`.

    Patches one below the other, for cv2.remap: x and y of each pixel, (k * side, side) float32.
    """
    steps = (np.arange(side) + 0.5) / side - 0.5  # from the middle, in sides
    along = (whole / 2 - 0.5 + steps * sides[:, None]).astype(np.float32)  # (k, side)
    return np.repeat(along, side, axis=0), np.tile(along.reshape(-1, 1), side)


def _highest(answers: FloatArray) -> FloatArray:
    """Where each answer (n, scales) is highest, between samples (n,)."""
    every, last = np.arange(len(answers)), answers.shape[1] - 1
    place = answers.argmax(axis=1)
    inner = np.clip(place, 1, last - 1)
    top = parabola_top(answers[every, inner - 1], answers[every, inner], answers[every, inner + 1])
    return np.asarray(np.where(place == inner, inner + top, place), np.float64)
