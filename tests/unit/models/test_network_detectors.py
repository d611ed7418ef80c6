"""OpenVINO and ONNX Runtime detectors on networks of a few nodes: both must do the same."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from pipeline.errors import ModelError
from pipeline.models import onnx_models, openvino_models
from pipeline.models.network import NetworkDetector
from tests.unit.models.tiny_onnx import (
    boxes_and_labels,
    brightness_times,
    channel_means,
    four_crops,
    frame,
    open_axes_in,
    open_axes_out,
)

Open = Callable[..., NetworkDetector]
CELLS = 84  # of a 64 x 64 input: 64 + 16 + 4
NAMES = ["a", "b"]

both = pytest.mark.parametrize("open_detector", [openvino_models.open_detector, onnx_models.open_detector])


def yolov8_table() -> np.ndarray:
    """Two boxes whose class scores equal the picture's brightness (0..1) or half of it; sizes do so too."""
    table = np.zeros((6, CELLS), np.float32)
    table[:, 3] = [32, 32, 16, 8, 1.0, 0.0]
    table[:, 9] = [8, 56, 8, 8, 0.0, 0.5]
    return table


@both
@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_frames_do_not_depend_on_their_batch(tmp_path: Path, open_detector: Open, batch: int | str) -> None:
    path = brightness_times(tmp_path / "tiny.onnx", yolov8_table(), batch=batch)
    frames = [frame(255), frame(0), frame(77, width=300, height=300), frame(128), frame(255)]
    together = open_detector(path, classes=NAMES, batch=3).detect(frames)
    alone = [open_detector(path, classes=NAMES).detect([one])[0] for one in frames]
    assert [len(found) for found in together] == [2, 0, 2, 2, 2]
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_allclose(a.boxes, b.boxes, rtol=1e-5)
        np.testing.assert_allclose(a.scores, b.scores, rtol=1e-5)
        np.testing.assert_array_equal(a.labels, b.labels)


@both
def test_a_box_by_hand(tmp_path: Path, open_detector: Open) -> None:
    path = brightness_times(tmp_path / "tiny.onnx", yolov8_table())
    found = open_detector(path, classes=NAMES).detect([frame(255, width=128, height=128)])[0]
    np.testing.assert_allclose(found.boxes[0], [48, 56, 80, 72], atol=1e-4)  # input pixels times 2
    np.testing.assert_allclose(found.scores, [1.0, 0.5], atol=1e-6)
    np.testing.assert_array_equal(found.labels, [0, 1])


@both
def test_frames_run_one_by_one_where_outputs_mix_them(tmp_path: Path, open_detector: Open) -> None:
    path = boxes_and_labels(tmp_path / "tiny.onnx", np.array([[0, 0, 32, 32, 0.9]]), np.array([1]))
    found = open_detector(path, classes=NAMES, batch=4).detect([frame(), frame(width=640, height=640)])
    np.testing.assert_allclose(found[0].boxes, [[0, 0, 32, 32]])
    np.testing.assert_allclose(found[1].boxes, [[0, 0, 320, 320]])


@both
def test_no_frame_and_the_smallest_frame(tmp_path: Path, open_detector: Open) -> None:
    detector = open_detector(brightness_times(tmp_path / "tiny.onnx", yolov8_table()), classes=NAMES)
    assert detector.detect([]) == []
    found = detector.detect([frame(255, width=1, height=1)])[0]
    assert (found.boxes >= 0).all()
    assert (found.boxes <= 1).all()


@both
def test_nan_names_the_frame(tmp_path: Path, open_detector: Open) -> None:
    table = yolov8_table()
    table[4, 0] = np.nan
    detector = open_detector(brightness_times(tmp_path / "sick.onnx", table), classes=NAMES)
    with pytest.raises(ModelError, match=r"'sick' on frame 7 of stream 2: .*NaN"):
        detector.detect([frame(255, index=7, stream=2)])


@both
def test_a_label_without_a_name(tmp_path: Path, open_detector: Open) -> None:
    path = boxes_and_labels(tmp_path / "tiny.onnx", np.array([[0, 0, 32, 32, 0.9]]), np.array([2]))
    with pytest.raises(ModelError, match="gave label 2, but only 2 classes are named"):
        open_detector(path, classes=NAMES).detect([frame()])


@both
def test_class_count_that_does_not_fit(tmp_path: Path, open_detector: Open) -> None:
    path = brightness_times(tmp_path / "tiny.onnx", yolov8_table())
    with pytest.raises(ModelError, match=r"has 2 classes, but detector\.classes names 3"):
        open_detector(path, classes=["a", "b", "c"])
    with pytest.raises(ModelError, match=r"2 classes without names"):
        open_detector(path)


@both
def test_names_and_size_from_the_file(tmp_path: Path, open_detector: Open) -> None:
    path = brightness_times(
        tmp_path / "tiny.onnx",
        yolov8_table(),
        size=("h", "w"),
        metadata={"names": "{0: 'cat', 1: 'dog'}", "imgsz": "[64, 64]"},
    )
    card = open_detector(path).card
    assert card.classes == ("cat", "dog")
    assert card.input_size == (64, 64)
    assert card.runtime.split()[1:] == ["CPU", "f32"]
    assert len(card.sha256) == 64


@both
def test_open_size_must_be_set(tmp_path: Path, open_detector: Open) -> None:
    path = brightness_times(tmp_path / "tiny.onnx", yolov8_table(), size=("h", "w"))
    with pytest.raises(ModelError, match="set input_size"):
        open_detector(path, classes=NAMES)
    assert open_detector(path, classes=NAMES, input_size=(64, 64)).card.input_size == (64, 64)


