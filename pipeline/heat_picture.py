"""A heat map as a picture: from blue, where few stood, to red, where most did; nothing where nobody was."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.errors import OutputError
from trackers.structures import FloatArray, ImageArray

WIDTH = 960  # pixels, where there is no picture to draw on
_GREY = 60
_OPACITY = 0.65
_LAID_WIDTH = 640  # pixels of a picture that is laid over another, which stretches it
_LAID_OPACITY = 0.85  # the picture below stays visible
_SPREAD = 0.7  # cells by which each is blurred there: a foot point is not exact
_BRIGHT = 99.0  # percentile of the cells with anything in them that is shown there at full strength


def heat_picture(heat: FloatArray, background: ImageArray | None = None) -> ImageArray:
    """A new picture. `heat`: (rows, columns), 0 or more. `background`: a picture of the same place; None: grey.

    Colours tell the square root of the heat, so that a path shows beside a place where somebody stood for long.
    """
    rows, columns = heat.shape
    if background is None:
        background = np.full((max(1, round(WIDTH * rows / columns)), WIDTH, 3), _GREY, np.uint8)
    height, width = background.shape[:2]
    most = heat.max(initial=0.0)
    if most <= 0:
        return background.copy()
    share = _resized(np.sqrt(heat / most), (width, height))
    weight = (_OPACITY * np.minimum(1, 4 * share))[..., None]
    return np.asarray(np.rint(background * (1 - weight) + _colours(share) * weight), np.uint8)


def heat_overlay(heat: FloatArray) -> bytes:
    """A PNG to be laid over a picture of the same place, likewise: RGBA, clear where nobody stood."""
    rows, columns = heat.shape
    level = cv2.GaussianBlur(np.sqrt(heat).astype(np.float32), (0, 0), _SPREAD)
    warm = level[level > 0]
    top = float(np.percentile(warm, _BRIGHT)) if len(warm) else 1.0
    share = _resized(level / max(top, 1e-9), (_LAID_WIDTH, max(1, round(_LAID_WIDTH * rows / columns))))
    opacity = 255 * _LAID_OPACITY * np.minimum(1, 1.6 * share)
    done, content = cv2.imencode(".png", np.dstack([_colours(share), opacity.astype(np.uint8)]))
    if not done:
        raise OutputError("the heat map cannot be written as PNG")
    return content.tobytes()


def _resized(level: FloatArray, size: tuple[int, int]) -> FloatArray:
    """`level`: one number a cell; `size`: width, height. A number 0..1 for each pixel."""
    smooth = cv2.resize(level.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return np.clip(np.asarray(smooth, np.float32), 0, 1)


def _colours(share: FloatArray) -> ImageArray:
    """BGR of 0, blue, to 1, red."""
    return np.asarray(cv2.applyColorMap(np.rint(255 * share).astype(np.uint8), cv2.COLORMAP_TURBO), np.uint8)
