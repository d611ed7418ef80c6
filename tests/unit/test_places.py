"""Which library runs a network, and where: with an NVIDIA card and without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline import build
from pipeline.building.places import Place, detector_place, device_for, embedder_place, opened
from pipeline.bundled_models import resolved
from pipeline.config import DetectorSettings, EmbedderSettings, load_settings
from pipeline.errors import ConfigError, ModelError
from pipeline.models import openvino_models, torch_detector
from pipeline.models.base import Detector
from pipeline.models.graphics import cuda_usable, may_have_card, obstacle
from pipeline.models.onnx_weights import with_metadata

BUNDLED = "bundled:person-vehicle-bicycle"
TINY = "bundled:person-vehicle-bicycle-tiny"


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
        ({"weights": BUNDLED, "device": "CUDA", "precision": "f16"}, Place("onnx", "CUDA"), Place("onnx", "CUDA")),
        ({"weights": BUNDLED, "device": "Auto"}, Place("torch", "CUDA"), Place("openvino", "CPU")),
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
    assert place(True, weights=str(file)) == Place("openvino", "CPU")
    (said,) = caplog.records
    assert (said.levelname, said.name) == ("WARNING", "pipeline.building.places")
    assert "theirs.onnx runs on the CPU, though there is an NVIDIA card: " in said.message
    assert said.message.endswith("; give a .pt, or what `sightline export` makes of one, or say detector.device=CPU")
    assert place(True, weights=str(file), device="CUDA") == Place("onnx", "CUDA")


def test_who_wishes_for_8_bits_is_not_warned(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert place(True, weights=BUNDLED, precision="int8") == Place("openvino", "CPU")
    assert [one.levelname for one in caplog.records] == ["INFO"]


@pytest.mark.parametrize("weights", [BUNDLED, TINY, "yolov8n_int8/yolov8n_quantized_int8.onnx", "other layers"])
@pytest.mark.parametrize("wished", [{}, {"device": "CUDA"}], ids=["auto", "CUDA"])
def test_what_is_chosen_can_be_opened(shared: Path, tmp_path: Path, weights: str, wished: dict[str, str]) -> None:
    """But for the card itself: the library that is chosen for one opens the file on the processor."""
    if weights == "other layers":
        said = {"architecture": "backbone: [[-1, 1, nn.Conv2d, [16, 3]]]\nhead: [[-1, 1, Classify, [3]]]\n"}
        weights = str(tmp_path / "other.onnx")
        Path(weights).write_bytes(with_metadata(Path(resolved(BUNDLED)).read_bytes(), said))
    elif not weights.startswith("bundled:"):
        weights = str(shared / "weights" / weights)
    chosen = place(True, weights=weights, **wished)
    assert chosen.backend == ("torch" if weights.startswith("bundled:") else "onnx" if wished else "openvino")
    found = build.detector(DetectorSettings(weights=weights, backend=chosen.backend, device="CPU"))
    assert "person" in found.card.classes


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


@pytest.mark.parametrize("device", ["CUDA", "cuda:1"])
def test_8_bits_are_not_for_cards(device: str) -> None:
    told = rf"is int8 and (detector|embedder)\.device {device}, but 8 bits run on processors; remove one of the two"
    with pytest.raises(ConfigError, match=told):
        place(True, weights=BUNDLED, device=device, precision="int8")
    with pytest.raises(ConfigError, match=told):
        build.detector(load_settings("fast", [f"detector.device={device}"]).detector)
    with pytest.raises(ConfigError, match=told):
        build.embedder(EmbedderSettings(weights="bundled:person-reid", device=device, precision="int8"))


def open_bundled(chosen: Place) -> Detector:
    match chosen:
        case Place("torch", device):
            return torch_detector.open_detector(resolved(BUNDLED), device=device)
        case Place("openvino", device):
            return openvino_models.open_detector(resolved(BUNDLED), device=device)
    raise AssertionError(chosen)


def opened_bundled(device: str) -> Detector:
    """Where a card is thought to be, whose number is none that there is: as one that is full, it takes nothing."""

    def wished(device: str) -> Place:
        found = place(True, weights=BUNDLED, device=device)
        return Place(found.backend, "CUDA:99") if found.device == "CUDA" else found

    return opened(device, wished, open_bundled, name=BUNDLED, section="detector")


def test_what_a_card_does_not_take_runs_on_the_processor_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert opened_bundled("auto").card.runtime.startswith("openvino CPU")
    (said,) = caplog.records
    assert said.levelname == "WARNING"
    told = f"{BUNDLED} runs on the CPU, as the NVIDIA card does not take it: torch has no device 'CUDA:99' here"
    assert said.message.startswith(told)
    assert "with detector.device=CPU the card is left alone" in said.message


def test_a_card_that_is_asked_for_and_does_not_take_it_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ModelError, match="torch has no device 'CUDA:99' here"):
        opened_bundled("CUDA")
    assert not caplog.records


def test_what_has_nothing_to_do_with_the_card_stays_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def opening(chosen: Place) -> Detector:
        return openvino_models.open_detector(tmp_path / "absent.onnx", device=chosen.device)

    with pytest.raises(ModelError, match=r"no weights file .*absent\.onnx"):
        opened(
            "auto",
            lambda wished: Place("torch", "CUDA" if wished == "auto" else wished),
            opening,
            name="a",
            section="b",
        )
    assert not caplog.records


def test_weights_that_tell_no_library() -> None:
    with pytest.raises(ConfigError, match=r"detector\.weights best\.bin: no backend is known for \.bin"):
        place(False, weights="best.bin")
    with pytest.raises(ConfigError, match="no detector is chosen"):
        place(False)
    with pytest.raises(ConfigError, match=r"embedder\.weights looks: no backend is known for a file without suffix"):
        embedder_place(EmbedderSettings(weights="looks"), "embedder.weights")


def test_where_a_card_may_be(tmp_path: Path) -> None:
    driver, missing = tmp_path / "nvidiactl", tmp_path / "dxg"
    driver.touch()
    assert may_have_card("linux", [missing, driver])
    assert not may_have_card("linux", [missing])
    assert not may_have_card("darwin", [driver])
    assert may_have_card("win32", [missing])


def test_a_device_that_is_there_is_tried() -> None:
    assert obstacle(torch.device("cpu")) is None
    assert obstacle(torch.device("meta")) is not None  # which holds no numbers
    assert obstacle(torch.device("cuda", 99)) is not None


def test_without_a_card_that_computes_auto_is_the_processor() -> None:
    usable = torch.cuda.is_available() and obstacle(torch.device("cuda", 0)) is None
    assert cuda_usable() == usable
    assert device_for("torchvision", "auto", None) == ("CUDA" if usable else "CPU")
    assert [device_for("torchvision", "auto", None, cuda=cuda) for cuda in (True, False)] == ["CUDA", "CPU"]


def test_eight_bits_are_for_processors() -> None:
    settings = DetectorSettings(weights=BUNDLED)
    assert build.settled(settings, best_in_bytes=True, cuda=False).precision == "int8"
    assert build.settled(settings, best_in_bytes=True, cuda=True) == settings
    held = settings.model_copy(update={"device": "CPU"})
    assert build.settled(held, best_in_bytes=True, cuda=True).precision == "int8"
