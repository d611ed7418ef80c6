"""Pictures that somebody sends to search by: their size is read before anything is unpacked."""

from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from pipeline.api.failures import refused
from trackers.structures import ImageArray

FORMATS = ("JPEG", "PNG", "WEBP")
_LONGEST_SIDE = 65_000  # pixels


def read_upload(content: bytes, *, most_pixels: int) -> ImageArray:
    """(height, width, 3) uint8 blue green red, upright.

    A few kilobytes can unpack to gigabytes, so the size in the head is looked at first. Raises a 413 or 422.
    """
    width, height = _size(content)
    if width * height > most_pixels or max(width, height) > _LONGEST_SIDE:
        raise refused(
            f"the picture has {width}x{height} pixels; send one of at most {most_pixels / 1e6:g} megapixels", status=413
        )
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise refused("the picture is damaged; send another one")
    found: ImageArray = image
    return found


def _size(content: bytes) -> tuple[int, int]:
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as head:  # reads no pixels
            return head.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise refused("the picture has far too many pixels", status=413) from error
    except (UnidentifiedImageError, ImportError, OSError, ValueError, SyntaxError) as error:
        # ImportError: ultralytics, once loaded, has PIL look for one more package where it knows no format
        raise refused("that is no picture; send a JPEG, PNG or WebP file") from error
