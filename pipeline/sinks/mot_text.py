"""MotTextSink: tracks as MOTChallenge text."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from pipeline.evaluation.sequences import UNKNOWN, SequenceBoxes, format_tracks
from pipeline.sinks.base import Result
from pipeline.sinks.text_file import TextFile


class MotTextSink:
    """One line a confirmed track and frame: `frame,id,left,top,width,height,score,-1,-1,-1`.

    Frames count from 1 and rise; within a frame ids rise. Raises OutputError.
    """

    def __init__(self, path: Path | str) -> None:
        self._file = TextFile(path)

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def write(self, result: Result) -> None:
        """Add the frame's confirmed tracks."""
        tracks = result.tracks.confirmed
        tracks = tracks[np.argsort(tracks.ids)]
        count = len(tracks)
        rows = SequenceBoxes(
            frames=np.full(count, result.frame.index + 1),
            ids=tracks.ids,
            boxes=tracks.boxes.astype(np.float64),
            scores=tracks.scores.astype(np.float64),
            classes=np.full(count, UNKNOWN),
            visibility=np.full(count, float(UNKNOWN)),
        )
        self._file.write(format_tracks(rows))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)
