"""Which library runs a network, and where: with an NVIDIA card and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline import build
from pipeline.building.places import Place, detector_place, device_for, embedder_place
from pipeline.bundled_models import resolved
from pipeline.config import DetectorSettings, EmbedderSettings
from pipeline.errors import ConfigError
from pipeline.models.graphics import cuda_usable

BUNDLED = "bundled:person-vehicle-bicycle"


def place(cuda: bool, **settings: Any) -> Place:
    return detector_place(DetectorSettings(**settings), "detector.weights", cuda=cuda)


@pytest.mark.parametrize(
    ("settings", "with_card", "without"),
    [
        ({"weights": BUNDLED}, Place("torch", "CUDA"), Place("openvino", "CPU")),
        ({"weights": BUNDLED, "precision": "bf16"}, Place("torch", "CUDA"), Place("openvino", "CPU")),
        ({"weights": BUNDLED, "precision": "int8"}, Place("openvino", "CPU"), Place("openvino", "CPU")),
        ({"weights": BUNDLED, "device": "CPU"}, Place("openvino", "CPU"), Place("openvino", "CPU")),
        ({"weights": BUNDLED, "device": "GPU"}, Place("openvino", "GPU"), Place("openvino", "GPU")),
        ({"weights": BUNDLED, "device": "cuda:1"}, Place("torch", "cuda:1"), Place("torch", "cuda:1")),
        ({"weights": BUNDLED, "device": "CUDA", "precision": "int8"}, Place("onnx", "CUDA"), Place("onnx", "CUDA")),
        ({"weights": BUNDLED, "backend": "onnx"}, Place("onnx", "CPU"), Place("onnx", "CPU")),
        ({"weights": "best.pt"}, Place("ultralytics", "CUDA"), Place("ultralytics", "CPU")),
        ({"weights": "best.safetensors"}, Place("torchvision", "CUDA"), Place("torchvision", "CPU")),
        ({"weights": "best.xml"}, Place("openvino", "CPU"), Place("openvino", "CPU")),
        (
            {"weights": "best.onnx", "backend": "ultralytics"},
            Place("ultralytics", "CPU"),
            Place("ultralytics", "CPU"),
        ),
        ({"backend": "motion"}, Place("motion", "CPU"), Place("motion", "CPU")),
    ],
    ids=lambda value: None if isinstance(value, Place) else " ".join(f"{k}={v}" for k, v in value.items()),
)
def test_where_a_detector_runs(settings: dict[str, Any], with_card: Place, without: Place) -> None:
    assert place(True, **settings) == with_card
    assert place(False, **settings) == without


def test_a_file_that_does_not_say_its_architecture_stays_on_the_processor(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "theirs.onnx"
    content = Path(resolved(BUNDLED)).read_bytes()
    file.write_bytes(content.replace(b"\x0carchitecture", b"\x0carchitectura"))
    assert file.read_bytes() != content
    with caplog.at_level("INFO"):
        assert place(True, weights=str(file)) == Place("openvino", "CPU")
    assert "runs on the CPU, though there is an NVIDIA card" in caplog.text
    assert place(True, weights=str(file), device="CUDA") == Place("onnx", "CUDA")


@pytest.mark.parametrize(
    ("settings", "with_card"),
    [
        ({"weights": "bundled:person-reid"}, Place("openvino", "CPU")),
        ({"weights": "bundled:person-reid", "device": "CUDA"}, Place("onnx", "CUDA")),
        ({"backend": "torchvision"}, Place("torchvision", "CUDA")),
        ({}, Place("none", "CPU")),
        ({"backend": "colour"}, Place("colour", "CPU")),
    ],
    ids=str,
)
def test_where_an_embedder_runs(settings: dict[str, Any], with_card: Place) -> None:
    assert embedder_place(EmbedderSettings(**settings), "embedder.weights", cuda=True) == with_card


def test_weights_that_tell_no_library() -> None:
    with pytest.raises(ConfigError, match=r"detector\.weights best\.bin: no backend is known for \.bin"):
        place(False, weights="best.bin")
    with pytest.raises(ConfigError, match="no detector is chosen"):
        place(False)
    with pytest.raises(ConfigError, match=r"embedder\.weights looks: no backend is known for a file without suffix"):
        embedder_place(EmbedderSettings(weights="looks"), "embedder.weights")


def test_a_card_is_there_where_torch_has_one() -> None:
    assert cuda_usable() == torch.cuda.is_available()
    assert device_for("torchvision", "auto", None) == ("CUDA" if torch.cuda.is_available() else "CPU")


def test_eight_bits_are_for_processors() -> None:
    settings = DetectorSettings(weights=BUNDLED)
    assert build.settled(settings, best_in_bytes=True, cuda=False).precision == "int8"
    assert build.settled(settings, best_in_bytes=True, cuda=True) == settings
    held = settings.model_copy(update={"device": "CPU"})
    assert build.settled(held, best_in_bytes=True, cuda=True).precision == "int8"
