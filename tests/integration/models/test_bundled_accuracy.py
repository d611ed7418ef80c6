"""The bundled models on real pictures that they have not learned from: as good as their cards say, within a margin."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import build
from pipeline.config import SourceSettings, load_settings
from pipeline.models.base import Detector
from pipeline.sources.base import Source
from pipeline.trials.detector_trial import teacher_truth, try_detector
from pipeline.trials.embedder_trial import try_embedder
from pipeline.trials.mot_sequence import read_mot_sequence
from pipeline.trials.truth_set import read_truths, unmarked

TEACHER = "person-vehicle-bike-detection-2003"


def opened(address: str) -> Source:
    return build.source(address, SourceSettings())


def detector(*settings: str) -> Detector:
    return build.detector(load_settings("bundled", ["detector.min_score=0.01", *settings]).detector)


@pytest.mark.parametrize(
    ("truth", "every", "least"),
    [("mot15/TUD-Campus", 5, 0.55), ("mot15/PETS09-S2L1", 40, 0.60), ("coco-mini/val.json", 1, 0.25)],
)
def test_people_are_found(shared: Path, truth: str, every: int, least: float) -> None:
    truths = read_truths(shared / "data" / truth, opened=opened, every=every)
    result = try_detector(detector(), truths, classes="person")
    assert result.pooled.scores.mean_ap50 >= least


def test_vehicles_are_found_where_a_large_detector_finds_them(shared: Path) -> None:
    road = unmarked(str(shared / "data" / "videos" / "car-detection.mp4"), opened=opened, every=10)
    weights = shared / "weights" / TEACHER / f"{TEACHER}.xml"
    teacher = build.detector(load_settings(None, [f"detector.weights={weights}"]).detector)
    truth = teacher_truth(teacher, road, least_score=0.5)
    result = try_detector(detector(), [truth], classes="vehicle")
    assert result.pooled.scores.mean_ap50 >= 0.60


def test_people_are_told_apart(shared: Path) -> None:
    folders = [shared / "data" / "mot15" / name for name in ("PETS09-S2L1", "TUD-Campus")]
    embedder = build.embedder(load_settings("bundled", ["embedder.min_score=0"]).embedder)
    assert embedder is not None
    read = [read_mot_sequence(folder, opened) for folder in folders]
    assert try_embedder(embedder, read, opened=opened, every=5)[-1].auc >= 0.88
