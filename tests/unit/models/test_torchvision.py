"""pipeline.models.torchvision_models: detectors and backbones by name."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torchvision.ops import FrozenBatchNorm2d

from pipeline.errors import ModelError
from pipeline.models.label_names import COCO
from pipeline.models.torchvision_models import DETECTORS, TorchvisionDetector, open_embedder
from pipeline.models.torchvision_weights import build, class_count
from tests.unit.models.tiny_onnx import frame
from trackers.structures import Detections, Frame

SMALL = "ssdlite320_mobilenet_v3_large"
FASTER = "fasterrcnn_mobilenet_v3_large_320_fpn"


def noise(seed: int = 0, *, width: int = 96, height: int = 64) -> Frame:
    return Frame(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8), 0, 0.0, 0)


@pytest.fixture(scope="module")
def faster_state() -> dict[str, torch.Tensor]:
    """Weights in the form of torchvision's own files: frozen batch normalisation, without counters."""
    state = build(FASTER, None, {"weights_backbone": None}).state_dict()
    return {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}


@pytest.mark.parametrize("name", [SMALL, FASTER, pytest.param("ssd300_vgg16", marks=pytest.mark.long)])  # 140 MB
def test_random_weights_run_and_stay_the_same(name: str) -> None:
    before = torch.random.get_rng_state()
    first = TorchvisionDetector(name, weights="none", min_score=0.0, max_detections=9)
    assert torch.equal(torch.random.get_rng_state(), before)
    again = TorchvisionDetector(name, weights="none", min_score=0.0, max_detections=9)
    assert first.card == again.card
    assert first.card.classes == COCO
    a, b = first.detect([noise()])[0], again.detect([noise()])[0]
    np.testing.assert_array_equal(a.boxes, b.boxes)
    assert 0 < len(a) <= 9
    assert (a.boxes[:, 2] <= 96).all()
    assert (a.boxes[:, 3] <= 64).all()
    assert a.labels.min() >= 0
    assert a.labels.max() < 80


@pytest.mark.long
def test_every_named_detector_can_be_built() -> None:
    for name in DETECTORS:
        assert class_count(build(name, None, {"weights_backbone": None, "num_classes": 5}).state_dict()) == 5


