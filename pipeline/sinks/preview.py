"""PreviewSink: the newest frame with its tracks as a small JPEG file, for whoever watches a run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from pipeline.annotate import Annotator
from pipeline.errors import OutputError
from pipeline.rule_board import RuleBoard
from pipeline.sinks.base import Result
from pipeline.sinks.part_file import PartFile
from trackers.structures import Frame, ImageArray

_log = logging.getLogger(__name__)

INTERVAL = 0.5  # seconds between two pictures
WIDTH = 960  # pixels; wider pictures are shrunk to it
_QUALITY = 80  # of JPEG


class PreviewSink:
    """Replaces the file at most twice a second, always a whole picture, and removes it at the end.

    Where it cannot be written, that is logged once and the run goes on without: a preview is no result.
    """

    def __init__(
        self,
        path: Path,
        classes: Sequence[str],
        *,
        board: RuleBoard | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`classes`: names in label order. `board`: draws zones and lines. `clock`: seconds."""
        self._path = path
        self._classes = tuple(classes)
        self._board = board
        self._clock = clock
        self._due = -np.inf

    def __enter__(self) -> Self:
        return self

    def write(self, result: Result) -> None:
        """Show the frame, if it is time for another one. Paths behind the tracks are left out: frames are."""
        if self._board is not None:
            self._board.count(result.events)
        now = self._clock()
        if now < self._due:
            return
        self._due = now + INTERVAL
        frame = result.frame
        annotator = Annotator(self._classes, frame.width, frame.height)
        annotated = annotator.draw(frame, result.tracks, result.detections.masks)
        if self._board is not None:
            annotated = self._board.draw(annotated)
        picture = _encoded(_shrunk(annotated), frame)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with PartFile(self._path) as file:
                file.part.write_bytes(picture)
        except (OSError, OutputError) as error:
            _log.warning("there is no preview of this run: %s", error)
            self._due = np.inf

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path.parent.is_dir():
            self._path.unlink(missing_ok=True)


def _shrunk(image: ImageArray) -> ImageArray:
    height, width = image.shape[:2]
    if width <= WIDTH:
        return image
    return np.asarray(cv2.resize(image, (WIDTH, round(height * WIDTH / width)), interpolation=cv2.INTER_AREA), np.uint8)


def _encoded(image: ImageArray, frame: Frame) -> bytes:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise OutputError(f"frame {frame.index} of {image.shape[1]}x{image.shape[0]} pixels cannot be shown as JPEG")
    return bytes(data)
