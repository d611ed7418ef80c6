"""Crops, unit length, and embedders made of networks of a few nodes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.models import onnx_models, openvino_models
from pipeline.models.embed import NetworkEmbedder, cut, split, unit_length
from pipeline.models.inputs import PLAIN, crop_bounds
from tests.unit.models.tiny_onnx import brightness_times, channel_means, frame
from trackers.structures import Detections, Frame

Open = Callable[..., NetworkEmbedder]
both = pytest.mark.parametrize("open_embedder", [openvino_models.open_embedder, onnx_models.open_embedder])


def boxes(*rows: tuple[float, float, float, float]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 4)
    return Detections(table, np.ones(len(table), np.float32), np.zeros(len(table), np.int64))


def coloured() -> Frame:
    """Left half blue, right half red."""
    image = np.zeros((40, 40, 3), np.uint8)
    image[:, :20, 0] = 200
    image[:, 20:, 2] = 100
    return Frame(image, 0, 0.0, 0)


def test_crops_stay_inside_and_have_a_pixel() -> None:
    odd = np.array(
        [
            [1.4, 2.6, 5, 9],
            [-50, -50, -9, -9],
            [99, 99, 120, 120],
            [3, 3, 3, 3],
            [8, 8, 2, 2],
            [np.nan] * 4,
            [-np.inf, 0, np.inf, 5],
        ]
    )
    bounds = crop_bounds(odd, 30, 20)
    np.testing.assert_array_equal(bounds[0], [1, 3, 5, 9])
    np.testing.assert_array_equal(bounds[1], [0, 0, 1, 1])
    np.testing.assert_array_equal(bounds[2], [29, 19, 30, 20])
    np.testing.assert_array_equal(bounds[6], [0, 0, 30, 5])
    assert (bounds[:, 2:] > bounds[:, :2]).all()
    assert (bounds >= 0).all()
    assert (bounds[:, 2] <= 30).all()
    assert (bounds[:, 3] <= 20).all()
    assert crop_bounds(np.zeros((0, 4)), 30, 20).shape == (0, 4)


def test_cut_and_split_keep_the_order_of_frames() -> None:
    frames = [frame(10), frame(20), frame(30)]
    found = [boxes((0, 0, 9, 9)), boxes(), boxes((0, 0, 4, 9), (3, 3, 4, 4))]
    crops = cut(frames, found, (6, 4))
    assert crops.shape == (3, 6, 4, 3)
    np.testing.assert_array_equal(crops[:, 0, 0, 0], [10, 30, 30])
    assert [len(part) for part in split(np.arange(9).reshape(3, 3), found)] == [1, 0, 2]
    assert split(np.zeros((0, 3)), []) == []


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 300])
def test_crops_shared_out_among_batches_keep_their_order(tmp_path: Path, count: int) -> None:
    channel_means(tmp_path / "means.onnx")
    alone, shared = (
        openvino_models.open_embedder(tmp_path / "means.onnx", parallel=parallel, input_size=(8, 8))
        for parallel in (1, 3)
    )
    place = np.linspace(0, 30, count)
    found = [boxes(*((x, 2.0, x + 10, 30.0) for x in place)), boxes((0, 0, 9, 9))]
    frames = [coloured(), coloured()]
    for one, other in zip(alone.embed(frames, found), shared.embed(frames, found), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(shared.embed(frames, found)[0]) == count


def test_unit_length() -> None:
    np.testing.assert_allclose(unit_length(np.array([[3.0, 4.0], [0, 0]])), [[0.6, 0.8], [2**-0.5, 2**-0.5]], rtol=1e-6)
    assert unit_length(np.zeros((0, 4))).shape == (0, 4)
    with pytest.raises(ModelError, match="NaN"):
        unit_length(np.array([[np.nan, 1.0]]))


@both
@pytest.mark.parametrize("batch", ["n", 1])
def test_features_by_hand(tmp_path: Path, open_embedder: Open, batch: int | str) -> None:
    embedder = open_embedder(channel_means(tmp_path / "means.onnx", batch=batch), recipe=PLAIN)
    assert embedder.card.task == "embed"
    assert embedder.card.dimension == 3
    assert embedder.card.input_size == (16, 8)
    features = embedder.embed(
        [coloured(), coloured()], [boxes((0, 0, 19, 40), (21, 0, 40, 40)), boxes((10, 0, 30, 40))]
    )
    np.testing.assert_allclose(features[0], [[1, 0, 0], [0, 0, 1]], atol=1e-6)
    np.testing.assert_allclose(features[1], [[2 / 5**0.5, 0, 1 / 5**0.5]], atol=0.01)
    assert features[0].dtype == np.float32


@both
def test_no_box_no_frame(tmp_path: Path, open_embedder: Open) -> None:
    embedder = open_embedder(channel_means(tmp_path / "means.onnx"))
    assert embedder.embed([], []) == []
    assert [part.shape for part in embedder.embed([frame(), frame()], [boxes(), boxes()])] == [(0, 3), (0, 3)]


@both
def test_more_crops_than_a_batch_holds(tmp_path: Path, open_embedder: Open) -> None:
    embedder = open_embedder(channel_means(tmp_path / "means.onnx"), recipe=PLAIN)
    many = boxes(*[(0, 0, 10, 10)] * 130, *[(30, 0, 40, 10)] * 5)
    features = embedder.embed([coloured()], [many])[0]
    np.testing.assert_allclose(features[:130], [[1, 0, 0]] * 130, atol=1e-6)
    np.testing.assert_allclose(features[130:], [[0, 0, 1]] * 5, atol=1e-6)


@both
def test_a_detector_given_as_embedder(tmp_path: Path, open_embedder: Open) -> None:
    with pytest.raises(ModelError, match="no embedder"):
        open_embedder(brightness_times(tmp_path / "yolo.onnx", np.ones((6, 84))))


def test_crops_that_run_one_by_one_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="pipeline.models"):
        onnx_models.open_embedder(channel_means(tmp_path / "means.onnx", batch=1))
    assert "crops run one by one" in caplog.text
