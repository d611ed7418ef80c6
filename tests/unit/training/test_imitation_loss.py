"""What a student is punished for, by hand and against torch."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from pipeline.training.imitation_loss import ImitationLoss, relational_loss


def rows(*angles: float) -> torch.Tensor:
    """Unit vectors of two dimensions, degrees."""
    return torch.tensor([[math.cos(math.radians(a)), math.sin(math.radians(a))] for a in angles])


def test_relational_loss_by_hand() -> None:
    # distances of the student: 60 degrees 1, 120 degrees sqrt 3, 180 degrees 2; over their mean (3 + sqrt 3) / 3
    # distances of the teacher: all sqrt 3, so 1 over the mean
    student, teacher = rows(0, 60, 180), rows(0, 120, 240)
    mean = (3 + math.sqrt(3)) / 3
    expected = sum((one / mean - 1) ** 2 / 2 for one in (1, math.sqrt(3), 2)) / 3
    assert relational_loss(student, teacher).item() == pytest.approx(expected, rel=1e-5)


def test_relational_loss_agrees_with_torch() -> None:
    torch.manual_seed(0)
    student, teacher = (functional.normalize(torch.randn(9, size), dim=1) for size in (5, 8))
    own, theirs = torch.pdist(student), torch.pdist(teacher)
    expected = functional.smooth_l1_loss(own / own.mean(), theirs / theirs.mean())
    torch.testing.assert_close(relational_loss(student, teacher), expected)


def test_a_student_that_says_the_same_has_no_loss() -> None:
    features = rows(0, 40, 170, 300)
    assert ImitationLoss(2, 2)(features, features).item() == pytest.approx(0, abs=1e-6)
    turned = rows(90, 130, 260, 390)  # the same distances
    assert ImitationLoss(2, 2, direction=0)(turned, features).item() == pytest.approx(0, abs=1e-6)
    assert ImitationLoss(2, 2, relation=0)(turned, features).item() == pytest.approx(1)  # at right angles


def test_another_dimension_is_mapped_and_the_map_learns() -> None:
    loss = ImitationLoss(2, 3, relation=0)
    teacher = torch.eye(3)[:2]
    optimiser = torch.optim.Adam(loss.parameters(), lr=0.1)
    first = loss(rows(0, 90), teacher).item()
    for _ in range(50):
        optimiser.zero_grad()
        found = loss(rows(0, 90), teacher)
        found.backward()
        optimiser.step()
    assert found.item() < first / 10
    assert not list(ImitationLoss(3, 3).parameters())


def test_equal_crops_and_single_ones_have_finite_gradients() -> None:
    features = rows(10, 10, 10).requires_grad_()
    relational_loss(features, rows(0, 120, 240)).backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()
    assert relational_loss(rows(0), rows(5)).item() == 0
