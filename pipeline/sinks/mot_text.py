"""MotTextSink: tracks as MOTChallenge text."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.sinks.base import Result
from pipeline.sinks.past import Past
from pipeline.sinks.text_file import TextFile
from pipeline.sinks.track_text import boxes_of, mot_lines
from pipeline.store.tracked_boxes import TrackedBoxes


class MotTextSink:
    """One line a confirmed track and frame: `frame,id,left,top,width,height,score,-1,-1,-1`.

    Frames count from 1 and rise; within a frame ids rise. Raises OutputError.
    """

    def __init__(self, path: Path | str, *, owner: str = "") -> None:
        """`owner`: the run that may be resumed."""
        self._file = TextFile(path, owner=owner)
        self._past: Past | None = None

    def resume(self, past: Past) -> None:
        """Begin with what was stored."""
        self._past = past

    def __enter__(self) -> Self:
        self._file.__enter__()
        for boxes in self._past.blocks() if self._past is not None else ():
            self.write_columns(boxes)
        return self

    def write(self, result: Result) -> None:
        """Add the frame's confirmed tracks."""
        self.write_columns(boxes_of(result))

    def write_columns(self, boxes: TrackedBoxes) -> None:
        """Add what the store kept of earlier frames, in order of frames and ids."""
        self._file.write(mot_lines(boxes))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)
