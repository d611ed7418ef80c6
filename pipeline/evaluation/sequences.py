"""Boxes of a whole sequence in MOTChallenge text: ground truth, detections and tracks, read and written.

One box a line: `frame,id,left,top,width,height,score` and then, by the layout, class and visibility or a position in
the world. Frames count from 1. In ground truth the score is a flag: 0 means that the box does not count.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Self

import numpy as np

from pipeline.errors import FormatError
from pipeline.evaluation.number_table import NumberTable, read_numbers, write_text
from trackers.geometry import from_xywh, to_xywh
from trackers.structures import FloatArray, Index, IntArray

UNKNOWN = -1  # an id, a class or a visibility that the file does not tell
_SHARED = ("frame", "id", "left", "top", "width", "height", "score")


class Layout(StrEnum):
    """What stands in column 8 and after."""

    CLASS = "class"  # class, visibility: ground truth since MOT16
    WORLD = "world"  # x, y, z in the world, -1 where unknown: MOT15

    @property
    def names(self) -> tuple[str, ...]:
        """All columns, in order."""
        last = ("class", "visibility", "unused") if self is Layout.CLASS else ("x", "y", "z")
        return _SHARED + last


@dataclass(frozen=True, slots=True, eq=False)
class SequenceBoxes:
    """Boxes of a sequence. Row i of every column is the same box; what is read from a file has its frames rising."""

    frames: IntArray  # (n,) int64 from 1
    ids: IntArray  # (n,) int64; UNKNOWN for detections
    boxes: FloatArray  # (n, 4) float64 x1 y1 x2 y2, pixels
    scores: FloatArray  # (n,) float64; in ground truth 0: does not count
    classes: IntArray  # (n,) int64 MOTChallenge class, 1 is a pedestrian; UNKNOWN in layout WORLD
    visibility: FloatArray  # (n,) float64 0..1; UNKNOWN in layout WORLD

    def __post_init__(self) -> None:
        if self.boxes.shape != (len(self.frames), 4):
            raise ValueError(f"boxes must be ({len(self.frames)}, 4), got {self.boxes.shape}")
        for field in fields(self):
            if len(getattr(self, field.name)) != len(self.frames):
                raise ValueError(f"{field.name} has {len(getattr(self, field.name))} rows, frames {len(self.frames)}")

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: Index) -> Self:
        return type(self)(*(getattr(self, field.name)[index] for field in fields(self)))

    def by_frame(self) -> Self:
        """The same rows by rising frame; within a frame they keep their order."""
        return self[np.argsort(self.frames, kind="stable")]

    @classmethod
    def empty(cls) -> Self:
        """No box."""
        none, number = np.zeros(0, np.int64), np.zeros(0)
        return cls(none, none, np.zeros((0, 4)), number, none, number)


def find_layout(path: Path) -> Layout | None:
    """Layout of a ground truth file by its columns: 9 in MOT16 and later, 10 (or 7) in MOT15. None if it has no rows.

    FormatError where that is no proof: 8 columns, or 10 with a column 8 that could be classes.
    """
    table = read_numbers(path, Layout.WORLD.names, least=len(_SHARED))
    if not len(table):
        return None
    eighth = table.column(7, missing=UNKNOWN)
    match table.columns:
        case 9:
            return Layout.CLASS
        case 7:
            return Layout.WORLD
        case 10 if not ((eighth == np.rint(eighth)) & (eighth >= 1)).all():
            return Layout.WORLD
    raise FormatError(f"{path}: column 8 may be a class (MOT16, MOT17, MOT20) or not (MOT15); name the benchmark")


def read_truth(path: Path, *, layout: Layout) -> SequenceBoxes:
    """Read ground truth. FormatError where the file is missing or malformed, or an id occurs twice in a frame."""
    least = len(_SHARED) + (layout is Layout.CLASS)
    table = read_numbers(path, layout.names, least=least)
    boxes = _to_boxes(table, layout)
    if layout is Layout.CLASS and len(table):
        wanted = "a class from 1 (in MOT15 it is a position in the world: name that benchmark)"
        table.require(boxes.classes >= 1, 7, wanted=wanted)
    return _unique(boxes, table).by_frame()


def read_tracks(path: Path, *, layout: Layout = Layout.CLASS) -> SequenceBoxes:
    """Read a tracker's result; columns after the box may be missing and the score is then 1. Errors as `read_truth`.

    An empty file is a result without tracks; a missing one is an error.
    """
    table = read_numbers(path, layout.names, least=6)
    return _unique(_to_boxes(table, layout), table).by_frame()


def read_detections(path: Path, *, layout: Layout = Layout.CLASS) -> SequenceBoxes:
    """Read detections, whose ids are all -1 and need not be unique. Otherwise as `read_tracks`."""
    return _to_boxes(read_numbers(path, layout.names, least=6), layout).by_frame()


def write_truth(path: Path, boxes: SequenceBoxes) -> None:
    """Write ground truth in layout CLASS, 9 columns. OutputError where that fails."""
    lines = (f"{line},{_short(seen)}\n" for line, seen in zip(_lines(boxes), boxes.visibility, strict=True))
    write_text(path, "".join(lines))


def write_tracks(path: Path, boxes: SequenceBoxes) -> None:
    """Write tracks, or detections, with 10 columns; the last two say nothing. OutputError where that fails."""
    write_text(path, format_tracks(boxes))


def format_tracks(boxes: SequenceBoxes) -> str:
    """Text of `write_tracks`; a piece of a sequence gives a piece of the file."""
    return "".join(f"{line},-1,-1\n" for line in _lines(boxes))


def _lines(boxes: SequenceBoxes) -> list[str]:
    """Columns 1 to 8 of each box. A thousandth of a pixel is finer than any annotation."""
    numbers = np.round(to_xywh(boxes.boxes), 3)
    rows = zip(boxes.frames, boxes.ids, numbers, boxes.scores, boxes.classes, strict=True)
    return [
        f"{frame},{identity},{','.join(map(_short, box))},{_short(score)},{label}"
        for frame, identity, box, score, label in rows
    ]


def _short(number: float) -> str:
    return f"{round(float(number), 6) + 0.0:.12g}"  # adding 0 turns -0 into 0


def _to_boxes(table: NumberTable, layout: Layout) -> SequenceBoxes:
    if not len(table):
        return SequenceBoxes.empty()
    frames = table.whole(0)
    table.require(frames >= 1, 0, wanted="a frame from 1")
    for side in (4, 5):
        table.require(table.values[:, side] >= 0, side, wanted="a length from 0")
    known = layout is Layout.CLASS
    return SequenceBoxes(
        frames=frames,
        ids=table.whole(1),
        boxes=from_xywh(table.values[:, 2:6]),
        scores=table.column(6, missing=1.0),
        classes=table.whole(7) if known else np.full(len(table), UNKNOWN),
        visibility=table.column(8, missing=UNKNOWN) if known else np.full(len(table), float(UNKNOWN)),
    )


def _unique(boxes: SequenceBoxes, table: NumberTable) -> SequenceBoxes:
    """The boxes, which stand in the file's order still. FormatError where a frame has an id twice."""
    order = np.lexsort((boxes.ids, boxes.frames))  # stable: of equal rows the later line comes later
    again = (np.diff(boxes.frames[order]) == 0) & (np.diff(boxes.ids[order]) == 0)
    if again.any():
        row = int(order[1:][again].min())
        same = (boxes.frames == boxes.frames[row]) & (boxes.ids == boxes.ids[row])
        first = table.lines[int(np.argmax(same))]
        where = f"{table.path}, line {table.lines[row]}"
        raise FormatError(
            f"{where}: id {boxes.ids[row]} occurs twice in frame {boxes.frames[row]} (first in line {first})"
        )
    return boxes
