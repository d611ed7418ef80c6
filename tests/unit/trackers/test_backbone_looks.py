"""What a backbone says of boxes: alike for the same thing, unlike for what is beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline import build
from pipeline.target_settings import SiameseSettings
from tests.unit.trackers.plain_networks import PLAIN, REGION
from tests.unit.trackers.target_scenes import texture
from trackers.backbone_looks import BackboneLooks
from trackers.structures import FloatArray, ImageArray

BOXES = np.array([[100.0, 80, 140, 120], [102, 80, 142, 120], [200, 20, 240, 60]])


def test_looks_have_unit_length_and_tell_things_apart() -> None:
    image = texture(320, 240, seed=1, grain=3)
    looks = BackboneLooks(PLAIN)(image, BOXES)
    np.testing.assert_allclose(np.linalg.norm(looks, axis=1), 1)
    cosines = looks @ looks[0]
    assert cosines[1] > 0.5 > abs(cosines[2])


def test_a_look_does_not_change_with_the_light() -> None:
    """Of plain colours: what all of the region has in common is taken off."""
    image = texture(320, 240, seed=1, grain=3) // 2
    dark, bright = (BackboneLooks(PLAIN)(picture, BOXES[:1])[0] for picture in (image, image + 100))
    assert dark @ bright > 0.999


def test_it_is_the_middle_of_a_search_region_that_is_described() -> None:
    seen: list[tuple[int, ...]] = []

    def maps(crops: ImageArray) -> FloatArray:
        seen.append(crops.shape)
        answer = np.zeros((len(crops), 1, 9, 9), np.float32)
        answer[:, 0, 4, 4] = 1
        return answer

    look = BackboneLooks(replace(PLAIN, search=maps))(texture(320, 240, seed=1), BOXES[:1])[0]
    assert seen == [(1, REGION, REGION, 3)]
    expected = np.full(25, -1 / 81)
    expected[12] += 1
    np.testing.assert_allclose(look, expected / np.linalg.norm(expected))


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (20, 120, 220)])
def test_where_nothing_is_to_be_seen_nothing_is_told(colour: tuple[int, int, int]) -> None:
    """A real network makes borders of a picture of one colour, the same of all of them."""
    image = np.full((240, 320, 3), colour, np.uint8)
    image[:, 200:] = texture(120, 240, seed=1)
    looks = BackboneLooks(build.siamese_networks(SiameseSettings()))(image, np.array([[40.0, 80, 60, 100], BOXES[2]]))
    assert not looks[0].any()
    assert np.linalg.norm(looks[1]) == pytest.approx(1)


def test_no_boxes_need_no_network() -> None:
    assert len(BackboneLooks(PLAIN)(texture(64, 48, seed=1), np.zeros((0, 4)))) == 0
