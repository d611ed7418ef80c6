"""The first blocks of a YOLOv8 detector as features of small crops: what target trackers tell things apart by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import ModelError
from pipeline.models.inputs import UNIT_RGB, embedded_recipe
from pipeline.models.openvino_library import ov
from pipeline.models.openvino_models import read_model, set_size
from pipeline.models.openvino_network import OpenVinoNetwork
from trackers.structures import FloatArray, ImageArray

STRIDE = 8  # pixels of a crop per cell of the maps
_BLOCKS = (4,)
_AT_ONCE = 256  # crops; what more of them need would no longer fit into a processor's cache


class FirstBlocks:
    """Crops (n, side, side, 3) uint8 blue-green-red to maps (n, channels, side / 8, side / 8) float32."""

    def __init__(
        self,
        weights: str | Path,
        *,
        side: int = 48,
        blocks: Sequence[int] = _BLOCKS,
        precision: str = "f32",
        device: str = "CPU",
        threads: int = 0,
    ) -> None:
        """`weights`: an ONNX file that ultralytics wrote. `side`: of the crops, pixels, a multiple of 8.

        `blocks`: modules of the network whose answers are wanted, by number, behind each other; maps finer than the
        last block's are averaged. `precision`: f32, bf16, f16, auto. `threads`: 0 lets OpenVINO choose.
        Raises ModelError where the file is missing, damaged or has no such blocks.
        """
        if side % STRIDE:
            raise ModelError(f"crops of {side} pixels have no whole number of cells; use a multiple of {STRIDE}")
        self.side = side
        file, whole = read_model(weights)
        model = _cut(whole, blocks, name=str(file.path))
        set_size(model, file, (side, side))
        recipe = embedded_recipe(file.metadata) or UNIT_RGB
        self._network = OpenVinoNetwork(
            model, recipe, batch=None, precision=precision, device=device, threads=threads, name=str(file.path)
        )

    def __call__(self, crops: ImageArray) -> FloatArray:
        """Maps (n, channels, rows, columns) float32."""
        parts = [self._network.infer(crops[at : at + _AT_ONCE]) for at in range(0, max(len(crops), 1), _AT_ONCE)]
        return np.concatenate([_joined(maps) for maps in parts])


def _cut(model: ov.Model, blocks: Sequence[int], *, name: str) -> ov.Model:
    """The network as far as the answers of the blocks. Raises ModelError where it has none of that name."""
    answers = {text: port for node in model.get_ops() for port in node.outputs() for text in port.get_names()}
    wanted = [f"/model.{block}/cv2/act/Mul_output_0" for block in blocks]
    if missing := [text for text in wanted if text not in answers]:
        raise ModelError(
            f"{name} has no {', '.join(missing)}; give a YOLOv8 detector, like bundled:person-vehicle-bicycle"
        )
    return ov.Model([answers[text] for text in wanted], model.get_parameters(), "first blocks")


def _joined(maps: Sequence[FloatArray]) -> FloatArray:
    """Maps (n, c, rows, columns) of one picture in one: finer ones are averaged to the last one's grid."""
    rows, columns = maps[-1].shape[2:]
    same = [
        one.reshape(*one.shape[:2], rows, one.shape[2] // rows, columns, one.shape[3] // columns).mean(axis=(3, 5))
        for one in maps
    ]
    return np.concatenate(same, axis=1)
