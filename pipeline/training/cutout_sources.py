"""Where cut-outs come from: a COCO json with masks, or a labelled set of one camera that stands still."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.errors import TrainingError
from pipeline.training.cutouts import Cutout, background, from_coco, from_still_camera
from pipeline.training.detection_data import read_training_pictures
from pipeline.training.scenes import Labelled, opened
from trackers.structures import Detections

_LOOKS = 50  # pictures that the background is the median of


def coco_cutouts(annotations: Path, images: Path, names: tuple[str, ...], classes: Mapping[str, str]) -> list[Cutout]:
    """Cut-outs of a COCO json; what is of no class serves as an obstacle.

    `classes`: theirs -> ours, names that are not there stay. Raises TrainingError where it holds none of ours.
    """
    labels = {name: names.index(name) for name in names}
    labels |= {theirs: names.index(ours) for theirs, ours in classes.items()}
    found = from_coco(annotations, images, labels)
    if not any(one.label >= 0 for one in found):
        raise TrainingError(f"{annotations} has no whole object of {', '.join(names)}; --classes says what is which")
    return found


def still_cutouts(data: Path, names: tuple[str, ...], most: int) -> tuple[list[Cutout], Labelled]:
    """Cut-outs of a labelled set of one camera that stands still, at most so many, and its empty scene.

    Raises TrainingError where its pictures differ in size, or nothing in them moves.
    """
    theirs, pictures, _ = read_training_pictures(data)
    if theirs != names:
        raise TrainingError(f"{data} labels {', '.join(theirs)}, the scenes {', '.join(names)}; they must be alike")
    sizes = {(one.height, one.width) for one in pictures}
    if len(sizes) > 1:
        raise TrainingError(f"{data} has pictures of {len(sizes)} sizes; one camera that stands still gives one")
    chosen = pictures[:: max(1, len(pictures) // _LOOKS)]
    empty = background([opened(one).image for one in chosen])
    found: list[Cutout] = []
    for picture in pictures:
        seen = opened(picture)
        objects = Detections(boxes=seen.boxes, scores=np.ones(len(seen.boxes), np.float32), labels=seen.labels)
        found += from_still_camera(seen.image, empty, objects)
    if not found:
        raise TrainingError(f"{data}: nothing in it can be cut out; the camera must stand still and objects must move")
    spread = np.unique(np.linspace(0, len(found) - 1, most).round().astype(int))
    scene = Labelled(empty, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    return [found[index] for index in spread], scene
