"""Pairs for a Siamese network: the crops are the tracker's own, and the box stays on the target whatever is changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.training.siamese_crops import NO_CHANGE, Pair, PairChange, Sight, make_pair
from tests.unit.trackers.target_scenes import texture
from trackers.geometry import iou_pairs
from trackers.patches import boxes_around, patches
from trackers.siamese import context_sides
from trackers.structures import FloatArray

BOX = np.array([150.0, 100.0, 210.0, 180.0])


@pytest.fixture(scope="module")
def sight() -> Sight:
    """A bright red box on dark ground that has hardly any red."""
    image = texture(400, 300, seed=1) // 4
    image[..., 2] = 10
    image[100:180, 150:210, 2] = 250
    return Sight(image, BOX)


def seen_at(pair: Pair) -> FloatArray:
    """(1, 4) where the search crop is red."""
    rows, columns = np.nonzero(pair.search[..., 2] > 100)
    return np.array([[columns.min(), rows.min(), columns.max(), rows.max()]], np.float64)


def test_without_a_change_the_crops_are_the_trackers(sight: Sight) -> None:
    still = make_pair(sight, sight, NO_CHANGE, np.random.default_rng(1))
    side = context_sides(np.array([[60.0, 80.0]]), 0.5)[0]
    for crop, size in ((still.template, 127), (still.search, 255)):
        square = boxes_around(np.array([[180.0, 140.0]]), np.full((1, 1), side * size / 127))
        expected = patches(sight.image, square, width=size, height=size)[0]
        inner = slice(20, -20)  # beyond the picture both fill in what they like
        same = min(
            np.abs(crop[inner, inner].astype(int) - one[inner, inner]).mean() for one in (expected, expected[:, ::-1])
        )
        assert same < 1.5
    np.testing.assert_allclose((still.box[:2] + still.box[2:]) / 2, 127)
    np.testing.assert_allclose(still.box[2:] - still.box[:2], np.array([60, 80]) * 127 / side)


@pytest.mark.parametrize(
    "change",
    [
        replace(NO_CHANGE, shift=60.0),
        replace(NO_CHANGE, zoom=0.3, stretch=0.2),
        replace(NO_CHANGE, mirror=1.0, shift=60.0),
        replace(NO_CHANGE, light=0.3, tint=0.1, blur=1.0),
    ],
)
def test_the_box_stays_on_the_target(sight: Sight, change: PairChange) -> None:
    pairs = [make_pair(sight, sight, change, np.random.default_rng(number)) for number in range(12)]
    assert min(iou_pairs(pair.box[None], seen_at(pair))[0] for pair in pairs) > 0.85
    assert len({tuple(pair.box.round(1)) for pair in pairs}) > (1 if change.shift or change.zoom else 0)


def test_a_turned_target_lies_in_its_box(sight: Sight) -> None:
    for number in range(8):
        pair = make_pair(sight, sight, replace(NO_CHANGE, turn=15.0), np.random.default_rng(number))
        assert iou_pairs(pair.box[None], seen_at(pair))[0] > 0.65  # the corners of what turned stick out


def test_what_covers_hides_a_part_of_the_target(sight: Sight) -> None:
    hidden = []
    for number in range(10):
        pair = make_pair(sight, sight, replace(NO_CHANGE, cover=1.0), np.random.default_rng(number))
        x1, y1, x2, y2 = pair.box.round().astype(int)
        hidden.append((pair.search[y1 : y2 + 1, x1 : x2 + 1, 2] < 100).mean())
    assert max(hidden) > 0.1
    assert max(hidden) < 0.6


def test_without_colours_is_without_colours(sight: Sight) -> None:
    pair = make_pair(sight, sight, replace(NO_CHANGE, grey=1.0), np.random.default_rng(0))
    for crop in (pair.template, pair.search):
        assert np.ptp(crop.astype(int), axis=2).max() <= 1


def test_the_same_chance_gives_the_same_pair(sight: Sight) -> None:
    one, other = (make_pair(sight, sight, PairChange(), np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.search, other.search)
    np.testing.assert_array_equal(one.template, other.template)
    another = make_pair(sight, sight, PairChange(), np.random.default_rng(6))
    assert not np.array_equal(one.search, another.search)


def test_large_objects_are_averaged_not_skipped() -> None:
    image = np.zeros((900, 900, 3), np.uint8)
    image[::2] = 255  # every second line: what leaves lines out sees stripes
    pair = make_pair(
        Sight(image, np.array([100.0, 100, 800, 800])),
        Sight(image, np.array([100.0, 100, 800, 800])),
        NO_CHANGE,
        np.random.default_rng(0),
    )
    middle = pair.template[30:-30, 30:-30]
    assert middle.std() < 20
    assert abs(float(middle.mean()) - 127.5) < 6
