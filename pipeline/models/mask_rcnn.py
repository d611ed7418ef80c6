"""Light Mask R-CNN: a small trunk with a feature pyramid, and heads for a processor without a graphics card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from torch import nn
from torchvision.models import mobilenet_v3_large
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign

from pipeline.errors import ModelError
from pipeline.models.detector_trunk import DetectorTrunk, PyramidOnDetector
from pipeline.models.pyramid import LEVELS

_BLOCKS = ("6", "12", "16")  # MobileNetV3's, whose maps the pyramid is built on
_ANCHORS = ((16, 26), (42, 68), (110, 180), (270, 420))  # square roots of the areas, pixels, by level
_MOST = 4096  # of whatever a plan counts
_WIDEST = 4.0
_MOMENTUM = 0.03  # of running means and variances; theirs, 0.01, is for trainings of hundreds of thousands of steps
_IMAGENET_MEAN, _IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # as torchvision normalises pictures
_SHAPES = (0.5, 1.0, 2.0)  # height by width


@dataclass(frozen=True, slots=True)
class MaskRcnnPlan:
    """All that decides the shape of the network; it goes into the metadata of the network's file."""

    classes: tuple[str, ...] = ("person", "vehicle", "bicycle")  # without the background
    width: float = 0.75  # channels of MobileNetV3's blocks, as a share of those of its large form
    channels: int = 64  # of the pyramid and of the mask head
    hidden: int = 256  # of the box head
    mask_layers: int = 4  # convolutions of the mask head
    shortest: int = 320  # pixels a picture's shorter side is made
    longest: int = 640  # unless the other one would be longer than this
    trunk: Mapping[str, Any] | None = None  # of which detector, see DetectorTrunk; None: MobileNetV3

    def __post_init__(self) -> None:
        counts = (len(self.classes), self.channels, self.hidden, self.mask_layers, self.shortest, self.longest)
        # a file that says too much would fill the memory before anybody saw that it is wrong
        sound = min(counts) >= 1 and max(counts) <= _MOST and 0 < self.width <= _WIDEST
        if not sound or len(set(self.classes)) != len(self.classes) or self.longest < self.shortest:
            said = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "trunk"}
            raise ModelError(f"a Mask R-CNN cannot be built as {str(said)[:400]}")

    def to_text(self) -> str:
        """As JSON, for a file's metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read `to_text`. Raises ModelError where it is none."""
        try:
            values = json.loads(text)
            known = {field.name for field in fields(cls)}
            if not isinstance(values, dict) or set(values) | {"trunk"} != known:  # older files have no trunk
                raise ValueError(f"it must have exactly the keys {', '.join(sorted(known))}")
            names = values.pop("classes")
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise ValueError("`classes` is no list of names")
            width, trunk = float(values.pop("width")), values.pop("trunk", None)
            if trunk is not None and not isinstance(trunk, dict):
                raise ValueError("`trunk` describes no layers")
            return cls(tuple(names), width, trunk=trunk, **{key: int(value) for key, value in values.items()})
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise ModelError(f"{text[:80]!r} describes no Mask R-CNN of ours: {error}") from error


def light_mask_rcnn(plan: MaskRcnnPlan) -> MaskRCNN:
    """Mask R-CNN (He et al. 2017) on a feature pyramid (Lin et al. 2017) over MobileNetV3 (Howard et al. 2019) or over
    a detector's trunk, with random numbers. Label 0 is the background.

    What is smaller than torchvision's: a share of the channels of MobileNetV3 (the paper's width multiplier) and half
    of its last stage, pyramid and mask head of `plan.channels` in place of 256, box head of `plan.hidden` in place of
    1024, proposals in place of 2000 and 1000.
    """
    count, channels = len(plan.classes) + 1, plan.channels
    names = list(LEVELS)
    if plan.trunk is None:
        backbone, mean, spread = _on_mobilenet(plan), _IMAGENET_MEAN, _IMAGENET_SPREAD
    else:  # a detector of ultralytics has learned from pictures of 0..1
        backbone, mean, spread = PyramidOnDetector(DetectorTrunk(plan.trunk), channels), (0.0,) * 3, (1.0,) * 3
    return MaskRCNN(
        backbone,
        min_size=plan.shortest,
        max_size=plan.longest,
        rpn_anchor_generator=AnchorGenerator(_ANCHORS, (_SHAPES,) * len(_ANCHORS)),
        rpn_head=RPNHead(channels, len(_SHAPES) * len(_ANCHORS[0])),
        rpn_pre_nms_top_n_train=400,
        rpn_post_nms_top_n_train=200,
        rpn_pre_nms_top_n_test=300,
        rpn_post_nms_top_n_test=200,
        rpn_batch_size_per_image=128,
        box_roi_pool=MultiScaleRoIAlign(names, 7, 2),
        box_head=TwoMLPHead(channels * 49, plan.hidden),
        box_predictor=FastRCNNPredictor(plan.hidden, count),
        box_batch_size_per_image=64,
        mask_roi_pool=MultiScaleRoIAlign(names, 14, 2),
        mask_head=MaskRCNNHeads(channels, (channels,) * plan.mask_layers, 1),
        mask_predictor=MaskRCNNPredictor(channels, channels, count),
        image_mean=list(mean),
        image_std=list(spread),
    )


def _on_mobilenet(plan: MaskRcnnPlan) -> nn.Module:
    trunk = mobilenet_v3_large(weights=None, width_mult=plan.width, reduced_tail=True).features
    for layer in trunk.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = _MOMENTUM
    levels = dict(zip(_BLOCKS, LEVELS, strict=True))
    pyramid: nn.Module = BackboneWithFPN(trunk, levels, _widths(trunk), plan.channels)
    return pyramid


def _widths(trunk: nn.Module) -> list[int]:
    """Channels of the blocks that the pyramid is built on: each ends with the normalisation of its last layer."""
    blocks = [trunk.get_submodule(number) for number in _BLOCKS]
    return [[one for one in block.modules() if isinstance(one, nn.BatchNorm2d)][-1].num_features for block in blocks]
