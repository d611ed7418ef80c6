"""The bundled detector's first blocks: against ONNX Runtime, any number of crops, and what has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from pipeline.bundled_models import resolved
from pipeline.errors import ModelError
from pipeline.models.first_blocks import FirstBlocks
from tests.unit.models.tiny_onnx import brightness_times
from tests.unit.trackers.target_scenes import texture
from trackers.structures import FloatArray, ImageArray

WEIGHTS = resolved("bundled:person-vehicle-bicycle")


def crops(count: int, side: int) -> ImageArray:
    return np.stack([texture(side, side, seed=number) for number in range(count)])


@pytest.fixture(scope="module")
def blocks() -> FirstBlocks:
    return FirstBlocks(WEIGHTS, threads=1)


def by_onnx_runtime(pictures: ImageArray, name: str, folder: Path) -> FloatArray:
    """What the whole network computes on its way, for red-green-blue 0..1 as the detector gets it."""
    model = onnx.load(WEIGHTS)
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    path = folder / "open.onnx"
    onnx.save(model, str(path))
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    blob = pictures[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32) / 255
    return np.concatenate([session.run([name], {"images": one[None]})[0] for one in blob])


def test_blocks_answer_what_onnx_runtime_computes(tmp_path: Path) -> None:
    pictures = crops(3, 64)
    fine = by_onnx_runtime(pictures, "/model.2/cv2/act/Mul_output_0", tmp_path)
    coarse = by_onnx_runtime(pictures, "/model.4/cv2/act/Mul_output_0", tmp_path)
    assert (fine.shape, coarse.shape) == ((3, 32, 16, 16), (3, 64, 8, 8))
    np.testing.assert_allclose(FirstBlocks(WEIGHTS, side=64, blocks=(4,))(pictures), coarse, atol=2e-3)
    both = FirstBlocks(WEIGHTS, side=64, blocks=(2, 4))(pictures)
    averaged = (fine[..., ::2, ::2] + fine[..., 1::2, ::2] + fine[..., ::2, 1::2] + fine[..., 1::2, 1::2]) / 4
    np.testing.assert_allclose(both, np.concatenate([averaged, coarse], axis=1), atol=2e-3)


def test_any_number_of_crops_does(blocks: FirstBlocks) -> None:
    pictures = crops(3, blocks.side)
    alone = blocks(pictures[:1])
    assert alone.dtype == np.float32
    many = blocks(np.tile(pictures, (100, 1, 1, 1)))
    assert many.shape == (300, *alone.shape[1:])
    np.testing.assert_allclose(many[[0]], alone, atol=1e-4)
    np.testing.assert_array_equal(many[255:258], many[0:3])
    assert np.abs(many[0] - many[1]).max() > 0.1
    assert blocks(pictures[:0]).shape == (0, *alone.shape[1:])


def test_other_files_and_sides_are_told(tmp_path: Path) -> None:
    other = brightness_times(tmp_path / "other.onnx", np.ones((7, 4)))
    with pytest.raises(ModelError, match=r"other\.onnx has no /model\.\d.*; give a YOLOv8 detector"):
        FirstBlocks(other)
    with pytest.raises(ModelError, match=r"no weights file .*nowhere\.onnx"):
        FirstBlocks(tmp_path / "nowhere.onnx")
    with pytest.raises(ModelError, match="crops of 50 pixels have no whole number of cells; use a multiple of 8"):
        FirstBlocks(WEIGHTS, side=50)
    with pytest.raises(ModelError, match="precision 'f8' is unknown"):
        FirstBlocks(WEIGHTS, precision="f8")
