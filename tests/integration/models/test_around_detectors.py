"""What settings put around a real detector: suppression of each kind, a second detector, another light."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import build
from pipeline.config import SourceSettings, load_settings
from pipeline.errors import ConfigError
from pipeline.models.base import Detector
from pipeline.models.light import brightened
from trackers.geometry import iou_matrix
from trackers.structures import Frame

BUNDLED = ("detector.weights=bundled:person-vehicle-bicycle", "detector.precision=f32")


def detector(*changes: str) -> Detector:
    return build.detector(load_settings(None, [*BUNDLED, *changes]).detector)


@pytest.fixture(scope="module")
def frame(shared: Path) -> Frame:
    """Frame 20 of TUD-Campus: five people."""
    with build.source(str(shared / "data/mot15/TUD-Campus/video.mp4"), SourceSettings(), first_frame=20) as source:
        return next(iter(source))


def test_each_way_to_suppress_finds_the_same_people(frame: Frame) -> None:
    (plain,) = detector().detect([frame])
    sure = plain.boxes[plain.scores > 0.6]
    assert len(sure) >= 3
    for way in ("agnostic", "soft-linear", "soft-gaussian", "wbf"):
        (found,) = detector(f"detector.nms={way}").detect([frame])
        assert (np.diff(found.scores) <= 0).all()
        assert (found.scores >= np.float32(0.1)).all()
        assert iou_matrix(sure, found.boxes).max(axis=1).min() > 0.8, way
    (agnostic,) = detector("detector.nms=agnostic", "detector.nms_iou=0.3").detect([frame])
    overlaps = iou_matrix(agnostic.boxes, agnostic.boxes)
    assert overlaps[~np.eye(len(agnostic), dtype=bool)].max() <= 0.3


def test_a_second_detector_is_fused(frame: Frame, shared: Path) -> None:
    weights = shared / "weights/person-vehicle-bike-detection-2000/person-vehicle-bike-detection-2000.xml"
    fused = detector(f"detector.fuse={{weights: {weights}, names: {{bike: bicycle}}}}")
    assert fused.card.name == "person-vehicle-bicycle+person-vehicle-bike-detection-2000"
    (found,) = fused.detect([frame])
    alone = [one.detect([frame])[0] for one in (detector(), detector(f"detector.weights={weights}"))]
    assert 0 < len(found) < sum(map(len, alone))
    for one in alone:  # who both see is near where each of them sees him
        assert iou_matrix(found.boxes[:1], one.boxes).max() > 0.55
    with pytest.raises(ConfigError, match=r"detector\.fuse\.names: bus: vehicle"):
        detector(f"detector.fuse={{weights: {weights}, names: {{bus: vehicle}}}}")


def test_automatic_gamma_sees_in_the_dark_what_the_network_alone_does_not(frame: Frame) -> None:
    dark = replace(frame, picture=brightened(frame.image, 4.0))
    (plain,), (lit,) = detector().detect([dark]), detector("detector.light.gamma=auto").detect([dark])
    assert (lit.scores > 0.3).sum() > (plain.scores > 0.3).sum()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param("detector.nms=hard", r"detector\.nms", id="way"),
        pytest.param("detector.light.gamma=bright", r"detector\.light\.gamma", id="gamma"),
        pytest.param("detector.light.gamma=0", r"detector\.light\.gamma", id="no gamma"),
        pytest.param("detector.fuse={iou: 0.5}", r"detector\.fuse\.weights", id="no second"),
        pytest.param("detector.fuse={weights: a.onnx, shares: [1]}", r"detector\.fuse\.shares", id="one share"),
    ],
)
def test_wrong_settings_are_refused_by_their_name(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(None, [*BUNDLED, change])


def test_suppression_is_for_networks() -> None:
    with pytest.raises(ConfigError, match="backend motion has no setting nms"):
        load_settings(None, ["detector.backend=motion", "detector.nms=wbf"])
