"""Kept labels: pictures that people have labelled, but not with all classes, in YOLO's form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from pipeline.errors import FormatError
from trackers.structures import Detections

PICTURES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_COLUMNS = 5  # class, centre, size


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
        names = _lines(path / "classes.txt")
        pictures = _pictures(path / "images", "train")
    else:
        file = path / "data.yaml" if path.is_dir() else path
        data = _read_yaml(file)
        listed = data.get("names")
        names = _listed([listed[key] for key in sorted(listed)] if isinstance(listed, dict) else listed)
        root = file.parent / str(data.get("path") or "")
        train, val = (_listed(data.get(split)) for split in ("train", "val"))
        pictures = [one for entry in train for one in _entry(root, entry, "train")]
        pictures += [one for entry in val if entry not in train for one in _entry(root, entry, "val")]
    if not names:
        raise FormatError(f"{path} names no classes; write `names:` into data.yaml, or classes.txt")
    if not pictures:
        raise FormatError(f"{path} has no pictures; check `train:` in data.yaml, or the folder images/")
    return KeptSet(tuple(names), tuple(pictures))


def read_labels(file: Path, classes: int, width: int, height: int) -> Detections:
    """A picture's labels with score 1, boxes in pixels of a picture of this size. Polygons become their upright hulls.

    Raises FormatError naming file and line.
    """
    if not file.exists():
        return Detections.empty()
    boxes, labels = [], []
    for number, line in enumerate(_lines(file, blank=True), 1):
        if not line.strip():
            continue
        try:
            values = np.array([float(word) for word in line.split()])
        except ValueError as error:
            raise FormatError(f"{file}, line {number}: {line.strip()[:60]!r} is not all numbers") from error
        polygon = len(values) > _COLUMNS + 1 and len(values) % 2 == 1
        if not (len(values) == _COLUMNS or polygon) or not np.isfinite(values).all():
            raise FormatError(f"{file}, line {number}: write `class x y width height` as shares of the picture")
        if values[0] != int(values[0]) or not 0 <= values[0] < classes:
            raise FormatError(f"{file}, line {number}: class {values[0]:g} is none of the {classes} that are named")
        if polygon:
            corners = values[1:].reshape(-1, 2)
            low, high = corners.min(axis=0), corners.max(axis=0)
        else:
            low, high = values[1:3] - values[3:5] / 2, values[1:3] + values[3:5] / 2
        if (low < -0.1).any() or (high > 1.1).any() or (high <= low).any():
            raise FormatError(f"{file}, line {number}: the box lies outside the picture or has no area")
        boxes.append(np.clip(np.concatenate([low, high]), 0, 1) * [width, height, width, height])
        labels.append(int(values[0]))
    if not boxes:
        return Detections.empty()
    return Detections(np.array(boxes, np.float32), np.ones(len(boxes), np.float32), np.array(labels, np.int64))


def _listed(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [] if value is None else [str(value)]


def _entry(root: Path, entry: str, split: str) -> list[KeptPicture]:
    """Pictures of a folder, or of a list with a picture a line."""
    place = root / entry
    if place.is_dir():
        return _pictures(place, split)
    if not place.is_file():
        raise FormatError(f"there is neither folder nor list {place}; check data.yaml")
    files = [(place.parent / line).resolve() for line in _lines(place) if line.strip()]
    return [KeptPicture(file, _labels_of(file), split) for file in files]


def _pictures(folder: Path, split: str) -> list[KeptPicture]:
    if not folder.is_dir():
        raise FormatError(f"there is no folder {folder}; pictures lie in images/, their labels in labels/")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in PICTURES)
    return [KeptPicture(file, _labels_of(file), split) for file in files]


def _labels_of(picture: Path) -> Path:
    """Beside `images/` lies `labels/`, of the same structure."""
    parts = list(picture.parts)
    places = [place for place, part in enumerate(parts) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def _read_yaml(file: Path) -> dict[str, object]:
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise FormatError(f"{file} cannot be read as YAML: {error}") from error
    if not isinstance(data, dict):
        raise FormatError(f"{file} must hold `names:` and `train:`")
    return data


def _lines(file: Path, *, blank: bool = False) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{file} cannot be read: {error}") from error
    return lines if blank else [line.strip() for line in lines if line.strip()]
