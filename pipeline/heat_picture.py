"""A heat map as a picture: from blue, where few stood, to red, where most did; nothing where nobody was."""

from __future__ import annotations

import cv2
import numpy as np

from trackers.structures import FloatArray, ImageArray

WIDTH = 960  # pixels, where there is no picture to draw on
_GREY = 60
_OPACITY = 0.65


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
    level = np.sqrt(heat / most).astype(np.float32)
    smooth = cv2.resize(level, (width, height), interpolation=cv2.INTER_LINEAR)
    colours = cv2.applyColorMap(np.rint(255 * smooth).astype(np.uint8), cv2.COLORMAP_TURBO)
    weight = (_OPACITY * np.minimum(1, 4 * smooth))[..., None]
    return np.asarray(np.rint(background * (1 - weight) + colours * weight), np.uint8)
