"""pipeline.models.yolo: what is refused, and architectures with random weights."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.errors import ModelError
from pipeline.models import yolo
from pipeline.models.label_names import COCO
from pipeline.models.yolo import YoloDetector
from tests.unit.models.tiny_onnx import channel_means, frame


class Touch:
    """Unpickling this makes a file: what a malicious .pt would do, made harmless."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, int]]:
        return os.open, (str(self._path), os.O_CREAT | os.O_WRONLY)


def architecture(folder: Path, name: str, source: str) -> Path:
    """One of ultralytics' own descriptions under a name whose letter sets its size."""
    return Path(shutil.copy(Path(yolo.ultralytics.__file__).parent / "cfg/models" / source, folder / name))


@pytest.fixture(scope="module")
def yolo_yaml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return architecture(tmp_path_factory.mktemp("yolo"), "yolov8n.yaml", "v8/yolov8.yaml")


@pytest.mark.parametrize("form", ["zip", "bare pickle", "torch's old form"])
def test_a_malicious_pt_is_refused(tmp_path: Path, form: str) -> None:
    weights, touched = tmp_path / "evil.pt", tmp_path / "touched"
    match form:
        case "zip":
            torch.save({"model": Touch(touched)}, weights)
        case "torch's old form":
            torch.save({"model": Touch(touched)}, weights, _use_new_zipfile_serialization=False)
        case _:
            weights.write_bytes(pickle.dumps({"model": Touch(touched)}))
    with pytest.raises(ModelError, match=r"refuses .*evil\.pt"):
        YoloDetector(weights)
    assert not touched.exists()
    pickle.loads(pickle.dumps(Touch(touched)))  # the trap itself works
    assert touched.exists()


def test_an_architecture_has_random_weights_that_stay_the_same(yolo_yaml: Path) -> None:
    torch.manual_seed(5)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first = YoloDetector(yolo_yaml, min_score=1e-6, max_detections=7)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    picture = frame(90, width=100, height=50)
    a, b = first.detect([picture])[0], YoloDetector(yolo_yaml, min_score=1e-6, max_detections=7).detect([picture])[0]
    assert 0 < len(a) <= 7
    np.testing.assert_array_equal(a.boxes, b.boxes)
    np.testing.assert_array_equal(a.scores, b.scores)
    assert (a.boxes[:, 2] <= 100).all()
    assert (a.boxes[:, 3] <= 50).all()
    assert (np.diff(a.scores) <= 0).all()
    assert a.boxes.dtype == a.scores.dtype == np.float32
    assert first.card.classes == COCO
    assert first.card.runtime == "torch CPU f32"


def test_frames_of_two_sizes_do_not_change_each_other(yolo_yaml: Path) -> None:
    detector = YoloDetector(yolo_yaml, min_score=1e-6, batch=4)
    wide, tall = frame(90, width=100, height=50), frame(200, width=50, height=100)
    together = detector.detect([wide, tall, wide])
    for mixed, one in zip(together, [wide, tall, wide], strict=True):
        np.testing.assert_allclose(mixed.boxes, detector.detect([one])[0].boxes, atol=1e-3)
    assert detector.detect([]) == []


def test_rt_detr_from_its_description(tmp_path: Path) -> None:
    detector = YoloDetector(architecture(tmp_path, "rtdetr-l.yaml", "rt-detr/rtdetr-l.yaml"), input_size=(160, 160))
    assert len(detector.card.classes) == 80
    assert len(detector.detect([frame(90)])) == 1


def test_class_names_of_the_setting(yolo_yaml: Path) -> None:
    names = [f"class {number}" for number in range(80)]
    assert YoloDetector(yolo_yaml, classes=names).card.classes == tuple(names)
    with pytest.raises(ModelError, match=r"has 80 classes, but detector\.classes names 1"):
        YoloDetector(yolo_yaml, classes=["person"])


def test_files_that_are_no_detector(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no weights file"):
        YoloDetector(tmp_path / "absent.pt")
    (tmp_path / "tiny.xml").write_text("<net></net>")
    (tmp_path / "tiny.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match="backend 'ultralytics' reads PyTorch"):
        YoloDetector(tmp_path / "tiny.xml")
    (tmp_path / "odd.yaml").write_text("colour: red\n")
    with pytest.raises(ModelError, match=r"odd\.yaml"):
        YoloDetector(tmp_path / "odd.yaml")
    with pytest.raises(ModelError):
        YoloDetector(channel_means(tmp_path / "reid.onnx", batch=1, size=(64, 64)))


@pytest.mark.parametrize("name", ["net.pth", "net.PT"])
def test_other_suffixes_of_pytorch_files(tmp_path: Path, name: str) -> None:
    torch.save({}, tmp_path / name)
    with pytest.raises(ModelError, match=r"does not end in \.pt, .* rename it .*, or use backend 'torchvision'"):
        YoloDetector(tmp_path / name)


def test_classifiers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'classify'"):
        YoloDetector(architecture(tmp_path, "yolov8n-cls.yaml", "v8/yolov8-cls.yaml"))


def test_unknown_device(yolo_yaml: Path) -> None:
    with pytest.raises(ModelError, match="no device 'TOASTER'"):
        YoloDetector(yolo_yaml, device="TOASTER")


def test_onnx_files_do_not_pretend_to_run_on_a_gpu(tmp_path: Path) -> None:
    path = channel_means(tmp_path / "tiny.onnx", batch=1, size=(64, 64))
    with pytest.raises(ModelError, match="runs ONNX files on the CPU"):
        YoloDetector(path, device="CUDA")


def test_it_is_quiet(yolo_yaml: Path, capfd: pytest.CaptureFixture[str]) -> None:
    YoloDetector(yolo_yaml).detect([frame()])
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""
    assert logging.getLogger("ultralytics").level >= logging.ERROR
