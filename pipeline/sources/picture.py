"""Decoded video frames to upright blue-green-red arrays: colour conversion and orientation."""

from __future__ import annotations

import logging
import threading

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Colorspace

from trackers.structures import ImageArray

_log = logging.getLogger(__name__)
_NO_MATRIX = (2, 3)  # FFmpeg's AVColorSpace: unspecified, reserved
_HD_ROWS = 720


def to_bgr(frame: av.VideoFrame) -> ImageArray:
    """(height, width, 3) uint8 as coded, not yet turned.

    swscale honours the frame's pixel format, colour matrix (BT.601, BT.709, ...) and range. One thread of it is as
    fast as OpenCV's I420 conversion, which would treat every video as BT.601 with limited range. Where the file names
    no matrix, pictures of 720 rows and more are taken as BT.709, as players do, smaller ones as BT.601.
    """
    untagged = frame.colorspace in _NO_MATRIX and frame.height >= _HD_ROWS
    matrix = Colorspace.ITU709 if untagged else None
    image: ImageArray = frame.reformat(format="bgr24", src_colorspace=matrix, threads=1).to_ndarray()
    return image


class Negative:
    """A decoded frame in the colours and the position in which it is coded, until somebody looks at it."""

    def __init__(self, decoded: av.VideoFrame, orientation: Orientation) -> None:
        size = decoded.height, decoded.width
        height, width = size[::-1] if orientation.transposed else size
        self.shape = (height, width, 3)
        self._decoded: av.VideoFrame | None = decoded
        self._orientation = orientation
        self._image: ImageArray | None = None
        self._developing = threading.Lock()

    @property
    def image(self) -> ImageArray:
        """(height, width, 3) uint8 blue green red, upright; the same array every time."""
        with self._developing:
            if self._image is None:
                assert self._decoded is not None, "it goes when the picture is there"
                self._image, self._decoded = self._orientation.apply(to_bgr(self._decoded)), None
            return self._image


class Orientation:
    """The turn and mirroring that a video's display matrix asks for, one of eight."""

    def __init__(self, matrix: npt.NDArray[np.int32] | None) -> None:
        """`matrix`: (3, 3) FFmpeg's display matrix, or None for pictures that are upright as coded.

        A pixel (x, y) is shown at (x m00 + y m10, x m01 + y m11), then shifted into view.
        """
        (a, b), (c, d) = (np.eye(2) if matrix is None else np.sign(matrix[:2, :2])).tolist()
        if matrix is not None and (a * d - b * c == 0 or abs(a) + abs(b) + abs(c) + abs(d) != 2):
            _log.warning("the display matrix is no multiple of a quarter turn; pictures stay as coded")
            a, b, c, d = 1, 0, 0, 1
        self.transposed = a == 0
        flip_x, flip_y = (c < 0, b < 0) if self.transposed else (a < 0, d < 0)
        self._flip = {(True, True): -1, (True, False): 1, (False, True): 0}.get((flip_x, flip_y))

    @classmethod
    def of(cls, frame: av.VideoFrame) -> Orientation:
        """What the frame's own side data asks for."""
        for data in frame.side_data:
            if data.type.name == "DISPLAYMATRIX":
                return cls(np.frombuffer(bytes(data), np.int32).reshape(3, 3))
        return cls(None)

    def apply(self, image: ImageArray) -> ImageArray:
        """The upright picture; the same array where nothing is to be done."""
        if self.transposed:
            image = cv2.transpose(image)
        if self._flip is not None:
            image = cv2.flip(image, self._flip)
        return image
