"""A window in which a person draws a box on a picture."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

import cv2

from pipeline.errors import ConfigError
from trackers.structures import ImageArray

Chooser = Callable[[ImageArray], Sequence[float]]  # a picture -> left, top, width, height; all zeros for none

_TITLE = "Draw a box with the mouse, then press Enter; Esc ends"
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def draw_box(
    picture: ImageArray,
    *,
    choose: Chooser | None = None,
    environment: Mapping[str, str] = os.environ,
    platform: str = sys.platform,
) -> tuple[float, float, float, float]:
    """Left, top, width and height of what somebody draws, pixels. `choose`: asks the person; OpenCV by default.

    Raises ConfigError where no window can be opened, or nothing was drawn.
    """
    if platform.startswith("linux") and not any(environment.get(name) for name in _DISPLAYS):
        raise ConfigError(
            f"--select needs a display, and there is none here ({' and '.join(_DISPLAYS)} are not set); "
            "give --box X,Y,W,H instead"
        )
    try:
        x, y, width, height = (choose or _select)(picture)
    except cv2.error as error:
        raise ConfigError(
            "--select needs an OpenCV that can open windows, and this one cannot (opencv-python-headless?); "
            "give --box X,Y,W,H instead"
        ) from error
    if width <= 0 or height <= 0:
        raise ConfigError("no box was drawn; drag the mouse over the target and press Enter, or give --box X,Y,W,H")
    return float(x), float(y), float(width), float(height)


def _select(picture: ImageArray) -> Sequence[float]:
    """OpenCV's own window, in which pictures larger than the screen are shrunk."""
    cv2.namedWindow(_TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
    try:
        return [float(side) for side in cv2.selectROI(_TITLE, picture, showCrosshair=False, printNotice=False)]
    finally:
        cv2.destroyWindow(_TITLE)
