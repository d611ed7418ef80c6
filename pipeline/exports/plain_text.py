"""Exports as lines of text: MOTChallenge, CSV and MOTS."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from pipeline.errors import ConfigError
from pipeline.exports.coco_rle import Strip, compressed, counts, strip_of
from pipeline.exports.content import Content
from pipeline.sinks.text_file import TextFile
from pipeline.sinks.track_text import csv_header, csv_lines, mot_lines
from pipeline.store.tracked_boxes import TrackedBoxes, name_of

MOTS_CLASSES = {"car": 1, "person": 2, "pedestrian": 2}
MOTS_OTHERS = 11  # the class of label 0 where it is none of these; 10 is MOTS's own "ignore"


class _Lines:
    """Text that appears when it is complete."""

    def __init__(self, path: Path, content: Content) -> None:
        self._file = TextFile(path)
        self._content = content

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)


class MotFile(_Lines):
    """What a run writes with `--mot-out`."""

    def write(self, boxes: TrackedBoxes) -> None:
        """Add boxes."""
        self._file.write(mot_lines(boxes))


class CsvFile(_Lines):
    """What a run writes with `--csv-out`."""

    def __enter__(self) -> Self:
        super().__enter__()
        self._file.write(csv_header())
        return self

    def write(self, boxes: TrackedBoxes) -> None:
        """Add boxes."""
        self._file.write(csv_lines(boxes, self._content.names))


class MotsFile(_Lines):
    """Masks as MOTSChallenge has them: `frame id class height width rle`, frames from 1, counts as COCO packs them.

    No pixel belongs to two objects: where masks overlap, the surer one keeps it. Boxes without a mask are left out;
    where no box has one, leaving raises ConfigError and there is no file.
    """

    def __enter__(self) -> Self:
        self._boxes = self._masks = 0
        self._width, self._height = self._content.size  # before there is a file to take back
        return super().__enter__()

    def write(self, boxes: TrackedBoxes) -> None:
        """Add the masks of the boxes."""
        self._boxes += len(boxes)
        masked = boxes[np.array([mask is not None for mask in boxes.masks], bool)]
        edges = np.flatnonzero(np.diff(masked.frames)) + 1
        for rows in np.split(np.arange(len(masked)), edges):
            self._write_frame(masked[rows])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        missing = self._no_masks() if error is None and self._boxes and not self._masks else None
        super().__exit__(type(missing) if missing else kind, missing or error, trace)
        if missing:
            raise missing

    def _write_frame(self, boxes: TrackedBoxes) -> None:
        taken = np.zeros((self._height, self._width), bool)
        strips: dict[int, Strip] = {}
        for i in np.argsort(-boxes.scores, kind="stable").tolist():
            mask = boxes.masks[i]
            assert mask is not None, "only boxes with masks come here"
            strip = strip_of(mask, width=self._width, height=self._height)
            below = taken[:, strip.left : strip.left + strip.columns.shape[1]]
            strips[i] = Strip(strip.left, strip.columns & ~below)
            below |= strip.columns
        for i, strip in sorted(strips.items()):
            if strip.area:
                label = _mots_class(self._content.names, int(boxes.labels[i]))
                packed = compressed(counts(strip, width=self._width))
                size = f"{self._height} {self._width}"
                self._file.write(f"{boxes.frames[i] + 1} {boxes.ids[i]} {label} {size} {packed}\n")
                self._masks += 1

    def _no_masks(self) -> ConfigError:
        return ConfigError(
            f"run {self._content.run} stored no masks of '{self._content.source.name}', and MOTS is made of masks; "
            "export mot, csv, coco or parquet, or run again with a model that gives masks"
        )


def _mots_class(names: tuple[str, ...], label: int) -> int:
    return MOTS_CLASSES.get(name_of(names, label), MOTS_OTHERS + label)
