"""Files of one target, a row a frame: where it really is and where a tracker says it is; found, read and scored.

Between numbers stand commas, blanks or tabs. In a folder of clips `NAME/groundtruth.txt` is the truth of target NAME,
`NAME/groundtruth.2.txt` that of NAME.2 (OTB's `groundtruth_rect` is the same); its boxes are `NAME.txt`, `NAME.2.txt`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import FormatError
from pipeline.evaluation.number_table import NumberTable, Spelling, read_numbers, read_text
from pipeline.evaluation.sidecars import FollowInfo, read_follow_info
from pipeline.evaluation.sot import Followed, FollowScores, Truth, evaluate
from trackers.geometry import from_xywh
from trackers.structures import BoolArray, FloatArray

_TRUTH = re.compile(r"groundtruth(?:_rect)?(\.\d+)?\.txt")
_BOX = ("x", "y", "width", "height")
_COLUMNS = {  # of a truth, by how many there are
    4: _BOX,
    6: ("frame", *_BOX, "isLost"),
    8: ("x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """One target of a clip, and its files."""

    name: str
    truth: Path
    boxes: Path


@dataclass(frozen=True, slots=True)
class TargetResult:
    """How well one target was followed, and by whom."""

    name: str
    scores: FollowScores
    told: FollowInfo


def find_targets(truth: Path, boxes: Path) -> list[Target]:
    """The target of two files, or those of two folders in order; boxes of other clips are left alone.

    FormatError where there is no clip, or one has no boxes.
    """
    if truth.is_dir() != boxes.is_dir() and boxes.exists():
        kinds = ("folder", "file") if truth.is_dir() else ("file", "folder")
        raise FormatError(f"{truth} is a {kinds[0]}, {boxes} a {kinds[1]}; give two files, or two folders")
    if not truth.is_dir():
        return [Target(_name(truth), truth, boxes)]
    found = [Target(name, path, boxes / f"{name}.txt") for name, path in find_truths(truth).items()]
    for one in found:
        if not one.boxes.is_file():
            raise FormatError(f"{one.boxes}: no such file; the boxes of {one.truth} belong there")
    return found


def find_truths(folder: Path) -> dict[str, Path]:
    """Files of truth in a folder of clips by the target's name, in order. FormatError where there is none."""
    truths: dict[str, Path] = {}
    for path in sorted(folder.glob("*/groundtruth*.txt")):
        name = _name(path)
        if _TRUTH.fullmatch(path.name) and truths.setdefault(name, path) != path:
            raise FormatError(f"{truths[name]} and {path} are both the truth of {name!r}; remove one")
    if not truths:
        raise FormatError(f"{folder}: no clip; expected NAME/groundtruth.txt in it (of one clip give the file itself)")
    return truths


def evaluate_targets(targets: Sequence[Target]) -> list[TargetResult]:
    """Score each target. FormatError where a file is missing or malformed, or two have not as many rows."""
    return [_result(target) for target in targets]


def read_truth(path: Path) -> Truth:
    """Read where the target is: x,y,w,h; or frame,x,y,w,h,isLost (TinyTLP); or the x,y of four corners (VOT).

    Of corners the upright hull is taken. The target is absent in rows of NaN, of a side of 0 and of isLost 1.
    FormatError where the file is missing or malformed, a frame is left out, or the target is absent throughout.
    """
    names = _truth_columns(path)
    table = read_numbers(path, names, least=len(names), spelling=Spelling.LOOSE)
    first = 1 if len(names) == 6 else 0  # column of the box
    places = range(first, first + (8 if len(names) == 8 else 4))
    known = ~np.isnan(table.values[:, places])
    for place, column in zip(places, known.T, strict=True):
        wanted = "a number; a row holds the whole box, or NaN in its place where the target is absent"
        table.require(column | ~known.any(axis=1), place, wanted=wanted)
    lost = _lost(table)
    present = known.all(axis=1) & ~lost
    if len(names) == 8:
        corners = table.values.reshape(-1, 4, 2)
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    else:
        boxes = _upright(table, first, counts=present)
    present &= (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    if not present.any():
        raise FormatError(f"{path}: the target is in no frame; a row at least needs a box of sides above 0")
    return Truth(boxes, present)


def read_boxes(path: Path) -> Followed:
    """Read where a tracker says the target is: x,y,w,h or x,y,w,h,score; row 1 is the box it was given.

    FormatError where the file is missing, empty or malformed, or a number is NaN.
    """
    table = read_numbers(path, (*_BOX, "score"), least=4, spelling=Spelling.LOOSE)
    if not len(table):
        raise FormatError(f"{path}: no rows; write x,y,width,height,score for every frame")
    for place, column in enumerate(table.values.T):
        wanted = "a number; every frame has a box, and a low score where the tracker has lost the target"
        table.require(~np.isnan(column), place, wanted=wanted)
    boxes = _upright(table, 0, counts=np.ones(len(table), dtype=bool))
    return Followed(boxes, table.values[:, 4] if table.columns == 5 else None)


def _result(target: Target) -> TargetResult:
    info, whole, followed = read_follow_info(target.boxes), read_truth(target.truth), read_boxes(target.boxes)
    truth = Truth(whole.boxes[info.start_frame :], whole.present[info.start_frame :])
    if len(truth) != len(followed):
        begun = f" from frame {info.start_frame} on" if info.start_frame else ""
        raise FormatError(
            f"{target.boxes}: {len(followed)} rows, but {target.truth} has {len(truth)}{begun}; "
            "both need a row for every frame of the same video"
        )
    return TargetResult(target.name, evaluate(truth, followed), info)


def _name(truth: Path) -> str:
    """Name of a target: its clip's, and the number of the target where the clip has several."""
    named = _TRUTH.fullmatch(truth.name)
    clip = truth.parent.name or truth.resolve().parent.name  # a linked folder keeps the link's name
    return truth.stem if named is None else clip + (named[1] or "")


def _truth_columns(path: Path) -> tuple[str, ...]:
    """Names of the columns, told by how many the first row has."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            columns = len(Spelling.LOOSE.cells(line))
            if columns not in _COLUMNS:
                wanted = " or ".join(",".join(names) for names in _COLUMNS.values())
                raise FormatError(f"{path}, line {number}: {columns} columns, expected {wanted}")
            return _COLUMNS[columns]
    raise FormatError(f"{path}: no rows; write x,y,width,height for every frame")


def _lost(table: NumberTable) -> BoolArray:
    """Rows (n,) that are marked as without the target."""
    if table.columns != 6:
        return np.zeros(len(table), dtype=bool)
    frames = table.whole(0)
    table.require(frames == frames[0] + np.arange(len(table)), 0, wanted="the frame after that of the row before")
    table.require(np.isin(table.values[:, 5], (0, 1)), 5, wanted="0 or 1")
    return np.asarray(table.values[:, 5] == 1)


def _upright(table: NumberTable, first: int, *, counts: BoolArray) -> FloatArray:
    """Boxes (n, 4) x1 y1 x2 y2 from left, top, width and height; sides below 0 are refused where the row counts."""
    for side in (first + 2, first + 3):
        table.require((table.values[:, side] >= 0) | ~counts, side, wanted="a length from 0")
    return from_xywh(table.values[:, first : first + 4])
