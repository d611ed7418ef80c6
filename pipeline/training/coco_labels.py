"""Labels as COCO json: `images`, `annotations` with `bbox` [x, y, width, height] in pixels, `categories`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.errors import FormatError
from pipeline.training.detection_problems import Problems
from pipeline.training.labelled import ClaimedBox, ClaimedPicture


def read_coco(
    images: Path, annotations: Path, number_of: Callable[[str], int | None], problems: Problems
) -> list[ClaimedPicture]:
    """What a COCO file says of the pictures in a folder, in its order. Boxes marked `iscrowd` are left out.

    `number_of`: our number of a category's name, None for one that is left out; it may raise. Raises FormatError where
    the file as a whole is no COCO json; what is wrong with single entries is a problem.
    """
    held = load_coco(annotations)
    labels = {
        one["id"]: number_of(one["name"]) for one in coco_entries(annotations, held, "categories", ("id", "name"))
    }
    entries = coco_entries(annotations, held, "images", ("id", "file_name", "width", "height"))
    sizes = {one["id"]: (one["height"], one["width"]) for one in entries}
    boxes: dict[Any, list[ClaimedBox]] = {one["id"]: [] for one in entries}
    if len(boxes) != len(entries):
        raise FormatError(f"{annotations}: two images have one id; number them anew")
    for index, one in enumerate(coco_entries(annotations, held, "annotations", ("image_id", "category_id", "bbox"))):
        place = f"{annotations}: annotation {one.get('id', index)}"
        if one["image_id"] not in boxes:
            problems.add(place, f"image {one['image_id']} is not in the file")
        elif one["category_id"] not in labels:
            problems.add(place, f"category {one['category_id']} is not in the file")
        elif not one.get("iscrowd") and (label := labels[one["category_id"]]) is not None:
            corners = _corners(one["bbox"], sizes[one["image_id"]])
            if corners is None:
                problems.add(place, f"bbox {one['bbox']!r} is not four numbers in a picture with a size")
            else:
                boxes[one["image_id"]].append(ClaimedBox(label, corners, place, shape=one.get("segmentation") or None))
    return [
        ClaimedPicture(images / str(one["file_name"]), tuple(boxes[one["id"]]), sizes[one["id"]], str(annotations))
        for one in entries
    ]


def load_coco(file: Path) -> Any:
    """What a json says. Raises FormatError."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise FormatError(f"{file} cannot be read: {error.strerror}; check `annotations`") from error
    except ValueError as error:  # of both the encoding and the json
        raise FormatError(f"{file} is no JSON: {error}") from error


def coco_entries(file: Path, held: Any, key: str, needed: tuple[str, ...]) -> list[dict[str, Any]]:
    """The list under `key`, whose entries have what is needed. Raises FormatError."""
    found = held.get(key) if isinstance(held, dict) else None
    if not isinstance(found, list):
        raise FormatError(f"{file} is no COCO json: it has no list {key!r}")
    for index, one in enumerate(found):
        if not isinstance(one, dict) or any(name not in one for name in needed):
            raise FormatError(f"{file}: entry {index} of {key!r} lacks one of {', '.join(needed)}")
    return found


def _corners(bbox: Any, size: tuple[Any, Any]) -> tuple[float, float, float, float] | None:
    try:
        x, y, width, height = map(float, bbox)
        rows, columns = map(float, size)
        return x / columns, y / rows, (x + width) / columns, (y + height) / rows
    except (TypeError, ValueError, ZeroDivisionError):
        return None
