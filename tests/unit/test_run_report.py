"""A run's report overwrites nothing, and says what it cannot be before the run begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ConfigError, OutputError
from pipeline.outputs import Outputs
from pipeline.run_report import check_report


@pytest.mark.parametrize(
    ("name", "told"),
    [("yard.mp4", "a source"), ("yard.txt", "the output of"), ("w.onnx", "detector.weights"), ("s.db", "the database")],
)
def test_it_overwrites_nothing(tmp_path: Path, name: str, told: str) -> None:
    inputs = {tmp_path / "w.onnx": "detector.weights", tmp_path / "s.db": "the database"}
    outputs = Outputs(mot=tmp_path / "{name}.txt")
    with pytest.raises(ConfigError, match=f"--report .*{name} would overwrite {told}"):
        check_report(tmp_path / name, outputs, [str(tmp_path / "yard.mp4")], inputs)
    check_report(tmp_path / "report.json", outputs, [str(tmp_path / "yard.mp4")], inputs)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        check_report(tmp_path / "file" / "report.json", Outputs(), [], {})
