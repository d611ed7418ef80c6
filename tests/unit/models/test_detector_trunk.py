"""A detector's layers as the trunk of a Mask R-CNN: the maps its last module reads, frozen ones, bad descriptions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.errors import ModelError
from pipeline.models.detector_trunk import DetectorTrunk, architecture_of
from pipeline.models.mask_rcnn import LEVELS, MaskRcnnPlan, light_mask_rcnn
from pipeline.models.mask_rcnn_file import read_light
from pipeline.training.detector_network import build_network, read_detector
from pipeline.training.mask_rcnn_file import to_safetensors
from pipeline.training.mask_rcnn_start import starting_point

BUNDLED = Path("pipeline/bundled/person-vehicle-bicycle.onnx")
SMALL: dict[str, Any] = {
    "nc": 2,
    "backbone": [[-1, 1, "Conv", [8, 3, 2]], [-1, 1, "Conv", [8, 3, 2]], [-1, 1, "Conv", [8, 3, 2]]],
    "head": [
        [-1, 1, "Conv", [16, 3, 2]],
        [-1, 1, "C2f", [24]],
        [-1, 1, "Conv", [24, 3, 2]],
        [[2, 4, 5], 1, "Detect", ["nc"]],
    ],
}


def read_by_the_last_module(network: Any, pictures: Tensor) -> list[Tensor]:
    """The maps that a detector's last module is given."""
    seen: list[Tensor] = []
    handle = network.model[-1].register_forward_pre_hook(lambda _, given: seen.extend(one.clone() for one in given[0]))
    with torch.inference_mode():
        network.eval()(pictures)
    handle.remove()
    return seen


def test_a_trunk_sees_what_the_detector_saw() -> None:
    source = read_detector(BUNDLED)
    network, plan = starting_point(BUNDLED, ["person", "vehicle"])
    assert (plan.classes, network.transform.image_mean, network.transform.image_std) == (
        ("person", "vehicle"), [0, 0, 0], [1, 1, 1],
    )  # fmt: skip
    pictures = torch.rand(2, 3, 96, 128)
    with torch.inference_mode():
        maps = network.eval().backbone.body(pictures)
    assert list(maps) == list(LEVELS.values())
    for own, theirs in zip(maps.values(), read_by_the_last_module(source, pictures), strict=True):
        assert float(theirs.abs().max()) > 0.5
        torch.testing.assert_close(own, theirs)


def test_a_network_of_ultralytics_is_a_trunk_too() -> None:
    source = build_network("yolo11n", ["person"], seed=1)
    trunk = DetectorTrunk(architecture_of(source))
    trunk.take(source)
    pictures = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        maps = trunk.eval()(pictures)
    for own, theirs in zip(maps.values(), read_by_the_last_module(source, pictures), strict=True):
        torch.testing.assert_close(own, theirs)


def test_a_network_on_a_trunk_is_read_as_it_was_written(tmp_path: Path) -> None:
    plan = MaskRcnnPlan(channels=16, hidden=16, mask_layers=1, shortest=64, longest=96, trunk=json.dumps(SMALL))
    network = light_mask_rcnn(plan).eval()
    (tmp_path / "own.safetensors").write_bytes(to_safetensors(network, plan))
    again, said, _ = read_light(tmp_path / "own.safetensors")
    assert said == plan
    pictures = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        for one, other in zip(network.backbone(pictures).values(), again.backbone(pictures).values(), strict=True):
            torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({**SMALL, "head": [*SMALL["head"][:-1], [[2, 4], 1, "Detect", ["nc"]]]}, "detector of 3 maps"),
        ({**SMALL, "head": SMALL["head"][:-1]}, "ends in Conv"),
        ({**SMALL, "backbone": [[-1, 1, "Conv", [10**7, 3, 2]]]}, "number above 4096"),
        ({**SMALL, "backbone": [[-1, 1, "os", [1]]]}, "cannot be built"),
        ([], "cannot be built"),
        ({}, "cannot be built"),
    ],
)
def test_what_is_no_trunk_is_refused(wrong: Any, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        DetectorTrunk(wrong)


def test_a_plan_whose_trunk_is_no_description_is_refused() -> None:
    with pytest.raises(ModelError, match="no JSON"):
        light_mask_rcnn(MaskRcnnPlan(trunk="{"))
    with pytest.raises(ModelError, match="does not say what layers"):
        architecture_of(torch.nn.Conv2d(1, 1, 1))


def test_files_from_before_there_were_trunks_are_read() -> None:
    values = json.loads(MaskRcnnPlan().to_text())
    del values["trunk"]
    assert MaskRcnnPlan.from_text(json.dumps(values)) == MaskRcnnPlan()
