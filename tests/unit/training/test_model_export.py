"""Models exported: what torch computes, every runtime computes, on a real picture; and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch

from pipeline import build
from pipeline.config import load_settings
from pipeline.errors import ConfigError, ModelError, OutputError
from pipeline.models.base import Detector, Embedder
from pipeline.models.inputs import UNIT_RGB, to_batch, to_blob
from pipeline.models.onnx_weights import read_weights
from pipeline.models.openvino_core import core
from pipeline.models.ultralytics_library import load_network
from pipeline.training.detector_network import build_network, checkpoint_of, start_from
from pipeline.training.embedder_file import to_safetensors
from pipeline.training.embedder_network import EmbedderNetwork, EmbedderPlan
from pipeline.training.embedding import embedded
from pipeline.training.model_export import ModelFormat, Precision, export_model, plain_form, task_of
from trackers.structures import Detections, Frame, ImageArray

NAMES = ("person", "vehicle", "bicycle")
ONNX, IR = ModelFormat.ONNX, ModelFormat.OPENVINO


TINY = """
backbone:
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [24, 3, 2]]
  - [-1, 1, C2f, [24, True]]
  - [-1, 1, Conv, [32, 3, 2]]
  - [-1, 1, Conv, [48, 3, 2]]
head:
  - [-1, 1, nn.Upsample, [None, 2, nearest]]
  - [[-1, 4], 1, Concat, [1]]
  - [-1, 1, Conv, [32, 3, 1]]
  - [[3, 8, 5], 1, Detect, [nc]]
"""


def tiny(folder: Path, *, seed: int) -> Any:
    """A detector with all kinds of layers of a large one."""
    (folder / "tiny.yaml").write_text(f"nc: 3{TINY}")
    return build_network(str(folder / "tiny.yaml"), NAMES, seed=seed)


@pytest.fixture(scope="module")
def picture(shared: Path) -> ImageArray:
    image = cv2.imread(str(shared / "data/coco-mini/images/000000000139.jpg"))
    if image is None:
        image = cv2.imread(str(sorted((shared / "data/coco-mini/images").iterdir())[0]))
    assert image is not None
    return np.asarray(image, np.uint8)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector as a training leaves it: random weights, but for a head that is sure of some cells."""
    path = tmp_path_factory.mktemp("training") / "best.pt"
    network = tiny(path.parent, seed=3)
    torch.manual_seed(0)
    with torch.no_grad():
        for branch in network.model[-1].cv3:
            branch[-1].weight.normal_(0, 0.3)
            branch[-1].bias.fill_(-1)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_var.uniform_(0.5, 1.5)
    path.write_bytes(checkpoint_of(network, settings={"imgsz": 160}, score=0.1, epoch=1))
    return path


def exported(
    weights: Path, out: Path, form: ModelFormat, precision: Precision, size: tuple[int, int] | None = None,
    pictures: tuple[ImageArray, ...] = (),
) -> tuple[Path, ...]:  # fmt: skip
    plain = plain_form(weights, size, out.parent / "plain")
    return export_model(weights, plain, out, form=form, precision=precision, size=size, pictures=pictures)


def detector(path: Path, backend: str = "auto") -> Detector:
    keys = [f"detector.weights={path}", f"detector.backend={backend}", "detector.precision=f32"]
    return build.detector(load_settings(None, [*keys, "detector.min_score=0.05", "detector.threads=1"]).detector)


def embedder(path: Path, backend: str = "auto") -> Embedder:
    keys = [f"embedder.weights={path}", f"embedder.backend={backend}", "embedder.precision=f32", "embedder.threads=1"]
    found = build.embedder(load_settings(None, keys).embedder)
    assert found is not None
    return found


def torch_boxes(weights: Path, picture: ImageArray) -> np.ndarray:  # type: ignore[type-arg]
    """(4 + classes, cells) of the network itself."""
    batch, _ = to_batch([picture], (160, 160), UNIT_RGB)
    with torch.inference_mode():
        return np.asarray(load_network(weights).eval()(torch.from_numpy(to_blob(batch, UNIT_RGB)))[0][0])


