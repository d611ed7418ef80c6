"""Bundled models are found by name, wherever the settings say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.bundled_models import FOLDER, resolved
from pipeline.config import load_settings
from pipeline.errors import ConfigError


def test_other_weights_stay_as_they_are() -> None:
    for weights in ("model.onnx", "default", "c:/models/x.onnx", ""):
        assert resolved(weights) == weights


def test_an_unknown_name_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(ConfigError, match=r"detector\.weights: no model 'nothing' comes with Sightline"):
        load_settings(None, ["detector.weights=bundled:nothing"])


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "person vehicle"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ValueError, match="comes with Sightline"):
        resolved(f"bundled:{name}")


def test_what_is_bundled_is_small_and_has_a_card() -> None:
    files = list(FOLDER.glob("*.onnx"))
    assert sum(file.stat().st_size for file in files) <= 10_000_000
    for file in files:
        assert resolved(f"bundled:{file.stem}") == str(file)
        assert Path(file.with_suffix(".md")).is_file()