def test_a_file_of_torchvisions_form_gives_torchvisions_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faster_state: dict[str, torch.Tensor]
) -> None:
    """Oracle: torchvision itself, which finds the same file where it would have fetched it to."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = torchvision.models.get_model_weights(FASTER).DEFAULT
    path = tmp_path / "hub" / "checkpoints" / weights.url.rsplit("/", 1)[1]
    path.parent.mkdir(parents=True)
    torch.save(faster_state, path)
    theirs = torchvision.models.get_model(FASTER, weights=weights, box_score_thresh=0.0).eval()
    assert any(isinstance(module, FrozenBatchNorm2d) for module in theirs.modules())
    ours = TorchvisionDetector(FASTER, weights=path, min_score=0.0, max_detections=100, precision="f32")
    picture = noise()
    with torch.inference_mode():
        expected = theirs([torch.from_numpy(picture.image[..., ::-1].copy()).permute(2, 0, 1) / 255])[0]
    found = ours.detect([picture])[0]
    real = [label != "N/A" for label in np.array(weights.meta["categories"])[expected["labels"].numpy()]]
    np.testing.assert_allclose(found.scores, expected["scores"].numpy()[real], atol=1e-6)
    np.testing.assert_allclose(
        np.sort(found.boxes, axis=0), np.sort(expected["boxes"].numpy()[real], axis=0), atol=1e-3
    )


def test_own_classes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.pth"
    torch.save(build(SMALL, None, {"weights_backbone": None, "num_classes": 3}).state_dict(), path)
    detector = TorchvisionDetector(SMALL, weights=path, classes=["helmet", "vest"], min_score=0.0)
    assert detector.card.classes == ("helmet", "vest")
    assert set(detector.detect([noise()])[0].labels.tolist()) <= {0, 1}
    with pytest.raises(ModelError, match="2 classes without names"):
        TorchvisionDetector(SMALL, weights=path)
    with pytest.raises(ModelError, match=r"has 2 classes, but detector\.classes names 1"):
        TorchvisionDetector(SMALL, weights=path, classes=["helmet"])


def test_weights_in_safetensors(tmp_path: Path) -> None:
    state = build(SMALL, None, {"weights_backbone": None, "num_classes": 3}).state_dict()
    state = {key: value + 0.01 if value.is_floating_point() else value for key, value in state.items()}
    one, other = tmp_path / "own.safetensors", tmp_path / "own.pth"
    save_file(state, one)
    torch.save(state, other)
    options = {"classes": ["helmet", "vest"], "min_score": 0.0}
    found = TorchvisionDetector(SMALL, weights=one, **options)
    same = TorchvisionDetector(SMALL, weights=other, **options)
    assert found.card.sha256 == hashlib.sha256(one.read_bytes()).hexdigest()
    a, b = found.detect([noise()])[0], same.detect([noise()])[0]
    assert len(a) > 0
    np.testing.assert_array_equal(a.boxes, b.boxes)
    np.testing.assert_array_equal(a.scores, b.scores)
    random = TorchvisionDetector(SMALL, weights="none", **options).detect([noise()])[0]
    assert not np.array_equal(a.boxes, random.boxes)


def test_damaged_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    path.write_bytes((20).to_bytes(8, "little") + b'{"a": no json at all')
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        TorchvisionDetector(SMALL, weights=path)


def test_frames_of_two_sizes_do_not_change_each_other() -> None:
    detector = TorchvisionDetector(SMALL, weights="none", min_score=0.0, max_detections=20, batch=3)
    frames = [noise(1), noise(2, width=50, height=90), noise(3), noise(4)]
    for mixed, one in zip(detector.detect(frames), frames, strict=True):
        np.testing.assert_allclose(mixed.scores, detector.detect([one])[0].scores, atol=1e-5)
    assert detector.detect([]) == []
    assert len(detector.detect([frame(width=1, height=1)])) == 1


def test_without_network_the_error_says_where_to_put_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_MODELS", str(tmp_path))
    monkeypatch.setenv("SIGHTLINE_NO_NETWORK", "1")
    with pytest.raises(ModelError, match=r"https://download\.pytorch\.org/\S+ .*to \S+") as caught:
        TorchvisionDetector(SMALL)
    assert str(tmp_path) in str(caught.value)
    assert not list(tmp_path.rglob("*.pth"))


class Touch:
    """Unpickling this makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.open, (str(self._path), os.O_CREAT | os.O_WRONLY)


def test_unsafe_and_unfit_files(tmp_path: Path) -> None:
    evil, touched = tmp_path / "evil.pth", tmp_path / "touched"
    evil.write_bytes(pickle.dumps(Touch(touched)))
    with pytest.raises(ModelError, match="no safe state_dict"):
        TorchvisionDetector(SMALL, weights=evil)
    torch.save({"weights": Touch(touched)}, evil)
    with pytest.raises(ModelError, match="no safe state_dict"):
        open_embedder("resnet18", weights=evil)
    assert not touched.exists()
    other = tmp_path / "other.pth"
    torch.save(["a list"], other)
    with pytest.raises(ModelError, match="holds no state_dict"):
        TorchvisionDetector(SMALL, weights=other)
    torch.save({"conv.weight": torch.zeros(3)}, other)
    with pytest.raises(ModelError, match="no torchvision detector"):
        TorchvisionDetector(SMALL, weights=other)
    with pytest.raises(ModelError, match="do not fit resnet18"):
        open_embedder("resnet18", weights=other)


