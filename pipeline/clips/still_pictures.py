"""StillPictures: single pictures of videos and folders by their number, for those who look for something in them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TypeAlias

import cv2

from pipeline.clips.cutting import JPEG_QUALITY, scaled
from pipeline.clips.one_at_a_time import OneAtATime
from pipeline.errors import SourceError
from pipeline.sources.numbered import NumberedFrames

MOST = 8  # sources that are kept listed; an hour of video is some megabytes
WIDTH = 1280  # pixels of a picture at most

_Signature: TypeAlias = tuple[int, int, int]


class StillPictures:
    """Opens sources and remembers them until they change. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[Path, tuple[_Signature, NumberedFrames]] = OrderedDict()
        self._one = OneAtATime()  # whoever moves along a video asks for many pictures at once

    def of(self, path: Path) -> NumberedFrames:
        """The pictures of a source. Raises SourceError where there are none."""
        with self._one.at(path):
            signature = _signature(path)
            with self._lock:
                known = self._known.get(path)
                if known is not None and known[0] == signature:
                    self._known.move_to_end(path)
                    return known[1]
            opened = NumberedFrames(path)
            with self._lock:
                self._known[path] = (signature, opened)
                self._known.move_to_end(path)
                while len(self._known) > MOST:
                    self._known.popitem(last=False)
        return opened

    def jpeg(self, path: Path, number: int) -> bytes:
        """One picture, made smaller where it is wide. Raises SourceError where it cannot be had."""
        frames = self.of(path)
        with self._one.at((path, "decode")):
            image = frames.frame(number).image
        small = scaled(image, min(1.0, WIDTH / image.shape[1]))
        done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not done:
            raise SourceError(f"picture {number} of {frames.name} cannot be shown as JPEG")
        return data.tobytes()


def _signature(path: Path) -> _Signature:
    """What changes with a file or a folder."""
    try:
        status = path.stat()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}; was it moved?") from error
    return status.st_size, status.st_mtime_ns, status.st_ino
