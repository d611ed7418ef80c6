"""A scene's truth as a MOTChallenge sequence: `gt/gt.txt` and `seqinfo.ini`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from pipeline.errors import OutputError
from pipeline.evaluation.sequences import SequenceBoxes
from pipeline.evaluation.sequences import write_truth as write_boxes
from pipeline.evaluation.sidecars import SequenceInfo, write_seqinfo
from pipeline.synthetic.scene import Scene
from pipeline.synthetic.truth import HIDDEN, Truth

PEDESTRIAN, DISTRACTOR = 1, 8  # MOTChallenge classes


def to_sequence(truths: Iterable[Truth]) -> SequenceBoxes:
    """All frames' boxes with frames from 1, the whole (amodal) box as in MOTChallenge, also beyond the frame's edge.

    Walkers of whom at most 5 % can be seen stay in, but as distractors that do not count (score 0, class 8). By the
    rules of MOT16, 17 and 20 a tracker may then report a hidden walker or be silent, and neither is a mistake. With
    score 0 alone they would be removed before tracks are paired, and every such report would be a false alarm.
    """
    rows = list(truths)
    if not any(len(truth) for truth in rows):
        return SequenceBoxes.empty()
    visibility = np.concatenate([truth.visibility for truth in rows])
    counts = visibility > HIDDEN
    return SequenceBoxes(
        frames=np.concatenate([np.full(len(truth), truth.index + 1) for truth in rows]),
        ids=np.concatenate([truth.ids for truth in rows]),
        boxes=np.concatenate([truth.boxes for truth in rows]).astype(np.float64),
        scores=counts.astype(np.float64),
        classes=np.where(counts, PEDESTRIAN, DISTRACTOR),
        visibility=np.round(visibility.astype(np.float64), 4),
    )


def write_truth(folder: Path, scene: Scene, truths: Iterable[Truth]) -> Path:
    """Write the sequence folder `sightline evaluate mot --truth` reads; returns the path of `gt.txt`.

    `truths`: those of `scene`, for instance collected while its frames were rendered, or `scene.truths()`. The folder's
    name becomes the sequence's. OutputError where writing fails.
    """
    path = folder / "gt" / "gt.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be created: {error.strerror}") from error
    write_boxes(path, to_sequence(truths))
    info = SequenceInfo(folder.resolve().name, scene.fps, len(scene), *scene.size)
    write_seqinfo(folder / "seqinfo.ini", info)
    return path
