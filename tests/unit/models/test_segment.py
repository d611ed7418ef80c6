"""pipeline.models.segment: which boxes are asked about, and a masked detector as a segmenter of given boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.models.base import ModelCard
from pipeline.models.class_likeness import likeness
from pipeline.models.segment import AskedSegmenter, InstanceSegmenter, Question
from tests.unit.models.tiny_onnx import frame
from trackers.structures import Detections, Frame, Masks

NAMES = ("person", "car")
CARD = ModelCard("whole", "detect", "1", "0" * 64, "none", None, NAMES)


def boxed(
    *rows: tuple[float, float, float, float], scores: Sequence[float] = (), labels: Sequence[int] = ()
) -> Detections:
    boxes = np.array(rows, np.float32).reshape(-1, 4)
    return Detections(
        boxes,
        np.array(scores or [0.9] * len(boxes), np.float32),
        np.array(labels or [0] * len(boxes), np.int64),
    )


def whole(found: Detections) -> Masks:
    """All of each box."""
    corners = found.boxes.astype(np.int64)
    crops = tuple(np.ones((bottom - top, right - left), bool) for left, top, right, bottom in corners.tolist())
    return Masks(corners[:, :2], crops)


class WholeSegmenter:
    """Every pixel of a box; remembers how many boxes it was asked about in each frame."""

    card = replace(CARD, task="segment")

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def segment(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[Masks]:
        self.asked.append([len(found) for found in detections])
        return [whole(found) for found in detections]


class SameDetector:
    """Finds the same in every frame."""

    card = CARD

    def __init__(self, found: Detections) -> None:
        self.found, self.seen = found, 0

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.seen += len(frames)
        return [self.found] * len(frames)


def seen(masks: Masks) -> list[bool]:
    return [bool(crop.any()) for crop in masks.crops]


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        (Question(), [True, True, True, True]),
        (Question(min_score=0.3), [True, True, True, False]),
        (Question(every=2), [True, True, True, True]),
        (Question(every=3), [False, False, False, False]),
    ],
)
def test_who_may_be_asked_about(question: Question, wanted: list[bool]) -> None:
    found = boxed((0, 0, 10, 20), (5, 0, 45, 40), (60, 0, 63, 9), (20, 50, 30, 60), scores=(0.9, 0.8, 0.7, 0.2))
    assert question.rows(frame(index=4), found).tolist() == wanted
    assert question.rows(frame(index=4), found[:0]).tolist() == []


def test_rows_that_are_not_asked_about_have_no_pixel() -> None:
    inner = WholeSegmenter()
    asked = AskedSegmenter(inner, Question(every=2, min_score=0.3), prompts=NAMES, classes=["car"])
    found = boxed((0, 0, 9, 9), (5, 5, 20, 30), (7, 7, 9, 9), scores=(0.9, 0.9, 0.1), labels=(0, 1, 1))
    masks = asked.segment([frame(index=4), frame(index=5)], [found, found])
    assert inner.asked == [[1, 0]]
    assert [seen(one) for one in masks] == [[False, True, False], [False, False, False]]
    np.testing.assert_array_equal(masks[0].full(64, 64)[1], whole(found).full(64, 64)[1])
    assert asked.card.task == "segment"


def test_a_class_that_no_box_has_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"segmenter\.classes names 'dog', but the detector knows person, car"):
        AskedSegmenter(WholeSegmenter(), Question(), prompts=NAMES, classes=["dog"])


def test_a_box_has_the_mask_of_its_instance() -> None:
    instances = boxed((0, 0, 10, 20), (30, 30, 50, 60))
    detector = SameDetector(replace(instances, masks=whole(instances)))
    segmenter = InstanceSegmenter(detector, least_iou=0.5)
    assert segmenter.card.task == "segment"
    prompts = [boxed((31, 30, 50, 60), (0, 0, 9, 9), (1, 0, 10, 20)), boxed()]
    masks = segmenter.segment([frame(), frame()], prompts)
    assert [seen(one) for one in masks] == [[True, False, True], []]
    np.testing.assert_array_equal(masks[0].full(64, 64)[0], whole(instances).full(64, 64)[1])
    assert detector.seen == 1


def test_no_instance_no_mask() -> None:
    segmenter = InstanceSegmenter(SameDetector(boxed()))
    assert seen(segmenter.segment([frame()], [boxed((0, 0, 5, 5))])[0]) == [False]
    assert segmenter.segment([], []) == []


def test_names_of_one_kind() -> None:
    table = likeness(("pedestrian", "car", "dog", "truck"), ("person", "vehicle", "bicycle"))
    np.testing.assert_array_equal(table, [[1, 0, 0], [0, 1, 0], [1, 1, 1], [0, 1, 0]])
    np.testing.assert_array_equal(likeness(["vehicle"], ["car", "person", "bus"]), [[1, 0, 1]])
    assert likeness([], ["car"]).shape == (0, 1)
