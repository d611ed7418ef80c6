"""A detector's layers as the trunk of a Mask R-CNN: the maps its last module reads, and descriptions of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.bundled_models import resolved
from pipeline.errors import ModelError, TrainingError
from pipeline.models.detector_trunk import DetectorTrunk
from pipeline.models.mask_rcnn import MaskRcnnPlan, light_mask_rcnn
from pipeline.models.mask_rcnn_file import read_light
from pipeline.models.onnx_detector import network_of_onnx
from pipeline.models.pyramid import LEVELS
from pipeline.models.trunk_description import description_of
from pipeline.models.ultralytics_library import ultralytics
from pipeline.training.detector_network import build_network, checkpoint_of, read_detector
from pipeline.training.mask_rcnn_file import to_safetensors
from pipeline.training.mask_rcnn_start import starting_point
from tests.unit.models.lively_mask_rcnn import TRUNK

BUNDLED = Path(resolved("bundled:person-vehicle-bicycle"))
SMALL: dict[str, Any] = TRUNK


def but(**changed: Any) -> dict[str, Any]:
    """SMALL with other entries; `last`: the row of its last module; `first`: that of its first layer."""
    last, first = changed.pop("last", SMALL["head"][-1]), changed.pop("first", SMALL["backbone"][0])
    parts = {"backbone": [first, *SMALL["backbone"][1:]], "head": [*SMALL["head"][:-1], last]}
    return json.loads(json.dumps({**SMALL, **parts, **changed}))


def read_by_the_last_module(network: Any, pictures: Tensor) -> list[Tensor]:
    """The maps that a detector's last module is given."""
    seen: list[Tensor] = []
    handle = network.model[-1].register_forward_pre_hook(lambda _, given: seen.extend(one.clone() for one in given[0]))
    with torch.inference_mode():
        network.eval()(pictures)
    handle.remove()
    return seen


def assert_same_maps(trunk: Any, source: Any, pictures: Tensor) -> None:
    with torch.inference_mode():
        maps = trunk.eval()(pictures)
    assert list(maps) == list(LEVELS)
    for own, theirs in zip(maps.values(), read_by_the_last_module(source, pictures), strict=True):
        assert float(theirs.std()) > 0
        torch.testing.assert_close(own, theirs, rtol=1e-4, atol=1e-3 * float(theirs.std()))


def test_a_trunk_sees_what_the_detector_saw() -> None:
    network, plan = starting_point(BUNDLED, ["person", "vehicle"])
    assert plan.classes == ("person", "vehicle")
    assert (network.transform.image_mean, network.transform.image_std) == ([0, 0, 0], [1, 1, 1])
    assert_same_maps(network.backbone.body, network_of_onnx(BUNDLED), torch.rand(2, 3, 96, 128))
    assert len(to_safetensors(network, plan, half=True)) < 12_000_000


@pytest.mark.parametrize(
    "name", ["yolov8n", "yolo11n", "yolo26n", "yolov10n", "yolov9t", "yolov5n", "yolov6n", "yolo12n"]
)
def test_networks_of_ultralytics_are_trunks_too(name: str) -> None:
    source = build_network(name, ["person"], seed=1)
    trunk = DetectorTrunk(source.yaml)
    trunk.take(source.state_dict())
    assert_same_maps(trunk, source, torch.rand(1, 3, 64, 96))


def test_a_file_of_ultralytics_is_a_start(tmp_path: Path) -> None:
    source = build_network("yolov8n", ["person"], seed=1)
    (tmp_path / "mine.PT").write_bytes(checkpoint_of(source, settings={"imgsz": 64}, score=0.0, epoch=1))
    (tmp_path / "mine.PT").rename(tmp_path / "mine.pt")
    network, plan = starting_point(tmp_path / "mine.pt", ["car"])
    assert plan.classes == ("car",)
    half = {name: value.half().float() for name, value in source.state_dict().items() if value.is_floating_point()}
    source.load_state_dict(half, strict=False)
    assert_same_maps(network.backbone.body, source, torch.rand(1, 3, 64, 96))


def test_layers_are_fed_by_their_place_too() -> None:
    """-2 is the layer before the one before; the last module may read the one before it."""
    described = but(last=[[2, -2, -1], 1, "Detect", ["nc"]])
    described["head"][1] = [[-1, -1], 1, "Concat", [1]]
    described["head"].insert(2, [-2, 1, "C2f", [24]])
    described["head"][3] = [-1, 1, "Conv", [24, 3, 2]]
    source = ultralytics.nn.tasks.DetectionModel(json.loads(json.dumps(described)), verbose=False)
    trunk = DetectorTrunk(described)
    trunk.take(source.state_dict())
    assert_same_maps(trunk, source, torch.rand(1, 3, 64, 64))


