"""TruthSet: pictures of which it is known what is in them; read from MOTChallenge, COCO and YOLO."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import FormatError
from pipeline.evaluation.detection import TrueBoxes
from pipeline.sources.stills import read_picture
from pipeline.training.data_file import load_data_file
from pipeline.training.detection_data import read_validation_pictures
from pipeline.training.kept_labels import read_labels, read_set
from pipeline.trials.mot_sequence import OpenSource, read_mot_sequence
from trackers.geometry import from_xywh
from trackers.structures import Detections, Frame

PERSON = "person"


@dataclass(frozen=True, slots=True, eq=False)
class TruthSet:
    """Objects in pictures. A picture's number is the `index` of its frame."""

    name: str
    classes: tuple[str, ...]  # every object of these is marked, and none of others
    truth: TrueBoxes
    frames: Callable[[], Iterator[Frame]]  # gives the pictures, in order; again at every call


def read_truths(path: Path, *, opened: OpenSource, every: int = 1) -> list[TruthSet]:
    """Sets of a MOTChallenge sequence, a COCO json, a data.yaml of YOLO or of COCO files, or a folder of YOLO labels.

    `opened`: opens a sequence's pictures. `every`: take every n-th frame of a sequence. A COCO json's pictures lie in
    `images/` beside it. Of a data.yaml as for `sightline train detector` what is under `val` is read; of others `val`,
    or `train` where there is no other. Raises FormatError, SourceError.
    """
    if path.is_dir() and (path / "gt").is_dir():
        return [_of_sequence(path, opened, every)]
    if path.suffix == ".json":
        return [read_coco_truth(path.parent / "images", path)]
    file = path / "data.yaml" if (path / "data.yaml").is_file() else path
    if file.suffix in (".yaml", ".yml"):
        said = load_data_file(file)
        if said.get("names") and said.get("val"):
            return [_of_training_data(file)]
        if entries := _coco_entries(file, said):
            return [read_coco_truth(file.parent / images, file.parent / coco) for images, coco in entries]
    if path.is_dir() or file.suffix in (".yaml", ".yml"):
        return [_of_yolo(path)]
    raise FormatError(
        f"{path} is no truth; give a MOTChallenge folder (gt/, video.mp4), a COCO .json, a data.yaml or a folder with "
        "classes.txt, images/ and labels/"
    )


def read_coco_truth(images: Path, file: Path) -> TruthSet:
    """Objects of a COCO json; what is marked `iscrowd` is a region to ignore. Raises FormatError."""
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        classes = {one["id"]: str(one["name"]) for one in held["categories"]}
        numbers = {one["id"]: number for number, one in enumerate(held["images"])}
        paths = [images / str(one["file_name"]) for one in held["images"]]
        names = tuple(dict.fromkeys(classes.values()))
        marks = held["annotations"]
        boxes = from_xywh(np.array([one["bbox"] for one in marks], np.float64).reshape(-1, 4))
        truth = TrueBoxes(
            np.array([numbers[one["image_id"]] for one in marks], np.int64),
            boxes,
            np.array([names.index(classes[one["category_id"]]) for one in marks], np.int64),
            np.array([bool(one.get("iscrowd")) for one in marks], dtype=bool),
        )
    except OSError as error:
        raise FormatError(f"{file} cannot be read: {error.strerror}; check the path") from error
    except (ValueError, KeyError, TypeError) as error:  # JSON, text, shapes; a key or an id that is missing; no list
        raise FormatError(f"{file} is no COCO json of boxes: {type(error).__name__} {error}") from error
    if not np.isfinite(boxes).all():
        raise FormatError(f"{file}: a bbox is not four finite numbers")
    return TruthSet(file.stem, names, truth, lambda: _pictures(paths))


def unmarked(address: str, *, opened: OpenSource, every: int) -> TruthSet:
    """Every n-th frame of a video or a folder of pictures, nothing marked."""

    def frames() -> Iterator[Frame]:
        with opened(address) as source:
            yield from (frame for frame in source if frame.index % every == 0)

    return boxes_as_truth(Path(address).stem, (), frames, {})


def boxes_as_truth(
    name: str, classes: Sequence[str], frames: Callable[[], Iterator[Frame]], found: Mapping[int, Detections]
) -> TruthSet:
    """What somebody found in frames, by their index, as if it were the truth."""
    boxes = list(found.values())
    numbers = np.repeat(np.array(list(found), np.int64), [len(one) for one in boxes])
    columns = Detections.empty() if not boxes else boxes[0]
    corners = np.concatenate([one.boxes for one in boxes] or [columns.boxes])
    labels = np.concatenate([one.labels for one in boxes] or [columns.labels])
    truth = TrueBoxes(numbers, corners, labels, np.zeros(len(numbers), dtype=bool))
    return TruthSet(name, tuple(classes), truth, frames)


def _of_sequence(folder: Path, opened: OpenSource, every: int) -> TruthSet:
    sequence = read_mot_sequence(folder, opened)
    numbers = sequence.people.frames - 1
    shown = numbers % every == 0
    people = sequence.people[shown]
    labels = np.zeros(len(people), np.int64)
    truth = TrueBoxes(numbers[shown], people.boxes, labels, sequence.ignored[shown])
    return TruthSet(sequence.name, (PERSON,), truth, lambda: sequence.frames(opened, every))


def _of_yolo(path: Path) -> TruthSet:
    known = read_set(path)
    pictures = [one for one in known.pictures if one.split == "val"] or list(known.pictures)
    found = {}
    for number, one in enumerate(pictures):
        height, width = read_picture(one.picture).shape[:2]
        found[number] = read_labels(one.labels, len(known.names), width, height)
    name = path.name if path.is_dir() else path.parent.name
    return boxes_as_truth(name, known.names, lambda: _pictures([one.picture for one in pictures]), found)


def _of_training_data(file: Path) -> TruthSet:
    """What `sightline train detector` validates on, in its own names; what COCO marks as a crowd is not told."""
    names, pictures = read_validation_pictures(file)
    found = {}
    for number, one in enumerate(pictures):
        boxes = one.boxes.astype(np.float64) * [one.width, one.height, one.width, one.height]
        corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
        found[number] = Detections(corners.astype(np.float32), np.ones(len(boxes), np.float32), one.labels)
    name = file.parent.name if file.stem == "data" else file.stem
    return boxes_as_truth(name, names, lambda: _pictures([one.path for one in pictures]), found)


def _coco_entries(file: Path, said: dict[str, Any]) -> list[tuple[str, str]]:
    """Folder of pictures and COCO json of each entry under `val` (else `train`); empty where it is YOLO's data.yaml."""
    entries = said.get("val") or said.get("train")
    listed: list[Any] = entries if isinstance(entries, list) else [entries]
    if not all(isinstance(one, dict) for one in listed):
        return []
    if lacking := [one for one in listed if not {"images", "annotations"} <= set(one)]:
        raise FormatError(f"{file}: {lacking[0]} needs both `images` (a folder) and `annotations` (a COCO json)")
    return [(str(one["images"]), str(one["annotations"])) for one in listed]


def _pictures(paths: Sequence[Path]) -> Iterator[Frame]:
    for number, path in enumerate(paths):
        yield Frame(read_picture(path), number, float(number), 0)
