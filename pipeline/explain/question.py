"""Question: a number that a torch network gives, and the layer in which its reasons are looked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.models.inputs import Placement
from trackers.structures import FloatArray, Frame


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Why this number? Where in the picture it comes from is asked of one layer of the network."""

    inputs: Tensor  # (1, 3, H, W) what the network is given
    score: Callable[[Tensor], Tensor]  # (n, 3, H, W) -> (n,), differentiable
    layer: nn.Module  # gives a map (n, c, rows, columns) that covers the input
    place: Placement  # where the picture, or the crop, lies in the input
    asked: str = ""  # whose gradients, where the number is that of several networks; empty: there is but one


class DetectorQuestions(Protocol):
    """A detector whose gradients are known."""

    def about(self, frame: Frame, box: FloatArray, label: int) -> Question:
        """Why there is an object of class `label` (of the detector's) in `box` (4,) x1 y1 x2 y2 pixels.

        Raises ModelError where the network sees nothing there.
        """


class EmbedderQuestions(Protocol):
    """An embedder whose gradients are known."""

    def about(self, frame: Frame, box: FloatArray, reference: FloatArray) -> Question:
        """Why what `box` (4,) shows is like `reference` (d,), of unit length.

        The number is the projection of what the network says, before it gets the length 1, on the reference. The cosine
        itself would say nothing of an object and its own feature: it is 1 there, the largest it can be, so that its
        gradient is zero.
        """


class LitQuestions:
    """Questions about a picture that the detector sees in another light."""

    def __init__(self, questions: DetectorQuestions, lit: Callable[[Frame], Frame]) -> None:
        self._questions, self._lit = questions, lit

    def about(self, frame: Frame, box: FloatArray, label: int) -> Question:
        """See DetectorQuestions."""
        return self._questions.about(self._lit(frame), box, label)


class FirstOfTwoQuestions:
    """Questions about what two detectors see together, asked of the first one's network alone."""

    def __init__(self, questions: DetectorQuestions, *, first: str, second: str, least: float) -> None:
        """`first`, `second`: names. `least`: below this score (0..1) the first one does not see an object."""
        self._questions, self._first, self._second, self._least = questions, first, second, least

    def about(self, frame: Frame, box: FloatArray, label: int) -> Question:
        """See DetectorQuestions."""
        try:
            question = self._questions.about(frame, box, label)
        except ModelError as error:
            raise ModelError(self._elsewhere("which has no box there")) from error
        with torch.no_grad():
            score = float(question.score(question.inputs)[0])
        if score < self._least:
            raise ModelError(self._elsewhere(f"whose score there is {score:.2g}"))
        return replace(question, asked=self._first)

    def _elsewhere(self, what: str) -> str:
        return (
            f"only {self._first}, the first of two networks, is asked, {what}; what {self._second} sees there is "
            f"explained with it as detector.weights and without detector.fuse"
        )