def test_a_network_on_a_trunk_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = MaskRcnnPlan(channels=16, hidden=16, mask_layers=1, shortest=64, longest=96, trunk=description_of(SMALL))
    network = light_mask_rcnn(plan).eval()
    (tmp_path / "own.safetensors").write_bytes(to_safetensors(network, plan))
    again, said, _ = read_light(tmp_path / "own.safetensors")
    assert said == plan
    pictures = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        for one, other in zip(network.backbone(pictures).values(), again.backbone(pictures).values(), strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("nn.ReLU()", torch.nn.ReLU),
        ("torch.nn.LeakyReLU(0.1)", torch.nn.LeakyReLU),
        ("nn.Hardswish(inplace=True)", torch.nn.Hardswish),
        ("", torch.nn.SiLU),
    ],
)
def test_layers_may_end_otherwise(said: str, kind: type[torch.nn.Module]) -> None:
    trunk = DetectorTrunk(but(activation=said))
    assert type(trunk.get_submodule("layers.0.act")) is kind
    assert type(ultralytics.nn.modules.Conv.default_act) is torch.nn.SiLU


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ([], "does not say what layers"),
        ({}, "does not say what layers"),
        ({"backbone": [], "head": []}, "has 0 layers"),
        (but(last=[[2, 4], 1, "Detect", ["nc"]]), "reads 2 maps"),
        (but(last=[-1, 1, "Conv", [8]]), "ends in Conv"),
        (but(last=[[2, 4, 4], 1, "Detect", ["nc"]]), r"\[8, 16, 16\] pixels large"),
        (but(last=[[2, 4, 9], 1, "Detect", ["nc"]]), "layer 6 is"),
        (but(first=[-1, 1, "Conv", [10**7, 3, 2]]), "layer 0 is"),
        (but(first=[-1, 1, "Conv", ["20000", 3, 2]]), "layer 0 is"),
        (but(first=[-1, 1, "Conv", [float("nan"), 3, 2]]), "layer 0 is"),
        (but(first=[-1, 10**6, "Conv", [8, 3, 2]]), "layer 0 is"),
        (but(first=[-1, 1, "TorchVision", [3, "mobilenet_v3_small", "DEFAULT"]]), "layer 0 is"),
        (but(first=[-1, 1, "DetectionModel", ["yolov8n.yaml"]]), "layer 0 is"),
        (but(first=[-1, 1, "torch_load", ["x.pt"]]), "layer 0 is"),
        (but(first=[-1, 1, "Conv", deep(3)]), "cannot be the trunk"),
        (but(first=[-1, 1, "Conv", [4096, 31, 2]], backbone=[[-1, 1, "Conv", [4096, 31, 2]]] * 3), "parameters, more"),
        (but(width_multiple=float("inf")), "width_multiple"),
        (but(activation="nn.Identity()"), r"'nn.Identity\(\)'; known here are GELU, Hardswish, .*, as nn.ReLU"),
        (but(activation="__import__('os').abort()"), "known here are"),
        (but(activation="nn.ReLU(__import__('os').abort())"), "known here are"),
        (but(activation="nn.ReLU()\n"), "known here are"),
        (but(activation=["nn.ReLU()"]), "known here are"),
    ],
)  # fmt: skip
def test_what_is_no_trunk_is_refused(wrong: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        DetectorTrunk(wrong)


def test_a_refused_trunk_leaves_nothing_behind() -> None:
    """Ultralytics keeps the activation of all layers in one place."""
    usual = type(ultralytics.nn.modules.Conv.default_act)
    for first in (["Conv", [8, 3, 0]], ["Nothing", []]):
        with pytest.raises(ModelError):
            DetectorTrunk(but(first=[-1, 1, *first], activation="nn.ReLU()"))
    assert type(ultralytics.nn.modules.Conv.default_act) is usual


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: {name: value for name, value in state.items() if ".bn." not in name}, "has no 0.bn.weight"),
        (lambda state: {name: value[..., :1] for name, value in state.items()}, "as its description has it"),
        (lambda state: {name: value * float("nan") for name, value in state.items()}, "not finite"),
    ],
)
def test_numbers_that_are_not_all_there_are_refused(change: Any, said: str) -> None:
    """A file with fused layers would be a trunk of random numbers."""
    described, state = read_detector(BUNDLED)
    with pytest.raises(ModelError, match=said):
        DetectorTrunk(described).take(change(state))


def test_what_is_no_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"give a \.safetensors"):
        starting_point(tmp_path / "weights.pth", ["person"])


def test_plans_with_other_trunks_are_refused() -> None:
    values = json.loads(MaskRcnnPlan().to_text())
    for wrong in ("text", [1], deep(5)):
        with pytest.raises(ModelError, match="describes no Mask R-CNN"):
            MaskRcnnPlan.from_text(json.dumps({**values, "trunk": wrong}))
    nested = '{"a": ' * 100_000 + "1" + "}" * 100_000
    with pytest.raises(ModelError, match="describes no Mask R-CNN"):
        MaskRcnnPlan.from_text(json.dumps(values).replace('"trunk": null', f'"trunk": {nested}'))


def test_files_from_before_there_were_trunks_are_read() -> None:
    values = json.loads(MaskRcnnPlan().to_text())
    del values["trunk"]
    assert MaskRcnnPlan.from_text(json.dumps(values)) == MaskRcnnPlan()
