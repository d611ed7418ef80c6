"""Suppression of other kinds: hand-worked numbers, torchvision as oracle."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchvision

from pipeline.models.suppression import Limits, SuppressedDetector, Way, softened, suppressed
from tests.fakes import ScriptedDetector, make_frame
from trackers.structures import Detections

# the second overlaps the first by 90 / 110, the third nothing
FOUND = Detections(
    np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 0, 60, 10]], np.float32),
    np.array([0.9, 0.8, 0.7], np.float32),
    np.array([0, 1, 0], np.int64),
)
SAME = Detections(FOUND.boxes, FOUND.scores, np.zeros(3, np.int64))
IOU = 90 / 110


def test_agnostic_takes_the_weaker_box_whatever_its_class() -> None:
    assert suppressed(FOUND, Limits(Way.AGNOSTIC, 0.65)).scores.tolist() == pytest.approx([0.9, 0.7])
    assert len(suppressed(FOUND, Limits(Way.AGNOSTIC, 0.85))) == 3


def test_agnostic_is_torchvisions_nms() -> None:
    random = np.random.default_rng(0)
    corners = random.uniform(0, 100, (200, 2))
    boxes = np.concatenate([corners, corners + random.uniform(5, 40, (200, 2))], axis=1).astype(np.float32)
    scores = random.permutation(200).astype(np.float32) / 200
    wanted = torchvision.ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.4).numpy()
    kept = suppressed(Detections(boxes, scores, random.integers(0, 5, 200)), Limits(Way.AGNOSTIC, 0.4, min_score=0))
    np.testing.assert_array_equal(kept.boxes, boxes[wanted])


def test_soft_linear_takes_one_minus_the_overlap() -> None:
    rows, scores = softened(SAME.boxes, SAME.scores, SAME.labels, Limits(Way.SOFT_LINEAR, 0.3))
    assert rows.tolist() == [0, 2, 1]
    np.testing.assert_allclose(scores, [0.9, 0.7, 0.8 * (1 - IOU)], atol=1e-3)


def test_soft_linear_leaves_alone_what_overlaps_less() -> None:
    _, scores = softened(SAME.boxes, SAME.scores, SAME.labels, Limits(Way.SOFT_LINEAR, 0.9))
    np.testing.assert_allclose(scores, [0.9, 0.8, 0.7], atol=1e-6)


@pytest.mark.parametrize("sigma", [0.5, 0.3])
def test_soft_gaussian_takes_the_exponent_of_the_squared_overlap(sigma: float) -> None:
    _, scores = softened(SAME.boxes, SAME.scores, SAME.labels, Limits(Way.SOFT_GAUSSIAN, 0.3, sigma))
    np.testing.assert_allclose(scores, sorted([0.9, 0.7, 0.8 * math.exp(-(IOU**2) / sigma)], reverse=True), atol=1e-3)


def test_soft_suppression_stays_within_a_class_and_drops_the_weak() -> None:
    assert suppressed(FOUND, Limits(Way.SOFT_LINEAR, 0.3)).scores.tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert len(suppressed(SAME, Limits(Way.SOFT_LINEAR, 0.3, min_score=0.2))) == 2


def test_soft_suppression_knows_boxes_of_a_pixel_in_a_large_picture() -> None:
    boxes = np.array([[4000, 10, 4001, 11], [4000.5, 10, 4001.5, 11], [0, 0, 8000, 4000]], np.float32)
    _, scores = softened(boxes, SAME.scores, SAME.labels, Limits(Way.SOFT_LINEAR, 0.3))
    np.testing.assert_allclose(sorted(scores), sorted([0.9, 0.8 * (1 - 1 / 3), 0.7]), atol=0.1)


def test_wbf_makes_a_mean_and_keeps_the_features_of_the_strongest() -> None:
    described = Detections(SAME.boxes, SAME.scores, SAME.labels, np.eye(3, dtype=np.float32))
    kept = suppressed(described, Limits(Way.WBF, 0.55))
    np.testing.assert_allclose(kept.scores, [(0.9 + 0.8) / 2, 0.7], rtol=1e-6)
    np.testing.assert_allclose(kept.boxes[0], [0.8 / 1.7, 0, 10 + 0.8 / 1.7, 10], rtol=1e-5)
    assert kept.features is not None
    np.testing.assert_array_equal(kept.features, np.eye(3)[[0, 2]])


@pytest.mark.parametrize("way", list(Way))
def test_nothing_stays_nothing_and_the_most_are_the_strongest(way: Way) -> None:
    assert len(suppressed(Detections.empty(), Limits(way, 0.5))) == 0
    few = suppressed(FOUND, Limits(way, 0.99, sigma=100, max_detections=2))
    assert few.scores.tolist() == pytest.approx([0.9, 0.8], abs=0.01)


def test_the_detector_suppresses_each_frame_and_says_who_it_is() -> None:
    inner = ScriptedDetector(lambda index: FOUND[: index + 1], ("a", "b"))
    detector = SuppressedDetector(inner, Limits(Way.AGNOSTIC, 0.5))
    assert [len(one) for one in detector.detect([make_frame(0), make_frame(1), make_frame(2)])] == [1, 1, 2]
    assert detector.card is inner.card
    detector.forget(0)


@pytest.mark.parametrize(
    ("way", "holds"),
    [(Way.AGNOSTIC, True), (Way.SOFT_LINEAR, False), (Way.SOFT_GAUSSIAN, False), (Way.WBF, False)],
)
def test_what_scores_are_worth_is_known_only_where_boxes_keep_theirs(way: Way, holds: bool) -> None:
    inner = ScriptedDetector(lambda _: FOUND, ("a", "b"))
    inner.card = replace(inner.card, calibration=((0.1, 0.2), (0.9, 0.95)))
    card = SuppressedDetector(inner, Limits(way, 0.5)).card
    assert card == (inner.card if holds else replace(inner.card, calibration=None))
