"""Soft labels: how sure a teacher is becomes how sure its student is to be (Hinton et al. 2015, section 2).

The library carries one number a box, its class, through all augmentation to the loss, and there takes its whole part.
So its fraction can say what is lacking to certainty.
"""

from __future__ import annotations

import numpy as np
import torch

from pipeline.training.labelled import LabelledPicture
from trackers.structures import FloatArray

_ROOM = 0.5  # fraction that says a score of 0


def soft_labels(picture: LabelledPicture) -> FloatArray:
    """(n,) float32: the class, plus up to _ROOM the less sure it is."""
    lacking = 0.0 if picture.scores is None else 1 - np.clip(picture.scores, 0, 1)
    return np.asarray(picture.labels + _ROOM * lacking, np.float32)


def soften(targets: torch.Tensor, labels: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
    """Targets of the anchors times the score of the label that each anchor is assigned to.

    `targets` (b, a, classes); `labels` (b, n, 1) as `soft_labels` made them; `owners` (b, a) place of that label.
    """
    if not labels.shape[1]:
        return targets
    scores = 1 - (labels.squeeze(2) % 1) / _ROOM
    return targets * scores.to(targets.dtype).gather(1, owners.long()).unsqueeze(2)
