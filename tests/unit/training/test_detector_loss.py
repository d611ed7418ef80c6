"""The loss of a detector: focal loss by hand, weights of classes where they belong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.training.detector_loss import FocalLoss, balanced_weights, make_loss
from pipeline.training.detector_network import build_network
from pipeline.training.labelled import LabelledPicture
from tests.unit.training.labelled_scene import NAMES, write_network


def test_focal_loss_by_hand() -> None:
    logits = torch.tensor([0.0, 0.0, float(np.log(3)), -float(np.log(3))])  # p = .5 .5 .75 .25
    targets = torch.tensor([1.0, 0.0, 1.0, 1.0])
    expected = [
        0.25 * 0.25 * np.log(2),  # alpha (1 - .5)^2 -log .5
        0.75 * 0.25 * np.log(2),
        0.25 * 0.0625 * -np.log(0.75),
        0.25 * 0.5625 * -np.log(0.25),
    ]
    torch.testing.assert_close(FocalLoss(2.0)(logits, targets), torch.tensor(expected, dtype=torch.float32))


def test_focal_loss_without_focus_and_weight_is_half_of_cross_entropy() -> None:
    logits, targets = torch.linspace(-4, 4, 9), torch.linspace(0, 1, 9)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    torch.testing.assert_close(FocalLoss(0.0, alpha=0.5)(logits, targets), entropy / 2)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0, 0, 0, 1], [0.5, 1.5]),  # 1/3 and 1, over their mean 2/3
        ([0, 1], [1.0, 1.0]),
        ([0, 0, 0, 1, 3], [0.5, 1.5, 7 / 6, 1.5]),
    ],
)
def test_balanced_weights_by_hand(labels: list[int], expected: list[float]) -> None:
    picture = LabelledPicture(Path("a.png"), 10, 10, "", np.array(labels), np.zeros((len(labels), 4), np.float32))
    weights = balanced_weights([picture], len(expected)).numpy()
    np.testing.assert_allclose(weights / weights[0], np.array(expected) / expected[0], rtol=1e-6)
    assert weights.mean() == pytest.approx(1, rel=1e-6)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, dict[str, torch.Tensor]]:
    """A network, what it predicts for two pictures, and a box of class 0 in one of them."""
    network = build_network(str(write_network(tmp_path_factory.mktemp("net") / "tiny.yaml")), NAMES, seed=1)
    network.args = _Gains()
    batch = {
        "batch_idx": torch.tensor([1.0]),
        "cls": torch.tensor([[0.0]]),
        "bboxes": torch.tensor([[0.5, 0.5, 0.5, 0.6]]),
    }
    return network, network(torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))), batch


class _Gains:
    box, cls, dfl, epochs = 1.0, 1.0, 1.0, 10


def test_class_weights_scale_the_loss_of_their_class_alone(seen: tuple[Any, Any, Any]) -> None:
    network, predicted, batch = seen
    plain = make_loss(network)(predicted, batch)[0]
    parts = [
        make_loss(network, class_weights=torch.tensor(weights))(predicted, batch)[0]
        for weights in ([1.0, 0.0], [0.0, 1.0], [3.0, 5.0])
    ]
    assert parts[0][1] > 0
    assert parts[1][1] > 0
    torch.testing.assert_close(parts[0][1] + parts[1][1], plain[1])
    torch.testing.assert_close(3 * parts[0][1] + 5 * parts[1][1], parts[2][1])
    for part in parts:  # boxes are none of its business
        assert torch.equal(part[[0, 2]], plain[[0, 2]])


def test_focal_loss_is_in_the_class_loss(seen: tuple[Any, Any, Any]) -> None:
    network, predicted, batch = seen
    plain, focal = (make_loss(network, focal=gamma)(predicted, batch)[0] for gamma in (0.0, 2.0))
    assert 0 < focal[1] < plain[1]
    assert torch.equal(focal[[0, 2]], plain[[0, 2]])


def test_parts_of_a_batch_share_one_normaliser(seen: tuple[Any, Any, Any]) -> None:
    """The losses of two processes, each with one picture, add up to that of one process with both."""
    network, predicted, batch = seen
    whole = make_loss(network)(predicted, batch)[0]
    halves = [_picture(predicted, index) for index in range(2)]
    none = {name: values[:0] for name, values in batch.items()}
    alone = batch | {"batch_idx": torch.tensor([0.0])}
    sums: list[torch.Tensor] = []
    for half, truth in zip(halves, (none, alone), strict=True):  # what each would add to the sum over processes
        make_loss(network, share=lambda value: sums.append(value) or value)(half, truth)
    targets, pictures = sums[0] + sums[2], sums[1] + sums[3]
    total = torch.zeros(3)
    for half, truth in zip(halves, (none, alone), strict=True):
        answers = iter([targets, pictures])
        total += make_loss(network, share=lambda _, answers=answers: next(answers))(half, truth)[0].detach()
    torch.testing.assert_close(total, whole.detach(), rtol=1e-5, atol=1e-5)


def _picture(predicted: dict[str, Any], index: int) -> dict[str, Any]:
    one = slice(index, index + 1)
    return {
        name: [v[one] for v in value] if isinstance(value, list) else value[one] for name, value in predicted.items()
    }


@pytest.mark.parametrize("name", ["yolov10n", "yolo26n"])
def test_heads_with_two_branches(name: str) -> None:
    network = build_network(name, NAMES, seed=0)
    network.args = _Gains()
    batch = {"batch_idx": torch.tensor([0.0]), "cls": torch.tensor([[1.0]]), "bboxes": torch.tensor([[0.5] * 4])}
    predicted = network(torch.rand(2, 3, 64, 64))
    plain, focal = (make_loss(network, focal=gamma)(predicted, batch)[0].sum() for gamma in (0.0, 2.0))
    assert torch.isfinite(plain)
    assert focal != plain
