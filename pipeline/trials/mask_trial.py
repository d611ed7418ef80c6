"""Tries a segmenting detector on pictures whose masks are known."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ConfigError, FormatError
from pipeline.evaluation.segmentation import MaskScores, PictureTruth, evaluate_masks
from pipeline.models.base import Detector, Segmenter
from pipeline.sources.stills import read_picture
from pipeline.stages import outline
from pipeline.training.coco_labels import coco_entries, load_coco
from pipeline.trials.detector_trial import Told, shared_classes
from trackers.structures import Detections, Frame, IntArray


@dataclass(frozen=True, slots=True)
class MaskTruth:
    """Pictures of a COCO json whose objects have masks."""

    name: str
    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    pictures: tuple[PictureTruth, ...]  # labels as in `classes`


@dataclass(frozen=True, slots=True)
class MaskResult:
    """What a detector reached in a set."""

    name: str
    pictures: int
    milliseconds: float  # a picture, median
    scores: tuple[MaskScores, ...]  # of each class


class BoxesAndMasks:
    """A detector and a segmenter of its boxes, as a run joins them, as one detector."""

    def __init__(self, detector: Detector, segmenter: Segmenter) -> None:
        name = f"{segmenter.card.name} on boxes of {detector.card.name}"
        self.card = replace(detector.card, name=name, masks=True)
        self._detector, self._segmenter = detector, segmenter

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `Detector.detect`; with masks."""
        return outline(self._segmenter, frames, self._detector.detect(frames))


def read_mask_truth(file: Path, images: Path | None = None) -> MaskTruth:
    """A COCO json. `images`: folder of its pictures; None: `images/` beside it. Raises FormatError."""
    held = load_coco(file)
    names = {one["id"]: str(one["name"]) for one in coco_entries(file, held, "categories", ("id", "name"))}
    classes = tuple(dict.fromkeys(names.values()))
    entries = coco_entries(file, held, "images", ("id", "file_name", "width", "height"))
    marks: dict[Any, list[dict[str, Any]]] = {one["id"]: [] for one in entries}
    for number, one in enumerate(coco_entries(file, held, "annotations", ("image_id", "category_id", "segmentation"))):
        if not _listed(one["category_id"], names) or not _listed(one["image_id"], marks):
            place = f"annotation {one.get('id', number)}"
            raise FormatError(f"{file}: {place} is of a category or of an image that is not in the file")
        marks[one["image_id"]].append(one)
    found = [_picture(file, entry, marks[entry["id"]], names, classes) for entry in entries]
    paths = tuple((images or file.parent / "images") / str(entry["file_name"]) for entry in entries)
    return MaskTruth(file.stem, classes, paths, tuple(found))


def _listed(number: Any, held: Mapping[Any, object]) -> bool:
    """Whether it is an id at all, and one of these."""
    return isinstance(number, int | str) and number in held


def _picture(
    file: Path, entry: dict[str, Any], marks: Sequence[dict[str, Any]], names: dict[Any, str], classes: tuple[str, ...]
) -> PictureTruth:
    try:
        height, width = int(entry["height"]), int(entry["width"])
    except (TypeError, ValueError) as error:
        raise FormatError(f"{file}: image {entry['id']!r} has no width and height in pixels: {error}") from error
    return PictureTruth(
        height,
        width,
        np.array([classes.index(names[one["category_id"]]) for one in marks], np.int64),
        tuple(one["segmentation"] for one in marks),
        tuple(bool(one.get("iscrowd")) for one in marks),
        tuple(one.get("bbox") for one in marks),
    )


def try_masks(
    detector: Detector,
    truth: MaskTruth,
    *,
    classes: str | None = None,
    told: Told = lambda _: None,
) -> MaskResult:
    """Run the detector on every picture and score its masks and boxes.

    `classes`: as in `try_detector`. Raises ConfigError where nothing can be compared or the detector gives no masks,
    FormatError where a picture is not as the file says.
    """
    chosen = shared_classes(detector.card.classes, truth.classes, classes)
    ours = chosen.labels(truth.classes)
    true, found, times = [], [], []
    for number, (path, picture) in enumerate(zip(truth.paths, truth.pictures, strict=True)):
        image = read_picture(path)
        if image.shape[:2] != (picture.height, picture.width):
            raise FormatError(
                f"{path} has {image.shape[1]}x{image.shape[0]} pixels, but its masks are for "
                f"{picture.width}x{picture.height}"
            )
        begin = time.perf_counter()
        raw = detector.detect([Frame(image, number, float(number), number)])[0]
        times.append(1000 * (time.perf_counter() - begin))
        if len(raw) and raw.masks is None:
            raise ConfigError(f"{detector.card.name} finds boxes, but no masks; give a segmenting network")
        true.append(_selected(picture, ours))
        found.append(chosen.translate(raw, detector.card.classes))
        told(number + 1)
    try:
        scores = evaluate_masks(true, found, chosen.names)
    except ValueError as error:
        raise FormatError(f"{truth.name}: {error}") from error
    return MaskResult(truth.name, len(true), float(np.median(times)) if times else float("nan"), scores)


def _selected(picture: PictureTruth, ours: IntArray) -> PictureTruth:
    """With our labels, without objects of other classes."""
    rows = np.flatnonzero(ours[picture.labels] >= 0) if len(picture.labels) else np.zeros(0, np.int64)
    return replace(
        picture,
        labels=ours[picture.labels[rows]],
        shapes=tuple(picture.shapes[row] for row in rows),
        crowds=tuple(picture.crowds[row] for row in rows),
        boxes=tuple(picture.boxes[row] for row in rows),
    )
