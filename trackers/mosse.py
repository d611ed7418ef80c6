"""MOSSE (Bolme, Beveridge, Draper & Lui 2010): the first and fastest correlation filter, on grey values alone."""

from __future__ import annotations

import cv2
import numpy as np
import scipy.fft

from trackers.columns import Columns
from trackers.geometry import centres, to_xywh
from trackers.patches import boxes_around, patches
from trackers.peaks import peak_to_sidelobe, shifts, wanted_answers
from trackers.structures import BoolArray, ComplexArray, FloatArray, ImageArray, State
from trackers.targets import (
    Found,
    checked_boxes,
    checked_image,
    expected,
    graded,
    learning,
    placed_boxes,
    still_visible,
)

_LEAST_POWER = 1e-5  # keeps frequencies that no sample has from being divided by
_LEAST_NORM = 1e-3  # of a window of one colour


class Mosse:
    """Minimum output sum of squared error filters, one a target. Sizes stay as they were given. Row i is target i."""

    def __init__(
        self,
        *,
        side: int = 64,
        context: float = 2.0,
        spread: float = 2.0,
        rate: float = 0.125,
        perturbations: int = 8,
        lost_ratio: float = 8.0,
        sure_ratio: float = 20.0,
        seed: int = 0,
    ) -> None:
        """`side`: of the window that is looked at, samples. `context`: its sides in sides of the target.

        `spread`: standard deviation of the wanted answer, samples. `rate`: eta of eq. 11, 12. `perturbations`: small
        random turns and stretches of the first picture that are learned, too (sec. 3.4). Below a peak-to-sidelobe
        ratio of `lost_ratio` nothing is learned (sec. 3.5); from `sure_ratio` on the score is 1.
        """
        if side < 12:
            raise ValueError(f"side is {side}; answers below 12 samples have no sidelobe")
        self._side, self._context, self._rate = side, context, rate
        self._perturbations, self._seed = perturbations, seed
        self._lost_ratio, self._sure_ratio = lost_ratio, sure_ratio
        window = np.hanning(side + 2)[1:-1]
        self._window = np.outer(window, window).astype(np.float32)
        self._wanted = np.asarray(scipy.fft.rfft2(wanted_answers(side, np.array([spread]))[0]), np.complex64)  # G
        self._boxes: FloatArray = np.zeros((0, 4))
        self._numerators = np.zeros((0, *self._wanted.shape), np.complex64)  # A of eq. 11
        self._denominators = np.zeros((0, *self._wanted.shape), np.float32)  # B of eq. 12
        self._columns = Columns(self, ("_boxes", "_numerators", "_denominators"))

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
        looks = self._looks(image, boxes)
        numerators, denominators = self._learned(looks)
        for turned in self._perturbed(looks):
            more, power = self._learned(turned)
            numerators += more
            denominators += power
        looked_at = 1 + self._perturbations  # of means, so that a later picture weighs `rate` beside them
        self._columns.append(_boxes=boxes, _numerators=numerators / looked_at, _denominators=denominators / looked_at)

    def update(self, image: ImageArray, *, around: FloatArray | None = None, learn: BoolArray | None = None) -> Found:
        """Look for every target in the next picture; see TargetTracker."""
        image = checked_image(image)
        places = expected(around, self._boxes)
        if not len(places):
            return Found(places, np.zeros(0))
        samples = scipy.fft.rfft2(self._prepared(self._looks(image, places)))
        filters = self._numerators / (self._denominators + _LEAST_POWER)  # H* of eq. 10
        answers = scipy.fft.irfft2(samples * filters, s=(self._side, self._side))
        ratios = peak_to_sidelobe(answers)
        pitch = to_xywh(places)[:, 2:] * self._context / self._side  # pixels of the picture per sample
        moved = places + np.tile(shifts(answers) * pitch, 2)
        sure = (ratios >= self._lost_ratio) & still_visible(moved, image)
        self._boxes[sure] = moved[sure]
        self._learn(image, sure & learning(learn, len(sure)))
        scores = graded(ratios / self._sure_ratio, least=self._lost_ratio / self._sure_ratio)
        return Found(self.boxes, np.where(still_visible(moved, image), scores, 0.0))

    def place(self, rows: BoolArray, boxes: FloatArray) -> None:
        """Say where the targets in the mask `rows` are by now; see TargetTracker."""
        self._boxes = placed_boxes(rows, boxes, self._boxes)

    def keep(self, rows: BoolArray) -> None:
        """Forget the targets that are not in the mask `rows`."""
        self._columns.keep(rows)

    def to_arrays(self) -> State:
        """Everything that is known of the targets."""
        return self._columns.to_arrays()

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        self._columns.from_arrays(state)

    def _learn(self, image: ImageArray, rows: BoolArray) -> None:
        """Running averages of numerator and denominator (eq. 11, 12) of the targets `rows`."""
        if not rows.any():
            return
        numerators, denominators = self._learned(self._looks(image, self._boxes[rows]))
        self._numerators[rows] += self._rate * (numerators - self._numerators[rows])
        self._denominators[rows] += self._rate * (denominators - self._denominators[rows])

    def _learned(self, looks: ImageArray) -> tuple[ComplexArray, FloatArray]:
        """G F* and F F* of windows (n, side, side)."""
        samples = scipy.fft.rfft2(self._prepared(looks))
        return self._wanted * np.conj(samples), np.abs(samples) ** 2

    def _looks(self, image: ImageArray, boxes: FloatArray) -> ImageArray:
        """The grey windows around boxes (n, 4): (n, side, side)."""
        windows = boxes_around(centres(boxes), to_xywh(boxes)[:, 2:] * self._context)
        seen = patches(image, windows, width=self._side, height=self._side)
        grey = cv2.cvtColor(seen.reshape(-1, self._side, 3), cv2.COLOR_BGR2GRAY)
        return np.asarray(grey, np.uint8).reshape(seen.shape[:3])

    def _prepared(self, looks: ImageArray) -> FloatArray:
        """Logarithm, mean 0, norm 1, and a cosine window, so that borders do not count (sec. 3.1), (n, side, side)."""
        values = np.log1p(looks.astype(np.float32))
        values -= values.mean(axis=(1, 2), keepdims=True)
        values /= np.sqrt((values**2).sum(axis=(1, 2), keepdims=True)) + _LEAST_NORM
        return np.asarray(values * self._window)

    def _perturbed(self, looks: ImageArray) -> list[ImageArray]:
        """The windows turned and stretched a little, at random but always alike."""
        chance = np.random.default_rng(self._seed)
        middle = (self._side - 1) / 2
        turned = []
        for _ in range(self._perturbations):
            map_ = cv2.getRotationMatrix2D((middle, middle), chance.uniform(-8, 8), chance.uniform(0.93, 1.07))
            size, border = (self._side, self._side), cv2.BORDER_REPLICATE
            turned.append(np.stack([cv2.warpAffine(one, map_, size, borderMode=border) for one in looks]))
        return turned
