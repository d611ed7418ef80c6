"""Embedders with real weights on the people of PETS: the same person is nearer than another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.stats import rankdata

from pipeline.models import onnx_models, openvino_models
from pipeline.models.base import Embedder
from pipeline.models.colour import ColourEmbedder
from trackers.geometry import from_xywh
from trackers.structures import Detections, FloatArray, Frame, IntArray

Crowd = tuple[list[Frame], list[Detections], IntArray, IntArray]
EVERY = 60


@pytest.fixture(scope="module")
def crowd(shared: Path) -> Crowd:
    """Every 60th frame with its true boxes; identities and frame numbers (n,) of all boxes in order."""
    truth = np.loadtxt(shared / "data/mot15/PETS09-S2L1/gt/gt_at_video_scale.txt", delimiter=",")
    frames, boxes, identities, numbers = [], [], [], []
    with av.open(str(shared / "data/mot15/PETS09-S2L1/video.mp4")) as container:
        for index, picture in enumerate(container.decode(video=0)):
            if index % EVERY:
                continue
            rows = truth[(truth[:, 0] == index + 1) & (truth[:, 6] != 0)]
            frames.append(Frame(picture.to_ndarray(format="bgr24"), index, index / 10, 0))
            table = from_xywh(rows[:, 2:6]).astype(np.float32)
            boxes.append(Detections(table, np.ones(len(rows), np.float32), np.zeros(len(rows), np.int64)))
            identities.append(rows[:, 1].astype(np.int64))
            numbers.append(np.full(len(rows), index))
    return frames, boxes, np.concatenate(identities), np.concatenate(numbers)


def same_against_other(features: FloatArray, identities: IntArray, numbers: IntArray) -> float:
    """Chance that two views of one person are nearer than views of two persons (area under the ROC curve)."""
    likeness = features @ features.T
    apart = np.triu(numbers[:, None] != numbers[None])
    same = identities[:, None] == identities[None]
    positive, negative = likeness[apart & same], likeness[apart & ~same]
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    return float((ranks.sum() - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative)))


def opened(name: str, shared: Path) -> Embedder:
    weights = shared / "weights"
    match name:
        case "colour":
            return ColourEmbedder()
        case "osnet onnx":
            return onnx_models.open_embedder(weights / "osnet_x0_25_msmt17/osnet_x0_25_msmt17.onnx")
        case "osnet":
            return openvino_models.open_embedder(weights / "osnet_x0_25_msmt17/osnet_x0_25_msmt17.onnx")
    stem = f"person-reidentification-retail-{name}"
    return openvino_models.open_embedder(weights / stem / f"{stem}.xml")


@pytest.mark.parametrize(
    ("name", "dimension", "least"),
    [("0288", 256, 0.88), ("0286", 256, 0.88), ("osnet", 512, 0.85), ("colour", 132, 0.75)],
)
def test_the_same_person_is_nearer(shared: Path, crowd: Crowd, name: str, dimension: int, least: float) -> None:
    frames, boxes, identities, numbers = crowd
    embedder = opened(name, shared)
    features = embedder.embed(frames, boxes)
    assert [part.shape for part in features] == [(len(one), dimension) for one in boxes]
    together = np.concatenate(features)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    assert same_against_other(together, identities, numbers) >= least


@pytest.mark.parametrize("name", ["0288", "osnet", "osnet onnx"])
def test_a_feature_does_not_depend_on_its_batch(shared: Path, crowd: Crowd, name: str) -> None:
    frames, boxes = crowd[0][:3], crowd[1][:3]
    embedder = opened(name, shared)
    for frame, some, together in zip(frames, boxes, embedder.embed(frames, boxes), strict=True):
        for row in range(len(some)):
            alone = embedder.embed([frame], [some[np.array([row])]])[0][0]
            np.testing.assert_allclose(alone, together[row], atol=1e-5)


def test_openvino_and_onnx_runtime_agree(shared: Path, crowd: Crowd) -> None:
    frames, boxes = crowd[0][:4], crowd[1][:4]
    pair: list[Callable[..., Embedder]] = [openvino_models.open_embedder, onnx_models.open_embedder]
    path = shared / "weights/osnet_x0_25_msmt17/osnet_x0_25_msmt17.onnx"
    one, other = (np.concatenate(open_embedder(path).embed(frames, boxes)) for open_embedder in pair)
    np.testing.assert_allclose(one, other, atol=1e-4)


def test_boxes_at_and_beyond_the_border(shared: Path, crowd: Crowd) -> None:
    frame = crowd[0][0]
    odd = np.array([[-20, -20, 5, 5], [900, 900, 950, 999], [10, 10, 10.2, 10.2]], np.float32)
    found = Detections(odd, np.ones(3, np.float32), np.zeros(3, np.int64))
    features = opened("0288", shared).embed([frame], [found])[0]
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
