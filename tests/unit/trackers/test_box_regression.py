"""Regression of boxes: against a plain solver, and shifts and sizes that must come out."""

from __future__ import annotations

import numpy as np
import pytest

from trackers.box_regression import displacements, learned, placed
from trackers.candidates import gaussian_boxes
from trackers.structures import FloatArray

TRUTH = np.array([100.0, 50.0, 140.0, 110.0])  # 40 x 60


def rough(count: int, *, seed: int = 1) -> FloatArray:
    return gaussian_boxes(TRUTH, count, chance=np.random.default_rng(seed), spread=0.1, steps=2.0, slant=0.1)


def shown(boxes: FloatArray, truth: FloatArray = TRUTH) -> FloatArray:
    """Features (n, 12) in which a box's displacement is hidden: mixed, shifted, among others that say nothing."""
    chance = np.random.default_rng(7)
    mixing = chance.standard_normal((4, 12))
    return displacements(boxes, truth) @ mixing + chance.standard_normal(12)


def test_displacements_by_hand() -> None:
    boxes = np.array([[100.0, 50.0, 140.0, 110.0], [110.0, 44.0, 130.0, 104.0]])
    found = displacements(boxes, TRUTH)
    np.testing.assert_allclose(found, [[0, 0, 0, 0], [0, 0.1, np.log(2), 0]])


def test_known_shifts_and_sizes_are_put_right() -> None:
    boxes = rough(50)
    regression = learned(shown(boxes), boxes, TRUTH, regularisation=1e-9)
    fresh = rough(20, seed=2)
    assert np.abs(fresh - TRUTH).max() > 5
    np.testing.assert_allclose(placed(fresh, shown(fresh), regression), np.tile(TRUTH, (20, 1)), atol=1e-4)


def test_it_also_holds_where_the_target_is_elsewhere() -> None:
    boxes = rough(50)
    regression = learned(shown(boxes), boxes, TRUTH, regularisation=1e-9)
    there = np.array([300.0, 20.0, 380.0, 140.0])  # twice the size
    box = there + np.array([8.0, 12.0, 8.0, 12.0])
    np.testing.assert_allclose(placed(box[None], shown(box[None], there), regression)[0], there, atol=1e-4)


@pytest.mark.parametrize("count", [6, 40])
def test_weights_are_those_of_ridge_regression(count: int) -> None:
    """The primal normal equations, with more and with fewer boxes than features."""
    boxes = rough(count)
    features = np.random.default_rng(3).standard_normal((count, 12))
    regression = learned(features, boxes, TRUTH, regularisation=2.5)
    wanted = displacements(boxes, TRUTH)
    x, t = features - features.mean(axis=0), wanted - wanted.mean(axis=0)
    plain = np.linalg.solve(x.T @ x + 2.5 * np.eye(12), x.T @ t)
    np.testing.assert_allclose(regression.weights, plain, atol=1e-9)
    np.testing.assert_allclose(regression.offset, wanted.mean(axis=0))


def test_no_box_is_moved_by_more_than_half_its_sides() -> None:
    boxes = rough(50)
    regression = learned(shown(boxes), boxes, TRUTH, regularisation=1e-9)
    far = TRUTH + np.array([400.0, 0, 400.0, 0])
    moved = placed(far[None], shown(far[None]), regression)[0]
    np.testing.assert_allclose(moved[:2] - far[:2], [-20, 0], atol=1e-4)


def test_without_boxes_nothing_is_placed() -> None:
    boxes = rough(50)
    regression = learned(shown(boxes), boxes, TRUTH, regularisation=1.0)
    assert placed(np.zeros((0, 4)), np.zeros((0, 12)), regression).shape == (0, 4)
