"""Detectors of `sightline export` read back: all of ultralytics' kinds as they ran, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
import yaml

from pipeline import build
from pipeline.config import DetectorSettings, EmbedderSettings
from pipeline.errors import ModelError
from pipeline.models import openvino_models, torch_detector
from pipeline.models.onnx_detector import network_of_onnx, why_not_runnable
from pipeline.models.onnx_weights import with_metadata
from pipeline.training.detector_network import build_network, start_from
from pipeline.training.detector_settings import OF_WEIGHTS
from pipeline.training.model_export import ModelFormat, Precision, export_model, plain_form
from tests.unit.models.tiny_onnx import brightness_times
from tests.unit.training.trained_detector import stored, trained
from trackers.structures import Frame

NAMES = ["person", "vehicle", "bicycle"]
SMALL = {
    "nc": 3,
    "backbone": [[-1, 1, "Conv", [width, 3, 2]] for width in (8, 8, 16, 16, 24)],
    "head": [[[2, 3, 4], 1, "Detect", ["nc"]]],
}


def exported(network: Any, out: Path, *, precision: Precision = Precision.F32) -> Path:
    weights = stored(network, out.with_suffix(".pt"))
    pictures = [np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8) for seed in range(2)]
    plain = plain_form(weights, None, out.parent / "plain")
    export_model(weights, plain, out, form=ModelFormat.ONNX, precision=precision, pictures=pictures)
    return out


def found_by(network: Any, pictures: torch.Tensor) -> np.ndarray:  # type: ignore[type-arg]
    with torch.inference_mode():
        return np.asarray(network.eval()(pictures)[0])


def assert_runs_as_in_onnx(path: Path) -> None:
    assert why_not_runnable(path) is None
    pictures = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    (wanted,) = ort.InferenceSession(path).run(None, {"images": pictures.numpy()})
    found = found_by(network_of_onnx(path), pictures)
    assert float(wanted[..., 4:].std()) > 0.01
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=2e-2)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the least detector."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "plan.yaml").write_text(yaml.safe_dump(SMALL))
    return exported(trained(str(folder / "plan.yaml"), NAMES, seed=1), folder / "small.onnx")


@pytest.mark.parametrize("name", ["yolov6n", "yolov8n-ghost", "yolov10n", "yolo26n"])
def test_exports_run_and_are_explained_and_trained_on(name: str, tmp_path: Path) -> None:
    """A second branch of the head that did not run is in no file; layers may end in ReLU."""
    source = trained(name, NAMES, seed=1)
    path = exported(source, tmp_path / f"{name}.onnx")
    assert_runs_as_in_onnx(path)
    settings = DetectorSettings(weights=str(path), precision="f32", device="CPU")
    assert not isinstance(build.explained(settings, EmbedderSettings(backend="none")).detector_questions, str)
    own = build_network(OF_WEIGHTS, ["vehicle"], seed=2, weights=path)
    assert start_from(own, path, seed=3) > 0.9 * sum(one.numel() for one in own.parameters())
    kept, state = source.half().float().model[:-1].state_dict(), own.model[:-1].state_dict()
    assert [key for key in kept if kept[key].is_floating_point() and not torch.equal(state[key], kept[key])] == []
    for branch in ("cv2", "cv3"):
        first, second = getattr(own.model[-1], branch), getattr(own.model[-1], f"one2one_{branch}", None)
        if second is not None:
            assert all(map(torch.equal, first.parameters(), second.parameters()))


def test_a_head_that_gives_every_object_once(tmp_path: Path) -> None:
    """The file then holds its second branch only."""
    source = trained("yolo26n", NAMES, seed=1)
    source.end2end = True
    path = exported(source, tmp_path / "once.onnx")
    assert not any(".cv2.0.0." in one.name and "one2one" not in one.name for one in onnx.load(path).graph.initializer)
    assert_runs_as_in_onnx(path)
    picture = Frame(np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8), 0, 0.0, 0)
    own = torch_detector.open_detector(path, precision="f32").detect([picture])[0]
    other = openvino_models.open_detector(path, precision="f32").detect([picture])[0]
    assert len(own) == len(other) > 10
    np.testing.assert_allclose(own.scores, other.scores, atol=1e-3)
    network = network_of_onnx(path)
    assert torch.equal(network.model[-1].cv2[0][0].conv.weight, network.model[-1].one2one_cv2[0][0].conv.weight)


@pytest.mark.parametrize(("before", "after"), [(80, 3), (3, 80)])
def test_what_learned_other_classes_is_read(before: int, after: int, tmp_path: Path) -> None:
    """Its branch for classes stays as wide as it was."""
    plan = tmp_path / "plan.yaml"
    plan.write_text(yaml.safe_dump(SMALL))
    weights = stored(trained(str(plan), [f"object {n}" for n in range(before)], seed=1), tmp_path / "before.pt")
    tuned = build_network(str(plan), [f"thing {n}" for n in range(after)], seed=2)
    start_from(tuned, weights, seed=3)
    with torch.no_grad():
        for branch in tuned.model[-1].cv3:
            branch[-1].weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(4))
    path = exported(tuned, tmp_path / "after.onnx")
    assert_runs_as_in_onnx(path)
    network = network_of_onnx(path)
    assert network.model[-1].cv3[0][-1].in_channels == (80 if before == 80 else 16)
    assert (network.yaml["nc"], network.model[-1].nc, len(network.names)) == (after,) * 3
    again = build_network(OF_WEIGHTS, list(tuned.names.values()), seed=5, weights=path)
    assert start_from(again, path, seed=6) > 0.9 * sum(one.numel() for one in again.parameters())
    pictures = torch.rand(1, 3, 64, 64)
    np.testing.assert_array_equal(found_by(again, pictures), found_by(network, pictures))


def changed(small: Path, out: Path, change: Callable[[dict[str, str], onnx.ModelProto], object]) -> Path:
    model = onnx.load(small)
    said = {one.key: one.value for one in model.metadata_props}
    change(said, model)
    out.write_bytes(with_metadata(model.SerializeToString(), said))
    return out


def of_other_width(said: dict[str, str], _: onnx.ModelProto) -> None:
    said["architecture"] = said["architecture"].replace("[8, 3, 2]", "[16, 3, 2]", 1)


def of_unknown_layers(said: dict[str, str], _: onnx.ModelProto) -> None:
    said["architecture"] = said["architecture"].replace("Conv\n", "TorchVision\n", 1)


def of_code(said: dict[str, str], _: onnx.ModelProto) -> None:
    said["architecture"] += "activation: __import__('os').abort()\n"


def once(said: dict[str, str], _: onnx.ModelProto) -> None:
    said["end2end"] = "True"


def without_architecture(said: dict[str, str], _: onnx.ModelProto) -> None:
    said["architecture"] = ""


def without_a_tensor(_: dict[str, str], model: onnx.ModelProto) -> None:
    model.graph.initializer.remove(next(one for one in model.graph.initializer if one.name == "model.1.conv.weight"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (of_other_width, r"it is not of the architecture that it says: \d+ of \d+ tensors are missing or of another"),
        (without_a_tensor, r"1 of \d+ tensors are missing or of another shape, model.1.conv.weight among them"),
        (of_unknown_layers, "which is none that is known here"),
        (of_code, r"its layers end in \"__import__"),
        (once, "says that it gives every object once, but its head has no branch"),
        (without_architecture, "does not say its architecture"),
    ],
)
def test_what_does_not_run_says_why(
    change: Callable[[dict[str, str], onnx.ModelProto], None], says: str, small: Path, tmp_path: Path
) -> None:
    assert why_not_runnable(small) is None
    path = changed(small, tmp_path / "changed.onnx", change)
    reason = why_not_runnable(path)
    assert reason is not None
    with pytest.raises(ModelError, match=says) as refused:
        network_of_onnx(path)
    assert str(refused.value) == f"{path}: {reason}"
    with pytest.raises(ModelError, match=says):
        start_from(build_network("yolov8n", NAMES, seed=1), path, seed=2)


def test_in_8_bits_it_does_not_run(small: Path, tmp_path: Path) -> None:
    path = exported(network_of_onnx(small), tmp_path / "bytes.onnx", precision=Precision.INT8)
    assert (
        why_not_runnable(path) == "it is in 8 bits, its numbers rounded and joined; give the file that it was made of"
    )


def test_files_of_others(tmp_path: Path) -> None:
    path = brightness_times(tmp_path / "other.onnx", np.ones((7, 4), np.float32), metadata={"names": "['a', 'b']"})
    assert why_not_runnable(path) == "it does not say its architecture; of detectors, those of `sightline export` do"
    path.write_bytes(b"text")
    for none in (path, tmp_path / "missing.onnx"):
        with pytest.raises(ModelError, match=r"is not an ONNX file|no weights file"):
            why_not_runnable(none)
