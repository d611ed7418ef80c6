"""Classes of a teacher and those of its student."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.training.class_map import ClassMap
from trackers.structures import Detections

THEIRS = ("vehicle", "person", "bike")


def test_all_as_they_are() -> None:
    assert ClassMap.parse(None, THEIRS).names == THEIRS
    assert ClassMap.parse(None, THEIRS).labels(THEIRS).tolist() == [0, 1, 2]


def test_renamed_joined_and_left_out() -> None:
    chosen = ClassMap.parse("person, vehicle=car+truck", ("car", "dog", "truck", "person"))
    assert chosen.names == ("person", "vehicle")
    assert chosen.labels(("car", "dog", "truck", "person")).tolist() == [1, -1, 1, 0]


def test_two_classes_that_become_one_are_one_object() -> None:
    chosen = ClassMap.parse("vehicle=car+truck", ("car", "truck", "person"))
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 11], [50, 0, 60, 10], [0, 0, 10, 10]], np.float32)
    found = Detections(boxes, np.array([0.6, 0.8, 0.7, 0.9], np.float32), np.array([0, 1, 0, 2]))
    translated = chosen.translate(found, ("car", "truck", "person"))
    assert translated.scores.tolist() == [np.float32(0.8), np.float32(0.7)]
    assert translated.labels.tolist() == [0, 0]
    assert len(chosen.translate(Detections.empty(), ("car",))) == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("person,cat", "asks for cat"),
        ("a=person,a=bike", "once"),
        ("a=person,b=person", "only one"),
        ("person,", "once"),
    ],
)
def test_what_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        ClassMap.parse(text, THEIRS)
