"""The loop that teaches an embedder: its rates, its ends, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import OutputError, TrainingError
from pipeline.training.embedder_network import EmbedderNetwork, EmbedderPlan
from pipeline.training.folder import TrainingFolder
from pipeline.training.learning import SCORE, Course, Learning

PLAN = EmbedderPlan(input_size=(32, 16), dimension=8, widths=(4, 8), stripes=2)


class Material:
    """Random crops; scores as they are given."""

    def __init__(self, scores: list[float]) -> None:
        self._scores = iter(scores)

    def __len__(self) -> int:
        return 2

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        random = torch.Generator().manual_seed(epoch)
        for _ in range(len(self)):
            yield torch.randint(0, 256, (4, 32, 16, 3), generator=random).byte(), torch.tensor([0, 0, 1, 1])

    def validate(self, network: EmbedderNetwork) -> dict[str, float]:
        return {SCORE: next(self._scores)}


class Spread(nn.Module):
    """A loss that is `value` where it is given, else that of features that point one way."""

    def __init__(self, value: float | None = None) -> None:
        super().__init__()
        self.value = value

    def forward(self, features: Tensor, identities: Tensor) -> Tensor:
        assert len(features) == len(identities)
        return features.mean(0).square().sum() * (1.0 if self.value is None else self.value)


def learn(folder: Path, scores: list[float], *, value: float | None = None, **course: int) -> Learning:
    torch.manual_seed(0)
    learning = Learning(EmbedderNetwork(PLAN), Spread(value), Course(**course))  # type: ignore[arg-type]
    learning.run(Material(scores), TrainingFolder.begin(folder, {}))
    return learning


def test_the_rate_rises_and_falls() -> None:
    course = Course(learning_rate=0.4, warm_up=0.1)
    rates = [course.rate(step, 100) for step in range(100)]
    assert rates[:11] == pytest.approx([0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.28, 0.32, 0.36, 0.4, 0.4])
    assert rates[55] == pytest.approx(0.2)
    assert rates[-1] < 0.001
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_it_ends_when_nothing_gets_better(tmp_path: Path) -> None:
    torch.manual_seed(0)
    learning = Learning(EmbedderNetwork(PLAN), Spread(), Course(epochs=9, patience=2))
    folder = TrainingFolder.begin(tmp_path / "out", {})
    learned = learning.run(Material([0.5, 0.7, 0.6, 0.7, 0.9]), folder)
    assert (learned.epochs, learned.best_epoch, learned.best_score, learned.stopped) == (4, 2, 0.7, False)
    assert len(folder.rows) == 4


def test_a_loss_that_is_no_number_ends_it_with_a_word(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the loss is nan in epoch 1, step 1 of 2; lower --learning-rate"):
        learn(tmp_path / "out", [0.5], value=float("nan"))
    with pytest.raises(TrainingError, match="the loss is inf"):
        learn(tmp_path / "other", [0.5], value=float("inf"))
    with pytest.raises(TrainingError, match="gives the score nan"):
        learn(tmp_path / "third", [float("nan")])


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    folder = TrainingFolder.begin(tmp_path / "out", {})
    (tmp_path / "out" / "settings.yaml").unlink()
    (tmp_path / "out").rmdir()
    with pytest.raises(OutputError, match="there is no folder"):
        Learning(EmbedderNetwork(PLAN), Spread(), Course(epochs=1)).run(Material([0.5]), folder)


def test_stopped_before_the_first_epoch_it_can_be_resumed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    learning = Learning(EmbedderNetwork(PLAN), Spread(), Course(epochs=2))
    learning.stop()
    folder = TrainingFolder.begin(tmp_path / "out", {})
    assert learning.run(Material([0.5]), folder).stopped
    _, state = TrainingFolder.resume(tmp_path / "out", {})
    assert state["epoch"] == 0
    again = Learning(EmbedderNetwork(PLAN), Spread(), Course(epochs=2))
    again.restore(state)
    assert again.run(Material([0.5, 0.6]), folder).epochs == 2
