"""H264File: pictures with their times into an H.264 video that plays everywhere."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
from av.error import FFmpegError
from av.video.reformatter import ColorRange

from pipeline.errors import OutputError
from pipeline.sinks.part_file import PartFile
from trackers.structures import ImageArray

_log = logging.getLogger(__name__)

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
TIME_BASE = Fraction(1, 90_000)  # seconds; exact for every usual frame rate
BT601, BT709 = 6, 1  # codes of colour matrices, primaries and transfer curves in ITU-T H.273


class H264File:
    """Every picture keeps its own time, so a variable frame rate stays one. Odd sizes gain one row or column.

    Plays in browsers (yuv420p, index in front). Without any picture there is no file. Raises OutputError.
    """

    def __init__(self, path: Path | str, *, fps: float = 25.0, quality: int = 23, preset: str = "veryfast") -> None:
        """`fps`: nominal, a hint to players. `quality`: x264's crf; lower is better. `preset`: x264's own name for how
        much time it takes to make the file small.
        """
        self._file = PartFile(path)
        self._format = FORMATS.get(self._file.path.suffix.lower())
        if self._format is None:
            raise OutputError(f"{path}: video is written as {', '.join(FORMATS)}; name such a file")
        self._fps = Fraction(fps).limit_denominator(1001)
        self._quality = quality
        self._preset = preset
        self._container: av.container.OutputContainer | None = None
        self._stream: av.VideoStream  # set with the container
        self._last = -1  # time stamp of the last frame, in TIME_BASE

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def write(self, image: ImageArray, seconds: float) -> None:
        """Encode one picture (height, width, 3) of the size of the first. `seconds`: rising."""
        picture = _encodable(image)
        picture.pts = self._last = max(self._last + 1, round(seconds / TIME_BASE))
        picture.time_base = TIME_BASE
        try:
            if self._container is None:
                self._container = self._open(picture)
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

    def _open(self, picture: av.VideoFrame) -> av.container.OutputContainer:
        options = {"movflags": "+faststart"} if self._format in ("mp4", "mov") else {}
        container = av.open(f"file:{self._file.part.absolute()}", "w", format=self._format, options=options)
        stream = container.add_stream(
            "libx264", rate=self._fps, options={"preset": self._preset, "crf": str(self._quality)}
        )
        stream.width, stream.height = picture.width, picture.height
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = TIME_BASE
        context.color_range = ColorRange.MPEG
        context.colorspace = BT601
        context.color_primaries = context.color_trc = BT709
        self._stream = stream
        return container

    def _failure(self, error: FFmpegError) -> OutputError:
        return OutputError(f"{self._file.path} cannot be written: {error.strerror}; check the folder and the disk")


def _encodable(image: ImageArray) -> av.VideoFrame:
    """yuv420p in BT.601, as OpenCV converts; even sides, the edge repeated where a row or column is missing."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return av.VideoFrame.from_ndarray(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), "yuv420p")
