"""VideoSink: the source's frames with the tracks drawn on them, as H.264 video."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
from av.error import FFmpegError
from av.video.reformatter import ColorRange, Colorspace

from pipeline.annotate import Annotator
from pipeline.errors import OutputError
from pipeline.sinks.base import Result
from pipeline.sinks.part_file import PartFile
from trackers.structures import Frame, ImageArray

_log = logging.getLogger(__name__)

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
TIME_BASE = Fraction(1, 90_000)  # seconds; exact for every usual frame rate
BT709 = 1  # code of the colour matrix, primaries and transfer curve in ITU-T H.273


class VideoSink:
    """Writes every frame at its own time, so a variable frame rate stays one. Odd sizes gain one row or column.

    Plays in browsers (H.264, yuv420p, index in front). Without any frame there is no file. Raises OutputError.
    """

    def __init__(self, path: Path | str, classes: Sequence[str], *, fps: float = 25.0, quality: int = 23) -> None:
        """`classes`: names in label order. `fps`: nominal, a hint to players. `quality`: x264's crf; lower: better."""
        self._file = PartFile(path)
        self._format = FORMATS.get(self._file.path.suffix.lower())
        if self._format is None:
            raise OutputError(f"{path}: video is written as {', '.join(FORMATS)}; name such a file")
        self._classes = tuple(classes)
        self._fps = Fraction(fps).limit_denominator(1001)
        self._quality = quality
        self._container: av.container.OutputContainer | None = None
        self._stream: av.VideoStream  # set with the container
        self._annotator: Annotator | None = None
        self._last = -1  # time stamp of the last frame, in TIME_BASE

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def write(self, result: Result) -> None:
        """Draw and encode one frame. Every frame must have the size of the first."""
        frame = result.frame
        if self._annotator is None:
            self._annotator = Annotator(self._classes, frame.width, frame.height)
        picture = _encodable(self._annotator.draw(frame, result.tracks))
        picture.pts = self._last = max(self._last + 1, round(frame.time / TIME_BASE))
        picture.time_base = TIME_BASE
        try:
            if self._container is None:
                self._container = self._open(frame)
            self._container.mux(self._stream.encode(picture))
        except FFmpegError as error:
            raise self._failure(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._container is not None:
                if error is None:
                    self._container.mux(self._stream.encode(None))
                self._container.close()
        except FFmpegError as problem:
            self._file.discard()
            if error is None:
                raise self._failure(problem) from problem
            _log.debug("closing the unfinished video failed: %s", problem)
        if self._container is None:
            self._file.discard()
        else:
            self._file.__exit__(kind, error, trace)

    def _open(self, frame: Frame) -> av.container.OutputContainer:
        options = {"movflags": "+faststart"} if self._format in ("mp4", "mov") else {}
        container = av.open(f"file:{self._file.part.absolute()}", "w", format=self._format, options=options)
        stream = container.add_stream(
            "libx264", rate=self._fps, options={"preset": "veryfast", "crf": str(self._quality)}
        )
        stream.width, stream.height = frame.width + frame.width % 2, frame.height + frame.height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = TIME_BASE
        context.color_range = ColorRange.MPEG
        context.colorspace = context.color_primaries = context.color_trc = BT709
        self._stream = stream
        return container

    def _failure(self, error: FFmpegError) -> OutputError:
        return OutputError(f"{self._file.path} cannot be written: {error.strerror}; check the folder and the disk")


def _encodable(image: ImageArray) -> av.VideoFrame:
    """yuv420p in BT.709 with even sides; the edge is repeated where a row or column is missing."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    picture = av.VideoFrame.from_ndarray(image, "bgr24")
    return picture.reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG, threads=1
    )
