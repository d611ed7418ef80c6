"""A detector made of two: names of classes, what is known of only one, who it is."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.models.fused import FusedDetector, Fusion
from tests.fakes import ScriptedDetector, make_frame
from trackers.structures import Detections

BOX = (0.0, 0.0, 10.0, 10.0)


def seer(classes: tuple[str, ...], *rows: tuple[int, float]) -> ScriptedDetector:
    """A detector that always sees objects (label, score) at one place."""
    labels, scores = [label for label, _ in rows], [score for _, score in rows]
    found = Detections(
        np.array([BOX] * len(rows), np.float32).reshape(-1, 4), np.array(scores, np.float32), np.array(labels, np.int64)
    )
    return ScriptedDetector(lambda _: found, classes)


def test_classes_are_the_first_ones_and_others_are_left_out() -> None:
    second = seer(("car", "person", "kite"), (0, 0.6), (2, 0.9))
    fused = FusedDetector(seer(("person", "vehicle"), (1, 0.8)), second, Fusion(), names={"car": "vehicle"})
    (found,) = fused.detect([make_frame(0)])
    assert fused.card.classes == ("person", "vehicle")
    assert found.labels.tolist() == [1]
    assert found.scores.tolist() == pytest.approx([0.7])


def test_a_class_that_the_second_does_not_know_keeps_its_scores() -> None:
    first = seer(("person", "bicycle"), (0, 0.8), (1, 0.5))
    (found,) = FusedDetector(first, seer(("person",)), Fusion(), names={}).detect([make_frame(0)])
    assert dict(zip(found.labels.tolist(), found.scores.tolist(), strict=True)) == pytest.approx({0: 0.4, 1: 0.5})


def test_weak_boxes_do_not_take_part() -> None:
    first, second = seer(("person",), (0, 0.9)), seer(("person",), (0, 0.1))
    (with_it,) = FusedDetector(first, second, Fusion(), names={}).detect([make_frame(0)])
    (without,) = FusedDetector(first, second, Fusion(skip=0.2), names={}).detect([make_frame(0)])
    assert (with_it.scores[0], without.scores[0]) == pytest.approx((0.5, 0.45))


def test_shares_count_one_detector_more() -> None:
    # weighed scores .9 and 3 * .3; C = 1.8 / 2 * 2 / 4
    first, second = seer(("person",), (0, 0.9)), seer(("person",), (0, 0.3))
    (found,) = FusedDetector(first, second, Fusion(shares=(1, 3)), names={}).detect([make_frame(0)])
    assert found.scores.tolist() == pytest.approx([0.45])


def test_limits_hold_for_what_comes_out_and_nothing_stays_nothing() -> None:
    first, second = seer(("person",), (0, 0.3)), seer(("person",))
    assert len(FusedDetector(first, second, Fusion(min_score=0.2), names={}).detect([make_frame(0)])[0]) == 0
    assert len(FusedDetector(second, second, Fusion(), names={}).detect([make_frame(0)])[0]) == 0
    assert FusedDetector(second, second, Fusion(), names={}).detect([]) == []


def test_it_is_another_model_than_either() -> None:
    first, second = seer(("person",)), seer(("person",))
    card = FusedDetector(first, second, Fusion(), names={}).card
    assert card.name == "scripted+scripted"
    assert card.sha256 not in (first.card.sha256, second.card.sha256)
    assert card.calibration is None


def test_names_must_be_there() -> None:
    with pytest.raises(ConfigError, match=r"bus: vehicle, but scripted knows car and scripted person"):
        FusedDetector(seer(("person",)), seer(("car",)), Fusion(), names={"bus": "vehicle"})
    with pytest.raises(ConfigError, match=r"no class in common; say with detector\.fuse\.names"):
        FusedDetector(seer(("person",)), seer(("car",)), Fusion(), names={})
