"""NanoTrack's real networks: against ONNX Runtime, against OpenCV's own tracker, and on real targets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import onnxruntime as ort
import pytest

from pipeline.errors import ModelError
from pipeline.models.nanotrack import open_nanotrack
from trackers.geometry import from_xywh, iou_pairs
from trackers.siamese import SiameseTracker
from trackers.siamese_networks import SiameseNetworks
from trackers.structures import FloatArray, ImageArray


@pytest.fixture(scope="module")
def files(shared: Path) -> tuple[Path, Path]:
    folder = shared / "weights/nanotrack_v2"
    return folder / "nanotrack_backbone_sim.onnx", folder / "nanotrack_head_sim.onnx"


@pytest.fixture(scope="module")
def networks(files: tuple[Path, Path]) -> SiameseNetworks:
    return open_nanotrack(*files)


def clip(shared: Path, name: str) -> Iterator[ImageArray]:
    with av.open(str(shared / "data/sot" / name / "video.mp4")) as container:
        for picture in container.decode(video=0):
            yield np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)


def truth(shared: Path, name: str) -> FloatArray:
    """True boxes (frames, 4) x1 y1 x2 y2."""
    return from_xywh(np.loadtxt(shared / "data/sot" / name / "groundtruth.txt", delimiter=",", ndmin=2)[:, -4:])


def crops(shared: Path, side: int) -> ImageArray:
    """Three pieces of different clips."""
    firsts = [next(clip(shared, name)) for name in ("Crossing", "Car4", "Girl")]
    return np.stack([cv2.resize(first[:200, :200], (side, side)) for first in firsts]).astype(np.uint8)


def test_one_batch_gives_what_onnx_runtime_gives_one_by_one(
    shared: Path, files: tuple[Path, Path], networks: SiameseNetworks
) -> None:
    pictures = crops(shared, 255)
    templates = networks.template(crops(shared, 127))
    maps = networks.search(pictures)
    scores, distances = networks.compare(templates, maps)
    assert templates.shape == (3, 48, 8, 8)
    assert scores.shape == (3, 16, 16)
    backbone, head = (ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in files)
    for row, picture in enumerate(pictures):
        (alone,) = backbone.run(None, {"input": picture.transpose(2, 0, 1)[None].astype(np.float32)})
        np.testing.assert_allclose(maps[[row]], alone, atol=2e-3)
        logits, sides = head.run(None, {"input1": templates[[row]], "input2": alone})
        weights = np.exp(logits[0] - logits[0].max(axis=0))
        np.testing.assert_allclose(scores[row], weights[1] / weights.sum(axis=0), atol=2e-3)
        np.testing.assert_allclose(distances[row], sides[0], rtol=5e-3, atol=0.05)


def test_a_row_does_not_depend_on_its_batch(shared: Path, networks: SiameseNetworks) -> None:
    templates, maps = networks.template(crops(shared, 127)), networks.search(crops(shared, 255))
    scores, distances = networks.compare(templates, maps)
    for row in range(3):
        np.testing.assert_allclose(networks.template(crops(shared, 127)[[row]])[0], templates[row], atol=1e-3)
        score, distance = networks.compare(templates[[row]], maps[[row]])
        np.testing.assert_allclose(score[0], scores[row], atol=1e-3)
        np.testing.assert_allclose(distance[0], distances[row], rtol=1e-3, atol=0.01)


@pytest.mark.parametrize("name", ["Crossing", "Car4"])
def test_goes_where_opencv_goes(shared: Path, files: tuple[Path, Path], networks: SiameseNetworks, name: str) -> None:
    settings = cv2.TrackerNano_Params()
    settings.backbone, settings.neckhead = map(str, files)
    peer = cv2.TrackerNano_create(settings)
    ours = SiameseTracker(networks)
    overlaps = []
    for number, image in zip(range(40), clip(shared, name), strict=False):
        if number == 0:
            first = truth(shared, name)[:1].round()
            ours.add(image, first)
            peer.init(image, [int(value) for value in (*first[0, :2], *(first[0, 2:] - first[0, :2]))])
            continue
        there, box = peer.update(image)
        assert there
        theirs = from_xywh(np.array([box], np.float64))
        overlaps.append(iou_pairs(ours.update(image).boxes, theirs)[0])
    assert np.mean(overlaps) > 0.8
    assert np.min(overlaps) > 0.6


def test_follows_a_pedestrian_and_says_when_there_is_none(shared: Path, networks: SiameseNetworks) -> None:
    boxes = truth(shared, "Crossing")
    tracker = SiameseTracker(networks)
    overlaps, scores = [], []
    for number, image in enumerate(clip(shared, "Crossing")):
        if number == 0:
            tracker.add(image, boxes[:1])
            continue
        found = tracker.update(image)
        overlaps.append(iou_pairs(found.boxes, boxes[[number]])[0])
        scores.append(found.scores[0])
    assert np.mean(overlaps) > 0.72  # 0.766 in November 2026
    assert np.min(overlaps) > 0.4
    background = tracker.update(np.full_like(image, 90)).scores[0]
    assert background < 0.2 < np.min(scores)


@pytest.mark.parametrize(
    ("precision", "device", "message"),
    [("f8", "CPU", "precision 'f8' is unknown"), ("f32", "NPU9", "no device 'NPU9'")],
)
def test_unknown_settings_are_refused(files: tuple[Path, Path], precision: str, device: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        open_nanotrack(*files, precision=precision, device=device)


def test_bfloat16_gives_nearly_the_same(shared: Path, files: tuple[Path, Path], networks: SiameseNetworks) -> None:
    maps = networks.search(crops(shared, 255))
    coarse = open_nanotrack(*files, precision="bf16", threads=2).search(crops(shared, 255))
    likeness = (maps * coarse).sum() / np.linalg.norm(maps) / np.linalg.norm(coarse)
    assert likeness > 0.99


def test_other_networks_are_told_apart(shared: Path, files: tuple[Path, Path]) -> None:
    backbone, head = files
    with pytest.raises(ModelError, match=r"head_sim\.onnx is no backbone of NanoTrack v2: it takes .*backbone first"):
        open_nanotrack(head, backbone)
    with pytest.raises(ModelError, match=r"backbone_sim\.onnx is no head of NanoTrack v2"):
        open_nanotrack(backbone, backbone)
    embedder = shared / "weights/osnet_x0_25_msmt17/osnet_x0_25_msmt17.onnx"
    with pytest.raises(ModelError, match=r"osnet_x0_25_msmt17\.onnx is no backbone of NanoTrack v2"):
        open_nanotrack(embedder, head)


def test_missing_and_damaged_files_are_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    backbone, head = files
    with pytest.raises(ModelError, match=r"no weights file .*nowhere\.onnx; check the path"):
        open_nanotrack(tmp_path / "nowhere.onnx", head)
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(head.read_bytes()[:100_000])
    with pytest.raises(ModelError, match=r"cut\.onnx is not an ONNX file, or it is cut short .*fetch it again"):
        open_nanotrack(backbone, cut)
    with pytest.raises(ModelError, match=r"SOURCE\.txt is no weights file"):
        open_nanotrack(backbone.parent / "SOURCE.txt", head)
