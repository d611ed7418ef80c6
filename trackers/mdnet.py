"""MDNet (Nam & Han 2016): every target has a small classifier of its own that goes on learning while it is followed.

What a box shows goes through a fixed network; fully connected layers on top of it tell target from background. They are
trained on boxes around the target in the picture where it is given, and on what was seen on the way. In the paper the
network's layers are learned from many videos, with a branch for each; here they come in as a callable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor
from torch.nn import functional

from trackers.box_regression import BoxRegression, learned, placed
from trackers.candidates import gaussian_boxes, overlapping, uniform_boxes
from trackers.geometry import centres
from trackers.patches import boxes_around, grown, patches
from trackers.structures import BoolArray, FloatArray, ImageArray
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

Features = Callable[[ImageArray], FloatArray]  # crops (n, side, side, 3) -> (n, c, h, w) or (n, d) float32

_POSITIVE_LEAST = 0.7  # IoU with the target's box from which a box shows the target (sec. 4.4)
_FIRST_MOST, _LATER_MOST = 0.5, 0.3  # IoU up to which it does not: in the first picture, in later ones (sec. 4.4)
_ROUGH_LEAST = 0.6  # IoU of the boxes that regression learns to put right (sec. 4.3)
_NEAR = 2.0  # sides of the target within which half of all that it is not is learned
_WIDEST = 2.5  # times the usual spread
_KEPT = 100  # examples of the first picture
_BEST = 5  # candidates whose mean is the result; the paper (eq. 1) tells of the best alone
_LEAST_DEVIATION = 1e-3  # of a feature; one that never changes is not divided by 0
_MOMENTUM, _DECAY = 0.9, 5e-4  # of gradient descent (sec. 4.4)
_POSITIVE, _HARD, _POOL = 32, 96, 512  # examples in a mini-batch, and negatives among which the hard ones are found


class Classifier:
    """Fully connected layers whose answer is above 0 for one target and below 0 for all else."""

    def __init__(self, width: int, *, hidden: int, rate: float, dropped: float, seed: int) -> None:
        """`width`: d of the features. `hidden`: neurons of each of two layers. `rate`: of learning.

        `dropped`: share of those neurons that is left out in training, others each time.
        """
        self._chance = torch.Generator().manual_seed(seed)
        self._rate, self._dropped = rate, dropped
        widths = [width, hidden, hidden, 1]
        self._weights = [
            (torch.randn(into, out, generator=self._chance) * (2 / into) ** 0.5).requires_grad_()
            for into, out in pairwise(widths)
        ]
        self._biases = [torch.zeros(out).requires_grad_() for out in widths[1:]]

    def odds(self, features: FloatArray) -> FloatArray:
        """How likely each of the features (n, d) is the target's: logarithm of the odds (n,) float64."""
        with torch.no_grad():
            return np.asarray(self._answers(torch.from_numpy(features)).numpy(), np.float64)

    def train(self, positives: FloatArray, negatives: FloatArray, *, rounds: int) -> None:
        """Learn in `rounds` mini-batches from features (n, d) of the target, n > 0, and (m, d) of all else, m > 0.

        Nam & Han 2016, sec. 4.2: of the negatives that are drawn, those are learned that are taken most for the
        target. Their loss, cross-entropy of two answers, is the logistic loss of the difference of the two.
        """
        good, bad = torch.from_numpy(positives), torch.from_numpy(negatives)
        layers = [*self._weights, *self._biases]
        pace = [torch.zeros_like(layer) for layer in layers]
        wanted = torch.cat([torch.ones(_POSITIVE), torch.zeros(_HARD)])
        for _ in range(rounds):
            some = good[torch.randint(len(good), (_POSITIVE,), generator=self._chance)]
            pool = bad[torch.randint(len(bad), (_POOL,), generator=self._chance)]
            with torch.no_grad():
                hard = pool[self._answers(pool).topk(_HARD).indices]
            answers = self._answers(torch.cat([some, hard]), dropped=self._dropped)
            loss = functional.binary_cross_entropy_with_logits(answers, wanted)
            slopes = torch.autograd.grad(loss, layers)
            with torch.no_grad():  # by hand: to load torch.optim takes longer than to follow a whole clip
                for layer, moved, slope in zip(layers, pace, slopes, strict=True):
                    moved.mul_(_MOMENTUM).add_(slope + _DECAY * layer)
                    layer.sub_(self._rate * moved)

    def _answers(self, features: Tensor, *, dropped: float = 0.0) -> Tensor:
        """Logarithm of the odds (n,); a share `dropped` of the hidden neurons is left out at random."""
        seen = features
        for weight, bias in zip(self._weights[:-1], self._biases[:-1], strict=True):
            seen = torch.relu(seen @ weight + bias)
            if dropped > 0:
                left = torch.rand(seen.shape, generator=self._chance) >= dropped
                seen = seen * left / (1 - dropped)
        answers: Tensor = seen @ self._weights[-1] + self._biases[-1]
        return answers[:, 0]


