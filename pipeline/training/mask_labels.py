"""Mask labels: a segmenting teacher says which pixels of labelled boxes are the object's; written as COCO json."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.errors import ConfigError, TrainingError
from pipeline.evaluation.segmentation import run_lengths
from pipeline.models.base import Detector
from pipeline.training.class_map import ClassMap
from pipeline.training.labelled import LabelledPicture
from pipeline.training.picture_views import mask_of
from pipeline.training.whole_file import write_whole
from trackers.geometry import iou_matrix
from trackers.structures import Detections, FloatArray, Frame, ImageArray

ANNOTATIONS = "annotations.json"
_ROUNDING = 0.01  # pixels; boxes are kept as shares of the picture
_LEAST_FILLED = 0.15  # share of a box that its mask covers; with less it is none


@dataclass(slots=True)
class MaskLabels:
    """What was labelled so far."""

    names: tuple[str, ...]
    folder: Path  # the file will lie in; pictures are named from there
    boxes: int = 0
    masks: int = 0
    _images: list[dict[str, Any]] = field(default_factory=list)
    _annotations: list[dict[str, Any]] = field(default_factory=list)

    def add(self, picture: LabelledPicture, boxes: FloatArray, masks: Sequence[ImageArray | None]) -> None:
        """A picture, its boxes (n, 4) x1 y1 x2 y2 in pixels, and what is known of their pixels (height, width)."""
        number = len(self._images) + 1
        name = os.path.relpath(picture.path.resolve(), self.folder.resolve())
        self._images.append({"id": number, "file_name": name, "width": picture.width, "height": picture.height})
        for box, label, mask in zip(boxes.tolist(), picture.labels.tolist(), masks, strict=True):
            x1, y1, x2, y2 = box
            entry = {
                "id": len(self._annotations) + 1,
                "image_id": number,
                "category_id": label + 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "iscrowd": 0,
            }
            if mask is not None:
                coded = run_lengths(mask)
                entry["segmentation"] = {"size": coded["size"], "counts": coded["counts"].decode("ascii")}
                entry["area"] = int(np.count_nonzero(mask))
                self.masks += 1
            self.boxes += 1
            self._annotations.append(entry)

    def write(self) -> Path:
        """The file. Raises OutputError."""
        categories = [{"id": label, "name": name} for label, name in enumerate(self.names, 1)]
        held = {"images": self._images, "annotations": self._annotations, "categories": categories}
        write_whole(self.folder / ANNOTATIONS, json.dumps(held).encode())
        return self.folder / ANNOTATIONS


def label_masks(
    pictures: Sequence[LabelledPicture],
    classes: ClassMap,
    *,
    teacher: Detector,
    folder: Path,
    overlap: float,
    told: Callable[[int], None],
) -> MaskLabels:
    """Masks for the boxes of pictures that a teacher sees, too: of the same class, with at least this IoU.

    Each of the teacher's objects is given to one box at most, so that all together overlap as much as they can. Of a
    mask counts what lies in its box. Masks that are known stay. `told`: how many pictures were looked at so far. Raises
    ConfigError where the teacher gives no masks, TrainingError where a picture can no longer be read.
    """
    found = MaskLabels(classes.names, folder)
    for number, picture in enumerate(pictures):
        image = cv2.imread(str(picture.path), cv2.IMREAD_COLOR)
        if image is None:
            raise TrainingError(f"picture {picture.path} can no longer be read; check the data set")
        boxes = _corners(picture)
        seen = teacher.detect([Frame(np.asarray(image), number, float(number), number)])[0]
        if len(seen) and seen.masks is None:
            raise ConfigError(
                f"{teacher.card.name} finds boxes, but no masks; give a segmenting network as the teacher"
            )
        seen = classes.translate(seen, teacher.card.classes)
        found.add(picture, boxes, _matched(boxes, picture, seen, overlap))
        told(number + 1)
    return found


def _matched(boxes: FloatArray, picture: LabelledPicture, seen: Detections, overlap: float) -> list[ImageArray | None]:
    known = picture.shapes or (None,) * len(boxes)
    masks = [None if shape is None else mask_of(shape, picture.height, picture.width) for shape in known]
    if seen.masks is None or not len(boxes):
        return masks
    overlaps = iou_matrix(boxes, seen.boxes) * (picture.labels[:, None] == seen.labels)
    for row, column in zip(*linear_sum_assignment(-overlaps), strict=True):
        if overlaps[row, column] < overlap or masks[row] is not None:
            continue
        plane = seen.masks[column : column + 1].full(picture.height, picture.width)[0]
        left, top = np.floor(boxes[row, :2] + _ROUNDING).astype(int)
        right, bottom = np.ceil(boxes[row, 2:] - _ROUNDING).astype(int)
        inside = np.zeros_like(plane, np.uint8)
        inside[top:bottom, left:right] = plane[top:bottom, left:right]
        if np.count_nonzero(inside) >= _LEAST_FILLED * (right - left) * (bottom - top):
            masks[row] = inside
    return masks


def _corners(picture: LabelledPicture) -> FloatArray:
    """(n, 4) x1 y1 x2 y2, pixels."""
    centres, sides = picture.boxes[:, :2], picture.boxes[:, 2:]
    edges = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1).astype(np.float64)
    return np.asarray(edges * np.tile([picture.width, picture.height], 2))
