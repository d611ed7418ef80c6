"""How sure a teacher is, from its file into the loss."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pipeline.errors import FormatError
from pipeline.training.detection_data import read_detection_data
from pipeline.training.detector_loss import make_loss
from pipeline.training.detector_network import build_network
from pipeline.training.labelled import LabelledPicture
from pipeline.training.soft_labels import soft_labels, soften
from tests.unit.training.labelled_scene import NAMES, write_network


def make_set(folder: Path, scores: str) -> Path:
    for split, grey in (("train", 50), ("val", 90)):
        (folder / "images" / split).mkdir(parents=True)
        cv2.imwrite(str(folder / "images" / split / "a.png"), np.full((40, 60, 3), grey, np.uint8))
        for kind, text in (("labels", "1 0.5 0.5 0.2 0.2\n0 0.2 0.2 0.1 0.1\n"), ("scores", scores)):
            (folder / kind / split).mkdir(parents=True)
            (folder / kind / split / "a.txt").write_text(text)
    file = folder / "data.yaml"
    file.write_text("names: [person, bike]\ntrain: images/train\nval: images/val\nscores: true\n")
    return file


def test_scores_are_read_and_decide_the_digest(tmp_path: Path) -> None:
    data = read_detection_data(make_set(tmp_path / "a", "0.75\n1\n"))
    assert data.train[0].scores is not None
    assert data.train[0].scores.tolist() == [0.75, 1]
    other = read_detection_data(make_set(tmp_path / "b", "1\n1\n"))
    assert other.train[0].scores is None
    assert data.digest != other.digest


@pytest.mark.parametrize("scores", ["0.5\n", "0.5\n0\n", "0.5\n1.2\n", "0.5\nsure\n"])
def test_scores_that_are_none_are_told(tmp_path: Path, scores: str) -> None:
    with pytest.raises(FormatError, match=r"scores/train/a\.txt"):
        read_detection_data(make_set(tmp_path, scores))


def test_labels_carry_their_scores_and_stay_their_classes() -> None:
    scores = np.array([0.75, 1, 0.02], np.float32)
    picture = LabelledPicture(Path("a"), 1, 1, "", np.array([2, 0, 79]), np.zeros((3, 4), np.float32), scores)
    carried = soft_labels(picture)
    assert carried.astype(np.int64).tolist() == [2, 0, 79]
    # two anchors belong to the first label, one each to the others; worked by hand
    owners = torch.tensor([[0, 0, 1, 2]])
    softened = soften(torch.ones(1, 4, 3), torch.from_numpy(carried)[None, :, None], owners)
    assert softened[0, :, 0].tolist() == pytest.approx([0.75, 0.75, 1, 0.02], abs=1e-4)


def test_labels_without_scores_change_nothing() -> None:
    picture = LabelledPicture(Path("a"), 1, 1, "", np.array([2, 0]), np.zeros((2, 4), np.float32))
    assert soft_labels(picture).tolist() == [2, 0]
    targets = torch.rand(1, 3, 3)
    labels = torch.tensor([[[2.0], [0.0]]])
    assert torch.equal(soften(targets, labels, torch.tensor([[0, 1, 1]])), targets)
    assert torch.equal(soften(targets, torch.zeros(1, 0, 1), torch.zeros(1, 3)), targets)


class _Gains:
    box, cls, dfl, epochs = 1.0, 1.0, 1.0, 10


def test_a_box_the_teacher_is_half_sure_of_counts_half_in_the_loss(tmp_path: Path) -> None:
    network = build_network(str(write_network(tmp_path / "tiny.yaml")), NAMES, seed=1)
    network.args = _Gains()
    predicted = network(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))

    def losses(label: float, *, size: float = 0.05) -> torch.Tensor:
        batch = {
            "batch_idx": torch.tensor([0.0]),
            "cls": torch.tensor([[label]]),
            "bboxes": torch.tensor([[0.5, 0.5, size, size]]),
        }
        found: torch.Tensor = make_loss(network)(predicted, batch)[0].detach()
        return found

    sure, half = losses(1.0), losses(1.25)
    none = losses(1.0, size=0.0)  # no anchor is assigned
    assert sure[0] > 0
    torch.testing.assert_close(half[0], sure[0] / 2)  # targets are below 1 in all, so nothing divides them
    torch.testing.assert_close(half[1] - none[1], (sure[1] - none[1]) / 2)  # cross-entropy is linear in its target
