"""YoloQuestions: gradients of detectors of ultralytics' layers, ours in ONNX files and .pt files."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pipeline.errors import ModelError
from pipeline.explain.choice import chosen_cell
from pipeline.explain.question import Question
from pipeline.models.inputs import UNIT_RGB, to_batch, to_blob
from pipeline.models.ultralytics_library import ultralytics
from trackers.structures import FloatArray, Frame


class YoloQuestions:
    """Asks the map that goes into the head, of the level whose cell found the object."""

    def __init__(self, network: Any, size: tuple[int, int] | None, *, name: str) -> None:
        """`network`: a DetectionModel of ultralytics. `size`: height, width of the input; None: 640 for the longer
        side, the other as the picture has it. `name`: of the file, for errors. Raises ModelError for a head without
        cells (RT-DETR).
        """
        head = network.model[-1]
        if not isinstance(head, ultralytics.nn.modules.head.Detect):
            raise ModelError(f"{name} ends in {type(head).__name__}, which has no cells that could be asked")
        self._network, self._head, self._size = network.float().eval(), head, size

    def about(self, frame: Frame, box: FloatArray, label: int) -> Question:
        """See DetectorQuestions."""
        batch, (place,) = to_batch([frame.image], self._size or self._fitting(frame), UNIT_RGB)
        inputs = torch.from_numpy(to_blob(batch, UNIT_RGB))
        with torch.no_grad():
            boxes, scores, cells = self._cells(inputs)
        cell = chosen_cell(place.to_picture(boxes[0].numpy()), scores[0, label].numpy(), box)
        level = int(torch.searchsorted(torch.tensor(cells).cumsum(0), cell, right=True))

        def score(pictures: Tensor) -> Tensor:
            return self._cells(pictures)[1][:, label, cell]

        return Question(inputs, score, self._network.model[self._head.f[level]], place)

    def _cells(self, pictures: Tensor) -> tuple[Tensor, Tensor, list[int]]:
        """Corners (n, cells, 4) in input pixels, scores (n, classes, cells), and how many cells each level has."""
        told = self._network(pictures)[1]
        raw = told["one2one" if self._head.end2end else "one2many"] if "one2one" in told else told
        found = self._head._inference(raw)
        first, second = found[:, :2].transpose(1, 2), found[:, 2:4].transpose(1, 2)
        boxes = torch.cat([first - second / 2, first + second / 2], 2)
        if self._head.end2end or self._head.xyxy:
            boxes = torch.cat([first, second], 2)
        counts = [one.shape[2] * one.shape[3] for one in raw["feats"]]
        return boxes, found[:, 4 : 4 + self._head.nc], counts

    def _fitting(self, frame: Frame) -> tuple[int, int]:
        """Height and width, as ultralytics chooses them for one picture: multiples of the largest stride."""
        stride = int(max(self._head.stride))
        ratio = 640 / max(frame.height, frame.width)
        height, width = (max(1, -(-round(side * ratio) // stride)) * stride for side in (frame.height, frame.width))
        return height, width
