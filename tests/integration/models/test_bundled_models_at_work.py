"""The bundled models on real pictures that they never learned from: what was measured on them, less a margin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline import build
from pipeline.config import SourceSettings, load_settings
from pipeline.models.base import Detector
from pipeline.run_record import stored_scores
from pipeline.sources.base import Source
from pipeline.store.database import open_database
from pipeline.store.tables import Run
from pipeline.trials.detector_trial import teacher_truth, try_detector
from pipeline.trials.embedder_trial import try_embedder
from pipeline.trials.mot_sequence import read_mot_sequence
from pipeline.trials.truth_set import TruthSet, read_truths, unmarked
from tests.integration.command import call_main

TEACHER = "person-vehicle-bike-detection-2003"


def opened(address: str) -> Source:
    return build.source(address, SourceSettings())


def detector(*settings: str) -> Detector:
    return build.detector(load_settings("default", ["detector.min_score=0.01", *settings]).detector)


@pytest.mark.parametrize(
    ("truth", "every", "least"),
    [
        ("mot15/TUD-Campus", 5, 0.70),
        ("mot15/PETS09-S2L1", 40, 0.82),
        pytest.param("coco-mini/val.json", 1, 0.29, marks=pytest.mark.long),
    ],
)
def test_people_are_found(shared: Path, truth: str, every: int, least: float) -> None:
    truths = read_truths(shared / "data" / truth, opened=opened, every=every)
    assert found(truths) >= least


def found(truths: list[TruthSet]) -> float:
    """AP50 of people."""
    return try_detector(detector(), truths, classes="person").pooled.scores.mean_ap50


@pytest.fixture
def photographs(shared: Path, tmp_path: Path) -> Path:
    """The 37 of COCO's 80 pictures that have one of two shapes: OpenVINO compiles a network anew for each."""
    coco = shared / "data" / "coco-mini"
    held = json.loads((coco / "val.json").read_text())
    held["images"] = [one for one in held["images"] if (one["width"], one["height"]) in ((480, 320), (480, 360))]
    kept = {one["id"] for one in held["images"]}
    held["annotations"] = [one for one in held["annotations"] if one["image_id"] in kept]
    (tmp_path / "val.json").write_text(json.dumps(held))
    (tmp_path / "images").symlink_to(coco / "images")
    return tmp_path / "val.json"


def test_people_are_found_in_photographs(photographs: Path) -> None:
    assert found(read_truths(photographs, opened=opened)) >= 0.28


@pytest.mark.parametrize(
    ("boxes", "least"),
    [
        pytest.param((), 0.18, id="its own"),
        pytest.param(("--detector", "bundled:person-vehicle-bicycle"), 0.15, id="of the bundled detector"),
    ],
)
def test_people_get_masks_in_photographs(
    photographs: Path, tmp_path: Path, boxes: tuple[str, ...], least: float
) -> None:
    """AP50 of masks, by the very command that the card names."""
    words = (
        "evaluate",
        "masks",
        "--weights",
        "bundled:mask-rcnn",
        *boxes,
        "--truth",
        photographs,
        "--classes",
        "person",
    )
    done = call_main(*words, "--set", "detector.nms_iou=0.5", "--json", "out.json", folder=tmp_path)
    assert done.code == 0, done.err
    (person,) = json.loads((tmp_path / "out.json").read_text())[0]["scores"]
    assert person["masks"]["ap50"] >= least


def test_vehicles_are_found_where_a_large_detector_finds_them(shared: Path) -> None:
    road = unmarked(str(shared / "data" / "videos" / "car-detection.mp4"), opened=opened, every=10)
    weights = shared / "weights" / TEACHER / f"{TEACHER}.xml"
    exact = "detector.precision=f32"  # on all processors the same cars lie just above and below 0.5
    teacher = build.detector(load_settings(None, [f"detector.weights={weights}", exact]).detector)
    truth = teacher_truth(teacher, road, least_score=0.5)
    result = try_detector(detector(exact), [truth], classes="vehicle")
    assert result.pooled.scores.mean_ap50 >= 0.85


def test_people_are_told_apart(shared: Path) -> None:
    folders = [shared / "data" / "mot15" / name for name in ("PETS09-S2L1", "TUD-Campus")]
    embedder = build.embedder(load_settings("default", ["embedder.min_score=0"]).embedder)
    assert embedder is not None
    read = [read_mot_sequence(folder, opened) for folder in folders]
    assert try_embedder(embedder, read, opened=opened, every=5)[-1].auc >= 0.88


def test_a_run_goes_by_what_the_file_says_its_scores_are_worth(shared: Path, tmp_path: Path) -> None:
    known = detector().card.calibration
    assert known is not None
    assert len(known) > 5
    video = shared / "data" / "mot15" / "TUD-Campus" / "video.mp4"
    words = ("run", video, "--max-frames", 12, "--database", "a.db")
    assert call_main(*words, folder=tmp_path).code == 0
    for change in ("tracker.lost_seconds=1", "tracker.name=bytetrack", "tracker.name=deepsort"):
        done = call_main("retrack", "last", "--set", change, "--database", "a.db", folder=tmp_path)
        assert done.code == 0, done.err
    with open_database(tmp_path / "a.db") as store, store.read() as connection:
        kept = connection.scalars(select(Run.settings).order_by(Run.id)).all()
    maps = [one["tracker"].get("calibration") for one in kept]
    assert [stored_scores(one) for one in kept] == [known] * 4
    assert maps == [[list(pair) for pair in known]] * 2 + [None] + [[list(pair) for pair in known]]


def test_what_scores_are_worth_is_written_by_the_command(tmp_path: Path) -> None:
    (tmp_path / "scores.yaml").write_text("tracker:\n  calibration: [[0.1, 0.2], [0.5, 0.9]]\n")
    words = ("export", "bundled:person-vehicle-bicycle", "--out", "a.onnx", "--scores")
    done = call_main(*words, "scores.yaml", folder=tmp_path)
    assert done.code == 0, done.err
    assert detector(f"detector.weights={tmp_path / 'a.onnx'}").card.calibration == ((0.1, 0.2), (0.5, 0.9))
    (tmp_path / "none.yaml").write_text("tracker: {lost_seconds: 2}\n")
    done = call_main(*words, "none.yaml", folder=tmp_path)
    assert (done.code, "it has no tracker.calibration" in done.err) == (2, True)
