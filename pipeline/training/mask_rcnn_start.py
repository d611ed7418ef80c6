"""What a light Mask R-CNN starts from: one that has learned already, or a detector, whose layers become its trunk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from torchvision.models.detection import MaskRCNN

from pipeline.errors import TrainingError
from pipeline.models.detector_trunk import DetectorTrunk, architecture_of
from pipeline.models.mask_rcnn import MaskRcnnPlan, light_mask_rcnn
from pipeline.training.detector_network import read_detector
from pipeline.training.mask_rcnn_file import read_mask_rcnn

_DETECTORS = (".onnx", ".pt")


def starting_point(weights: Path, classes: Sequence[str]) -> tuple[MaskRCNN, MaskRcnnPlan]:
    """A network to be trained on, that tells `classes` apart.

    `weights`: a .safetensors of ours, all of which is taken; or a detector, .onnx of ours or .pt of ultralytics, whose
    layers before the last look at the pictures, below a pyramid and heads of random numbers. Raises ModelError,
    TrainingError where a .safetensors has other classes.
    """
    if weights.suffix in _DETECTORS:
        return _on_detector(weights, classes)
    network, plan = read_mask_rcnn(weights)
    if plan.classes != tuple(classes):
        there, here = ", ".join(plan.classes), ", ".join(classes)
        raise TrainingError(
            f"{weights} knows the classes {there}, but the data have {here}; give the same, in that order"
        )
    return network, plan


def _on_detector(weights: Path, classes: Sequence[str]) -> tuple[MaskRCNN, MaskRcnnPlan]:
    source = read_detector(weights)
    plan = MaskRcnnPlan(tuple(classes), trunk=json.dumps(architecture_of(source)))
    network = light_mask_rcnn(plan)
    trunk = network.backbone.body
    assert isinstance(trunk, DetectorTrunk)
    trunk.take(source)
    return network, plan
