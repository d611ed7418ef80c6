"""Which object is meant, what is refused, and the numbers of an explanation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.errors import ConfigError, ModelError
from pipeline.explain.drawing import drawn
from pipeline.explain.explanation import Explained, Explanation, Reasons, Wanted, explain, figures
from pipeline.explain.objects import Seen, find_object, score_of
from pipeline.explain.occlusion import Patch
from pipeline.explain.question import DetectorQuestions, FirstOfTwoQuestions, Question
from pipeline.models.inputs import Placement
from tests.fakes import FakeEmbedder, ScriptedDetector, make_frame
from trackers.structures import Detections, FloatArray, Frame

FRAME = make_frame(7)
FOUND = Detections(
    np.array([[10, 10, 30, 40], [12, 10, 32, 40], [50, 0, 60, 10]], np.float32),
    np.array([0.9, 0.6, 0.2], np.float32),
    np.array([0, 1, 0], np.int64),
)
DETECTOR = ScriptedDetector(lambda _: FOUND, ("person", "vehicle"))
COARSE = Patch(side=1.0, step=1.0)


def test_the_object_that_overlaps_most_is_meant() -> None:
    assert find_object(DETECTOR, FRAME, (10, 10, 20, 30), min_score=0.1).class_name == "person"
    assert find_object(DETECTOR, FRAME, (13, 10, 20, 30), min_score=0.1).class_name == "vehicle"


def test_of_two_boxes_of_one_object_the_surer_one_is_explained() -> None:
    """What a patch takes away is taken from its score, so that no more can be lost than there is."""
    boxes = np.array([[10, 10, 30, 40], [10, 10, 30, 30]], np.float32)
    twice = Detections(boxes, np.array([0.9, 0.2], np.float32), np.zeros(2, np.int64))
    seen = find_object(ScriptedDetector(lambda _: twice, ("person",)), FRAME, (10, 10, 20, 20), min_score=0.1)
    assert seen.score == score_of(twice, seen) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        pytest.param(
            (0, 0, 8, 8), r"sees no object at 0,0,8,8 .*; it sees person 0\.90 at 10,10,20,30; vehicle", id="nobody"
        ),
        pytest.param((50, 0, 10, 10), "sees no object", id="too weak"),
        pytest.param((200, 0, 8, 8), "outside the picture of 64 x 48 pixels", id="outside"),
        pytest.param((-9, 0, 9, 8), "outside the picture", id="left of it"),
        pytest.param((5, 5, 0, 8), r"the box \S+ is none; give left", id="no width"),
        pytest.param((float("nan"), 5, 4, 8), r"the box \S+ is none; give left", id="no number"),
    ],
)
def test_a_box_without_an_object_is_refused(box: tuple[float, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_object(DETECTOR, FRAME, box, min_score=0.3)


@pytest.mark.parametrize("box", [(0, 0, 8, 8), (200, 0, 8, 8), (5, 5, 0, 8)])
def test_what_is_refused_is_said_without_the_words_of_a_command(box: tuple[float, ...]) -> None:
    """The page says it, too."""
    with pytest.raises(ConfigError) as refused:
        find_object(DETECTOR, FRAME, box, min_score=0.95)
    assert "--" not in str(refused.value)


def test_where_nothing_is_seen_a_lower_score_is_proposed() -> None:
    blind = ScriptedDetector(lambda _: Detections.empty(), ("person",))
    with pytest.raises(ConfigError, match=r"it sees nothing; a lower detector\.min_score"):
        find_object(blind, FRAME, (10, 10, 20, 30), min_score=0.3)


def test_the_score_of_an_object_is_that_of_its_class_where_it_was() -> None:
    seen = find_object(DETECTOR, FRAME, (10, 10, 20, 30), min_score=0.1)
    assert score_of(FOUND, seen) == pytest.approx(0.9)
    assert score_of(FOUND[1:], seen) == 0
    assert score_of(Detections.empty(), seen) == 0


def test_networks_without_gradients_say_why_and_patches_work_all_the_same() -> None:
    networks = Explained(DETECTOR, "it knows no gradients", FakeEmbedder(), "nor does this")
    found = explain(networks, FRAME, (10, 10, 20, 30), Wanted(patch=COARSE), min_score=0.1)
    assert found.embedder is not None
    assert (found.detector.heat, found.detector.refused) == (None, "it knows no gradients")
    assert found.embedder.number == pytest.approx(1)
    told = figures(found)
    assert told["detector"]["no_heat"] == "it knows no gradients"
    assert told["detector"]["drop_in_box"] is None  # it fell nowhere
    assert (told["detector"]["largest_drop"], told["detector"]["largest_drop_at"]) == (0, None)
    assert set(drawn(found)) == {"explanation.png", "detector.png", "embedder.png"}


def test_without_an_embedder_there_is_the_detector_alone() -> None:
    networks = Explained(DETECTOR, "no gradients", None, "none")
    found = explain(networks, FRAME, (10, 10, 20, 30), Wanted(patch=COARSE), min_score=0.1)
    assert "embedder" not in figures(found)
    assert set(drawn(found)) == {"explanation.png", "detector.png"}


def test_a_detector_that_learns_is_refused() -> None:
    learner = ScriptedDetector(lambda _: FOUND, ("person",))
    learner.card = replace(learner.card, learns=True)
    with pytest.raises(ConfigError, match="judges a picture by those before it"):
        Explained(learner, "", None, "")


def test_a_feature_of_another_model_is_refused() -> None:
    networks = Explained(DETECTOR, "", FakeEmbedder(), "")
    with pytest.raises(ModelError, match="gives 4 numbers, the feature to compare with has 3"):
        explain(networks, FRAME, (10, 10, 20, 30), Wanted(patch=COARSE, other=np.ones(3, np.float32)), min_score=0.1)


def test_figures_say_how_much_lies_in_the_box_and_where_the_largest_drop_is() -> None:
    heat = np.zeros((48, 64), np.float32)
    heat[20, 20], heat[5, 60] = 3, 1
    drop = np.zeros((48, 64), np.float32)
    drop[30, 25], drop[5, 60], drop[6, 6] = 0.5, 0.25, -1
    seen = Seen(FOUND.boxes[0], 0, 0.9, "person")
    told = figures(Explanation(FRAME, seen, Reasons("net", 0.9, heat, "", drop), None))
    assert told["frame"] == 7
    assert told["box"] == [10, 10, 20, 30]
    assert told["detector"]["heat_in_box"] == 0.75
    assert told["detector"]["drop_in_box"] == pytest.approx(2 / 3, abs=1e-4)
    assert told["detector"]["largest_drop_at"] == [25, 30]


def test_where_every_patch_helps_nothing_is_lost_anywhere() -> None:
    """The largest of all drops is then the 0 of places that no patch hid."""
    drop = np.zeros((48, 64), np.float32)
    drop[10:40, 10:30] = -0.25
    seen = Seen(FOUND.boxes[0], 0, 0.9, "person")
    told = figures(Explanation(FRAME, seen, Reasons("net", 0.9, None, "", drop), None))["detector"]
    assert (told["largest_drop"], told["largest_drop_at"], told["drop_in_box"]) == (0, None, None)


class _Redness:
    """Questions whose score is the mean of red in the picture, 0..1."""

    def about(self, frame: Frame, box: FloatArray, label: int) -> Question:
        layer = nn.Conv2d(3, 1, 1, bias=False)
        layer.weight.data = torch.tensor([1.0, 0, 0])[None, :, None, None]
        inputs = torch.from_numpy(frame.image[..., ::-1] / np.float32(255)).permute(2, 0, 1)[None]
        whole = Placement((1.0, 1.0), (0, 0), frame.width, frame.height)
        return Question(inputs, lambda pictures: layer(pictures).mean((1, 2, 3)), layer, whole)


class _Blind:
    def about(self, frame: Frame, box: FloatArray, label: int) -> Question:
        raise ModelError("it sees nothing there; try another precision")


def of_two(questions: DetectorQuestions, *, least: float) -> Explanation:
    asked = FirstOfTwoQuestions(questions, first="one.onnx", second="two.onnx", least=least)
    red = replace(FRAME, picture=np.full((48, 64, 3), (0, 0, 102), np.uint8))  # .4
    return explain(Explained(DETECTOR, asked, None, ""), red, (10, 10, 20, 30), Wanted(patch=COARSE), min_score=0.1)


def test_of_two_networks_it_is_said_whose_heat_it_is() -> None:
    found = of_two(_Redness(), least=0.3)
    assert found.detector.heat is not None
    assert figures(found)["detector"]["heat_of"] == "one.onnx"
    assert set(drawn(found)) == {"explanation.png", "detector.png"}


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        pytest.param(_Redness(), "the first of two networks, is asked, whose score there is 0.4; ", id="weak"),
        pytest.param(_Blind(), "the first of two networks, is asked, which has no box there; ", id="no box"),
    ],
)
def test_what_only_the_second_network_sees_has_no_heat(questions: DetectorQuestions, message: str) -> None:
    told = figures(of_two(questions, least=0.5))["detector"]
    assert told["heat_in_box"] is None
    assert "heat_of" not in told
    assert message in told["no_heat"]
    assert told["no_heat"].endswith(
        "what two.onnx sees there is explained with it as detector.weights and without detector.fuse"
    )
