"""Processes that train together learn what one alone learns from the whole batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline.errors import TrainingError
from pipeline.training.data_parallel import Ranks
from tests.conftest import ROOT
from tests.unit.training.joined_embedder import main


@pytest.mark.long
def test_two_processes_take_the_steps_of_one(tmp_path: Path) -> None:
    joined = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*joined, "-m", "tests.unit.training.joined_embedder", str(tmp_path / "two.pt")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    main(str(tmp_path / "one.pt"))
    one, two = (torch.load(tmp_path / f"{name}.pt", weights_only=True) for name in ("one", "two"))
    assert two["losses"] == pytest.approx(one["losses"], rel=1e-5)
    assert len(set(one["losses"])) == 3
    assert torch.allclose(one["centres"], two["centres"], atol=1e-6)
    assert one["network"].keys() == two["network"].keys()
    for name, value in one["network"].items():  # statistics of batch norm among them
        assert torch.allclose(value, two["network"][name], atol=1e-5), name


def test_one_process_is_a_group_of_its_own() -> None:
    alone, values = Ranks(), torch.arange(6.0)
    assert alone.first
    assert alone.part([1, 2, 3]) == [1, 2, 3]
    assert alone.gather(values) is values
    assert alone.sum(values) is values
    assert (alone.any(True), alone.any(False), alone.from_first("a")) == (True, False, "a")


def test_a_batch_that_cannot_be_shared_evenly_is_refused() -> None:
    assert Ranks(1, 2).part([1, 2, 3, 4]) == [3, 4]
    with pytest.raises(TrainingError, match="a batch of 5 crops cannot be shared by 2 processes evenly"):
        Ranks(0, 2).part([1, 2, 3, 4, 5])
