"""CsvSink: tracks as comma-separated rows with a header, for spreadsheets and data frames."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from pipeline.sinks.base import Result
from pipeline.sinks.text_file import TextFile
from trackers.structures import Evidence

COLUMNS = ("frame", "seconds", "utc", "id", "class", "score", "evidence", "x1", "y1", "x2", "y2")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CsvSink:
    """One row a confirmed track and frame, in COLUMNS; within a frame ids rise.

    `frame` counts from 0; `seconds` since the source's first frame; `utc` is ISO 8601 to the microsecond; boxes are
    pixels. Raises OutputError.
    """

    def __init__(self, path: Path | str, classes: Sequence[str]) -> None:
        """`classes`: the detector's names in label order; a label beyond them is written as its number."""
        self._file = TextFile(path)
        self._classes = tuple(classes)
        self._rows = csv.writer(self._file, lineterminator="\n")

    def __enter__(self) -> Self:
        self._file.__enter__()
        self._rows.writerow(COLUMNS)
        return self

    def write(self, result: Result) -> None:
        """Add the frame's confirmed tracks."""
        frame, tracks = result.frame, result.tracks.confirmed
        utc = (_EPOCH + timedelta(microseconds=frame.at)).isoformat(timespec="microseconds")
        for row in np.argsort(tracks.ids):
            label = int(tracks.labels[row])
            self._rows.writerow(
                [
                    frame.index,
                    f"{frame.time:.6f}",
                    utc,
                    int(tracks.ids[row]),
                    self._classes[label] if label < len(self._classes) else label,
                    f"{tracks.scores[row]:.4f}",
                    Evidence(tracks.evidence[row]).name.lower(),
                    *(f"{edge:.3f}" for edge in tracks.boxes[row]),
                ]
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)
