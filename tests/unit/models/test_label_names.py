"""pipeline.models.label_names: which names the label numbers have."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ModelError
from pipeline.models.label_names import (
    CALIBRATION,
    COCO,
    calibration_text,
    class_names,
    embedded_calibration,
    embedded_names,
    embedded_size,
    suppresses,
)

FILE = Path("net.onnx")


def test_order_of_preference() -> None:
    stem = "person-vehicle-bike-detection-2004"
    assert class_names(stem, explicit=["a", "b"], embedded=["c", "d"], count=2) == ("a", "b")
    assert class_names(stem, embedded=["c", "d"], count=2) == ("c", "d")
    assert class_names(stem) == ("vehicle", "person", "bike")
    assert class_names("unheard-of", count=80) == COCO
    assert len(set(COCO)) == 80


@pytest.mark.parametrize("number", range(2000, 2005))
def test_models_known_by_their_whole_name(number: int) -> None:
    assert class_names(f"person-vehicle-bike-detection-{number}") == ("vehicle", "person", "bike")


@pytest.mark.parametrize(
    "stem",
    [
        "person-vehicle-bike-detection-crossroad-0078",  # 1 person, 2 vehicle, 3 bike
        "person-vehicle-bike-detection-crossroad-yolov3-1020",
        "person-vehicle-bike-detection-2005",
        "person-vehicle-bike-detection-2004-mine",
        "person-detection-0200",
    ],
)
def test_relatives_of_known_models_ask_for_their_classes(stem: str) -> None:
    with pytest.raises(ModelError, match=r"list them in detector\.classes"):
        class_names(stem)


@pytest.mark.parametrize(
    ("metadata", "final"),
    [
        ({}, False),
        ({"end2end": "False", "args": "{'batch': 1, 'nms': False}"}, False),
        ({"end2end": "True"}, True),
        ({"args": "{'batch': 1, 'nms': True}"}, True),
    ],
)
def test_whether_the_file_suppresses(metadata: dict[str, str], final: bool) -> None:
    assert suppresses(metadata) == final


@pytest.mark.parametrize("count", [None, 3])
def test_nameless_classes_ask_for_the_setting(count: int | None) -> None:
    with pytest.raises(ModelError, match=r"detector\.classes"):
        class_names("unheard-of", count=count)


def test_a_count_that_does_not_fit_gives_both_numbers() -> None:
    with pytest.raises(ModelError, match=r"has 80 classes, but detector\.classes names 2"):
        class_names("yolox", explicit=["a", "b"], count=80)


def test_names_and_size_written_by_ultralytics() -> None:
    assert embedded_names({"names": "{0: 'person', 1: 'car'}"}, FILE) == ("person", "car")
    assert embedded_names({"names": "['person', 'car']"}, FILE) == ("person", "car")
    assert embedded_names({}, FILE) == ()
    assert embedded_size({"imgsz": "[480, 640]"}) == (480, 640)
    assert embedded_size({"imgsz": "large"}) is None
    assert embedded_size({}) is None


@pytest.mark.parametrize("text", ["__import__('os')", "{1: 'a'}", "{"])
def test_names_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ModelError, match=r"net\.onnx: its metadata `names` cannot be read"):
        embedded_names({"names": text}, FILE)


def test_what_scores_are_worth_is_read_as_it_was_written() -> None:
    pairs = ((0.05, 0.0), (0.3, 0.45), (0.9, 1.0))
    assert embedded_calibration({CALIBRATION: calibration_text(pairs)}, FILE) == pairs
    assert embedded_calibration({}, FILE) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "[[0.1]]",
        "[[0.3, 0.2], [0.3, 0.5]]",
        "[[0.3, 0.5], [0.4, 0.4]]",
        "[[0.1, 2]]",
        "[[NaN, 1]]",
        '["01"]',
        '{"01": 1}',
        f"[[1{'0' * 400}, 1]]",
    ],
)
def test_a_map_of_scores_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match=r"net\.onnx: its metadata `score_calibration` cannot be read"):
        embedded_calibration({CALIBRATION: text}, FILE)
