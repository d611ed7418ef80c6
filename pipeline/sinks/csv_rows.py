"""CsvSink: tracks as comma-separated rows with a header, for spreadsheets and data frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.sinks.base import Result
from pipeline.sinks.past import Past
from pipeline.sinks.text_file import TextFile
from pipeline.sinks.track_text import CSV_COLUMNS, boxes_of, csv_header, csv_lines
from pipeline.store.tracked_boxes import TrackedBoxes

COLUMNS = CSV_COLUMNS


class CsvSink:
    """One row a confirmed track and frame, in COLUMNS (`track_text.csv_lines`); within a frame ids rise.

    Raises OutputError.
    """

    def __init__(self, path: Path | str, classes: Sequence[str], *, owner: str = "") -> None:
        """`classes`: the detector's names in label order; a label beyond them is written as its number.

        `owner`: the run that may be resumed.
        """
        self._file = TextFile(path, owner=owner)
        self._classes = tuple(classes)
        self._past: Past | None = None

    def resume(self, past: Past) -> None:
        """Begin with what was stored."""
        self._past = past

    def __enter__(self) -> Self:
        self._file.__enter__()
        self._file.write(csv_header())
        for boxes in self._past.blocks() if self._past is not None else ():
            self.write_columns(boxes)
        return self

    def write(self, result: Result) -> None:
        """Add the frame's confirmed tracks."""
        self.write_columns(boxes_of(result))

    def write_columns(self, boxes: TrackedBoxes) -> None:
        """Add what the store kept of earlier frames, in order of frames and ids. Labels: as those of `classes`."""
        self._file.write(csv_lines(boxes, self._classes))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)
