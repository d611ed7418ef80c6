"""Reading a camera that is attached to this computer."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path
from threading import Event

import cv2

from pipeline.sources.live_clock import LiveClock
from pipeline.sources.packet_source import now
from pipeline.sources.publisher import Publisher
from pipeline.sources.reading import LossError, LossKind, Opened

_NAME = re.compile(r"/dev/video(\d+)")
_MICROSECOND = Fraction(1, 1_000_000)


class Webcam:
    """A V4L2 device, through OpenCV. Frames have the time at which they came: such cameras tell none."""

    def __init__(self, device: str) -> None:
        """Raises LossError where it cannot be opened."""
        path = Path(device).resolve()  # /dev/v4l/by-id/... leads to /dev/videoN
        if not path.exists():
            raise LossError(LossKind.REFUSED, f"there is no device {device}; is the camera plugged in?")
        if not os.access(path, os.R_OK | os.W_OK):
            raise LossError(LossKind.REFUSED, f"no permission to use {device}; add this user to the group video")
        number = _NAME.fullmatch(str(path))
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what it has to say is said below
        self._capture = cv2.VideoCapture(int(number[1]), cv2.CAP_V4L2) if number else cv2.VideoCapture()
        if not self._capture.isOpened():
            raise LossError(LossKind.REFUSED, f"{device} is no camera, or another program uses it")
        self._fps = float(self._capture.get(cv2.CAP_PROP_FPS))

    def told(self) -> Opened:
        """What it is."""
        code = int(self._capture.get(cv2.CAP_PROP_FOURCC))
        codec = code.to_bytes(4, "little").decode("ascii", "replace").strip("\0 ").lower()
        return Opened(codec or "raw", self._fps if self._fps > 0 else None, "software", "")

    def read(self, clock: LiveClock, publisher: Publisher, stopping: Event) -> None:
        """Publish every picture until all is to end. Raises LossError where none comes any more."""
        clock.begin(_MICROSECOND, round(1e6 / self._fps) if self._fps > 0 else 40_000, anchor=0)
        while not stopping.is_set():
            found, image = self._capture.read()
            if not found:
                raise LossError(LossKind.BROKEN, "the camera gives no more pictures; was it unplugged?")
            came = now()
            publisher.publish(lambda image=image: image, size=image.shape[:2], pts=came, arrived=came)  # type: ignore[misc]

    def close(self) -> None:
        """Let others use it."""
        self._capture.release()
