"""Explanations of real networks on real pictures: heat lies on the object, and a patch takes away what it hides."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import build
from pipeline.config import DetectorSettings, EmbedderSettings, SourceSettings
from pipeline.explain.explanation import Explained, Wanted, explain, figures
from pipeline.explain.grad_cam import Method, heat_map
from pipeline.explain.occlusion import Patch
from tests.integration.command import call_main
from trackers.structures import Frame

DETECTOR, EMBEDDER = "bundled:person-vehicle-bicycle", "bundled:person-reid"
WALKER = (295, 205, 72, 141)  # in frame 20 of TUD-Campus: x, y, width, height
COARSE = Patch(side=0.4, step=0.3)


@pytest.fixture(scope="module")
def frame(shared: Path) -> Frame:
    """Frame 20 of TUD-Campus, where one walks apart from the others."""
    with build.source(str(shared / "data/mot15/TUD-Campus/video.mp4"), SourceSettings(), first_frame=20) as source:
        return next(iter(source))


@pytest.fixture(scope="module")
def networks() -> Explained:
    """The bundled ones."""
    return build.explained(
        DetectorSettings(weights=DETECTOR, precision="f32"), EmbedderSettings(weights=EMBEDDER, precision="f32")
    )


def test_heat_and_loss_lie_on_the_object(frame: Frame, networks: Explained) -> None:
    found = explain(networks, frame, WALKER, Wanted(patch=COARSE), min_score=0.1)
    told = figures(found)
    assert told["class"] == "person"
    assert told["detector"]["heat_in_box"] > 0.9
    assert told["detector"]["drop_in_box"] > 0.6
    assert told["detector"]["largest_drop"] > 0.2
    left, top, width, height = WALKER
    x, y = told["detector"]["largest_drop_at"]
    assert left <= x <= left + width
    assert top <= y <= top + height
    assert told["embedder"]["largest_drop"] > 0.05
    assert found.embedder is not None
    assert found.embedder.heat is not None
    columns = found.embedder.heat[top : top + height, left : left + width].mean(axis=0)  # the box is all that is seen
    assert columns[width // 3 : 2 * width // 3].mean() > 1.15 * columns.mean()  # and somebody stands in its middle


def test_gradients_are_of_the_number_that_the_detector_gives(frame: Frame, networks: Explained) -> None:
    assert not isinstance(networks.detector_questions, str)
    found = networks.detector.detect([frame])[0]
    question = networks.detector_questions.about(frame, found.boxes[0], int(found.labels[0]))
    with torch.no_grad():
        score = float(question.score(question.inputs)[0])
    assert score == pytest.approx(float(found.scores[0]), abs=0.02)


def test_one_weight_a_channel_shows_others_too(frame: Frame, networks: Explained) -> None:
    """Why `places` is the default: Grad-CAM's mean gradient cannot tell one person from another."""
    assert not isinstance(networks.detector_questions, str)
    found = networks.detector.detect([frame])[0]
    question = networks.detector_questions.about(frame, found.boxes[0], int(found.labels[0]))
    left, top, right, bottom = found.boxes[0].astype(int)
    shares = []
    for method in (Method.PLACES, Method.GRAD_CAM):
        heat = heat_map(question, method)
        shares.append(float(heat[top:bottom, left:right].sum() / heat.sum()))
    assert shares[0] > 0.8 > shares[1]


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("fasterrcnn_mobilenet_v3_large_320_fpn", None),
        ("ssdlite320_mobilenet_v3_large", None),
        pytest.param("retinanet_resnet50_fpn", 224, marks=pytest.mark.long),
    ],
)
def test_torchvisions_detectors_can_be_asked(frame: Frame, name: str, side: int | None) -> None:
    """Random networks, that hardly move their proposals: what is asked is the score that they gave."""
    settings = DetectorSettings(backend="torchvision", architecture=name, weights="none", nms_iou=1.0, min_score=0.0)
    size = None if side is None else (side, side)
    settings = settings.model_copy(update={"max_detections": 5, "input_size": size})
    networks = build.explained(settings, EmbedderSettings())
    assert not isinstance(networks.detector_questions, str)
    found = networks.detector.detect([frame])[0][:1]
    question = networks.detector_questions.about(frame, found.boxes[0], int(found.labels[0]))
    heat = heat_map(question, Method.PLACES)
    assert heat.shape == (frame.height, frame.width)
    assert np.isfinite(heat).all()
    with torch.no_grad():
        score = float(question.score(question.inputs)[0])
    assert score == pytest.approx(float(found.scores[0]), abs=1e-4)


def test_the_command_writes_pictures_and_numbers(shared: Path, tmp_path: Path) -> None:
    """With a network that knows no gradients: patches alone, and a sentence that says so."""
    video = shared / "data/mot15/TUD-Campus/video.mp4"
    weights = shared / "weights/person-vehicle-bike-detection-2000/person-vehicle-bike-detection-2000.xml"
    box = ",".join(map(str, WALKER))
    words = ("explain", video, "--frame", 20, "--out", "why", "--set", f"detector.weights={weights}")
    done = call_main(*words, "--box", box, folder=tmp_path)
    assert done.code == 0, done.err
    assert "no heat map of the detector: person-vehicle-bike-detection-2000.xml" in done.out
    assert "gradients are known of" in done.out
    told = json.loads((tmp_path / "why/explanation.json").read_text(encoding="utf-8"))
    assert told["detector"]["heat_in_box"] is None
    assert told["detector"]["drop_in_box"] > 0.5
    assert (tmp_path / "why/explanation.png").read_bytes().startswith(b"\x89PNG")
    nobody = call_main(*words, "--box", "5,5,20,20", folder=tmp_path)
    assert nobody.code == 2
    assert "--box 5,5,20,20: frame 20: person-vehicle-bike-detection-2000 sees no object" in nobody.err
    late = call_main("explain", video, "--frame", 500, "--box", box, folder=tmp_path)
    assert late.code == 2
    assert "it cannot be read from frame 500 on" in late.err
