"""Heat from gradients, by networks small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import ModelError
from pipeline.explain.grad_cam import Method, heat_map
from pipeline.explain.question import Question
from pipeline.models.inputs import Placement

# channels of the layer: red as it is, and green turned round
_MAPS = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[4.0, 0.0], [0.0, 0.0]]])


def question(score: nn.Module, *, side: int = 2, place: Placement | None = None) -> Question:
    """About a 2x2 picture of which a layer takes the first two channels."""
    layer = nn.Conv2d(3, 2, 1, bias=False)
    layer.weight.data = torch.eye(3)[:2, :, None, None]
    inputs = torch.zeros(1, 3, side, side)
    inputs[0, :2] = _MAPS.repeat_interleave(side // 2, 1).repeat_interleave(side // 2, 2)
    network = nn.Sequential(layer, score)
    whole = Placement((1.0, 1.0), (0, 0), side, side)
    return Question(inputs, network, layer, place or whole)


class _Score(nn.Module):
    """sum of W A, for given weights (2, 2, 2)."""

    def __init__(self, weights: list[list[list[float]]]) -> None:
        super().__init__()
        self.weights = torch.tensor(weights)

    def forward(self, found: Tensor) -> Tensor:
        return (found * self.weights).sum((1, 2, 3))


def test_grad_cam_weighs_a_channel_by_its_mean_gradient() -> None:
    # gradients: 4 in one cell of the first channel, so that w_1 = 1; -1 everywhere in the second, w_2 = -1
    score = _Score([[[0, 0], [0, 4]], [[-1, -1], [-1, -1]]])
    heat = heat_map(question(score), Method.GRAD_CAM)
    np.testing.assert_allclose(heat, [[0, 2], [3, 4]])  # 1 - 4 is below 0


def test_each_place_has_its_own_gradient() -> None:
    score = _Score([[[0, 0], [0, 4]], [[-1, -1], [-1, -1]]])
    heat = heat_map(question(score), Method.PLACES)
    np.testing.assert_allclose(heat, [[0, 0], [0, 16]])  # -1 * 4 is below 0; 4 * 4


def test_only_what_shows_the_picture_is_kept() -> None:
    """A picture of 2x1 that lies in the right half of the input."""
    place = Placement((1.0, 1.0), (1, 0), 1, 2)
    heat = heat_map(question(_Score([[[1, 1], [1, 1]], [[0, 0], [0, 0]]]), place=place), Method.PLACES)
    np.testing.assert_allclose(heat, [[2], [4]])


def test_heat_is_stretched_to_the_picture() -> None:
    place = Placement((0.5, 0.5), (0, 0), 4, 4)
    heat = heat_map(question(_Score([[[1, 1], [1, 1]], [[0, 0], [0, 0]]]), place=place), Method.PLACES)
    assert heat.shape == (4, 4)
    assert (heat[0, 0], heat[3, 3]) == (1, 4)


def test_no_number_is_refused() -> None:
    with pytest.raises(ModelError, match="gradients are not numbers"):
        heat_map(question(_Score([[[float("nan"), 1], [1, 1]], [[0, 0], [0, 0]]])), Method.PLACES)