@both
def test_an_embedder_given_as_detector(tmp_path: Path, open_detector: Open) -> None:
    with pytest.raises(ModelError, match="an embedder, not a detector"):
        open_detector(channel_means(tmp_path / "reid.onnx"), classes=NAMES)


@both
def test_an_onnx_file_that_the_library_refuses(tmp_path: Path, open_detector: Open) -> None:
    path = tmp_path / "hollow.onnx"
    path.write_bytes(b"\x08\x08\x3a\x00")  # ir_version 8 and an empty graph
    with pytest.raises(ModelError, match=r"hollow\.onnx"):
        open_detector(path, classes=NAMES)


@both
def test_open_numbers_of_axes(tmp_path: Path, open_detector: Open) -> None:
    with pytest.raises(ModelError, match=r"any\.onnx does not take one"):
        open_detector(open_axes_in(tmp_path / "any.onnx"), classes=NAMES)
    with pytest.raises(ModelError, match=r"any\.onnx: its outputs .* set detector\.decoder"):
        open_detector(open_axes_out(tmp_path / "any.onnx"), classes=NAMES)


@both
def test_final_boxes_need_support(tmp_path: Path, open_detector: Open) -> None:
    table = np.zeros((9, 6), np.float32)
    table[0] = [8, 16, 32, 48, 0.9, 1]
    path = brightness_times(tmp_path / "tiny.onnx", table)
    with pytest.raises(ModelError, match="with 2 classes may be end-to-end"):
        open_detector(path, classes=NAMES)
    three = open_detector(path, classes=["a", "b", "c"]).detect([frame(255)])[0]
    np.testing.assert_allclose(three.boxes, [[8, 16, 32, 48]], atol=1e-4)
    np.testing.assert_array_equal(three.labels, [1])
    path = brightness_times(tmp_path / "final.onnx", table, metadata={"names": "['a', 'b']", "end2end": "True"})
    assert len(open_detector(path).detect([frame(255)])[0]) == 1


@both
def test_a_negative_label_names_model_and_frame(tmp_path: Path, open_detector: Open) -> None:
    path = boxes_and_labels(tmp_path / "tiny.onnx", np.array([[0, 0, 32, 32, 0.9]]), np.array([-1]))
    with pytest.raises(ModelError, match=r"'tiny' on frame 3 of stream 0: .*no class numbers"):
        open_detector(path, classes=NAMES).detect([frame(index=3)])


@both
def test_unknown_device(tmp_path: Path, open_detector: Open) -> None:
    path = brightness_times(tmp_path / "tiny.onnx", yolov8_table())
    with pytest.raises(ModelError, match="device 'TOASTER'"):
        open_detector(path, classes=NAMES, device="TOASTER")


@pytest.mark.parametrize(
    ("device", "provider"),
    [
        ("CPU", ("CPUExecutionProvider", {})),
        ("cuda", ("CUDAExecutionProvider", {})),
        ("CUDA:1", ("CUDAExecutionProvider", {"device_id": "1"})),
    ],
)
def test_devices_as_onnx_runtime_calls_them(device: str, provider: tuple[str, dict[str, str]]) -> None:
    assert onnx_models.execution_provider(device) == provider


@pytest.mark.parametrize("device", ["CUDA:", "CUDA:one", "CUDA:-1", "CPU:0", "GPU", ""])
def test_other_devices_are_none_of_onnx_runtime(device: str) -> None:
    told = f"device '{device}' is unknown to backend 'onnx'; use one of CPU, CUDA, or of several cards CUDA:1"
    with pytest.raises(ModelError, match=re.escape(told)):
        onnx_models.execution_provider(device)


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this ONNX Runtime is made for cards"
)
def test_a_card_that_onnx_runtime_is_not_made_for(tmp_path: Path) -> None:
    path = brightness_times(tmp_path / "tiny.onnx", yolov8_table())
    with pytest.raises(ModelError, match=r"has no CUDAExecutionProvider; install onnxruntime-gpu"):
        onnx_models.open_detector(path, classes=NAMES, device="CUDA:1")


def test_onnx_runtime_cannot_change_a_fixed_size(tmp_path: Path) -> None:
    path = brightness_times(tmp_path / "tiny.onnx", yolov8_table())
    with pytest.raises(ModelError, match="takes pictures of 64x64 only, not 32x32"):
        onnx_models.open_detector(path, classes=NAMES, input_size=(32, 32))


def test_what_openvino_cannot_reshape_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"four\.onnx cannot take a batch of 1"):
        openvino_models.open_embedder(four_crops(tmp_path / "four.onnx"))
    with pytest.raises(ModelError, match=r"four\.onnx cannot take pictures of 10x10"):
        openvino_models.open_embedder(tmp_path / "four.onnx", input_size=(10, 10))


def test_unknown_precision(tmp_path: Path) -> None:
    path = brightness_times(tmp_path / "tiny.onnx", yolov8_table())
    with pytest.raises(ModelError, match="precision 'f8' is unknown"):
        openvino_models.open_detector(path, classes=NAMES, precision="f8")


def test_a_batch_that_cannot_be_kept_apart_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = boxes_and_labels(tmp_path / "tiny.onnx", np.array([[0, 0, 32, 32, 0.9]]), np.array([1]))
    with caplog.at_level(logging.INFO, logger="pipeline.models"):
        openvino_models.open_detector(path, classes=NAMES, batch=4)
    assert "frames run one by one" in caplog.text
