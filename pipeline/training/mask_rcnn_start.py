"""What a light Mask R-CNN starts from: one that has learned already, or a detector, whose layers become its trunk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torchvision.models.detection import MaskRCNN

from pipeline.errors import TrainingError
from pipeline.models.detector_trunk import DetectorTrunk
from pipeline.models.mask_rcnn import MaskRcnnPlan, light_mask_rcnn
from pipeline.models.trunk_description import description_of
from pipeline.training.detector_network import read_detector
from pipeline.training.mask_rcnn_file import read_mask_rcnn

_DETECTORS = (".onnx", ".pt")
_LEARNED = ".safetensors"


def require_start(weights: Path) -> None:
    """Raise TrainingError where a file is of no kind that a Mask R-CNN starts from."""
    if weights.suffix.lower() not in (*_DETECTORS, _LEARNED):
        raise TrainingError(
            f"a Mask R-CNN cannot start from {weights}; give a {_LEARNED} of `sightline train mask-rcnn`, or a "
            "detector: an .onnx of `sightline export` or a .pt of ultralytics"
        )


def starting_point(weights: Path, classes: Sequence[str]) -> tuple[MaskRCNN, MaskRcnnPlan]:
    """A network to be trained on, that tells `classes` apart.

    `weights`: a .safetensors of ours, all of which is taken; or a detector, .onnx of ours or .pt of ultralytics, whose
    layers before the last look at the pictures, below a pyramid and heads of random numbers. Raises ModelError,
    TrainingError where it is neither, or a .safetensors has other classes.
    """
    require_start(weights)
    if weights.suffix.lower() in _DETECTORS:
        return _on_detector(weights, classes)
    network, plan = read_mask_rcnn(weights)
    if plan.classes != tuple(classes):
        there, here = ", ".join(plan.classes), ", ".join(classes)
        raise TrainingError(
            f"{weights} knows the classes {there}, but the data have {here}; give the same, in that order"
        )
    return network, plan


def _on_detector(weights: Path, classes: Sequence[str]) -> tuple[MaskRCNN, MaskRcnnPlan]:
    described, state = read_detector(weights)
    plan = MaskRcnnPlan(tuple(classes), trunk=description_of(described))
    network = light_mask_rcnn(plan)
    trunk = network.backbone.body
    assert isinstance(trunk, DetectorTrunk)
    trunk.take(state)
    return network, plan
