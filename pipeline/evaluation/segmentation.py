"""Average precision of masks and of boxes, as COCO defines it, by COCO's own tools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from trackers.structures import Detections, ImageArray, IntArray

_MOST = 100  # objects of a picture that count, the surest
_AP, _AP50, _AP75 = 0, 1, 2  # places in COCO's list of figures


@dataclass(frozen=True, slots=True, eq=False)
class PictureTruth:
    """What is truly in a picture. Row i of the columns is the same object."""

    height: int  # pixels
    width: int
    labels: IntArray  # (n,) index into the names
    shapes: tuple[Any, ...]  # n of COCO's `segmentation`: polygons or run lengths
    crowds: tuple[bool, ...]  # n: many objects in one, that is neither to be found nor a fault to find
    boxes: tuple[
        Any, ...
    ] = ()  # n of COCO's `bbox` [x, y, width, height], None where there is none; empty: of the masks


@dataclass(frozen=True, slots=True)
class Precision:
    """Average precision 0..1; NaN where there are no objects."""

    ap: float  # mean over IoU .5 to .95
    ap50: float
    ap75: float


@dataclass(frozen=True, slots=True)
class MaskScores:
    """How well the objects of a class are found."""

    name: str
    objects: int
    masks: Precision
    boxes: Precision


def evaluate_masks(
    truths: Sequence[PictureTruth], found: Sequence[Detections], names: Sequence[str]
) -> tuple[MaskScores, ...]:
    """Scores of each class. `found`: of each picture, labels as in `names`, with masks.

    Raises ValueError where the numbers of pictures differ, detections have no masks, or a shape is none.
    """
    if len(truths) != len(found):
        raise ValueError(f"{len(truths)} pictures have truth and {len(found)} detections")
    if any(one.masks is None for one in found if len(one)):
        raise ValueError("there are detections without masks")
    said = _dataset(truths, names)
    results = [row for number, one in enumerate(found) for row in _results(number, truths[number], one)]
    counts = np.bincount(
        [one["category_id"] for one in said["annotations"] if not one["iscrowd"]], minlength=len(names)
    )
    return tuple(
        MaskScores(name, int(counts[label]), *(_precision(said, results, label, kind) for kind in ("segm", "bbox")))
        for label, name in enumerate(names)
    )


def run_lengths(pixels: ImageArray) -> dict[str, Any]:
    """COCO's compressed run lengths of a mask (height, width)."""
    coded: dict[str, Any] = coco_mask.encode(np.asfortranarray(pixels, np.uint8))
    return coded


def coded_shape(shape: Any, height: int, width: int) -> dict[str, Any]:
    """COCO's compressed run lengths of a `segmentation`: polygons, or run lengths, numbers or text.

    Raises ValueError where it is none, or of a picture of another size.
    """
    try:
        if isinstance(shape, list):
            coded: dict[str, Any] = coco_mask.merge(coco_mask.frPyObjects(shape, height, width))
        elif isinstance(shape["counts"], list):
            coded = coco_mask.frPyObjects(shape, height, width)
        else:
            coded = dict(shape)
        coco_mask.area(coded)
    except Exception as error:  # a library in C: it raises what it likes
        raise ValueError(f"{str(shape)[:80]} is no mask of COCO's: {error}") from error
    if list(coded["size"]) != [height, width]:
        raise ValueError(f"a mask of {coded['size']} does not fit a picture of {height} rows and {width} columns")
    filled = sum(_runs(coded["counts"]))
    if filled != height * width:  # COCO's tools would go on with whatever lies in memory
        raise ValueError(f"a mask's run lengths fill {filled} of {height * width} pixels")
    return coded


def _runs(counts: str | bytes) -> list[int]:
    """COCO's compressed text as run lengths.

    Numbers in groups of five bits, the lowest first; a sixth bit says that more follow. From the fourth on each is the
    change against the last but one.
    """
    text = counts.encode() if isinstance(counts, str) else counts
    runs: list[int] = []
    number = shift = 0
    for letter in text:
        group = letter - 48
        number |= (group & 0x1F) << shift
        shift += 5
        if group & 0x20:
            continue
        if group & 0x10:
            number -= 1 << shift
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number = shift = 0
    return runs


def _dataset(truths: Sequence[PictureTruth], names: Sequence[str]) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    for number, truth in enumerate(truths):
        boxes = truth.boxes or (None,) * len(truth.shapes)
        for label, shape, crowd, box in zip(truth.labels.tolist(), truth.shapes, truth.crowds, boxes, strict=True):
            coded = coded_shape(shape, truth.height, truth.width)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": label,
                    "segmentation": coded,
                    "area": float(coco_mask.area(coded)),
                    "bbox": coco_mask.toBbox(coded).tolist() if box is None else list(map(float, box)),
                    "iscrowd": int(crowd),
                }
            )
    return {
        "images": [{"id": number, "height": one.height, "width": one.width} for number, one in enumerate(truths)],
        "categories": [{"id": label, "name": name} for label, name in enumerate(names)],
        "annotations": annotations,
    }


def _results(number: int, truth: PictureTruth, found: Detections) -> list[dict[str, Any]]:
    if found.masks is None:
        return []
    rows = []
    for row in range(len(found)):
        x1, y1, x2, y2 = map(float, found.boxes[row])
        rows.append(
            {
                "image_id": number,
                "category_id": int(found.labels[row]),
                "score": float(found.scores[row]),
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "segmentation": run_lengths(found.masks[row : row + 1].full(truth.height, truth.width)[0]),
            }
        )
    return rows


def _precision(said: dict[str, Any], results: list[dict[str, Any]], label: int, kind: str) -> Precision:
    """Of one class. COCO's tools talk while they work; nobody needs to hear it."""
    if not any(one["category_id"] == label and not one["iscrowd"] for one in said["annotations"]):
        return Precision(np.nan, np.nan, np.nan)
    if not any(one["category_id"] == label for one in results):
        return Precision(0.0, 0.0, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = said
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(results), kind)
        judge.params.catIds = [label]
        judge.params.maxDets = [1, 10, _MOST]
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return Precision(*(float(judge.stats[place]) for place in (_AP, _AP50, _AP75)))
