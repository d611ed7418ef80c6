"""Bundled models are found by name, wherever the settings say it, and each has a card of that very file."""

from __future__ import annotations

import hashlib
from math import prod
from pathlib import Path

import onnx
import pytest

from pipeline.bundled_models import FOLDER, bundled_names, resolved
from pipeline.config import load_settings
from pipeline.errors import ConfigError

LARGEST = {"person-reid": 1_500_000, "person-vehicle-bicycle": 3_000_000, "siamese": 1_000_000}  # parameters
ROOM = 10_000_000  # bytes together


def test_the_models_are_there_and_small() -> None:
    assert bundled_names() == sorted(LARGEST)
    assert sum(Path(resolved(f"bundled:{name}")).stat().st_size for name in LARGEST) <= ROOM
    for name, most in LARGEST.items():
        weights = onnx.load(resolved(f"bundled:{name}")).graph.initializer
        floats = [one for one in weights if one.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)]
        assert 0.5 * most < sum(prod(one.dims) for one in floats) <= most


@pytest.mark.parametrize("name", sorted(LARGEST))
def test_a_card_tells_of_this_very_file(name: str) -> None:
    card = (FOLDER / f"{name}.md").read_text()
    assert hashlib.sha256((FOLDER / f"{name}.onnx").read_bytes()).hexdigest() in card
    for heading in ("What it learned from", "How it was made", "How good it is", "Where it fails"):
        assert f"\n## {heading}\n" in card
    size = (FOLDER / f"{name}.onnx").stat().st_size / 1e6
    assert f"| {size:.1f} MB |" in (FOLDER / "README.md").read_text()


def test_a_configuration_is_made_of_them() -> None:
    settings = load_settings("default")
    assert settings.detector.weights == resolved("bundled:person-vehicle-bicycle")
    assert settings.embedder.weights == resolved("bundled:person-reid")


def test_other_weights_stay_as_they_are() -> None:
    for weights in ("model.onnx", "default", "c:/models/x.onnx", ""):
        assert resolved(weights) == weights


def test_an_unknown_name_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(
        ConfigError, match=r"detector\.weights: no model 'person-vehicle' comes .* did you mean bundled:"
    ):
        load_settings(None, ["detector.weights=bundled:person-vehicle"])


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd", "person vehicle"])
def test_a_name_is_no_path(name: str) -> None:
    with pytest.raises(ValueError, match="comes with Sightline"):
        resolved(f"bundled:{name}")
