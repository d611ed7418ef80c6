"""Settings of the segmenter, and what they become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline import build
from pipeline.config import Settings, load_settings
from pipeline.errors import ConfigError, ModelError
from pipeline.models.base import Segmenter
from pipeline.outputs import Outputs
from pipeline.run_record import MODELS, camera_detect_hash, run_record, stored_settings
from tests.fakes import FakeDetector, FakeSegmenter, make_frame
from tests.unit.models.lively_mask_rcnn import lively_file
from trackers.structures import Detections

CLASSES = ("person", "car")
YOLO = "weights/yolov8n_seg_int8/yolov8n-seg_int8.onnx"


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lively_file(tmp_path_factory.mktemp("light") / "mask-rcnn.safetensors")


def settings(*said: str) -> Settings:
    return load_settings(None, [f"segmenter.{one}" for one in said])


def built(*said: str) -> Segmenter | None:
    return build.segmenter(settings(*said).segmenter, CLASSES)


def test_there_is_none_by_default() -> None:
    assert built() is None
    assert built("backend=none") is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["every=2"], "there is no segmenter, so every does nothing"),
        (["backend=onnx"], "backend onnx needs weights"),
        (["backend=none", "weights=a.onnx"], "backend none takes no weights"),
        (["backend=torchvision", "precision=f16"], "f32 or bf16, not in f16"),
        (["weights=a.onnx", "every=0"], "segmenter.every"),
        (["weights=a.onnx", "wehn=asked"], "did you mean 'when'"),
        (["weights=a.safetensors", "match_iou=0.4"], "backend torchvision has no setting match_iou; remove it"),
        (["weights=a.pt", "precision=bf16"], "backend ultralytics has no setting precision"),
        (["weights=a.onnx", "architecture=maskrcnn_resnet50_fpn"], "backend openvino has no setting architecture"),
        (
            ["weights=a.onnx", "backend=onnx", "precision=f32", "architecture=x"],
            "backend onnx has no setting architecture, precision",
        ),
        (["weights=a.docx"], "no backend is known for .docx"),
        (["weights=a.onnx", "classes=[dog]"], "no weights file a.onnx"),
    ],
)
def test_what_cannot_be_is_refused(said: list[str], told: str) -> None:
    with pytest.raises((ConfigError, ModelError), match=told):
        built(*said)


def test_a_light_mask_rcnn_by_its_file(light: Path) -> None:
    found = Detections(np.array([[4, 4, 40, 40]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    segmenter = built(f"weights={light}", "min_score=0.2")
    assert segmenter is not None
    assert segmenter.card.classes == ("person", "vehicle", "bicycle")
    assert segmenter.segment([make_frame(0)], [found])[0].crops[0].size > 0
    with pytest.raises(ConfigError, match=r"segmenter\.classes names 'dog'"):
        built(f"weights={light}", "classes=[dog]")


def test_the_same_file_as_a_detector(light: Path) -> None:
    detector = build.detector(load_settings(None, [f"detector.weights={light}", "detector.min_score=0"]).detector)
    (found,) = detector.detect([make_frame(0)])
    assert detector.card.task == "detect"
    assert found.masks is not None


@pytest.mark.parametrize("backend", ["onnx", "openvino", "ultralytics"])
def test_a_yolo_of_each_backend(shared: Path, backend: str) -> None:
    segmenter = built(f"weights={shared / YOLO}", f"backend={backend}")
    assert segmenter is not None
    assert segmenter.card.task == "segment"


def test_a_network_without_masks_is_refused(shared: Path) -> None:
    with pytest.raises(ModelError, match="gives boxes without masks"):
        built(f"weights={next((shared / 'weights/yolox_nano').glob('*.onnx'))}")


def test_a_run_is_told_by_its_segmenter_and_by_none_as_ever() -> None:
    plain, chosen = settings(), settings("weights=a.onnx", "every=3")
    without = run_record(plain, FakeDetector(), None, Outputs())
    other = run_record(chosen, FakeDetector(), None, Outputs(), segmenter=FakeSegmenter())
    assert without.settings_hash != other.settings_hash
    assert other.settings[MODELS]["segment"][0] == "fake"
    assert stored_settings(other.settings, "x.db").segmenter == chosen.segmenter
    hashes = {
        camera_detect_hash(plain, FakeDetector(), None),
        camera_detect_hash(chosen, FakeDetector(), None, segmenter=FakeSegmenter()),
        camera_detect_hash(settings("weights=a.onnx"), FakeDetector(), None, segmenter=FakeSegmenter()),
    }
    assert len(hashes) == 3
