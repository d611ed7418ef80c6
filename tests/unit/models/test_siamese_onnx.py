"""The bundled Siamese network follows what it was shown, and other files are refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import build
from pipeline.bundled_models import resolved
from pipeline.errors import ModelError
from pipeline.models.onnx_weights import with_metadata
from pipeline.models.siamese_onnx import open_siamese
from pipeline.target_settings import SiameseSettings
from tests.unit.trackers.target_scenes import moving
from trackers.geometry import iou_pairs
from trackers.targets import LOST_SCORE

BUNDLED = Path(resolved("bundled:siamese"))
STARTS, STEPS = np.array([[40.0, 50.0], [200.0, 120.0]]), np.array([[2.5, 1.25], [-2.0, 0.5]])


def test_two_targets_are_followed_and_missed_when_they_are_gone() -> None:
    pictures = moving(24, starts=STARTS, steps=STEPS, hidden=range(18, 24))
    tracker = build.target_tracker(SiameseSettings())
    tracker.add(pictures.frames[0], pictures.boxes[0])
    overlaps, scores = [], []
    for number, frame in enumerate(pictures.frames[1:], start=1):
        found = tracker.update(frame)
        scores.append(found.scores)
        if number < 18:
            overlaps.append(iou_pairs(found.boxes, pictures.boxes[number]))
    assert np.min(overlaps) > 0.5
    assert np.mean(overlaps) > 0.65
    assert iou_pairs(pictures.boxes[0], pictures.boxes[17]).max() < 0.2  # it would not do to stay
    seen, gone = np.array(scores[:17]), np.array(scores[17:])
    assert seen.min() > LOST_SCORE
    assert gone.max() < seen.min()


def test_growing_targets_keep_their_boxes() -> None:
    pictures = moving(20, starts=np.array([[120.0, 80.0]]), steps=np.array([[1.0, 0.5]]), growth=1.025)
    tracker = build.target_tracker(SiameseSettings())
    tracker.add(pictures.frames[0], pictures.boxes[0])
    for frame in pictures.frames[1:]:
        found = tracker.update(frame)
    assert iou_pairs(found.boxes, pictures.boxes[-1])[0] > 0.6
    assert iou_pairs(found.boxes, pictures.boxes[0])[0] < 0.75  # it has grown to 1.6 times its side


def test_a_row_does_not_depend_on_its_batch() -> None:
    networks = open_siamese(BUNDLED)
    crops = [cv2.resize(moving(1, starts=STARTS, steps=STEPS).frames[0], (side, side)) for side in (127, 255)]
    templates, searches = (np.stack([crop, crop[::-1], crop[:, ::-1]]) for crop in crops)
    scores, distances = networks.compare(networks.template(templates), networks.search(searches))
    for row in range(3):
        maps = networks.template(templates[row : row + 1]), networks.search(searches[row : row + 1])
        score, distance = networks.compare(*maps)
        np.testing.assert_allclose(score[0], scores[row], atol=1e-4)
        np.testing.assert_allclose(distance[0], distances[row], rtol=1e-3, atol=1e-2)


def test_bfloat16_gives_nearly_the_same() -> None:
    crops = [cv2.resize(moving(1, starts=STARTS, steps=STEPS).frames[0], (side, side))[None] for side in (127, 255)]
    answers = []
    for precision in ("f32", "bf16"):
        networks = open_siamese(BUNDLED, precision=precision)
        answers.append(networks.compare(networks.template(crops[0]), networks.search(crops[1]))[0])
    assert np.abs(answers[0] - answers[1]).max() < 0.1
    assert answers[0].max() > 0.1


def test_what_is_no_siamese_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no Siamese network of ours"):
        open_siamese(resolved("bundled:person-reid"))
    with pytest.raises(ModelError, match="no weights file"):
        open_siamese(tmp_path / "absent.onnx")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(BUNDLED.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cut short"):
        open_siamese(cut)
    sideless = tmp_path / "sideless.onnx"
    sideless.write_bytes(with_metadata(BUNDLED.read_bytes(), {"search_size": "large"}))
    with pytest.raises(ModelError, match="says search_size 'large' of itself"):
        open_siamese(sideless)
    disguised = tmp_path / "disguised.onnx"
    told = {"task": "follow", "template_size": "127", "search_size": "255", "stride": "16"}
    disguised.write_bytes(with_metadata(Path(resolved("bundled:person-reid")).read_bytes(), told))
    with pytest.raises(ModelError, match="does not hold what `sightline train siamese` writes"):
        open_siamese(disguised)
    with pytest.raises(ModelError, match="precision 'f8' is unknown"):
        open_siamese(BUNDLED, precision="f8")
