"""How much larger or smaller a target has become: a correlation filter over sizes (Danelljan et al. 2014, DSST)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.fft

from trackers.columns import Columns
from trackers.geometry import centres, to_xywh
from trackers.patches import boxes_around, patches
from trackers.structures import BoolArray, ComplexArray, FloatArray, ImageArray, State

Features = Callable[[ImageArray], FloatArray]  # patches (n, h, w, 3) -> (n, channels, h / 4, w / 4)


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
        offsets = np.arange(scales) - scales // 2
        self.factors = step ** offsets.astype(np.float64)  # (scales,) sizes that are looked at
        wanted = np.exp(-0.5 * (offsets / (spread * np.sqrt(scales))) ** 2)
        self._wanted = np.fft.rfft(wanted).astype(np.complex64)  # G of eq. 2
        self._window = np.hanning(scales + 2)[1:-1].astype(np.float32)
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
            samples = self._samples(image, boxes[rows])
            answers = (np.conj(self._numerators[rows]) * samples).sum(axis=1)
            answers /= self._denominators[rows] + self._regularisation
            found[rows] = self.factors[scipy.fft.irfft(answers, n=len(self.factors), axis=1).argmax(axis=1)]
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
        """Each target in every size, over frequencies of size: (n, channels, frequencies) complex64."""
        count, scales = len(boxes), len(self.factors)
        sides = to_xywh(boxes)[:, None, 2:] * self.factors[:, None]
        middles = np.repeat(centres(boxes), scales, axis=0)
        looks = patches(image, boxes_around(middles, sides.reshape(-1, 2)), width=self._side, height=self._side)
        channels = self._features(looks).reshape(count, scales, -1) * self._window[:, None]
        return np.asarray(scipy.fft.rfft(np.moveaxis(channels, 1, 2), axis=2), np.complex64)
