"""Batches of changed crops: the same in any number of processes, and figures of what is validated."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from pipeline.training.crop_augmentation import Augmentation
from pipeline.training.crop_set import CropSet
from pipeline.training.data_parallel import Ranks
from pipeline.training.embedder_network import EmbedderNetwork, EmbedderPlan
from pipeline.training.identity_batches import IdentityBatches
from pipeline.training.metric_learning import IdentityMaterial
from tests.conftest import ROOT

SIZE = (32, 16)


def crops() -> CropSet:
    pictures = np.random.default_rng(0).integers(0, 256, (30, 40, 20, 3)).astype(np.uint8)
    return CropSet(pictures, np.repeat([3, 5, 8], 10), np.zeros(30, np.int64), np.tile(np.arange(10.0), 3))


def material(*, workers: int = 0, ranks: Ranks | None = None, seed: int = 4) -> IdentityMaterial:
    found = crops()
    drawn = IdentityBatches(found.identities, people=3, crops=2, seed=seed)
    return IdentityMaterial(
        found, found, drawn, SIZE, Augmentation(), seed, torch.device("cpu"), workers=workers, ranks=ranks or Ranks()
    )


def epoch(chosen: IdentityMaterial, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    batches = list(chosen.batches(number))
    assert len(batches) == len(chosen) == 5
    return torch.cat([pictures for pictures, _ in batches]), torch.cat([identities for _, identities in batches])


def test_identities_count_from_nought_and_crops_have_their_size() -> None:
    pictures, identities = epoch(material(), 1)
    assert pictures.shape == (30, *SIZE, 3)
    assert pictures.dtype == torch.uint8
    assert identities.tolist() == [
        one for _, rows in zip(range(5), material().drawn.epoch(1), strict=True) for one in (rows // 10).tolist()
    ]


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    pictures, identities = epoch(material(), 1)
    again, _ = epoch(material(), 1)
    assert torch.equal(pictures, again)
    other, _ = epoch(material(), 2)
    assert not torch.equal(pictures, other)
    third, _ = epoch(material(seed=5), 1)
    assert not torch.equal(pictures, third)
    assert set(identities.tolist()) == {0, 1, 2}


def test_whoever_changes_the_crops_they_are_the_same() -> None:
    """In a process of its own: forking one in which other tests have run OpenVINO crashed."""
    code = (
        "import torch; from tests.unit.training.test_metric_learning import epoch, material; "
        "assert torch.equal(epoch(material(), 1)[0], epoch(material(workers=2), 1)[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_processes_share_every_batch() -> None:
    whole = list(material().batches(3))
    parts = [list(material(ranks=Ranks(rank, 2)).batches(3)) for rank in range(2)]
    for (pictures, identities), first, second in zip(whole, *parts, strict=True):
        assert torch.equal(pictures, torch.cat([first[0], second[0]]))
        assert torch.equal(identities, torch.cat([first[1], second[1]]))


def test_validation_leaves_the_network_as_it_was() -> None:
    network = EmbedderNetwork(EmbedderPlan(input_size=SIZE, dimension=8, widths=(4, 8), stripes=2)).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    figures = material().validate(network)
    assert list(figures) == ["score", "rank 1"]
    assert all(0 <= value <= 1 for value in figures.values())
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert material().validate(network) == pytest.approx(figures)
