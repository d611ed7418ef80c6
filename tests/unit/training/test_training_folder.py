"""The folder of a training: what it keeps, what it refuses, and what a killed process leaves."""

from __future__ import annotations

import random
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.errors import OutputError, TrainingError
from pipeline.training.folder import TrainingFolder, differing, read_settings
from pipeline.training.random_state import keep_generators, restore_generators, seed_generators

SETTINGS = {"loss": "triplet", "epochs": 3, "size": (128, 64), "data": {"digest": "ab12"}}


def test_a_resumed_folder_gives_back_state_and_log(tmp_path: Path) -> None:
    folder = TrainingFolder.begin(tmp_path / "out", SETTINGS)
    folder.save({"weights": torch.arange(3.0), "epoch": 1}, {"epoch": 1, "loss": 0.5})
    folder.save({"weights": torch.arange(3.0) + 1, "epoch": 2}, {"epoch": 2, "loss": 0.25})
    again, state = TrainingFolder.resume(tmp_path / "out", SETTINGS)
    assert state["weights"].tolist() == [1, 2, 3]
    assert set(state) == {"weights", "epoch"}
    assert again.rows == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]
    assert (tmp_path / "out" / "log.csv").read_text() == "epoch,loss\n1,0.5\n2,0.25\n"
    assert read_settings(tmp_path / "out")["size"] == [128, 64]


def test_the_plot_is_there_with_the_report_at_the_latest(tmp_path: Path) -> None:
    folder = TrainingFolder.begin(tmp_path / "out", SETTINGS)
    folder.save({}, {"epoch": 1, "loss": 0.5})
    assert not (tmp_path / "out" / "log.png").exists()  # epochs this quick are not drawn one by one
    folder.write_report({"best epoch": 1})
    first = (tmp_path / "out" / "log.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    again, _ = TrainingFolder.resume(tmp_path / "out", SETTINGS)
    again.save({}, {"epoch": 2, "loss": 0.25})
    again.write_report({"best epoch": 2})
    assert (tmp_path / "out" / "log.png").read_bytes() != first


def test_other_settings_or_data_are_refused_by_name(tmp_path: Path) -> None:
    TrainingFolder.begin(tmp_path, SETTINGS).save({})
    other = {**SETTINGS, "epochs": 4, "data": {"digest": "cd34"}}
    with pytest.raises(TrainingError, match=r"epochs is 3 there and 4 here; data\.digest is ab12 there and cd34 here"):
        TrainingFolder.resume(tmp_path, other)


def test_a_folder_that_holds_something_is_not_written_into(tmp_path: Path) -> None:
    TrainingFolder.begin(tmp_path, SETTINGS)
    with pytest.raises(TrainingError, match="--resume goes on"):
        TrainingFolder.begin(tmp_path, SETTINGS)
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "a").write_text("x")
    with pytest.raises(TrainingError, match="name a new folder"):
        TrainingFolder.begin(tmp_path / "file", SETTINGS)
    with pytest.raises(TrainingError, match="name a new folder"):
        TrainingFolder.begin(tmp_path / "file" / "a", SETTINGS)


def test_nothing_to_go_on_with(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no training was begun"):
        TrainingFolder.resume(tmp_path, SETTINGS)
    TrainingFolder.begin(tmp_path, SETTINGS)
    with pytest.raises(TrainingError, match=r"has no state\.pt"):
        TrainingFolder.resume(tmp_path, SETTINGS)
    (tmp_path / "state.pt").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(TrainingError, match="is damaged"):
        TrainingFolder.resume(tmp_path, SETTINGS)
    (tmp_path / "settings.yaml").write_text("[1, 2]")
    with pytest.raises(TrainingError, match="is damaged"):
        TrainingFolder.resume(tmp_path, SETTINGS)


def test_what_cannot_be_written_leaves_the_state_before(tmp_path: Path) -> None:
    folder = TrainingFolder.begin(tmp_path, SETTINGS)
    folder.save({"epoch": 1}, {"epoch": 1, "loss": 0.5})
    with pytest.raises(OutputError, match="cannot be written"):
        folder.write_bytes("absent/file", b"")
    with pytest.raises(ValueError, match="columns of the first row"):
        folder.save({"epoch": 2}, {"epoch": 2, "other": 0.5})
    assert TrainingFolder.resume(tmp_path, SETTINGS)[1]["epoch"] == 1
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


def test_a_full_disk_is_said_and_leaves_no_part(tmp_path: Path) -> None:
    folder = TrainingFolder.begin(tmp_path, SETTINGS)
    folder.save({"epoch": 1})
    before = (tmp_path / "state.pt").read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    heard = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limit[1]))
        with pytest.raises(OutputError, match=r"state\.pt cannot be written"):
            folder.save({"weights": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, heard)
    assert (tmp_path / "state.pt").read_bytes() == before
    assert not list(tmp_path.glob("*.part"))


def test_differences_of_nested_settings() -> None:
    assert differing({}, {}) == []
    assert differing({"a": {"b": 1}}, {"a": {"b": 1}}) == []
    assert differing({"a": 1}, {"b": 2}) == ["a is 1 there and absent here", "b is absent there and 2 here"]


def test_generators_go_on_where_they_stood(tmp_path: Path) -> None:
    def draw() -> list[float]:
        legacy = np.random.mtrand._rand  # the generator behind numpy.random's functions
        return [random.random(), random.gauss(), legacy.rand(), legacy.randn(), float(torch.rand(()))]

    seed_generators(7)
    first = draw()
    folder = TrainingFolder.begin(tmp_path, {})
    folder.save(keep_generators())
    second = draw()
    assert second != first
    restore_generators(TrainingFolder.resume(tmp_path, {})[1])
    assert draw() == second
    seed_generators(7)
    assert draw() == first
