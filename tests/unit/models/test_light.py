"""Light: curves worked by hand, and that nobody else sees the changed picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pipeline.models.light import Light, LitDetector, brightened, evened
from tests.fakes import FakeDetector, ScriptedDetector, make_frame
from trackers.structures import Detections, Frame, ImageArray


def grey(level: int) -> Frame:
    return replace(make_frame(0), picture=np.full((48, 64, 3), level, np.uint8))


def test_gamma_is_a_power_of_the_brightness() -> None:
    image = np.array([[[0, 51, 255]]], np.uint8)  # 51 / 255 = .2
    assert brightened(image, 0.5).tolist() == [[[0, round(255 * 0.2**0.5), 255]]]
    assert brightened(image, 2.0).tolist() == [[[0, round(255 * 0.2**2), 255]]]


@pytest.mark.parametrize("level", [30, 60, 150, 190])
def test_automatic_gamma_brings_a_grey_picture_to_the_wanted_brightness(level: int) -> None:
    assert Light(None, brightness=0.4).on(grey(level)).image.mean() == pytest.approx(0.4 * 255, abs=1)


def test_automatic_gamma_has_an_end() -> None:
    black, white = Light(None).on(grey(0)).image, Light(None).on(grey(255)).image
    assert (black.max(), white.min()) == (0, 255)
    assert Light(None).on(grey(2)).image[0, 0, 0] == round(255 * (2 / 255) ** 0.25)


def test_contrast_becomes_even_and_colours_stay() -> None:
    ramp: ImageArray = np.tile(np.linspace(100, 130, 64).astype(np.uint8)[:, None], (64, 1, 3)).reshape(64, 64, 3)
    ramp[..., 2] += 20  # redder than grey
    changed = evened(ramp, limit=3.0, tiles=2).astype(int)
    assert np.ptp(changed[..., 1]) > 1.5 * np.ptp(ramp[..., 1])
    assert (changed[..., 2] > changed[..., 0]).mean() > 0.95


class _Looker(FakeDetector):
    """Notes the pictures it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[ImageArray] = []

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.shown += [frame.image for frame in frames]
        return super().detect(frames)


def test_the_detector_alone_sees_the_changed_picture() -> None:
    frame, looker = grey(30), _Looker()
    lit = LitDetector(looker, Light(0.5, clahe=2.0))
    lit.detect([frame])
    lit.forget(0)
    assert (frame.image == 30).all()
    assert looker.shown[0].mean() > 60


@pytest.mark.parametrize(("light", "holds"), [(Light(None), True), (Light(0.5), True), (Light(1.0, clahe=2.0), False)])
def test_what_scores_are_worth_does_not_hold_with_even_contrast(light: Light, holds: bool) -> None:
    inner = ScriptedDetector(lambda _: Detections.empty(), ("person",))
    inner.card = replace(inner.card, calibration=((0.1, 0.2), (0.9, 0.95)))
    card = LitDetector(inner, light).card
    assert card == (inner.card if holds else replace(inner.card, calibration=None))


def test_no_change_is_no_copy() -> None:
    frame = grey(30)
    assert Light().on(frame) is frame
