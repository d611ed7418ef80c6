"""Drawing a box in a window: what comes of it, and where there can be no window."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from pipeline.box_window import draw_box
from pipeline.errors import ConfigError
from trackers.structures import ImageArray

PICTURE = np.zeros((48, 64, 3), np.uint8)
AT_A_DESK = {"DISPLAY": ":0"}


def test_the_drawn_box_is_given() -> None:
    seen: list[ImageArray] = []

    def person(picture: ImageArray) -> Sequence[float]:
        seen.append(picture)
        return 3, 4, 20, 10

    for environment, platform in ((AT_A_DESK, "linux"), ({"WAYLAND_DISPLAY": "w"}, "linux"), ({}, "darwin")):
        assert draw_box(PICTURE, choose=person, environment=environment, platform=platform) == (3, 4, 20, 10)
    assert seen[0] is PICTURE


def test_without_a_display_it_says_what_to_give() -> None:
    def nobody(_: ImageArray) -> Sequence[float]:
        raise AssertionError("no window may be opened")

    with pytest.raises(ConfigError, match=r"there is none here \(DISPLAY and WAYLAND_DISPLAY.*give --box X,Y,W,H"):
        draw_box(PICTURE, choose=nobody, environment={"DISPLAY": ""}, platform="linux")


def test_an_opencv_without_windows_says_so() -> None:
    def headless(_: ImageArray) -> Sequence[float]:
        raise cv2.error("The function is not implemented. Rebuild the library with Windows, GTK+ 2.x or Cocoa support")

    with pytest.raises(ConfigError, match=r"an OpenCV that can open windows.*give --box"):
        draw_box(PICTURE, choose=headless, environment=AT_A_DESK, platform="linux")


@pytest.mark.parametrize("drawn", [(0, 0, 0, 0), (5, 5, 0, 9)])
def test_nothing_drawn_is_no_box(drawn: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="no box was drawn"):
        draw_box(PICTURE, choose=lambda _: drawn, environment=AT_A_DESK, platform="linux")
