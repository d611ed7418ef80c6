"""Bundled models are found by name, wherever the settings say it, and each has a card of that very file."""

from __future__ import annotations

import hashlib
from math import prod
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file

from pipeline.bundled_models import FOLDER, bundled_names, resolved
from pipeline.config import load_settings
from pipeline.errors import ConfigError
from pipeline.models.inputs import Letterbox
from pipeline.models.openvino_models import open_detector, open_embedder
from trackers.structures import Detections, Frame

LARGEST = {  # parameters
    "mask-rcnn": 3_500_000,
    "person-reid": 1_500_000,
    "person-vehicle-bicycle": 3_000_000,
    "person-vehicle-bicycle-tiny": 2_000_000,
    "siamese": 1_000_000,
}
ROOM = 20_000_000  # bytes together


def test_the_models_are_there_and_small() -> None:
    assert bundled_names() == sorted(LARGEST)
    assert sum(Path(resolved(f"bundled:{name}")).stat().st_size for name in LARGEST) <= ROOM
    for name, most in LARGEST.items():
        assert 0.5 * most < parameters(Path(resolved(f"bundled:{name}"))) <= most


def parameters(file: Path) -> int:
    """Numbers that a file holds, but for counters."""
    if file.suffix == ".safetensors":
        return sum(values.size for values in load_file(file).values() if values.dtype.kind == "f")
    weights = onnx.load(str(file)).graph.initializer
    floats = [one for one in weights if one.data_type in (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)]
    return sum(prod(one.dims) for one in floats)


@pytest.mark.parametrize("name", sorted(LARGEST))
def test_a_card_tells_of_this_very_file(name: str) -> None:
    card, file = (FOLDER / f"{name}.md").read_text(), Path(resolved(f"bundled:{name}"))
    assert hashlib.sha256(file.read_bytes()).hexdigest() in card
    for heading in ("What it learned from", "How it was made", "How good it is", "Where it fails"):
        assert f"\n## {heading}\n" in card
    size = file.stat().st_size / 1e6
    assert f"| {size:.1f} MB |" in (FOLDER / "README.md").read_text()


@pytest.mark.parametrize("name", ["person-reid", "person-vehicle-bicycle", "person-vehicle-bicycle-tiny"])
def test_a_card_tells_of_the_same_in_8_bits(name: str) -> None:
    card = (FOLDER / f"{name}.md").read_text()
    for suffix in (".xml", ".bin"):
        content = (FOLDER / f"{name}-int8{suffix}").read_bytes()
        assert f"{hashlib.sha256(content).hexdigest()}  {suffix}" in card


def test_the_embedder_in_8_bits_stands_where_it_is_looked_for() -> None:
    weights = resolved("bundled:person-reid")
    quick, whole = (open_embedder(weights, precision=precision) for precision in ("int8", "f32"))
    assert quick.card.runtime.startswith("openvino CPU int8+")
    assert (quick.card.dimension, quick.card.input_size) == (whole.card.dimension, whole.card.input_size)
    picture = Frame(np.random.default_rng(0).integers(0, 255, (128, 64, 3), dtype=np.uint8), 0, 0.0, 0)
    box = Detections(np.array([[0, 0, 64, 128]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    likeness = float((quick.embed([picture], [box])[0] * whole.embed([picture], [box])[0]).sum())
    assert 0.9 < likeness < 1 - 1e-6


def test_the_detector_in_8_bits_stands_where_it_is_looked_for() -> None:
    """It can be padded tightly as the other."""
    weights = resolved("bundled:person-vehicle-bicycle")
    quick, whole = (
        open_detector(weights, precision=precision, letterbox=Letterbox.TIGHT).card for precision in ("int8", "f32")
    )
    assert quick.runtime.startswith("openvino CPU int8+")
    assert quick.tight
    assert whole.tight
    assert (quick.classes, quick.calibration, quick.input_size) == (whole.classes, whole.calibration, whole.input_size)


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
