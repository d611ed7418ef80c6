"""Hashes of what decides results are those of the version before, where nothing new is set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.camera_settings import WatchSettings
from pipeline.config import load_settings
from pipeline.deciding import as_before
from pipeline.follow_settings import StoredFollowSettings, follow_digest
from pipeline.outputs import Outputs
from pipeline.run_record import camera_detect_hash, detect_hash, differences, run_record
from pipeline.section import parse
from tests.fakes import FakeDetector, FakeEmbedder, FakeSource

# Settings, and what the hashes of a run, of a camera's detections and of a file's were before there were masks.
STORED = (
    (
        (),
        "e88f2d5bb5bb5ae37f0b9b2d9b9b53a4d8ba6f20578b448e2a7d58b93fa0a444",
        "5c1fcfaf38b7caccd5c9462edea7b9fc842303cb8b5d4036341035c90478a6b3",
        "f764173a7e3a1d243f8d611a35ea76cf6ae630e08120a3b08379e0a77624bafb",
    ),
    (
        ("detector.min_score=0.3", "tracker.lost_seconds=7"),
        "f2392db37cd8b297d471d36a154e63f84123cb892f85db2c11477f3c0a5e72a0",
        "70ff20415493530893577aaaef496d120b1f829e95d8d32419a3210624e027cf",
        "5d1c2a1d85c89c90352602177d8cfce25a9edc398b2032efdb28739f450f2489",
    ),
    (
        ("tracker.name=bytetrack",),
        "9c5bb9fdcb43471a5452bedeb22039c19172f46dd705e1234c64be7e205386c4",
        "5c1fcfaf38b7caccd5c9462edea7b9fc842303cb8b5d4036341035c90478a6b3",
        "f764173a7e3a1d243f8d611a35ea76cf6ae630e08120a3b08379e0a77624bafb",
    ),
)
FOLLOWED = "0e8e40c19d6262ea00d57183ce9a930e93302d8fa9b2a525c78c3a8ffbb6f76e"  # of a run that follows a target
NEW = (
    "detector.nms=agnostic",
    "detector.nms_sigma=0.4",
    "detector.schedule=adaptive",
    "detector.light.clahe=2",
    "detector.fuse.weights=b.onnx",
    "embedder.background=suppress",
    "embedder.when=asked",
    "embedder.refresh_seconds=1",
    "tracker.mask_weight=0.2",
    "tracker.cover_by=boxes",
    "tracker.points_in=boxes",
)
HINT = "is a setting new? write it into pipeline/deciding.py with the value at which it changes nothing"


@pytest.mark.parametrize(("said", "run", "camera", "file"), STORED)
def test_what_is_set_as_before_has_the_hash_of_before(said: tuple[str, ...], run: str, camera: str, file: str) -> None:
    settings, detector, embedder = load_settings(None, said), FakeDetector(), FakeEmbedder()
    assert run_record(settings, detector, embedder, Outputs()).settings_hash == run, HINT
    assert camera_detect_hash(settings, detector, embedder) == camera, HINT
    assert detect_hash(settings, FakeSource(0), detector, embedder) == file, HINT


def test_a_detector_that_pads_tightly_is_another_than_it_was() -> None:
    """The setting alone decides nothing: there are networks that cannot."""

    class Tight(FakeDetector):
        def __init__(self) -> None:
            super().__init__()
            self.card = replace(self.card, tight=True)

    (_, run, camera, _), *_ = STORED
    full = load_settings(None, ["detector.letterbox=full"])
    assert run_record(full, FakeDetector(), FakeEmbedder(), Outputs()).settings_hash == run
    settings = load_settings(None)
    assert camera_detect_hash(settings, Tight(), FakeEmbedder()) != camera
    assert run_record(settings, Tight(), FakeEmbedder(), Outputs()).settings_hash != run


def test_likewise_for_a_followed_target() -> None:
    values = {"target": {"name": "correlation"}, "follow": {"box": [1, 2, 3, 4]}}
    assert follow_digest(parse(values, StoredFollowSettings), {}) == FOLLOWED, HINT
    shown = parse({**values, "embedder": {"background": "suppress"}}, StoredFollowSettings)
    assert follow_digest(shown, {}) != FOLLOWED


def test_a_detector_that_gives_masks_is_another_than_it_was() -> None:
    """Of the same file boxes alone may be stored, which are not to be taken for those with masks."""

    class Outlining(FakeDetector):
        def __init__(self) -> None:
            super().__init__()
            self.card = replace(self.card, masks=True)

    settings = load_settings(None)
    (_, run, camera, _), *_ = STORED
    assert camera_detect_hash(settings, Outlining(), FakeEmbedder()) != camera
    assert run_record(settings, Outlining(), FakeEmbedder(), Outputs()).settings_hash != run


def test_what_a_schedule_goes_by_counts_with_it() -> None:
    def hashed(*said: str) -> str:
        settings = load_settings(None, ["detector.schedule=adaptive", *said])
        return run_record(settings, FakeDetector(), None, Outputs()).settings_hash

    assert len({hashed(), hashed("detector.adaptive.missed=1"), hashed("detector.adaptive.crowd=16")}) == 3


@pytest.mark.parametrize("said", NEW)
def test_what_is_new_and_set_counts(said: str) -> None:
    settings, detector, embedder = load_settings(None, [said]), FakeDetector(), FakeEmbedder()
    (_, run, camera, _), *_ = STORED
    assert run_record(settings, detector, embedder, Outputs()).settings_hash != run
    assert (camera_detect_hash(settings, detector, embedder) == camera) == said.startswith("tracker.")


def test_cameras_count_as_before_too() -> None:
    def hashed(**tracker: Any) -> str:
        gate = {"url": "rtsp://10.0.0.4/a", "tracker": {"name": "deepsort", **tracker}}
        settings = parse({"cameras": {"gate": gate}}, WatchSettings)
        told = as_before(settings.model_dump(mode="json"))["cameras"]["gate"]["tracker"]
        assert ("mask_weight" in told) == bool(tracker.get("mask_weight"))
        return run_record(settings, FakeDetector(), None, Outputs()).settings_hash

    assert hashed() == hashed(mask_weight=0.0) != hashed(mask_weight=0.3)


def test_only_what_changes_something_is_told() -> None:
    light = {"clahe": 2.0, "tiles": 8, "gamma": 1.0, "brightness": 0.4}
    detector = {"min_score": 0.1, "nms": "class-wise", "light": light}
    values = {"source": {"fps": 25.0}, "detector": detector, "tracker": {"cover_by": "boxes"}, "models": ["a"]}
    assert as_before(values) == {**values, "detector": {"min_score": 0.1, "light": {"clahe": 2.0}}}
    assert as_before({}) == {}


def test_a_run_of_before_differs_in_nothing() -> None:
    now = run_record(load_settings(None), FakeDetector(), None, Outputs()).settings
    before = {**as_before(now)}
    del before["segmenter"]
    assert differences(before, now) == []
    other = run_record(load_settings(None, ["detector.nms=wbf"]), FakeDetector(), None, Outputs()).settings
    assert differences(before, other) == ["detector.nms: None -> wbf"]
