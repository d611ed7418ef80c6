"""The file in which all trackers of a benchmark, ours and others, are given the same frames: numpy columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluation.sequences import SequenceBoxes
from trackers.structures import FloatArray


def write_frames(
    path: Path,
    detections: SequenceBoxes,
    *,
    frames: int,
    frame_rate: float,
    features: FloatArray | None = None,
    camera_motion: dict[int, FloatArray] | None = None,
) -> None:
    """Write detections of frames 1 to `frames`, of which some may be empty; peers/shots.py reads them.

    `features`: (n, d) of the detections, in their order. `camera_motion`: affine maps (2, 3) from the frame before, by
    frame.
    """
    order = np.argsort(detections.frames, kind="stable")
    motion = np.full((frames, 2, 3), np.nan)
    for frame, affine in (camera_motion or {}).items():
        if frame <= frames:
            motion[frame - 1] = affine
    columns: dict[str, npt.NDArray[Any]] = {
        "starts": np.searchsorted(detections.frames[order], np.arange(1, frames + 2)),  # frame i: [i - 1] to [i]
        "boxes": detections.boxes[order].astype(np.float32),
        "scores": detections.scores[order].astype(np.float32),
        "motion": motion,
        "frame_rate": np.array(frame_rate),
    }
    if features is not None:
        columns["features"] = features[order]
    with path.open("wb") as file:
        np.savez(file, **columns)  # type: ignore[arg-type]  # numpy's stub takes the columns for its options
