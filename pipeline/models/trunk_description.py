"""What layers a detector has, as ultralytics' YAML files say it, once it is sure that it is nothing else.

Ultralytics builds any layer that a description names. Files from elsewhere hold such descriptions, so that only known
layers, plain numbers and few of them pass here: some layers would fetch or read files, or fill the memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pipeline.errors import ModelError

LAST = ("Detect", "v10Detect", "Segment", "Segment26")  # what reads the maps and says what is where
_LAYERS = {  # of ultralytics, but for those that fetch or read files, and those of other tasks
    *("A2C2f", "AConv", "ADown", "Bottleneck", "BottleneckCSP", "C1", "C2", "C2PSA", "C2f", "C2fCIB", "C2fPSA", "C3"),
    *("C3Ghost", "C3TR", "C3k2", "C3x", "CBFuse", "CBLinear", "Concat", "Conv", "ConvTranspose", "DWConv", "ELAN1"),
    *("DWConvTranspose2d", "Focus", "GhostBottleneck", "GhostConv", "HGBlock", "HGStem", "PSA", "RepC3", "ResNetLayer"),
    *("RepNCSPELAN4", "SCDown", "SPP", "SPPELAN", "SPPF"),
    *("nn.ConvTranspose2d", "nn.Identity", "nn.MaxPool2d", "nn.Upsample", "nn.ZeroPad2d"),
}
_ACTIVATIONS = ("GELU", "Hardswish", "LeakyReLU", "Mish", "ReLU", "ReLU6", "SiLU")  # of torch.nn
# Ultralytics may evaluate the text as Python.
_ACTIVATION = re.compile(rf"(?:torch\.)?nn\.(?:{'|'.join(_ACTIVATIONS)})\((?:0?\.\d{{1,4}}|inplace=True)?\)")
_SAID = (
    *("nc", "backbone", "head", "scale", "scales", "depth_multiple", "width_multiple", "reg_max", "end2end"),
    "activation",
)
_WORDS = ("nc", "nearest", "bilinear", "None", "True", "False")  # that stand among a layer's settings
_MOST = 4096  # channels, or whatever a layer counts
_MOST_ROWS = 200
_MOST_REPEATS = 64


def description_of(said: Any) -> dict[str, Any]:
    """What of ultralytics' description of a network builds its layers. Raises ModelError where anything is unknown."""
    if not isinstance(said, Mapping) or not all(isinstance(said.get(part), list) for part in ("backbone", "head")):
        raise ModelError("it does not say what layers it has; give a detector of ultralytics, or of ours")
    kept = {name: said[name] for name in _SAID if said.get(name) is not None}
    activation = kept.get("activation") or "nn.SiLU()"  # the usual
    if not isinstance(activation, str) or not _ACTIVATION.fullmatch(activation):
        raise ModelError(
            f"its layers end in {str(activation)[:40]!r}; known here are {', '.join(_ACTIVATIONS)}, as nn.ReLU()"
        )
    rows = [*kept["backbone"], *kept["head"]]
    if not 0 < len(rows) <= _MOST_ROWS:
        raise ModelError(f"it has {len(rows)} layers")
    for number, row in enumerate(rows):
        _check(row, number)
    if rows[-1][2] not in LAST:
        raise ModelError(f"it ends in {rows[-1][2]}; a detector ends in {', '.join(LAST)}")
    for name, value in kept.items():
        if name not in ("backbone", "head", "scale", "activation") and not _plain(value):
            raise ModelError(f"its {name} is {str(value)[:40]!r}")
    return kept


def sources_of(source: int | list[int], number: int) -> list[int]:
    """Numbers of the layers that feed layer `number`; -1 is the picture."""
    named = [source] if isinstance(source, int) else source
    return [one if one >= 0 else max(number + one, -1) for one in named]


def _check(row: Any, number: int) -> None:
    """One layer: what feeds it, how often it is repeated, its kind, its settings."""
    match row:
        case [int() | list() as source, int() as repeats, str() as kind, list() as settings]:
            known = kind in _LAYERS or kind in LAST
            fed = source if isinstance(source, list) else [source]
            sound = all(isinstance(one, int) and one < number for one in fed) and 1 <= repeats <= _MOST_REPEATS
            if known and sound and fed and _plain(settings):
                return
    raise ModelError(f"layer {number} is {str(row)[:80]!r}, which is none that is known here")


def _plain(value: Any) -> bool:
    """Whether it is a number of a layer, one of the words, or a collection of such."""
    match value:
        case None | bool():
            return True
        case int() | float():
            return math.isfinite(value) and abs(value) <= _MOST
        case str():
            return value in _WORDS
        case list() | tuple():
            return len(value) <= _MOST_ROWS and all(map(_plain, value))
        case Mapping():
            return len(value) <= _MOST_ROWS and all(map(_plain, value.values()))
    return False
