"""Which of a network's many boxes is the one that is asked about."""

from __future__ import annotations

import numpy as np

from pipeline.errors import ModelError
from trackers.geometry import iou_matrix
from trackers.structures import FloatArray

LEAST_OVERLAP = 0.5  # a box that overlaps an object's by less is not the object's


def chosen_cell(boxes: FloatArray, scores: FloatArray, box: FloatArray) -> int:
    """Row of the strongest of `boxes` (n, 4) with `scores` (n,) that lies where `box` (4,) does.

    Raises ModelError where none does.
    """
    fitting = iou_matrix(box[None].astype(np.float32), boxes)[0] >= LEAST_OVERLAP
    if not fitting.any():
        raise ModelError("the network that gradients are taken of sees nothing in that box; try detector.precision=f32")
    return int(np.where(fitting, scores, -1).argmax())
