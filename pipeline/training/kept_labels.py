"""Kept labels: pictures that people have labelled, but not with all classes, in YOLO's form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import FormatError
from pipeline.training.data_file import base_of, class_list, class_names, load_data_file
from pipeline.training.detection_problems import Problems
from pipeline.training.labelled import ClaimedBox
from pipeline.training.yolo_labels import label_file, listed_pictures, pictures_in, read_yolo
from trackers.structures import Detections

_OUTSIDE = 0.1  # share of the picture by which a label may go beyond it; it is clipped


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A picture and where its labels are; no such file means no object."""

    picture: Path
    labels: Path
    split: str  # "train" or "val"


@dataclass(frozen=True, slots=True)
class KeptSet:
    """A labelled set of pictures."""

    names: tuple[str, ...]  # classes in label order
    pictures: tuple[KeptPicture, ...]


def read_set(path: Path) -> KeptSet:
    """A data.yaml with `names`, `train` and perhaps `val`, or a folder with classes.txt, images/ and labels/.

    Raises FormatError where it is neither, or without pictures.
    """
    if path.is_dir() and not (path / "data.yaml").is_file():
        names = class_list(path / "classes.txt")
        pictures = _entry(path, "images", "train")
    else:
        file = path / "data.yaml" if path.is_dir() else path
        data = load_data_file(file)
        names = class_names(data.get("names"), f"{file}: names")
        root = base_of(file, data)
        train, val = (_listed(data.get(split)) for split in ("train", "val"))
        pictures = [one for entry in train for one in _entry(root, entry, "train")]
        pictures += [one for entry in val if entry not in train for one in _entry(root, entry, "val")]
    if not pictures:
        raise FormatError(f"{path} has no pictures; check `train:` in data.yaml, or the folder images/")
    return KeptSet(names, tuple(pictures))


def check_labels(known: KeptSet) -> None:
    """Raises FormatError with the first of all problems in the label files."""
    problems = Problems()
    for one in known.pictures:
        _boxes(one.labels, len(known.names), problems)
    problems.require_none()


def read_labels(file: Path, classes: int, width: int, height: int) -> Detections:
    """A picture's labels with score 1, boxes in pixels of a picture of this size. Polygons become their upright hulls.

    Raises FormatError naming file and line.
    """
    problems = Problems()
    found = _boxes(file, classes, problems)
    problems.require_none()
    corners = np.array([one.corners for one in found]).reshape(-1, 4)
    boxes = np.clip(corners, 0, 1) * [width, height, width, height]
    labels = np.array([one.label for one in found], np.int64)
    return Detections(boxes.astype(np.float32), np.ones(len(found), np.float32), labels)


def _boxes(file: Path, classes: int, problems: Problems) -> tuple[ClaimedBox, ...]:
    found = read_yolo(file, file, {label: label for label in range(classes)}, problems).boxes
    for one in found:
        left, top, right, bottom = one.corners
        if not all(map(math.isfinite, one.corners)):
            problems.add(one.place, "a coordinate is not finite")
        elif min(one.corners) < -_OUTSIDE or max(one.corners) > 1 + _OUTSIDE or right <= left or bottom <= top:
            problems.add(one.place, "the box lies outside the picture or has no area")
    return found


def _listed(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [] if value is None else [str(value)]


def _entry(root: Path, entry: str, split: str) -> list[KeptPicture]:
    """Pictures of a folder, or of a list with a picture a line."""
    place = root / entry
    if not place.exists():
        raise FormatError(f"there is neither folder nor list {place}; pictures lie in images/, their labels in labels/")
    files = pictures_in(place) if place.is_dir() else [picture for picture, _ in listed_pictures(place)]
    return [KeptPicture(file, label_file(file), split) for file in files]