@pytest.mark.parametrize(
    ("form", "precision", "tolerance"),
    [
        (ONNX, Precision.F32, 2e-3),
        (ONNX, Precision.F16, 2e-3),  # the checkpoint is stored as float16 already
        (IR, Precision.F32, 2e-3),
        (IR, Precision.F16, 2e-3),
    ],
)
def test_a_detector_gives_what_torch_gives(
    checkpoint: Path, picture: ImageArray, tmp_path: Path, form: ModelFormat, precision: Precision, tolerance: float
) -> None:
    out = tmp_path / f"small{form.suffix}"
    files = exported(checkpoint, out, form, precision)
    assert files[-1] == out
    batch, _ = to_batch([picture], (160, 160), UNIT_RGB)
    wanted = torch_boxes(checkpoint, picture)
    compiled = core().compile_model(out, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(to_blob(batch, UNIT_RGB))[0][0]
    np.testing.assert_allclose(found[:4], wanted[:4], atol=160 * tolerance)
    np.testing.assert_allclose(found[4:], wanted[4:], atol=tolerance)
    for backend in ("openvino", "onnx") if form is ONNX else ("openvino",):
        product = detector(out, backend)
        assert product.card.classes == NAMES
        assert product.card.input_size == (160, 160)
        seen = product.detect([Frame(picture, 0, 0.0, 0)])[0]
        assert len(seen) > 0
        assert seen.scores[0] == pytest.approx(wanted[4:].max(), abs=tolerance)


def test_an_exported_detector_can_be_trained_on(checkpoint: Path, tmp_path: Path) -> None:
    exported(checkpoint, tmp_path / "a.onnx", ONNX, Precision.F16)
    state, said = read_weights(tmp_path / "a.onnx")
    assert said["task"] == "detect"
    assert said["imgsz"] == "[160, 160]"
    own = load_network(checkpoint).state_dict()
    assert all(torch.equal(own[name], value) for name, value in state.items())
    fresh = tiny(tmp_path, seed=9)
    start_from(fresh, tmp_path / "a.onnx", seed=0)
    held = fresh.state_dict()
    assert all(torch.equal(held[name], value) for name, value in state.items() if ".dfl." not in name)


def test_eight_bits(checkpoint: Path, picture: ImageArray, tmp_path: Path) -> None:
    wanted = torch_boxes(checkpoint, picture)
    pictures = (picture, picture[::-1].copy(), picture[:, ::-1].copy())
    batch, _ = to_batch([picture], (160, 160), UNIT_RGB)
    whole = sum(file.stat().st_size for file in exported(checkpoint, tmp_path / "whole.xml", IR, Precision.F32))
    for form in (ONNX, IR):
        out = tmp_path / f"small{form.suffix}"
        files = exported(checkpoint, out, form, Precision.INT8, pictures=pictures)
        assert sum(file.stat().st_size for file in files) < 0.45 * whole
        found = core().compile_model(out, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(to_blob(batch, UNIT_RGB))[0][0]
        assert np.abs(found[4:] - wanted[4:]).mean() < 0.02
        for backend in ("openvino", "onnx") if form is ONNX else ("openvino",):
            product = detector(out, backend)
            assert (product.card.classes, product.card.input_size) == (NAMES, (160, 160))
            assert len(product.detect([Frame(picture, 0, 0.0, 0)])[0]) > 0
    assert "QuantizeLinear" in {node.op_type for node in onnx.load(tmp_path / "small.onnx").graph.node}


def test_an_embedder_gives_what_torch_gives(picture: ImageArray, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = EmbedderNetwork(EmbedderPlan((64, 32), 16, (8, 16, 24)))
    network(torch.rand(8, 3, 64, 32))
    (tmp_path / "best.safetensors").write_bytes(to_safetensors(network))
    crop = np.asarray(cv2.resize(picture, (32, 64), interpolation=cv2.INTER_LINEAR), np.uint8)
    wanted = embedded(network.eval(), crop[None], device=torch.device("cpu"))
    frame = Frame(crop, 0, 0.0, 0)
    box = Detections(np.array([[0, 0, 32, 64]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    for form, precision, tolerance in (
        (ONNX, Precision.F32, 1e-4),
        (ONNX, Precision.F16, 5e-3),
        (IR, Precision.F16, 5e-3),
        (ONNX, Precision.INT8, 0.1),
        (IR, Precision.INT8, 0.1),
    ):
        out = tmp_path / f"{precision}{form.suffix}"
        exported(tmp_path / "best.safetensors", out, form, precision, pictures=(crop, crop[::-1].copy()))
        assert task_of(out) == "embed"
        for backend in ("openvino", "onnx") if form is ONNX else ("openvino",):
            found = embedder(out, backend).embed([frame], [box])[0]
            np.testing.assert_allclose(found, wanted, atol=tolerance, err_msg=f"{out.name} {backend}")


def test_onnx_in_other_precisions(checkpoint: Path, tmp_path: Path) -> None:
    exported(checkpoint, tmp_path / "f32.onnx", ONNX, Precision.F32)
    exported(tmp_path / "f32.onnx", tmp_path / "f16.onnx", ONNX, Precision.F16)
    exported(tmp_path / "f16.onnx", tmp_path / "again.onnx", ONNX, Precision.F32)
    sizes = [(tmp_path / f"{name}.onnx").stat().st_size for name in ("f32", "f16", "again")]
    assert sizes[1] < 0.6 * sizes[0]
    assert sizes[2] == pytest.approx(sizes[0], rel=0.01)
    assert read_weights(tmp_path / "again.onnx")[1] == read_weights(tmp_path / "f32.onnx")[1]
    onnx.checker.check_model(str(tmp_path / "again.onnx"), full_check=True)


def test_what_cannot_be_exported(checkpoint: Path, shared: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.pt"
    text.write_text("no model")
    person = shared / "weights/person-reidentification-retail-0288/person-reidentification-retail-0288.xml"
    for weights, out, size, kind, says in (
        (tmp_path / "absent.pt", "a.onnx", None, ModelError, "no weights file .*absent.pt"),
        (text, "a.onnx", None, ModelError, "text.pt"),
        (checkpoint.with_suffix(".csv"), "a.onnx", None, ConfigError, "no model that can be exported"),
        (checkpoint, "a.onnx", (100, 160), ModelError, "multiples of 32, not 100x160"),
        (checkpoint, "a.xml", None, ConfigError, "ends in .onnx"),
        (person, "a.onnx", None, ModelError, "an OpenVINO IR, of which no ONNX"),
    ):
        with pytest.raises(kind, match=says):
            exported(weights, tmp_path / out, ONNX, Precision.F16, size)
    with pytest.raises(ModelError, match="needs calibration pictures"):
        exported(checkpoint, tmp_path / "a.xml", IR, Precision.INT8)
    with pytest.raises(OutputError, match="cannot be made"):
        exported(checkpoint, text / "inside" / "a.onnx", ONNX, Precision.F16)
    assert not list(tmp_path.glob("a.*"))
    segmenter = shared / "weights/nanotrack_v2/nanotrack_head_sim.onnx"
    with pytest.raises(ModelError, match="no detector or embedder"):
        task_of(segmenter)


def test_weights_that_went_wrong(tmp_path: Path) -> None:
    network = tiny(tmp_path, seed=0)
    with torch.no_grad():
        next(network.parameters())[0] = float("nan")
    path = tmp_path / "best.pt"
    path.write_bytes(checkpoint_of(network, settings={"imgsz": 64}, score=0.1, epoch=1))
    with pytest.raises(ModelError, match="not finite"):
        exported(path, tmp_path / "a.onnx", ONNX, Precision.F16)


def test_a_detector_says_what_its_scores_are_worth_in_every_form(checkpoint: Path, tmp_path: Path) -> None:
    pairs = ((0.1, 0.05), (0.6, 0.9))
    plain = plain_form(checkpoint, None, tmp_path / "plain")
    first, second, third = tmp_path / "a.onnx", tmp_path / "b.onnx", tmp_path / "c.xml"
    export_model(checkpoint, plain, first, form=ONNX, precision=Precision.F16, scores=pairs)
    export_model(first, first, second, form=ONNX, precision=Precision.F32)
    export_model(second, second, third, form=IR, precision=Precision.F16)
    for path, backend in ((first, "auto"), (second, "onnx"), (third, "auto")):
        card = detector(path, backend).card
        assert card.calibration == pairs
        assert card.classes == NAMES
    assert detector(plain).card.calibration is None


def test_an_embedder_has_no_scores(tmp_path: Path) -> None:
    path = tmp_path / "reid.safetensors"
    path.write_bytes(to_safetensors(EmbedderNetwork(EmbedderPlan(input_size=(64, 32), dimension=16))))
    plain = plain_form(path, None, tmp_path / "plain")
    with pytest.raises(ConfigError, match="is no detector"):
        export_model(path, plain, tmp_path / "a.onnx", form=ONNX, precision=Precision.F16, scores=((0, 0), (1, 1)))
    assert not (tmp_path / "a.onnx").exists()
