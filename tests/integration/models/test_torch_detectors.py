"""Detectors of `sightline export` in torch: what OpenVINO finds, torch finds, on processors and on graphics cards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from pipeline import build
from pipeline.bundled_models import resolved
from pipeline.config import DetectorSettings
from pipeline.errors import ConfigError, ModelError
from pipeline.models import openvino_models, torch_detector
from pipeline.models.graphics import cuda_usable
from pipeline.models.inputs import Letterbox
from pipeline.models.onnx_weights import with_metadata
from pipeline.models.sized import SizedDetector
from tests.integration.models.test_real_detectors import frames, matched
from trackers.structures import Frame

BUNDLED = "bundled:person-vehicle-bicycle"
WEIGHTS = Path(resolved(BUNDLED))


@pytest.fixture(scope="module")
def mixed(shared: Path) -> list[Frame]:
    """Pictures of two sizes, in turn."""
    pets = frames(shared / "data/mot15/PETS09-S2L1/video.mp4", count=60, every=20)
    street = frames(shared / "data/videos/person-bicycle-car-detection.mp4", count=200, every=70)
    return [one for pair in zip(pets, street, strict=True) for one in pair]


@pytest.mark.parametrize("letterbox", list(Letterbox))
def test_torch_finds_what_openvino_finds(mixed: list[Frame], letterbox: Letterbox) -> None:
    own = torch_detector.open_detector(WEIGHTS, letterbox=letterbox, precision="f32", batch=2)
    other = openvino_models.open_detector(WEIGHTS, letterbox=letterbox, precision="f32")
    found, wanted = own.detect(mixed), other.detect(mixed)
    assert sum(map(len, wanted)) > 50
    for ours, theirs in zip(found, wanted, strict=True):
        assert matched(theirs, ours, pixels=0.01, score=1e-4) == len(theirs) == len(ours)
    assert own.card.runtime == "torch CPU f32"
    same = ("name", "sha256", "classes", "input_size", "calibration", "tight")
    assert [getattr(own.card, name) for name in same] == [getattr(other.card, name) for name in same]


def test_boxes_stay_in_place_where_layers_compute_in_short_numbers(mixed: list[Frame]) -> None:
    """In bfloat16 as a whole, boxes would be off by pixels."""
    short, exact = (torch_detector.open_detector(WEIGHTS, precision=precision) for precision in ("bf16", "f32"))
    assert short.card.runtime == "torch CPU bf16"
    for ours, theirs in zip(short.detect(mixed), exact.detect(mixed), strict=True):
        sure = theirs[np.flatnonzero(theirs.scores > 0.4)]
        assert matched(sure, ours, pixels=1.0, score=0.05) == len(sure)


def test_weights_are_not_made_short_at_every_picture(mixed: list[Frame]) -> None:
    short = torch_detector.open_detector(WEIGHTS, precision="bf16")
    with torch.profiler.profile() as watched:
        short.detect(mixed[:1])
    counts = {event.key: event.count for event in watched.key_averages()}
    assert counts["aten::convolution"] == 64
    # the picture twice, three maps for the head and back for its six branches, what these give, and the input's shape
    assert counts["aten::_to_copy"] <= 20


def test_a_budget_has_several_sizes(mixed: list[Frame]) -> None:
    wished = DetectorSettings(weights=BUNDLED, backend="torch", precision="f32", schedule="budget")
    found = build.detector(wished)
    assert isinstance(found, SizedDetector)
    assert found.scales == (1.0, 0.75, 0.5)
    usual = found.detect(mixed[:1])[0]
    found.choose(2)
    smaller = found.detect(mixed[:1])[0]
    alone = build.detector(DetectorSettings(weights=BUNDLED, backend="torch", precision="f32", input_size=(224, 224)))
    np.testing.assert_array_equal(smaller.boxes, alone.detect(mixed[:1])[0].boxes)
    assert len(usual) != len(smaller)


def test_settings_that_name_torch(mixed: list[Frame]) -> None:
    settings = DetectorSettings(weights=BUNDLED, backend="torch", precision="f32", input_size=(320, 320))
    detector = build.detector(settings)
    assert detector.card.version.startswith("torch ")
    assert detector.card.licence == "AGPL-3.0-or-later"
    assert detector.card.input_size == (320, 320)
    assert len(detector.detect(mixed[:1])[0])


@pytest.mark.parametrize(
    ("wished", "says"),
    [
        ({"device": "CUDA:99"}, "torch has no device 'CUDA:99' here; use CPU"),
        ({"input_size": (330, 320)}, "multiples of 32, not 330x320"),
        ({"input_size": (1 << 24, 1 << 24), "precision": "f32"}, "torch failed on torch CPU f32: .* allocate memory"),
        ({"precision": "int8"}, "precision 'int8' is unknown to torch's networks"),
        ({"weights": "bundled:person-reid"}, "model 'bundled:person-reid' is for 'embed'"),
    ],
    ids=lambda wished: str(wished)[:30],
)
def test_what_torch_cannot_do_is_said(wished: dict[str, object], says: str) -> None:
    settings = DetectorSettings(weights=BUNDLED, backend="torch").model_copy(update=wished)
    with pytest.raises((ModelError, ConfigError), match=says):
        build.detector(settings)


def test_files_that_are_not_of_their_architecture(shared: Path, tmp_path: Path) -> None:
    foreign = shared / "weights" / "yolov8n_int8" / "yolov8n_quantized_int8.onnx"
    with pytest.raises(ModelError, match=r"does not (say its architecture|hold weights by their names)"):
        torch_detector.open_detector(foreign)
    content = WEIGHTS.read_bytes()
    said = {one.key: one.value for one in onnx.load(str(WEIGHTS)).metadata_props}["architecture"]
    for name, changed, says in (
        ("narrow", said.replace("[16, 3, 2]", "[8, 3, 2]"), "is not of the architecture that it says: .* tensors are"),
        ("unknown", said.replace("SPPF", "TorchVision"), "which is none that is known here"),
        ("broken", "backbone: [", "what it says of itself cannot be read"),
    ):
        assert changed != said
        file = tmp_path / f"{name}.onnx"
        file.write_bytes(with_metadata(content, {"architecture": changed}))
        with pytest.raises(ModelError, match=says):
            torch_detector.open_detector(file)


@pytest.mark.skipif(not cuda_usable(), reason="needs an NVIDIA card that torch computes on")
def test_on_a_graphics_card(mixed: list[Frame]) -> None:
    there = build.detector(DetectorSettings(weights=BUNDLED, batch=4))
    assert there.card.runtime.startswith("torch CUDA ")  # without its number, which changes nothing
    alone = build.detector(DetectorSettings(weights=BUNDLED, device="CUDA:0"))  # one picture behind the other
    assert alone.card == replace(there.card, at_once=alone.card.at_once)
    here = torch_detector.open_detector(WEIGHTS, letterbox=Letterbox.TIGHT, precision="f32")
    for one in (there, alone):
        for ours, theirs in zip(one.detect(mixed), here.detect(mixed), strict=True):
            sure = theirs[np.flatnonzero(theirs.scores > 0.4)]
            assert matched(sure, ours, pixels=1.0, score=0.05) == len(sure)
