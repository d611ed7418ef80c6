"""Occlusion sensitivity: a patch that hides what counts lowers the number, and nothing else does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pipeline.explain.objects import Seen
from pipeline.explain.occlusion import GREY, Patch, of_detector, of_embedder, sensitivity
from pipeline.models.base import ModelCard
from tests.fakes import make_frame
from trackers.structures import Detections, FloatArray, Frame

WHITE = replace(make_frame(0), picture=np.full((40, 60, 3), 255, np.uint8))
BOX = np.array([20, 10, 40, 30], np.float32)
SEEN = Seen(BOX, 0, 0.8, "thing")


def quiet(_count: int) -> None:
    """Nobody is told."""


def brightness_of_a_point(frames: list[Frame]) -> list[float]:
    """1 where the pixel at x 30, y 20 is white."""
    return [float(frame.image[20, 30, 0] == 255) for frame in frames]


def test_a_patch_without_overlap_marks_exactly_what_it_hid() -> None:
    heat = sensitivity(WHITE, np.array([0, 0, 60, 40]), brightness_of_a_point, side=10, step=10, told=quiet)
    wanted = np.zeros((40, 60))
    wanted[20:30, 30:40] = 1
    np.testing.assert_allclose(heat, wanted)


def test_overlapping_patches_are_averaged() -> None:
    """A pixel of the middle is hidden by patches at x = 25, 30 (which hide the point) and others that do not."""
    heat = sensitivity(WHITE, np.array([0, 0, 60, 40]), brightness_of_a_point, side=10, step=5, told=quiet)
    assert heat[20, 30] == 1
    assert heat[20, 36] == pytest.approx(0.5)  # patches at 30 and 35, of which one hides the point
    assert heat[0, 0] == 0


def test_nothing_is_known_outside_the_window_and_the_picture_stays_as_it_was() -> None:
    window = np.array([25, 15, 35, 25])
    heat = sensitivity(WHITE, window, brightness_of_a_point, side=4, step=2, told=quiet)
    assert heat[20, 30] == 1
    heat[15:25, 25:35] = 0
    assert not heat.any()
    assert (WHITE.image == 255).all()


def test_a_patch_larger_than_the_window_hides_all_of_it() -> None:
    heat = sensitivity(WHITE, np.array([28, 18, 32, 22]), brightness_of_a_point, side=100, step=50, told=quiet)
    np.testing.assert_allclose(heat[18:22, 28:32], 1)


@pytest.mark.parametrize("window", [(0, 0, 60, 40), (28, 10, 32, 30)])  # wider than the patch, and narrower
def test_a_step_larger_than_the_patch_is_that_of_the_patch(window: tuple[int, ...]) -> None:
    far = sensitivity(WHITE, np.array(window), brightness_of_a_point, side=10, step=25, told=quiet)
    near = sensitivity(WHITE, np.array(window), brightness_of_a_point, side=10, step=10, told=quiet)
    np.testing.assert_array_equal(far, near)
    assert far[20, 30] == 1


class _Whiteness:
    """A detector, and an embedder, of how much of BOX is white."""

    card = ModelCard("white", "detect", "1", "0" * 64, "none", None, ("thing",))

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [
            Detections(BOX[None], np.array([0.8 * self._share(frame)], np.float32), np.zeros(1, np.int64))
            for frame in frames
        ]

    def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[FloatArray]:
        shares = [self._share(frame) for frame in frames]
        return [np.array([[one, np.sqrt(1 - one**2)]], np.float32) for one in shares]

    def _share(self, frame: Frame) -> float:
        return float((frame.image[10:30, 20:40, 0] == 255).mean())


def test_an_object_loses_score_where_it_is_hidden_and_not_beside_it() -> None:
    told: list[int] = []
    heat = of_detector(_Whiteness(), WHITE, SEEN, Patch(side=0.5, step=0.25), told=told.append)
    assert heat.shape == (40, 60)
    assert heat[20, 30] == pytest.approx(0.8 * 0.25)  # 10 x 10 of 20 x 20 pixels
    assert heat[20, 11] == 0
    assert told == sorted(told)
    assert told[-1] > 20


def test_an_object_that_vanishes_loses_all_of_its_score() -> None:
    class Shy(_Whiteness):
        def detect(self, frames: Sequence[Frame]) -> list[Detections]:
            return [found[found.scores >= 0.79] for found in super().detect(frames)]

    heat = of_detector(Shy(), WHITE, SEEN, Patch(side=0.5, step=0.25), told=quiet)
    assert heat.max() == pytest.approx(0.8)


def test_looks_lose_likeness_in_the_box_alone() -> None:
    reference = np.array([1, 0], np.float32)
    heat = of_embedder(_Whiteness(), WHITE, BOX, reference, Patch(side=0.5, step=0.25), told=quiet)
    assert heat[20, 30] == pytest.approx(0.25)
    heat[10:30, 20:40] = 0
    assert not heat.any()


def test_the_patch_is_grey() -> None:
    shown: list[float] = []

    def judge(frames: list[Frame]) -> list[float]:
        shown.extend(float(frame.image.min()) for frame in frames)
        return [0.0] * len(frames)

    sensitivity(WHITE, np.array([0, 0, 60, 40]), judge, side=20, step=20, told=quiet)
    assert set(shown) == {255.0, GREY}
