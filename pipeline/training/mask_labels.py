"""Mask labels: a segmenting teacher says which pixels of labelled boxes are the object's; written as COCO json."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.errors import ConfigError, TrainingError
from pipeline.evaluation.segmentation import run_lengths
from pipeline.models.base import Detector, ModelCard
from pipeline.training.class_map import ClassMap
from pipeline.training.labelled import LabelledPicture
from pipeline.training.picture_views import mask_of
from pipeline.training.watching import PIECE
from pipeline.training.whole_file import write_whole
from trackers.geometry import iou_matrix
from trackers.structures import Detections, FloatArray, Frame, ImageArray

ANNOTATIONS = "annotations.json"
_ROUNDING = 0.01  # pixels; boxes are kept as shares of the picture
_LEAST_FILLED = 0.15  # share of a box that its mask covers; with less it is none


@dataclass(slots=True)
class MaskLabels:
    """What was labelled so far. All but the last pictures are kept in `work`, PIECE in a file."""

    names: tuple[str, ...]
    folder: Path  # the file will lie in; pictures are named from there
    work: Path
    _pictures: list[dict[str, Any]] = field(default_factory=list)  # as COCO's images, with their annotations

    @classmethod
    def begin(cls, names: tuple[str, ...], folder: Path, work: Path) -> Self:
        """With what an earlier process has kept in `work`. Raises TrainingError where that is damaged."""
        return cls(names, folder, work, _kept(work))

    def __len__(self) -> int:
        """Pictures."""
        return len(self._pictures)

    @property
    def boxes(self) -> int:
        """Of all pictures."""
        return sum(len(one["annotations"]) for one in self._pictures)

    @property
    def masks(self) -> int:
        """Boxes that have one."""
        return sum("segmentation" in entry for one in self._pictures for entry in one["annotations"])

    def add(self, picture: LabelledPicture, boxes: FloatArray, masks: Sequence[ImageArray | None]) -> None:
        """A picture, its boxes (n, 4) x1 y1 x2 y2 in pixels, and what is known of their pixels (height, width).

        Raises OutputError.
        """
        entries = []
        for (x1, y1, x2, y2), label, mask in zip(boxes.tolist(), picture.labels.tolist(), masks, strict=True):
            entry = {"category_id": label + 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "iscrowd": 0}
            if mask is not None:
                coded = run_lengths(mask)
                entry["segmentation"] = {"size": coded["size"], "counts": coded["counts"].decode("ascii")}
                entry["area"] = int(np.count_nonzero(mask))
            entries.append(entry)
        place = {"file_name": _place(picture, self.folder), "width": picture.width, "height": picture.height}
        self._pictures.append({**place, "annotations": entries})
        if len(self) % PIECE == 0:
            write_whole(_piece(self.work, len(self) // PIECE - 1), json.dumps(self._pictures[-PIECE:]).encode())

    def write(self) -> Path:
        """The file. Raises OutputError."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, picture in enumerate(self._pictures, 1):
            images.append({"id": number} | {key: value for key, value in picture.items() if key != "annotations"})
            for entry in picture["annotations"]:
                annotations.append({"id": len(annotations) + 1, "image_id": number, **entry})
        categories = [{"id": label, "name": name} for label, name in enumerate(self.names, 1)]
        held = {"images": images, "annotations": annotations, "categories": categories}
        write_whole(self.folder / ANNOTATIONS, json.dumps(held).encode())
        return self.folder / ANNOTATIONS


def require_masks(teacher: ModelCard) -> None:
    """Raises ConfigError for a teacher that gives none."""
    if not teacher.masks:
        raise ConfigError(f"{teacher.name} finds boxes, but no masks; give a segmenting network as the teacher")


def digest_of(pictures: Sequence[LabelledPicture], data: str, folder: Path) -> str:
    """SHA-256 over all of a data set that decides mask labels in a folder.

    `data`: the data set's digest. It leaves out masks that are known, and where the pictures lie.
    """
    digest = hashlib.sha256(data.encode())
    for picture in pictures:
        digest.update(json.dumps([_place(picture, folder), picture.shapes]).encode())
    return digest.hexdigest()


def label_masks(
    pictures: Sequence[LabelledPicture],
    classes: ClassMap,
    *,
    teacher: Detector,
    folder: Path,
    work: Path,
    overlap: float,
    told: Callable[[int], None],
) -> MaskLabels:
    """Masks for the boxes of pictures that a teacher sees, too: of the same class, with at least this IoU.

    Each of the teacher's objects is given to one box at most, so that all together overlap as much as they can. Of a
    mask counts what lies in its box. Masks that are known stay. `work`: keeps what was labelled; an earlier process
    that left something there, of the same pictures and teacher, is gone on with. `told`: how many pictures were looked
    at so far. Raises ConfigError where the teacher gives no masks, TrainingError where a picture can no longer be read
    or `work` is damaged, OutputError.
    """
    require_masks(teacher.card)
    found = MaskLabels.begin(classes.names, folder, work)
    for number, picture in enumerate(pictures[len(found) :], start=len(found)):
        image = cv2.imread(str(picture.path), cv2.IMREAD_COLOR)
        if image is None:
            raise TrainingError(f"picture {picture.path} can no longer be read; check the data set")
        boxes = _corners(picture)
        seen = teacher.detect([Frame(np.asarray(image), number, float(number), number)])[0]
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


def _place(picture: LabelledPicture, folder: Path) -> str:
    return os.path.relpath(picture.path.resolve(), folder.resolve())


def _piece(work: Path, number: int) -> Path:
    return work / f"{number:06d}.json"


def _kept(work: Path) -> list[dict[str, Any]]:
    """Pictures of the pieces from the first on; one that is missing ends them."""
    pictures: list[dict[str, Any]] = []
    while (file := _piece(work, len(pictures) // PIECE)).exists():
        try:
            held = json.loads(file.read_bytes())
        except (OSError, ValueError) as error:
            raise TrainingError(f"{file} is damaged: {error}; delete it, what it held is then made again") from error
        if not isinstance(held, list) or len(held) != PIECE:
            raise TrainingError(f"{file} does not hold {PIECE} pictures; delete it, what it held is then made again")
        pictures += held
    return pictures