@dataclass(slots=True, eq=False)
class _Target:
    """What is known of one target, and how it goes."""

    given: FloatArray  # (2,) width and height when it was given, pixels
    mean: FloatArray  # (d,) of the features in its first picture
    deviation: FloatArray  # (d,) likewise
    classifier: Classifier
    regression: BoxRegression
    first: FloatArray  # (n, d) what it looked like in the first picture; never forgotten
    positives: deque[FloatArray]  # (n, d) of each of the last pictures in which it was found
    negatives: deque[FloatArray]  # (n, d) likewise, of what is around it
    chance: np.random.Generator
    spread: float  # of the candidates, in sides of the target
    seen: int = 0  # pictures since the first


class MdNet:
    """Follows targets by learning to tell each from its surroundings. Row i is target i."""

    def __init__(
        self,
        features: Features,
        *,
        side: int = 48,
        context: float = 1.2,
        candidates: int = 256,
        spread: float = 0.3,
        steps: float = 0.5,
        widening: float = 1.1,
        first_examples: tuple[int, int] = (300, 1500),
        later_examples: tuple[int, int] = (30, 90),
        first_rounds: int = 30,
        later_rounds: int = 10,
        every: int = 10,
        long_memory: int = 100,
        short_memory: int = 20,
        hidden: int = 128,
        rate: float = 0.01,
        dropped: float = 0.5,
        regularisation: float = 1000.0,
        lost_odds: float = 3.0,
        largest_growth: float = 8.0,
        seed: int = 0,
    ) -> None:
        """`side`: of the crops that `features` sees, pixels. `context`: their sides in the picture, in sides of a box.

        `candidates`: boxes in which the target is looked for in a picture, drawn by `gaussian_boxes` with `spread` and
        `steps`. Where it is not found, the spread grows by the factor `widening`, up to 2.5 times.

        `first_examples`, `later_examples`: boxes that show it and boxes that do not, learned from in its first picture
        and in each later one; as many `first_rounds` and `later_rounds` of `Classifier.train`. All that was kept of
        `long_memory` pictures is learned again `every` so many pictures, that of the last `short_memory` whenever the
        target is not found (sec. 4.1). `hidden`, `rate`, `dropped`: see `Classifier`. `regularisation`: of the
        regression of boxes. Below `lost_odds` (their logarithm; theirs: 0) the target is taken to be elsewhere, and
        its box stays. `largest_growth`: it becomes at most so many times larger or smaller than it was given.

        Each target has its own random numbers, by `seed`: together they go as they go alone.
        """
        self._features, self._side, self._context = features, side, context
        self._candidates, self._spread, self._steps, self._widening = candidates, spread, steps, widening
        self._first_examples, self._later_examples = first_examples, later_examples
        self._first_rounds, self._later_rounds, self._every = first_rounds, later_rounds, every
        self._long_memory, self._short_memory = long_memory, short_memory
        self._hidden, self._rate, self._dropped = hidden, rate, dropped
        self._regularisation, self._lost_odds = regularisation, lost_odds
        self._largest_growth, self._seed = largest_growth, seed
        self._boxes: FloatArray = np.zeros((0, 4))
        self._places: FloatArray = np.zeros((0, 4))  # the boxes before regression: they keep the given proportions
        self._targets: list[_Target] = []

    @property
    def boxes(self) -> FloatArray:
        """Where the targets were found last (n, 4)."""
        return self._boxes.copy()

    def add(self, image: ImageArray, boxes: FloatArray) -> None:
        """Learn further targets; see TargetTracker."""
        image = checked_image(image)
        boxes = checked_boxes(boxes, image)
        self._targets += [self._learned(image, box) for box in boxes]
        self._boxes = np.concatenate([self._boxes, boxes])
        self._places = np.concatenate([self._places, boxes])

    def update(self, image: ImageArray, *, around: FloatArray | None = None, learn: BoolArray | None = None) -> Found:
        """Look for every target in the next picture; see TargetTracker."""
        image = checked_image(image)
        places = expected(around, self._places)
        odds, may = np.zeros(len(self._boxes)), learning(learn, len(self._boxes))
        for row, target in enumerate(self._targets):
            place, box, odds[row] = self._look_for(image, target, places[row])
            if not still_visible(box[None], image)[0]:
                odds[row] = -np.inf
            found = bool(odds[row] >= self._lost_odds)
            if found:
                self._places[row], self._boxes[row] = place, box
            if may[row]:
                self._learn(image, target, place, found=found)
        return Found(self.boxes, graded(expit(odds), least=float(expit(self._lost_odds))))

    def place(self, rows: BoolArray, boxes: FloatArray) -> None:
        """Say where the targets in the mask `rows` are by now; see TargetTracker."""
        self._boxes = placed_boxes(rows, boxes, self._boxes)
        self._places = placed_boxes(rows, boxes, self._places)

    def keep(self, rows: BoolArray) -> None:
        """Forget the targets that are not in the mask `rows`."""
        self._boxes, self._places = self._boxes[rows], self._places[rows]
        self._targets = [target for target, kept in zip(self._targets, rows, strict=True) if kept]

    def _look_for(self, image: ImageArray, target: _Target, place: FloatArray) -> tuple[FloatArray, FloatArray, float]:
        """Where around `place` (4,) the target is most likely: the mean (4,) of the best candidates, the box (4,) that
        regression makes of them, and the logarithm of the odds that it is there.
        """
        drawn = gaussian_boxes(place, self._candidates, chance=target.chance, spread=target.spread, steps=self._steps)
        looks = self._looks(image, target, drawn)
        odds = target.classifier.odds(looks)
        best = np.argsort(-odds, kind="stable")[:_BEST]
        means = np.stack([drawn[best].mean(axis=0), placed(drawn[best], looks[best], target.regression).mean(axis=0)])
        least = np.maximum(target.given / self._largest_growth, LEAST_SIDE)
        sides = np.clip(means[:, 2:] - means[:, :2], least, target.given * self._largest_growth)
        moved, box = boxes_around(centres(means), sides)
        return moved, box, float(odds[best].mean())

    def _learned(self, image: ImageArray, box: FloatArray) -> _Target:
        """A target that is shown by `box` (4,)."""
        chance = np.random.default_rng(self._seed)
        positives, negatives = self._examples(image, box, chance, counts=self._first_examples, most=_FIRST_MOST)
        rough = overlapping(
            partial(gaussian_boxes, box, chance=chance, spread=0.15, steps=5.0, slant=0.2),
            2 * self._first_examples[0],
            box=box,
            least=_ROUGH_LEAST,
        )
        boxes = np.concatenate([positives, negatives, rough])
        looks = self._features_of(image, boxes)
        mean, deviation = looks.mean(axis=0), np.maximum(looks.std(axis=0), _LEAST_DEVIATION)
        looks = (looks - mean) / deviation
        good, bad, roughly = np.split(looks, np.cumsum([len(positives), len(negatives)]))
        regression = learned(roughly, rough, box, regularisation=self._regularisation)
        classifier = Classifier(
            looks.shape[1], hidden=self._hidden, rate=self._rate, dropped=self._dropped, seed=self._seed
        )
        classifier.train(good, bad, rounds=self._first_rounds)
        sample = good[:_KEPT]
        return _Target(
            given=box[2:] - box[:2],
            mean=mean,
            deviation=deviation,
            classifier=classifier,
            regression=regression,
            first=sample,
            positives=deque(maxlen=self._long_memory),
            negatives=deque([bad], maxlen=self._short_memory),
            chance=chance,
            spread=self._spread,
        )

    def _learn(self, image: ImageArray, target: _Target, box: FloatArray, *, found: bool) -> None:
        """Keep what is seen at `box` (4,) and around it where the target was found, and train when it is time to."""
        target.seen += 1
        if found:
            target.spread = self._spread
            positives, negatives = self._examples(
                image, box, target.chance, counts=self._later_examples, most=_LATER_MOST
            )
            looks = self._looks(image, target, np.concatenate([positives, negatives]))
            target.positives.append(looks[: len(positives)])
            target.negatives.append(looks[len(positives) :])
        else:
            target.spread = min(target.spread * self._widening, self._spread * _WIDEST)
        recent = list(target.positives)
        if not found:
            recent = recent[-self._short_memory :]
        elif target.seen % self._every:
            return
        target.classifier.train(
            np.concatenate([target.first, *recent]), np.concatenate(target.negatives), rounds=self._later_rounds
        )

    def _examples(
        self, image: ImageArray, box: FloatArray, chance: np.random.Generator, *, counts: tuple[int, int], most: float
    ) -> tuple[FloatArray, FloatArray]:
        """Boxes (n, 4) that show what `box` (4,) does, and boxes (m, 4) that overlap it by no more than `most`.

        Half of the second are near it, half are anywhere in the picture.
        """
        height, width = image.shape[:2]
        far = max(height, width) / (box[2:] - box[:2]).mean()
        same = partial(gaussian_boxes, box, chance=chance, spread=0.1, steps=1.5)
        positives = overlapping(same, counts[0], box=box, least=_POSITIVE_LEAST)
        others = partial(uniform_boxes, box, chance=chance, steps=5.0, width=width, height=height)
        negatives = [
            overlapping(partial(others, reach=reach), counts[1] // 2, box=box, most=most) for reach in (_NEAR, far)
        ]
        return positives, np.concatenate(negatives)

    def _looks(self, image: ImageArray, target: _Target, boxes: FloatArray) -> FloatArray:
        """What boxes (n, 4) show, as it differs from the target's first picture: (n, d) float32."""
        return np.asarray((self._features_of(image, boxes) - target.mean) / target.deviation)

    def _features_of(self, image: ImageArray, boxes: FloatArray) -> FloatArray:
        """Features (n, d) float32 of what boxes (n, 4) show with some of their surroundings."""
        crops = patches(image, grown(boxes, self._context), width=self._side, height=self._side)
        return np.asarray(self._features(crops), np.float32).reshape(len(boxes), -1)
