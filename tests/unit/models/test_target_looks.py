"""Detectors and embedders for a follower of single targets."""

from __future__ import annotations

import numpy as np

from pipeline.models.colour import ColourEmbedder
from pipeline.models.motion import MotionDetector
from pipeline.models.target_looks import DetectedCandidates, EmbeddedLooks

PICTURE = np.zeros((60, 80, 3), np.uint8)
PICTURE[:, 40:] = (0, 0, 200)
LEFT, RIGHT = [0.0, 0, 30, 60], [45.0, 0, 75, 60]


def test_looks_are_those_of_the_embedder() -> None:
    looks = EmbeddedLooks(ColourEmbedder())(PICTURE, np.array([LEFT, RIGHT, [50.0, 5, 70, 50]]))
    np.testing.assert_allclose(np.linalg.norm(looks, axis=1), 1, atol=1e-6)
    assert looks[1] @ looks[2] > looks[1] @ looks[0] + 0.3


def test_beyond_the_picture_the_nearest_pixels_are_seen() -> None:
    looks = EmbeddedLooks(ColourEmbedder())(PICTURE, np.array([RIGHT, [200.0, 10, 230, 40]]))
    assert looks[0] @ looks[1] > 0.9


def test_no_boxes_have_no_looks() -> None:
    assert len(EmbeddedLooks(ColourEmbedder())(PICTURE, np.zeros((0, 4)))) == 0


def test_candidates_are_what_the_detector_sees() -> None:
    assert len(DetectedCandidates(MotionDetector())(PICTURE)) == 0  # nothing moves in a first picture
