"""DetectorTrunk: a YOLO detector without its last module, as what a Mask R-CNN looks at pictures with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops.feature_pyramid_network import FeaturePyramidNetwork, LastLevelMaxPool

from pipeline.errors import ModelError
from pipeline.models.messages import first_line
from pipeline.models.pyramid import LEVELS, STRIDES
from pipeline.models.trunk_description import description_of, sources_of
from pipeline.models.ultralytics_library import require_safe, ultralytics, usual_activation

_LARGEST = 100_000_000  # parameters; the largest detectors of ultralytics have 70 million
_COUNTER = "num_batches_tracked"  # of batch norm; not every file has it


class DetectorTrunk(nn.Module):
    """The layers of one of ultralytics' detectors up to the maps that its last module reads."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        """`described`: see `description_of`. Raises ModelError where it is no detector, or has maps of other cells."""
        super().__init__()
        try:
            described = description_of(described)
            with torch.device("meta"):
                count = sum(one.numel() for one in _built(described).parameters())
            if count > _LARGEST:
                raise ModelError(f"it has {count} parameters, more than {_LARGEST}")
            built: list[Any] = list(_built(described).children())
            layers, last = built[:-1], built[-1]
            self.layers = nn.Sequential(*layers)
            self._sources = [sources_of(layer.f, number) for number, layer in enumerate(layers)]
            self._taken = sources_of(last.f, len(layers))
            later = [set(sources) - {number - 1} for number, sources in enumerate(self._sources)]
            self._kept = set(self._taken).union(*later)  # layers that others than the next one are fed by
            if len(self._taken) != len(LEVELS):
                raise ModelError(f"its last module reads {len(self._taken)} maps, not {len(LEVELS)}")
            self.widths = self._asked_widths()
        except ModelError as error:
            raise ModelError(f"a detector cannot be the trunk of a Mask R-CNN: {error}") from error
        except Exception as error:  # ultralytics and torch raise of every kind where layers do not fit together
            raise ModelError(f"a detector cannot be the trunk of a Mask R-CNN: {first_line(error)}") from error

    def take(self, state: Mapping[str, Tensor]) -> None:
        """The numbers of the detector that it is the trunk of, by their names in it (`model.0.conv.weight`, ...).

        Raises ModelError where some are missing, of another shape or not finite.
        """
        wanted = {name: held for name, held in self.layers.state_dict().items() if not name.endswith(_COUNTER)}
        found = {name: state.get(f"model.{name}") for name in wanted}
        for name, held in wanted.items():
            given = found[name]
            if given is None or given.shape != held.shape:
                raise ModelError(
                    f"the detector has no {name} as its description has it; give one that was not changed for running "
                    "(no export in 8 bits, no fused layers)"
                )
            if not bool(given.isfinite().all()):
                raise ModelError(f"the detector's {name} holds numbers that are not finite (NaN)")
        self.layers.load_state_dict(found, strict=False)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Maps by LEVELS, of (n, 3, height, width) red green blue 0..1, sides multiples of 32."""
        made = {-1: pictures}
        for number, (layer, sources) in enumerate(zip(self.layers.children(), self._sources, strict=True)):
            given = [made[source] for source in sources]
            made[number] = layer(given if isinstance(layer.f, list) else given[0])
            if number - 1 not in self._kept:
                del made[number - 1]
        return OrderedDict((name, made[number]) for name, number in zip(LEVELS, self._taken, strict=True))

    def _asked_widths(self) -> list[int]:
        """Channels of the maps, which are asked of it: every kind of last module notes them elsewhere."""
        side = 2 * STRIDES[-1]
        self.eval()
        with torch.inference_mode():
            maps = self(torch.zeros(1, 3, side, side)).values()
        self.train()
        sides = [side // one.shape[2] for one in maps]
        if sides != list(STRIDES):
            raise ModelError(f"the cells of its maps are {sides} pixels large, not {list(STRIDES)}")
        return [one.shape[1] for one in maps]


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


def _built(described: Mapping[str, Any]) -> nn.Module:
    """All layers, with random numbers."""
    require_safe()
    with usual_activation():
        layers: nn.Module = ultralytics.nn.tasks.parse_model(deepcopy(dict(described)), ch=3, verbose=False)[0]
    ultralytics.utils.torch_utils.initialize_weights(layers)
    return layers
