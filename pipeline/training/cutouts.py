"""Cut-outs: objects without their surroundings, taken from masks or from a camera that stands still."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.errors import FormatError, TrainingError
from pipeline.training.coco_labels import coco_entries, load_coco
from trackers.structures import Detections, FloatArray, ImageArray

LEAST_SIDE = 24  # pixels; smaller cut-outs show nothing
_BORDER = 2.0  # pixels; an object so near to the picture's border goes on outside
_SIDES = frozenset({"left", "top", "right"})
_OPPOSITE = {frozenset({"left", "right"}), frozenset({"top", "bottom"})}
_ADDED = 6  # pixels of surroundings kept around, so that the edge can be softened


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """One object without its surroundings."""

    picture: ImageArray  # (h, w, 4) blue green red and opacity, 0..255
    label: int  # index into the class names; -1: a thing of no class, good to hide others behind
    cut: frozenset[str] = frozenset()  # sides at which it goes on outside: left, top, right, bottom

    @property
    def whole(self) -> bool:
        """All of it is seen, or was hidden by others only."""
        return not self.cut

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.picture.shape[0])


def from_coco(annotations: Path, images: Path, classes: Mapping[str, int], *, obstacles: bool = True) -> list[Cutout]:
    """Cut-outs of a COCO json's polygons.

    `classes`: label by the source's class name. `obstacles`: other classes give cut-outs of label -1.
    Crowds and run-length masks (COCO uses them for crowds only) are left out, and objects that touch two opposite
    borders. Raises FormatError where it is no COCO json with masks, TrainingError where a picture cannot be read.
    """
    held = load_coco(annotations)
    names = {one["id"]: str(one["name"]) for one in coco_entries(annotations, held, "categories", ("id", "name"))}
    masked: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for one in coco_entries(annotations, held, "annotations", ("image_id", "category_id", "bbox", "segmentation")):
        if not one.get("iscrowd") and isinstance(one["segmentation"], list):
            masked[one["image_id"]].append(one)
    found = []
    for picture in coco_entries(annotations, held, "images", ("id", "file_name")):
        objects = masked.get(picture["id"], [])
        chosen = [(one, classes.get(names.get(one["category_id"], ""), -1)) for one in objects]
        chosen = [(one, label) for one, label in chosen if label >= 0 or obstacles]
        if not chosen:
            continue
        file = images / str(picture["file_name"])
        image = cv2.imread(str(file))
        if image is None:
            raise TrainingError(f"picture {file} of {annotations} is missing or damaged; fetch it again")
        for one, label in chosen:
            try:
                cutout = _from_polygons(image, one, label)
            except (TypeError, ValueError, cv2.error) as error:
                place = f"{annotations}: annotation {one.get('id', '')} of {file.name}"
                raise FormatError(f"{place} has no sound bbox and segmentation; correct or remove it") from error
            if cutout is not None:
                found.append(cutout)
    return found


def digest_of(cutouts: Sequence[Cutout]) -> str:
    """SHA-256 over pictures, labels and sides, in their order."""
    digest = hashlib.sha256()
    for one in cutouts:
        digest.update(f"\n{one.label} {sorted(one.cut)} {one.picture.shape}".encode())
        digest.update(np.ascontiguousarray(one.picture).data)
    return digest.hexdigest()


def coco_classes(annotations: Path) -> list[str]:
    """Names of a COCO json's categories. Raises FormatError."""
    held = load_coco(annotations)
    return [str(one["name"]) for one in coco_entries(annotations, held, "categories", ("name",))]


def _from_polygons(image: ImageArray, row: Mapping[str, Any], label: int) -> Cutout | None:
    height, width = image.shape[:2]
    left, top, wide, high = row["bbox"]
    box = np.array([left, top, left + wide, top + high], np.float32)
    cut = _cut_sides(box, height, width)
    if (
        _OPPOSITE & {cut & pair for pair in _OPPOSITE}
        or min(wide, high) < LEAST_SIDE / 2
        or max(wide, high) < LEAST_SIDE
    ):
        return None
    mask = np.zeros((height, width), np.uint8)
    outlines = [np.round(np.array(one, np.float32).reshape(-1, 2)).astype(np.int32) for one in row["segmentation"]]
    cv2.fillPoly(mask, outlines, 255)
    if cv2.countNonZero(mask) < 0.25 * wide * high:  # little of its box: the rest is hidden, or it is all gaps
        return None
    return Cutout(_cropped(image, mask, box), label, cut)


def _cut_sides(box: FloatArray, height: int, width: int) -> frozenset[str]:
    """Sides at which an object touches the picture's border."""
    left, top, right, bottom = (float(side) for side in box)
    touching = {
        "left": left <= _BORDER,
        "top": top <= _BORDER,
        "right": right >= width - _BORDER,
        "bottom": bottom >= height - _BORDER,
    }
    return frozenset(side for side, touches in touching.items() if touches)


def background(pictures: Sequence[ImageArray]) -> ImageArray:
    """What a camera that stands still sees without anybody: the median of pictures that are spread over time."""
    if not pictures:
        raise TrainingError("no pictures to find a background in; give a recording that is longer")
    return np.asarray(np.median(np.stack(pictures), axis=0), np.uint8)


def from_still_camera(
    picture: ImageArray, empty: ImageArray, found: Detections, *, least_change: int = 26
) -> Iterator[Cutout]:
    """Cut-outs of the objects that a detector found in a picture, by what differs from the empty scene.

    `empty`: of the same camera, see `background`. `least_change`: of a channel, 0..255. Objects that overlap others,
    that touch the border (but for the lower one) or that differ too little from the background are left out.
    """
    height, width = picture.shape[:2]
    changed = (cv2.absdiff(picture, empty).max(axis=2) >= least_change).astype(np.uint8) * 255
    changed = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
    for index, box in enumerate(found.boxes):
        left, top, right, bottom = (float(side) for side in box)
        cut = _cut_sides(box, height, width)
        if cut & _SIDES or max(right - left, bottom - top) < LEAST_SIDE or _overlaps(found.boxes, index):
            continue
        mask = np.zeros_like(changed)
        area = np.s_[int(top) : int(bottom) + 1, int(left) : int(right) + 1]
        mask[area] = _largest(changed[area])
        if 0.25 < cv2.countNonZero(mask) / ((right - left) * (bottom - top)) < 0.95:
            yield Cutout(_cropped(picture, mask, box), int(found.labels[index]), cut)


def _overlaps(boxes: FloatArray, index: int) -> bool:
    mine, others = boxes[index], np.delete(boxes, index, axis=0)
    wide = np.minimum(mine[2], others[:, 2]) - np.maximum(mine[0], others[:, 0])
    high = np.minimum(mine[3], others[:, 3]) - np.maximum(mine[1], others[:, 1])
    return bool(((wide > 0) & (high > 0)).any())


def _largest(mask: ImageArray) -> ImageArray:
    """The largest connected part of a mask, its holes filled."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros_like(mask)
    if outlines:
        cv2.drawContours(filled, [max(outlines, key=cv2.contourArea)], -1, 255, cv2.FILLED)
    return filled


def _cropped(image: ImageArray, mask: ImageArray, box: FloatArray) -> ImageArray:
    """(h, w, 4) of the box and a little around it; a side that the picture cut stays at its edge."""
    height, width = image.shape[:2]
    left, top = (max(0, int(side) - _ADDED) for side in box[:2])
    right, bottom = min(width, int(box[2]) + _ADDED + 1), min(height, int(box[3]) + _ADDED + 1)
    area = np.s_[top:bottom, left:right]
    return np.dstack([image[area], mask[area]])
