"""Scores of a detector while it learns, by ultralytics: average precision on the pictures to judge by."""

from __future__ import annotations

import math
from copy import copy
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from pipeline.models.ultralytics_library import ultralytics

_SCORES = {  # of ultralytics -> of the log
    "metrics/mAP50-95(B)": "ap",
    "metrics/mAP50(B)": "ap50",
    "metrics/precision(B)": "precision",
    "metrics/recall(B)": "recall",
}


class DetectorScoring(ultralytics.models.yolo.detect.DetectionValidator):  # type: ignore[misc]
    """Theirs, in one process: the first of several looks at all pictures."""

    def __init__(self, loader: DataLoader[Any], *, scratch: Path, args: Any) -> None:
        """`args`: ultralytics' settings. `scratch`: a folder, which may go afterwards."""
        super().__init__(loader, save_dir=scratch, args=copy(args), _callbacks={})

    def scores(self, trainer: Any) -> dict[str, float]:
        """Of the trainer's averaged network: AP, precision and recall, then the losses, by their names in the log."""
        with torch.random.fork_rng(devices=[]):
            found = self(trainer)
        scores = {name: float(found[theirs]) for theirs, name in _SCORES.items()}
        losses = {key.removeprefix("val/"): value for key, value in found.items() if key.startswith("val/")}
        return scores | {f"val_{name}": float(value) for name, value in losses.items()}

    def postprocess(self, preds: Any) -> list[dict[str, torch.Tensor]]:
        """Boxes that suppression leaves. Theirs gives up after some seconds: scores would depend on the load."""
        found = ultralytics.utils.nms.non_max_suppression(
            preds,
            self.args.conf,
            self.args.iou,
            multi_label=True,
            max_det=self.args.max_det,
            max_time_img=math.inf,
            end2end=self.end2end,
        )
        return [{"bboxes": one[:, :4], "conf": one[:, 4], "cls": one[:, 5], "extra": one[:, 6:]} for one in found]

    def gather_stats(self) -> None:
        """Nothing: no other process has any."""

    def run_callbacks(self, event: str) -> None:
        """None."""


def no_scores(losses: dict[str, float]) -> dict[str, float]:
    """What stands in the log of an epoch that was not scored. `losses`: of training, by name."""
    return dict.fromkeys([*_SCORES.values(), *(f"val_{name}" for name in losses)], math.nan)