def test_names_and_options_that_do_not_exist() -> None:
    with pytest.raises(ModelError, match="'yolo' is unknown; use one of fasterrcnn"):
        TorchvisionDetector("yolo", weights="none")
    with pytest.raises(ModelError, match="fixed input size"):
        TorchvisionDetector(SMALL, weights="none", shortest_side=400)
    with pytest.raises(ModelError, match="no device 'TOASTER'"):
        TorchvisionDetector(SMALL, weights="none", device="TOASTER")
    with pytest.raises(ModelError, match="backbone 'resnet19' is unknown"):
        open_embedder("resnet19", weights="none")
    with pytest.raises(ModelError, match="does not pool"):
        open_embedder("squeezenet1_1", weights="none")


@pytest.mark.parametrize(
    ("name", "dimension"),
    [("resnet18", 512), ("mobilenet_v3_small", 576), ("convnext_tiny", 768)],
)
def test_backbones_describe_crops(name: str, dimension: int) -> None:
    embedder = open_embedder(name, weights="none", input_size=(64, 32))
    assert embedder.card.dimension == dimension
    boxes = np.array([[0, 0, 30, 60], [40, 0, 90, 60], [-5, -5, 2, 2]], np.float32)
    many = Detections(boxes, np.ones(3, np.float32), np.zeros(3, np.int64))
    together = embedder.embed([noise()], [many])[0]
    assert together.shape == (3, dimension)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-5)
    for row in range(3):
        np.testing.assert_allclose(embedder.embed([noise()], [many[np.array([row])]])[0][0], together[row], atol=1e-5)


def test_a_backbone_keeps_its_weights_without_the_head(tmp_path: Path) -> None:
    path = tmp_path / "resnet.pth"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        model = torchvision.models.resnet18(weights=None).eval()
    torch.save(model.state_dict(), path)
    embedder = open_embedder("resnet18", weights=path, input_size=(64, 32), precision="f32")
    one = Detections(np.array([[0, 0, 96, 64]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    model.fc = torch.nn.Identity()
    picture = noise(width=32)
    whole = Detections(np.array([[0, 0, 32, 64]], np.float32), one.scores, one.labels)
    pixels = torch.from_numpy(picture.image[..., ::-1].copy()).permute(2, 0, 1)[None] / 255
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.inference_mode():
        expected = model((pixels - mean[:, None, None]) / deviation[:, None, None])[0].numpy()
    np.testing.assert_allclose(embedder.embed([picture], [whole])[0][0], expected / np.linalg.norm(expected), atol=1e-4)


@pytest.mark.parametrize("name", [SMALL, FASTER])
def test_short_numbers_are_for_layers_and_coordinates_stay_long(name: str) -> None:
    long, short = (
        TorchvisionDetector(name, weights="none", min_score=0.0, max_detections=20, precision=precision)
        for precision in ("f32", "bf16")
    )
    assert (long.card.runtime, short.card.runtime) == ("torch CPU f32", "torch CPU bf16")
    assert long.card.sha256 == short.card.sha256
    expected, found = long.detect([noise()])[0], short.detect([noise()])[0]
    assert found.boxes.dtype == np.float32
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-3)
    maps = [
        model.network.backbone(torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0)))
        for model in (long, short)
    ]
    for level in maps[0]:
        assert maps[1][level].dtype is torch.float32
        assert not torch.equal(maps[0][level], maps[1][level])
        scale = maps[0][level].abs().max()
        torch.testing.assert_close(maps[1][level] / scale, maps[0][level] / scale, atol=0.05, rtol=0)


def test_features_in_short_numbers_are_nearly_the_same() -> None:
    crops = [Frame(noise(seed).image, seed, 0.0, 0) for seed in range(2)]
    box = Detections(np.array([[0, 0, 96, 64]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    long, short = (
        open_embedder("mobilenet_v3_small", weights="none", precision=precision).embed(crops, [box, box])
        for precision in ("f32", "bf16")
    )
    for one, other in zip(long, short, strict=True):
        assert not np.array_equal(one, other)
        assert (one * other).sum() > 0.99
    with pytest.raises(ModelError, match="precision 'f16'"):
        open_embedder("mobilenet_v3_small", weights="none", precision="f16")
