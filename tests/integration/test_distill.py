"""`sightline distill` as a user calls it, with real teachers and real videos."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
import torch

from pipeline.training.detection_data import read_training_pictures
from pipeline.training.embedder_file import read_safetensors
from tests.integration.command import call_main
from tests.unit.training.walker_crops import walker_crops

DETECTOR = "weights/person-vehicle-bike-detection-2000/person-vehicle-bike-detection-2000.xml"
EMBEDDER = "weights/person-reidentification-retail-0286/person-reidentification-retail-0286.xml"
CLIP = "data/videos/one-by-one-person-detection.mp4"
CLASSES = ("--classes", "person,vehicle,bicycle=bike")


def test_a_video_becomes_a_set_to_train_on(shared: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    words = ("distill", "detector", shared / CLIP, broken, "--teacher", shared / DETECTOR, "--out", "set", *CLASSES)
    words = (*words, "--set", "source.max_frames=150", "--every", 0.4, "--image-size", 320)
    done = call_main(*words, folder=tmp_path)
    assert done.code == 1, done.err  # a source is missing
    assert "broken.mp4: 0 pictures" in done.out
    names, pictures, _ = read_training_pictures(tmp_path / "set" / "data.yaml")
    assert names == ("person", "vehicle", "bicycle")
    assert sum(len(picture.labels) for picture in pictures) >= 5
    assert max(picture.width for picture in pictures) == 320
    manifest = json.loads((tmp_path / "set" / "manifest.json").read_text())
    assert manifest["settings"]["teacher"]["name"] == "person-vehicle-bike-detection-2000"
    again = call_main(*words, folder=tmp_path)
    assert again.code == 2
    assert "--resume goes on" in again.err
    assert call_main(*words, "--resume", folder=tmp_path).out == done.out
    other = call_main(*words, "--resume", "--min-score", 0.6, folder=tmp_path)
    assert "min_score is 0.5 there and 0.6 here" in other.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((CLIP, "--teacher", EMBEDDER), "person-reidentification-retail-0286"),  # an embedder finds nothing
        ((CLIP, "--teacher", DETECTOR, "--classes", "cat"), "asks for cat"),
        (("--teacher", DETECTOR), "nothing to label"),
        ((CLIP,), "no detector is chosen"),
        ((CLIP, "--teacher", DETECTOR, "--min-score", "0.1"), "must rise"),
        ((CLIP, "--teacher", DETECTOR, "--min-score", "0.99", "--set", "source.max_frames=20"), "found no object"),
        ((CLIP, "--teacher", DETECTOR, "--add-classes", "person"), "belong together"),
    ],
)
def test_what_cannot_be_labelled(shared: Path, tmp_path: Path, words: tuple[str, ...], reason: str) -> None:
    places = [shared / word if word in (CLIP, DETECTOR, EMBEDDER) else word for word in words]
    done = call_main("distill", "detector", *places, "--out", "set", folder=tmp_path)
    assert done.code == 2
    assert reason in done.err
    assert done.err.startswith("error: ")


def crop_folder(folder: Path) -> Path:
    """A folder of crops, a folder a walker."""
    crops = walker_crops((48, 24), seed=1, frames=30)
    for number, (picture, identity) in enumerate(zip(crops.pictures, crops.identities.tolist(), strict=True)):
        (folder / str(identity)).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / str(identity) / f"{number}.png"), picture)
    return folder


def test_an_embedder_is_taught(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    crop_folder(tmp_path / "crops")
    words = (
        "distill",
        "embedder",
        "--crops",
        "crops",
        "--set",
        "embedder.backend=colour",
        "--epochs",
        2,
        "--batch",
        32,
    )
    done = call_main(*words, "--out", "student", "--size", "64x32", "--dimension", 32, folder=tmp_path)
    assert done.code == 0, done.err
    assert "rank agreement" in done.out
    student = read_safetensors(tmp_path / "student" / "best.safetensors")
    assert (student.plan.input_size, student.plan.dimension) == ((64, 32), 32)
    onwards = ("--student", tmp_path / "student" / "best.onnx", "--out", "second", "--views", 1)
    done = call_main(*words, *onwards, folder=tmp_path)
    torch.set_num_threads(before)
    assert done.code == 0, done.err
    assert (tmp_path / "second" / "teacher.f16").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((CLIP, "--detector", DETECTOR, "--teacher", DETECTOR), "is no embedder"),
        ((CLIP, "--detector", DETECTOR), "there is no teacher"),
        ((CLIP, "--teacher", EMBEDDER), "no detector is chosen"),
        ((CLIP, "--detector", DETECTOR, "--teacher", EMBEDDER, "--classes", "cat"), "asks for cat"),
        (("--teacher", EMBEDDER), "nothing to learn from"),
        (("broken.mp4", "--detector", DETECTOR, "--teacher", EMBEDDER), "no source can be read"),
        (("--teacher", EMBEDDER, "--crops", "nowhere"), "is no folder"),
        (("--teacher", EMBEDDER, "--crops", "nowhere", "--size", "tall"), "such as 128x64"),
    ],
)
def test_what_cannot_be_taught(shared: Path, tmp_path: Path, words: tuple[str, ...], reason: str) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    places = [shared / word if word in (CLIP, DETECTOR, EMBEDDER) else word for word in words]
    done = call_main("distill", "embedder", *places, "--out", "student", folder=tmp_path)
    assert done.code == 2
    assert reason in done.err
