"""VideoSink: the source's frames with the tracks drawn on them, as H.264 video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.annotate import Annotator
from pipeline.sinks.base import Result
from pipeline.sinks.h264_file import H264File


class VideoSink:
    """Writes every frame at its own time. Without any frame there is no file. Raises OutputError."""

    def __init__(self, path: Path | str, classes: Sequence[str], *, fps: float = 25.0, quality: int = 23) -> None:
        """`classes`: names in label order. `fps`: nominal, a hint to players. `quality`: x264's crf; lower: better."""
        self._file = H264File(path, fps=fps, quality=quality)
        self._classes = tuple(classes)
        self._annotator: Annotator | None = None

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def write(self, result: Result) -> None:
        """Draw and encode one frame. Every frame must have the size of the first."""
        frame = result.frame
        if self._annotator is None:
            self._annotator = Annotator(self._classes, frame.width, frame.height)
        self._file.write(self._annotator.draw(frame, result.tracks), frame.time)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)
