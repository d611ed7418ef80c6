"""Losses of metric learning against values worked by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pipeline.training.metric_learning import objective
from pipeline.training.metric_losses import ArcFaceLoss, BatchHardLoss, ContrastiveLoss, TripletLoss, squared_distances

# Squared distances: ab .8, ac 2, ad 4, bc .4, bd 3.2, cd 2; a and b are one object, c and d another.
FEATURES = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]])
IDENTITIES = torch.tensor([0, 0, 1, 1])


def test_squared_distances() -> None:
    expected = [[0, 0.8, 2, 4], [0.8, 0, 0.4, 3.2], [2, 0.4, 0, 2], [4, 3.2, 2, 0]]
    assert torch.allclose(squared_distances(FEATURES), torch.tensor(expected), atol=1e-6)


def test_contrastive_loss_by_hand() -> None:
    same = (0.8 + 2.0) / 2
    different = (1 - math.sqrt(0.4)) ** 2 / 4  # only bc is nearer than 1, of four pairs
    loss = ContrastiveLoss(margin=1.0)(FEATURES, IDENTITIES)
    assert loss.item() == pytest.approx(same / 2 + different / 2, abs=1e-6)


def test_triplet_loss_by_hand() -> None:
    # ab: c at 2, no loss. ba: c at .4 is nearer than a, so d at 3.2. cd: nobody is farther than d at 2, so a at 2: .2.
    # dc: b at 3.2.
    assert TripletLoss(margin=0.2)(FEATURES, IDENTITIES).item() == pytest.approx(0.2 / 4, abs=1e-6)
    # With a margin of 1.5: ab .8 - 2 + 1.5, ba 0, cd 1.5, dc 2 - 3.2 + 1.5.
    assert TripletLoss(margin=1.5)(FEATURES, IDENTITIES).item() == pytest.approx((0.3 + 0 + 1.5 + 0.3) / 4, abs=1e-6)


def test_batch_hard_loss_by_hand() -> None:
    own = [0.3 + math.sqrt(0.8) - math.sqrt(0.4), 0.3 + math.sqrt(2) - math.sqrt(0.4)]  # of b and c; a and d are well
    assert BatchHardLoss(margin=0.3)(FEATURES, IDENTITIES).item() == pytest.approx(sum(own) / 4, abs=1e-6)


def test_arcface_loss_by_hand() -> None:
    loss = ArcFaceLoss(dimension=2, identities=2, margin=0.5, scale=2.0)
    with torch.no_grad():
        loss.centres.copy_(torch.tensor([[3.0, 0.0], [0.0, 0.5]]))  # their length does not matter
    feature = torch.tensor([[math.cos(math.pi / 3), math.sin(math.pi / 3)]])
    own, other = 2 * math.cos(math.pi / 3 + 0.5), 2 * math.cos(math.pi / 6)
    assert loss(feature, torch.tensor([0])).item() == pytest.approx(math.log(1 + math.exp(other - own)), abs=1e-6)


def test_arcface_falls_on_as_the_angle_grows() -> None:
    loss = ArcFaceLoss(dimension=3, identities=2, margin=0.5, scale=1.0)
    with torch.no_grad():
        loss.centres.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))  # the other stays at a right angle
    angles = torch.linspace(0.01, math.pi - 0.01, 50)
    features = torch.stack([angles.cos(), angles.sin(), torch.zeros(50)], dim=1)
    values = [loss(feature[None], torch.tensor([0])).item() for feature in features]
    assert all(after > before for before, after in pairwise(values))


@pytest.mark.parametrize(
    "loss", [ContrastiveLoss(), TripletLoss(), BatchHardLoss()], ids=lambda loss: type(loss).__name__
)
@pytest.mark.parametrize(
    "identities", [[], [0], [0, 0], [0, 1, 2]], ids=["nobody", "one crop", "one object", "singles"]
)
def test_where_nothing_can_be_learned_there_is_no_gradient_but_no_failure(
    loss: nn.Module, identities: list[int]
) -> None:
    features = nn.functional.normalize(torch.ones(len(identities), 4), dim=1).requires_grad_()
    value = loss(features, torch.tensor(identities, dtype=torch.int64))
    value.backward()
    assert torch.isfinite(value)
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["contrastive", "triplet", "batch-hard", "arcface"]), st.integers(0, 2**16))
def test_losses_do_not_depend_on_the_order_of_crops(name: str, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    features = nn.functional.normalize(torch.randn(12, 6, generator=random), dim=1)
    identities = torch.randint(0, 4, (12,), generator=random)
    loss = objective(name, margin=None, dimension=6, identities=4)  # type: ignore[arg-type]
    order = torch.randperm(12, generator=random)
    assert loss(features, identities).item() == pytest.approx(loss(features[order], identities[order]).item(), abs=1e-5)


@pytest.mark.parametrize("name", ["contrastive", "triplet", "batch-hard", "arcface"])
def test_following_the_gradient_brings_identities_together(name: str) -> None:
    torch.manual_seed(3)
    raw = torch.randn(16, 8, requires_grad=True)
    identities = torch.arange(16) % 4
    loss = objective(name, margin=None, dimension=8, identities=4)  # type: ignore[arg-type]
    optimiser = torch.optim.Adam([raw, *loss.parameters()], lr=0.05)
    for _ in range(150):
        value = loss(nn.functional.normalize(raw, dim=1), identities)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    squared = squared_distances(nn.functional.normalize(raw.detach(), dim=1))
    same = identities[:, None] == identities[None, :]
    assert squared[same].mean() < 0.4 * squared[~same].mean()
