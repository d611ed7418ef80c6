"""Boxes drawn around a target: how they are spread, and how much they overlap it."""

from __future__ import annotations

import numpy as np
import pytest

from trackers.candidates import gaussian_boxes, overlapping, uniform_boxes
from trackers.geometry import centres, iou_matrix, to_xywh
from trackers.structures import FloatArray

BOX = np.array([100.0, 50.0, 130.0, 100.0])  # 30 x 50, middle 115, 75, mean side 40


def chance() -> np.random.Generator:
    return np.random.default_rng(5)


def test_candidates_are_normal_in_place_and_in_the_logarithm_of_size() -> None:
    drawn = gaussian_boxes(BOX, 20_000, chance=chance(), spread=0.3, steps=0.5)
    moves = centres(drawn) - [115, 75]
    np.testing.assert_allclose(moves.mean(axis=0), 0, atol=0.3)
    np.testing.assert_allclose(moves.std(axis=0), 0.3 * 40, rtol=0.02)
    assert abs(np.corrcoef(moves.T)[0, 1]) < 0.03
    sides = to_xywh(drawn)[:, 2:]
    np.testing.assert_allclose(sides[:, 0] / sides[:, 1], 30 / 50)
    steps = np.log(sides[:, 0] / 30) / np.log(1.05)
    assert abs(steps.mean()) < 0.02
    assert abs(steps.std() - 0.5) < 0.01
    within = (np.abs(moves[:, 0]) < 12).mean()  # one standard deviation: 68.3 %; even spread would give 57.7 %
    assert abs(within - 0.683) < 0.02


def test_a_slant_changes_proportions_and_not_areas() -> None:
    drawn = gaussian_boxes(BOX, 20_000, chance=chance(), spread=0.1, steps=0.0, slant=0.2)
    sides = to_xywh(drawn)[:, 2:]
    np.testing.assert_allclose(sides.prod(axis=1), 30 * 50)
    assert abs(np.log(sides[:, 0] / sides[:, 1]).std() - 0.2) < 0.005


def test_uniform_boxes_fill_a_square_and_stay_in_the_picture() -> None:
    drawn = uniform_boxes(BOX, 20_000, chance=chance(), reach=1.0, steps=2.0, width=640, height=480)
    moves = centres(drawn) - [115, 75]
    assert np.abs(moves).max() <= 40
    np.testing.assert_allclose(moves.std(axis=0), 40 / np.sqrt(3), rtol=0.02)
    factors = to_xywh(drawn)[:, 2] / 30
    assert 1.05**-2 <= factors.min() < 0.92
    assert 1.08 < factors.max() <= 1.05**2
    small = uniform_boxes(BOX, 500, chance=chance(), reach=1.0, steps=2.0, width=120, height=60)
    assert (centres(small) >= 0).all()
    assert (centres(small) <= [120, 60]).all()
    assert (centres(small) == [120, 60]).all(axis=1).any()  # of those that lay beyond both


@pytest.mark.parametrize(("least", "most"), [(0.7, 1.0), (0.0, 0.5), (0.3, 0.5)])
def test_only_boxes_of_the_wanted_overlap_are_kept(least: float, most: float) -> None:
    source = chance()

    def draw(count: int) -> FloatArray:
        return gaussian_boxes(BOX, count, chance=source, spread=0.3, steps=1.0)

    kept = overlapping(draw, 200, box=BOX, least=least, most=most)
    assert kept.shape == (200, 4)
    overlaps = iou_matrix(kept, BOX[None])[:, 0]
    assert overlaps.min() >= least
    assert overlaps.max() <= most


def test_boxes_that_cannot_be_had_are_not_waited_for() -> None:
    asked: list[int] = []

    def draw(count: int) -> FloatArray:
        asked.append(count)
        return np.tile(BOX, (count, 1))

    assert overlapping(draw, 10, box=BOX, most=0.5).shape == (0, 4)
    assert sum(asked) == 200
    assert overlapping(draw, 0, box=BOX).shape == (0, 4)
    assert sum(asked) == 200


def test_the_same_seed_draws_the_same_boxes() -> None:
    first, again = (gaussian_boxes(BOX, 9, chance=chance(), spread=0.3, steps=0.5) for _ in range(2))
    np.testing.assert_array_equal(first, again)
