"""Labels as YOLO text: a file a picture, `class x y width height` a line, centre and size as shares of the picture.

A line `class x1 y1 x2 y2 x3 y3 ...` is a polygon; its upright hull is the box.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.errors import FormatError
from pipeline.training.detection_problems import Problems
from pipeline.training.labelled import ClaimedBox, ClaimedPicture

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
_COLUMNS = 5
_LEAST_POLYGON = 7  # columns: the class and three corners


def pictures_in(folder: Path) -> list[Path]:
    """Pictures of a folder and those below it, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def listed_pictures(file: Path) -> list[tuple[Path, str]]:
    """Pictures a text file names, one a line, relative to its folder, each with its place in the file.

    Raises FormatError where it is no text.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{file} is neither a folder of pictures nor a text file that lists them: {error}") from error
    named = ((line.strip(), number) for number, line in enumerate(lines, 1))
    return [(file.parent / name, f"{file}:{number}") for name, number in named if name]


def label_file(picture: Path) -> Path:
    """Where its labels lie: `labels` in place of the last folder called `images`, else beside it."""
    parts = list(picture.parent.parts)
    for place in range(len(parts) - 1, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts, f"{picture.stem}.txt")


def score_file(labels: Path) -> Path:
    """Where the scores of a label file lie: `scores` in place of its last folder called `labels`."""
    parts = list(labels.parts)
    if "labels" in parts:
        parts[len(parts) - 1 - parts[::-1].index("labels")] = "scores"
    return Path(*parts)


def read_yolo(
    picture: Path,
    labels: Path,
    classes: Mapping[int, int | None],
    problems: Problems,
    *,
    scores: Path | None = None,
) -> ClaimedPicture:
    """What a label file says of a picture; a picture without a file holds no objects.

    `classes`: number in the file -> ours, or None for one that is left out. `scores`: a file with a line a line of
    labels: how sure who labelled it is. What cannot be understood is a problem.
    """
    if not labels.exists():
        return ClaimedPicture(picture, ())
    try:
        lines = labels.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problems.add(labels, f"cannot be read as text ({error})")
        return ClaimedPicture(picture, ())
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    sure = [1.0] * len(filled) if scores is None else _read_scores(scores, len(filled), problems)
    boxes = []
    for (number, line), score in zip(filled, sure, strict=True):
        box = _read_line(line.split(), f"{labels}:{number}", classes, problems)
        if box is not None:
            boxes.append(replace(box, score=score))
    return ClaimedPicture(picture, tuple(boxes))


def _read_scores(file: Path, count: int, problems: Problems) -> list[float]:
    try:
        found = [float(line) for line in file.read_text(encoding="utf-8-sig").split()]
    except (OSError, ValueError) as error:
        problems.add(file, f"cannot be read as scores ({error})")
        return [1.0] * count
    if len(found) != count or not all(0 < score <= 1 for score in found):
        problems.add(file, f"must hold {count} scores above 0 up to 1, one for each label")
        return [1.0] * count
    return found


def _read_line(
    words: list[str], place: str, classes: Mapping[int, int | None], problems: Problems
) -> ClaimedBox | None:
    polygon = len(words) >= _LEAST_POLYGON and len(words) % 2 == 1
    if len(words) != _COLUMNS and not polygon:
        problems.add(place, f"has {len(words)} columns instead of the 5 of `class x y width height`")
        return None
    try:
        number = int(words[0])
        values = [float(word) for word in words[1:]]
    except ValueError:
        problems.add(place, f"{' '.join(words)!r} are not a whole number and {len(words) - 1} numbers")
        return None
    if number not in classes:
        problems.add(place, f"class {number} is unknown; there are {len(classes)}, from 0")
        return None
    label = classes[number]
    if label is None:
        return None
    if polygon:
        return ClaimedBox(label, _hull(values), place)
    x, y, width, height = values
    return ClaimedBox(label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2), place)


def _hull(values: list[float]) -> tuple[float, float, float, float]:
    """Of corners x1 y1 x2 y2 ...: left, top, right, bottom. NaN where one is not finite."""
    if not all(map(math.isfinite, values)):
        return (math.nan,) * 4
    return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])
