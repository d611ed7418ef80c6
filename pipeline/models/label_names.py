"""What is known of models by name or by what their files say: classes behind label numbers, sizes, scores."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import ModelError
from pipeline.score_map import check_score_map

CALIBRATION = "score_calibration"  # entry of a file's metadata

# fmt: off
COCO = (  # the 80 classes of the COCO detection task, in the order of YOLO models
    "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light",
    "fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant",
    "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard",
    "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle",
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange", "broccoli",
    "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed", "dining table", "toilet",
    "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven", "toaster", "sink",
    "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
)
# fmt: on

# Classes of models whose files do not name them, by the file's name without suffix. Names are whole, because relatives
# number their classes otherwise: in person-vehicle-bike-detection-crossroad-0078, 1 is a person and 2 a vehicle.
KNOWN_STEMS: dict[str, tuple[str, ...]] = {
    f"person-vehicle-bike-detection-{number}": ("vehicle", "person", "bike") for number in range(2000, 2005)
}


def class_names(
    stem: str,
    *,
    explicit: Sequence[str] | None = None,
    embedded: Sequence[str] | None = None,
    count: int | None = None,
) -> tuple[str, ...]:
    """Names in label order: the setting, else what the file says, else a known file name, else COCO for 80 classes.

    `stem`: the file's name without suffix. `explicit`: the setting `detector.classes`. `embedded`: names found in the
    file. `count`: number of classes the network puts out, None where its outputs do not tell.
    Raises ModelError where nothing names the classes or where their number is not the network's.
    """
    if explicit:
        names, origin = tuple(explicit), "detector.classes"
    elif embedded:
        names, origin = tuple(embedded), "the file's metadata"
    elif known := KNOWN_STEMS.get(stem):
        names, origin = known, "the catalogue"
    elif count == len(COCO):
        return COCO
    else:
        number = "an unknown number of" if count is None else str(count)
        raise ModelError(f"model {stem!r} has {number} classes without names; list them in detector.classes")
    if count is not None and len(names) != count:
        raise ModelError(
            f"model {stem!r} has {count} classes, but {origin} names {len(names)}; "
            f"set detector.classes to {count} names in label order"
        )
    return names


def embedded_names(metadata: Mapping[str, str], file: Path) -> tuple[str, ...]:
    """Class names that an exporter wrote into an ONNX file (ultralytics: `names`, a dict or list as Python text).

    Empty where there are none. `file`: whose metadata it is. Raises ModelError where the entry cannot be read.
    """
    text = metadata.get("names")
    if text is None:
        return ()
    try:
        names = ast.literal_eval(text)
        ordered = [names[label] for label in range(len(names))]
    except (ValueError, SyntaxError, KeyError, TypeError) as error:
        raise ModelError(f"{file}: its metadata `names` cannot be read ({error}); set detector.classes") from error
    return tuple(str(name) for name in ordered)


def suppresses(metadata: Mapping[str, str]) -> bool:
    """Whether an exporter wrote into an ONNX file that it suppresses overlaps (ultralytics: `end2end`, `args`)."""
    return metadata.get("end2end") == "True" or "'nms': True" in metadata.get("args", "")


def embedded_size(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Height and width that an exporter wrote into an ONNX file (ultralytics: `imgsz`), None where there are none."""
    try:
        sides = ast.literal_eval(metadata.get("imgsz", "None"))
    except (ValueError, SyntaxError):
        return None
    match sides:
        case [int(height), int(width)]:
            return height, width
    return None


def embedded_calibration(metadata: Mapping[str, str], file: Path) -> tuple[tuple[float, float], ...] | None:
    """How precise boxes of a score are, as `calibration_text` wrote it into a file: (score, precision), rising.

    None where there is nothing. `file`: whose metadata it is. Raises ModelError where the entry cannot be read.
    """
    text = metadata.get(CALIBRATION)
    if text is None:
        return None
    try:
        said = json.loads(text)
        if not isinstance(said, list) or not all(isinstance(row, list) for row in said):
            raise ValueError("it is no list of [score, precision] pairs")
        pairs = tuple((float(score), float(precision)) for score, precision in said)
        check_score_map(pairs)
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelError(
            f"{file}: its metadata `{CALIBRATION}` cannot be read ({error}); export it again, or remove the entry"
        ) from error
    return pairs


def calibration_text(pairs: Sequence[Sequence[float]]) -> str:
    """As JSON, for the entry `CALIBRATION` of a file's metadata."""
    return json.dumps([list(pair) for pair in pairs])
