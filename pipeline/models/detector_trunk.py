"""DetectorTrunk: a YOLO detector without its last module, as what a Mask R-CNN looks at pictures with."""

from __future__ import annotations

from collections import OrderedDict
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from pipeline.errors import ModelError
from pipeline.models.mask_rcnn import LEVELS, STRIDES
from pipeline.models.ultralytics_library import first_line, require_safe, ultralytics

_LAST = ("Detect", "v10Detect", "Segment")  # modules that read three maps
_MOST = 4096  # channels, repetitions, or whatever a description counts
_DESCRIBED = ("nc", "backbone", "head", "scale", "scales", "depth_multiple", "width_multiple", "activation")


def architecture_of(network: Any) -> dict[str, Any]:
    """What a `DetectorTrunk` of a network of ultralytics is built from. Raises ModelError where it does not say."""
    said = getattr(network, "yaml", None)
    if not isinstance(said, dict) or not {"backbone", "head"} <= set(said):
        raise ModelError("the network does not say what layers it has; give a detector of ultralytics, or of ours")
    return {name: said[name] for name in _DESCRIBED if name in said}


class DetectorTrunk(nn.Module):
    """The layers of one of ultralytics' detectors up to the maps that its last module reads."""

    def __init__(self, architecture: dict[str, Any]) -> None:
        """`architecture`: as ultralytics' YAML files describe it. Raises ModelError where it is no such detector."""
        super().__init__()
        require_safe()
        if _largest(architecture) > _MOST:  # a wrong file would fill the memory before anybody saw that it is wrong
            raise ModelError(f"the trunk of a Mask R-CNN cannot be built: it has a number above {_MOST}")
        try:
            layers, kept = ultralytics.nn.tasks.parse_model(deepcopy(architecture), ch=3, verbose=False)
            ultralytics.utils.torch_utils.initialize_weights(layers)
        except Exception as error:  # the library raises of every kind
            raise ModelError(f"the trunk of a Mask R-CNN cannot be built: {first_line(error)}") from error
        *trunk, last = layers
        kind = type(last).__name__
        if kind not in _LAST or len(last.f) != len(LEVELS):
            raise ModelError(
                f"a trunk of a Mask R-CNN must be a detector of {len(LEVELS)} maps; this network ends in {kind}"
            )
        self.layers = nn.Sequential(*trunk)
        self._taken: list[int] = list(last.f)
        self._kept = {*kept, *self._taken}
        self.widths = self._asked_widths()

    def take(self, network: Any) -> None:
        """The numbers of the network that it is the trunk of."""
        self.layers.load_state_dict(network.model[:-1].state_dict())

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Maps by LEVELS' names, of (n, 3, height, width) red green blue 0..1, sides multiples of 32."""
        made: dict[int, Tensor] = {}
        now = pictures
        for number, layer in enumerate(self.layers.children()):
            source: Any = layer.f  # number of the layer, or numbers of the layers, that feed it; -1: the one before
            if isinstance(source, int):
                now = layer(now if source == -1 else made[source])
            else:
                now = layer([now if one == -1 else made[one] for one in source])
            if number in self._kept:
                made[number] = now
        return OrderedDict((name, made[number]) for name, number in zip(LEVELS.values(), self._taken, strict=True))

    def _asked_widths(self) -> list[int]:
        """Channels of the maps, which are asked of it: every kind of last module notes them elsewhere."""
        training = self.training
        self.eval()
        with torch.inference_mode():
            maps = self(torch.zeros(1, 3, 2 * STRIDES[-1], 2 * STRIDES[-1]))
        self.train(training)
        return [one.shape[1] for one in maps.values()]


class PyramidOnDetector(nn.Module):
    """A feature pyramid (Lin et al. 2017) over a `DetectorTrunk`, as torchvision's detectors take their backbone."""

    def __init__(self, trunk: DetectorTrunk, channels: int) -> None:
        """`channels`: of each level."""
        super().__init__()
        self.body = trunk
        self.fpn = FeaturePyramidNetwork(trunk.widths, channels, LastLevelMaxPool())
        self.out_channels = channels

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Maps of `DetectorTrunk`'s levels, and `pool`, of a quarter of the last one's cells."""
        maps: dict[str, Tensor] = self.fpn(self.body(pictures))
        return maps


def _largest(described: Any) -> float:
    """Of all numbers in what JSON or YAML said."""
    match described:
        case dict():
            return max(map(_largest, described.values()), default=0)
        case list():
            return max(map(_largest, described), default=0)
        case int() | float():
            return described
    return 0
