"""What of a stored run's arithmetic the settings of a new command take over: that of the networks they name again."""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path

import pytest

from pipeline.config import Settings, load_settings
from pipeline.stored_runs import arithmetic_begun, as_settled

KEPT = {
    "models": {
        "detect": ["d", "1", "0" * 64, "openvino CPU int8+bf16"],
        "segment": ["s", "1", "1" * 64, "torch CPU bf16"],
        "embed": ["e", "1", "2" * 64, "openvino CPU bf16"],
    }
}
BEGUN = {"detector": "bf16", "segmenter": "bf16", "embedder": "bf16"}


def naming(folder: Path, *more: str) -> Settings:
    files = {"detector": "d.onnx", "segmenter": "s.safetensors", "embedder": "e.onnx"}
    return load_settings(None, [*(f"{section}.weights={folder / file}" for section, file in files.items()), *more])


def stored(folder: Path) -> Settings:
    return naming(folder, "detector.precision=int8")


def test_networks_that_are_named_again_compute_as_they_did(tmp_path: Path) -> None:
    assert arithmetic_begun(naming(tmp_path), stored(tmp_path), KEPT) == BEGUN
    assert as_settled(naming(tmp_path), stored(tmp_path)).detector.precision == "int8"
    with chdir(tmp_path):
        assert arithmetic_begun(naming(Path()), stored(tmp_path), KEPT) == BEGUN
    assert arithmetic_begun(Settings(), Settings(), {}) == {}


def test_another_precision_that_is_wished_stays(tmp_path: Path) -> None:
    wished = naming(tmp_path, "detector.precision=f32")
    assert as_settled(wished, stored(tmp_path)).detector.precision == "f32"


@pytest.mark.parametrize(
    ("other", "section"),
    [
        ("detector.backend=onnx", "detector"),
        ("detector.weights=other.pt", "detector"),
        ("detector.weights=null", "detector"),
        ("detector.fuse.weights=second.pt", "detector"),
        ("segmenter.weights=other.onnx", "segmenter"),
        ("embedder.backend=onnx", "embedder"),
        ("embedder.weights=other.onnx", "embedder"),
    ],
)
def test_another_network_or_library_is_told_nothing(tmp_path: Path, other: str, section: str) -> None:
    """It may refuse such a precision, and the user never set it; what is another is told when settings are compared."""
    now = naming(tmp_path, other)
    assert arithmetic_begun(now, stored(tmp_path), KEPT) == {name: "bf16" for name in BEGUN if name != section}
    assert as_settled(now, stored(tmp_path)).detector.precision == ("auto" if section == "detector" else "int8")


def test_a_moved_file_is_the_same_and_one_of_the_same_name_elsewhere_is_not(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    assert arithmetic_begun(naming(new), stored(old), KEPT) == BEGUN
    old.mkdir()
    for name in ("d.onnx", "s.safetensors"):
        (old / name).touch()
    assert arithmetic_begun(naming(new), stored(old), KEPT) == {"embedder": "bf16"}
