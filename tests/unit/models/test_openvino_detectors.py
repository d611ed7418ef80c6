"""What OpenVINO's detectors do beyond ONNX Runtime's: tight padding, frames side by side, 8 bits by the processor."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.models.inputs import Letterbox
from pipeline.models.openvino_core import core
from pipeline.models.openvino_library import ov
from pipeline.models.openvino_models import open_detector
from tests.unit.models.test_network_detectors import NAMES, yolov8_table
from tests.unit.models.tiny_onnx import brightness_of_any_size, brightness_times, frame

ONE_BOX = np.array([32, 24, 16, 8, 1.0, 0.5])  # centre, size in input pixels; two classes
GREY = 114 / 255  # of the padding


def test_a_wide_picture_is_padded_as_little_as_can_be(tmp_path: Path) -> None:
    path = brightness_of_any_size(tmp_path / "tiny.onnx", ONE_BOX)
    wide = frame(255, width=128, height=64)
    ways = (Letterbox.FULL, Letterbox.TIGHT)
    full, tight = (open_detector(path, classes=NAMES, input_size=(64, 64), letterbox=way) for way in ways)
    assert full.detect([wide])[0].scores == pytest.approx([(1 + GREY) / 2], abs=1e-4)
    (found,) = tight.detect([wide])
    assert found.scores == pytest.approx([1.0], abs=1e-5)
    np.testing.assert_allclose(found.boxes, [[48, 40, 80, 56]], atol=1e-3)  # input pixels times 2: nothing is above it
    assert (full.card.tight, tight.card.tight) == (False, True)
    assert full.card.input_size == tight.card.input_size == (64, 64)


def test_pictures_of_several_shapes_keep_their_order(tmp_path: Path) -> None:
    path = brightness_of_any_size(tmp_path / "tiny.onnx", ONE_BOX)
    sizes = [(128, 64), (64, 128), (64, 64), (128, 64), (300, 299), (2000, 1)]
    frames = [frame(255 - 20 * row, width=w, height=h, index=row) for row, (w, h) in enumerate(sizes)]
    detector = open_detector(path, classes=NAMES, input_size=(64, 64), letterbox=Letterbox.TIGHT)
    found = detector.detect(frames)
    assert found[0].scores == pytest.approx([1.0], abs=1e-5)
    assert found[3].scores == pytest.approx([195 / 255], abs=1e-4)
    for one, alone in zip(found, [detector.detect([one])[0] for one in frames], strict=True):
        np.testing.assert_array_equal(one.boxes, alone.boxes)
        np.testing.assert_array_equal(one.scores, alone.scores)
    assert detector.detect([]) == []


def test_one_with_the_grid_of_one_size_is_padded_fully(tmp_path: Path) -> None:
    """As ultralytics exports it: it takes other sizes, but its cells would mean something else."""
    path = brightness_times(tmp_path / "tiny.onnx", yolov8_table())
    detector = open_detector(path, classes=NAMES, letterbox=Letterbox.TIGHT)
    assert not detector.card.tight
    (found,) = detector.detect([frame(255, width=128, height=64)])
    assert found.scores[0] == pytest.approx((1 + GREY) / 2, abs=1e-4)


@pytest.mark.parametrize("batch", [1, 2])
def test_side_by_side_to_the_last_bit(tmp_path: Path, batch: int) -> None:
    path = brightness_times(tmp_path / "tiny.onnx", yolov8_table())
    frames = [frame(7 * row, index=row) for row in range(11)]
    one, three = (open_detector(path, classes=NAMES, batch=batch, parallel=parallel) for parallel in (1, 3))
    assert (one.card.at_once, three.card.at_once) == (batch, 6 * batch)
    assert replace(three.card, at_once=batch) == one.card
    for a, b in zip(one.detect(frames), three.detect(frames), strict=True):
        np.testing.assert_array_equal(a.boxes, b.boxes)
        np.testing.assert_array_equal(a.scores, b.scores)


def test_a_frame_that_fails_leaves_the_others_to_be_looked_at_again(tmp_path: Path) -> None:
    table = yolov8_table()
    table[4, 3] = np.nan
    path = brightness_times(tmp_path / "tiny.onnx", table)
    detector = open_detector(path, classes=NAMES, parallel=2)
    for _ in range(3):
        with pytest.raises(ModelError, match="frame 0 of stream 0"):
            detector.detect([frame(255, index=row) for row in range(6)])


def test_8_bits_are_those_of_the_file_beside_it(tmp_path: Path) -> None:
    path = brightness_times(tmp_path / "tiny.onnx", yolov8_table())
    with pytest.raises(ModelError, match=re.escape("needs tiny-int8.xml beside it; make it with `sightline export")):
        open_detector(path, classes=NAMES, precision="int8")
    half = brightness_times(tmp_path / "half.onnx", yolov8_table() * np.array([1, 1, 1, 1, 0.5, 1])[:, None])
    ov.save_model(core().read_model(half), tmp_path / "tiny-int8.xml", compress_to_fp16=False)
    quick = open_detector(path, classes=NAMES, precision="int8")
    assert quick.card.name == "tiny-int8"
    assert quick.detect([frame(255)])[0].scores == pytest.approx([0.5, 0.5], abs=1e-4)
    assert open_detector(path, classes=NAMES, precision="f32").card.name == "tiny"
    assert open_detector(path, classes=NAMES, precision="auto").card.name == "tiny"
