"""Detectors of ultralytics as ONNX files of ours."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import yaml

from pipeline.errors import ModelError
from pipeline.models.inputs import UNIT_RGB, recipe_text
from pipeline.training.onnx_export import IMAGES, Graph, to_onnx

_LICENCE = "AGPL-3.0-or-later"  # of the library's architectures
_OUTPUT = "output0"
_NOT_OF_THE_ARCHITECTURE = ("yaml_file", "ch", "channels", "nc")


def detector_onnx(network: Any, size: tuple[int, int] | None, *, half: bool) -> bytes:
    """The content of an ONNX file of a detector, which takes any number of pictures of any size.

    `size`: height, width that the file recommends; None: what it was trained with. `half`: weights as float16. Raises
    ModelError for a network of another task, a size that does not fit, or weights that are not finite.
    """
    head = network.model[-1]
    if type(head).__name__ not in ("Detect", "v10Detect"):
        raise ModelError(f"the network is for {getattr(network, 'task', 'another task')!r}, not a detector of boxes")
    stride = int(max(head.stride))
    chosen = size or _trained_size(network)
    if any(side % stride for side in chosen):
        raise ModelError(f"the network takes sides that are multiples of {stride}, not {chosen[0]}x{chosen[1]}")
    copy = deepcopy(network)
    head = copy.model[-1]
    head.export, head.dynamic, head.format = True, True, "onnx"
    axes = {IMAGES: {0: "batch", 2: "height", 3: "width"}, _OUTPUT: {0: "batch"}}
    final = bool(getattr(head, "end2end", False))
    if not final:
        axes[_OUTPUT][2] = "cells"
    return to_onnx(copy, Graph(chosen, _OUTPUT, axes), _metadata(network, chosen, final=final), half=half)


def _metadata(network: Any, size: tuple[int, int], *, final: bool) -> dict[str, str]:
    plan = {key: value for key, value in network.yaml.items() if key not in _NOT_OF_THE_ARCHITECTURE}
    plan["nc"] = len(network.names)
    return {
        "task": "detect",
        "names": str({label: str(name) for label, name in network.names.items()}),
        "imgsz": str(list(size)),
        "stride": str(int(max(network.model[-1].stride))),
        "architecture": yaml.safe_dump(plan, sort_keys=False, default_flow_style=None),
        "recipe": recipe_text(UNIT_RGB),
        "licence": _LICENCE,
    } | ({"end2end": "True"} if final else {})


def _trained_size(network: Any) -> tuple[int, int]:
    """Height and width by the settings of the training. Raises ModelError where they are not known."""
    settings = getattr(network, "args", {})
    match settings.get("imgsz") if isinstance(settings, dict) else getattr(settings, "imgsz", None):
        case int(side):
            return side, side
        case [int(height), int(width)] | (int(height), int(width)):
            return height, width
    raise ModelError("the weights do not say for which size they were trained; give --image-size")
