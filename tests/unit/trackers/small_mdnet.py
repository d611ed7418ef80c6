"""An MDNet that takes little time: mean colours instead of a network, few examples, small layers."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from trackers.mdnet import Features, MdNet
from trackers.structures import FloatArray, ImageArray


def colours(crops: ImageArray) -> FloatArray:
    """Mean colours of 8 x 8 cells (n, 3, 8, 8), -1..1."""
    small = [cv2.resize(crop, (8, 8), interpolation=cv2.INTER_AREA) for crop in crops]
    return np.stack(small).transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1


def small_mdnet(features: Features = colours, **more: Any) -> MdNet:
    """`more`: what is to be other than small."""
    given: dict[str, Any] = {
        "side": 24, "context": 1.0, "candidates": 128, "first_examples": (100, 300), "later_examples": (15, 40),
        "first_rounds": 60, "later_rounds": 5, "hidden": 32, "rate": 0.01, "regularisation": 10.0, "lost_odds": 0.0,
    }  # fmt: skip
    return MdNet(features, **(given | more))
