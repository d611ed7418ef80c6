"""The Siamese loss: which cells count, by hand; GIoU by hand; and what a perfect answer costs."""

from __future__ import annotations

import math

import pytest
import torch

from pipeline.training.siamese_loss import SiameseLoss, giou, search_cells

NOWHERE = torch.full((1, 4), math.nan)


def test_cells_look_where_the_tracker_takes_them_to_look() -> None:
    cells = search_cells()
    assert cells.shape == (2, 16, 16)
    assert cells[:, 8, 8].tolist() == [127, 127]
    assert cells[:, 0, 15].tolist() == [127 + 7 * 16, 127 - 8 * 16]  # x, y of the first row's last cell


def test_cells_in_the_inner_ellipse_show_the_target_and_those_beyond_the_outer_do_not() -> None:
    there, beyond = SiameseLoss(4, 0).labels(torch.tensor([[127 - 32.0, 127 - 16.0, 127 + 32.0, 127 + 16.0]]))
    assert there.nonzero()[:, 1:].tolist() == [[8, 7], [8, 8], [8, 9]]  # half the sides: 16 x 8 pixels from the middle
    neither = (~there & ~beyond).nonzero()[:, 1:].tolist()
    assert neither == [[7, 8], [8, 6], [8, 10], [9, 8]]  # up to 32 x 16 pixels


def test_a_tiny_target_has_a_cell_and_an_absent_one_none() -> None:
    there, beyond = SiameseLoss(4, 0).labels(torch.cat([torch.tensor([[130.0, 130, 134, 134]]), NOWHERE]))
    assert there[0].nonzero().tolist() == [[8, 8]]
    assert not there[1].any()
    assert beyond[1].all()


def test_giou_by_hand() -> None:
    one = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 1, 1]])
    other = torch.tensor([[0.0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 3, 1]])
    torch.testing.assert_close(giou(one, other), torch.tensor([1.0, 1 / 3, -1 / 3]))


def test_a_perfect_answer_costs_nothing_and_a_wrong_one_more() -> None:
    loss = SiameseLoss(4, 0)
    box = torch.tensor([[100.0, 90, 160, 170]])
    there, _ = loss.labels(box)
    cells = search_cells()
    distances = torch.cat([cells - box[0, :2, None, None], box[0, 2:, None, None] - cells])[None]
    logits = torch.where(there, 30.0, -30.0)
    perfect = loss((logits, distances), box, (), ())
    assert float(perfect["presence"]) == pytest.approx(0, abs=1e-6)
    assert float(perfect["boxes"]) == pytest.approx(0, abs=1e-6)
    assert float(loss((-logits, distances), box, (), ())["presence"]) > 20
    assert float(loss((logits, distances * 2), box, (), ())["boxes"]) > 0.5


def test_of_an_absent_target_only_presence_is_learned() -> None:
    loss = SiameseLoss(4, 0)
    logits = torch.zeros(1, 16, 16, requires_grad=True)
    distances = torch.full((1, 4, 16, 16), 20.0, requires_grad=True)
    parts = loss((logits, distances), NOWHERE, (), ())
    torch.stack(list(parts.values())).sum().backward()  # type: ignore[no-untyped-call]
    assert float(parts["presence"].detach()) == pytest.approx(math.log(2) / 2)
    assert logits.grad is not None
    assert (logits.grad > 0).all()
    assert distances.grad is None or not distances.grad.any()


def test_a_teacher_is_imitated_up_to_a_linear_layer() -> None:
    torch.manual_seed(0)
    loss = SiameseLoss(4, 3)
    assert loss.teacher is not None
    own = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 16, 16)
    theirs = tuple(loss.teacher(one).detach() for one in own)
    answer = torch.zeros(2, 16, 16), torch.ones(2, 4, 16, 16)
    boxes = NOWHERE.repeat(2, 1)
    assert float(loss(answer, boxes, own, theirs)["teacher"].detach()) == pytest.approx(0, abs=1e-6)
    other = tuple(100 * torch.randn_like(one) for one in theirs)  # as large as it likes: a share of the variance
    assert 0.8 < float(loss(answer, boxes, own, other)["teacher"].detach()) < 1.3
    assert "teacher" not in loss(answer, boxes, own, ())
