"""`sightline follow`: from a box to boxes, scores and a video, and what cannot be followed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import av
import cv2
import numpy as np
import pytest

from pipeline import build
from pipeline.config import SourceSettings
from pipeline.evaluation.sot_files import read_truth
from pipeline.following import Following
from pipeline.sinks.h264_file import H264File
from pipeline.target_settings import TargetSettings
from pipeline.tracker_names import TargetName
from tests.integration.command import call_main, sightline
from tests.unit.trackers.target_scenes import Pictures, moving
from trackers.geometry import from_xywh, iou_pairs, to_xywh
from trackers.mosse import Mosse
from trackers.targets import LOST_SCORE

NAMES = ("mosse", "correlation", "flow")


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return moving(24, starts=np.array([[40.0, 50.0]]), steps=np.array([[3.0, 1.5]]), hidden=range(18, 24))


@pytest.fixture
def clip(tmp_path: Path, pictures: Pictures) -> Path:
    path = tmp_path / "clip.mp4"
    with H264File(path, quality=12) as video:
        for number, frame in enumerate(pictures.frames):
            video.write(frame, number / 25)
    return path


def given(pictures: Pictures, frame: int = 0) -> str:
    return ",".join(f"{value:g}" for value in to_xywh(pictures.boxes[frame])[0])


@pytest.mark.parametrize("tracker", NAMES)
def test_a_target_is_followed_and_lost(clip: Path, pictures: Pictures, tmp_path: Path, tracker: str) -> None:
    strict = ("--set", "target.lost_share=0.6") if tracker == "correlation" else ()  # all here is of one texture
    done = call_main(
        "follow", clip, "--box", given(pictures), "--tracker", tracker, "--out", "b.txt", "--video-out", "v.mp4",
        *strict, folder=tmp_path,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "followed  24 pictures, lost in" in done.out
    rows = np.loadtxt(tmp_path / "b.txt", delimiter=",")
    assert rows.shape == (24, 5)
    np.testing.assert_allclose(rows[0], [*to_xywh(pictures.boxes[0])[0], 1], atol=0.01)
    assert iou_pairs(from_xywh(rows[:18, :4]), pictures.boxes[:18, 0]).min() > 0.7
    assert rows[19:, 4].max() < rows[:18, 4].min()
    info = json.loads((tmp_path / "b.txt.json").read_text())
    assert info["tracker"] == tracker
    assert info["frames_per_second"] > 0
    with av.open(str(tmp_path / "v.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 24


def test_siamese_networks_follow(clip: Path, pictures: Pictures, shared: Path, tmp_path: Path) -> None:
    folder = shared / "weights" / "nanotrack_v2"
    files = [f"target.{part}={folder}/nanotrack_{part}_sim.onnx" for part in ("backbone", "head")]
    words = ("--tracker", "siamese", "--set", files[0], "--set", files[1], "--out", "b.txt")
    done = call_main("follow", clip, "--box", given(pictures), *words, folder=tmp_path)
    assert done.code == 0, done.err
    rows = np.loadtxt(tmp_path / "b.txt", delimiter=",")
    assert iou_pairs(from_xywh(rows[:18, :4]), pictures.boxes[:18, 0]).min() > 0.5
    assert rows[19:, 4].max() < rows[:18, 4].min()


def test_a_classifier_on_the_bundled_detector_follows(clip: Path, pictures: Pictures, tmp_path: Path) -> None:
    words = ("--tracker", "mdnet", "--set", "target.candidates=128", "--max-frames", 8, "--out", "b.txt")
    done = call_main("follow", clip, "--box", given(pictures), *words, folder=tmp_path)
    assert done.code == 0, done.err
    rows = np.loadtxt(tmp_path / "b.txt", delimiter=",")
    assert iou_pairs(from_xywh(rows[:, :4]), pictures.boxes[:8, 0]).min() > 0.6
    assert iou_pairs(pictures.boxes[0], pictures.boxes[7])[0] < 0.3  # it would not do to stay
    assert rows[:, 4].min() > LOST_SCORE
    info = json.loads((tmp_path / "b.txt.json").read_text())
    assert (info["tracker"], info["settings"]["candidates"]) == ("mdnet", 128)


def test_every_tracker_of_the_settings_is_offered() -> None:
    members = get_args(get_args(TargetSettings)[0])
    assert {member.model_fields["name"].default for member in members} == set(get_args(TargetName))


def test_it_begins_where_it_is_told(clip: Path, pictures: Pictures, tmp_path: Path) -> None:
    for limit in (("--max-frames", 5), ("--set", "source.max_frames=5")):
        words = ("--start-frame", 10, *limit, "--tracker", "mosse", "--out", "b.txt")
        done = call_main("follow", clip, "--box", given(pictures, 10), *words, folder=tmp_path)
        assert done.code == 0, done.err
        rows = np.loadtxt(tmp_path / "b.txt", delimiter=",")
        assert len(rows) == 5
    assert iou_pairs(from_xywh(rows[:, :4]), pictures.boxes[10:15, 0]).min() > 0.8


def test_settings_reach_the_tracker(clip: Path, pictures: Pictures, tmp_path: Path) -> None:
    done = call_main(
        "follow", clip, "--box", given(pictures), "--set", "target.profile=fast", "--out", "b.txt", folder=tmp_path
    )
    assert done.code == 0, done.err
    info = json.loads((tmp_path / "b.txt.json").read_text())
    assert (info["tracker"], info["settings"]["profile"]) == ("correlation", "fast")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--box", "400,10,40,40"), "outside the picture of 320 x 240"),
        (("--box", "10,10,0,40"), "smaller than 3 x 3"),
        (("--box", "-20,-20,360,280"), "larger than the picture"),
        (("--box", "10,10,nan,40"), "no number"),
        (("--box", "10,10,40"), "is not X,Y,W,H"),
        ((), "--box X,Y,W,H, or --select to draw it"),
        (("--box", "10,10,40,40", "--select"), "one of them"),
        (("--box", "10,10,40,40", "--start-frame", "900"), "cannot be read from frame 900 on"),
        (("--box", "10,10,40,40", "--set", "target.profil=fast"), "target.profil"),
        (("--box", "10,10,40,40", "--out", "clip.mp4"), "would overwrite a source"),
        (("--box", "10,10,40,40", "--video-out", "clip.mp4"), "would overwrite a source"),
        (("--box", "10,10,40,40", "--out", "/dev/full"), "is a device or a pipe"),
        (("--box", "10,10,40,40", "--set", "tracker.name=sort"), "unknown setting tracker"),
        (("--box", "10,10,40,40", "--set", "target.lost_share=0.9"), "must not be above learn_share"),
        (("--box", "10,10,40,40", "--tracker", "mosse", "--set", "target.lost_ratio=30"), "must be below sure_ratio"),
        (
            ("--box", "10,10,40,40", "--tracker", "siamese", "--set", "target.head=head.onnx"),
            "set target.backbone, too",
        ),
        (
            ("--box", "10,10,40,40", "--tracker", "mdnet", "--set", "target.weights=bundled:people"),
            "no model 'people' comes with Sightline",
        ),
        (("--box", "10,10,40,40", "--out", "same.mp4", "--video-out", "same.mp4"), "would overwrite"),
    ],
)
def test_what_cannot_be_followed_is_told(clip: Path, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = call_main("follow", clip, *words, folder=tmp_path)
    assert done.code == 2, done.out
    assert told in done.err
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4"}


def test_what_was_followed_before_the_damage_is_kept(pictures: Pictures, tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    folder.mkdir()
    for number, frame in enumerate(pictures.frames[:8]):
        assert cv2.imwrite(str(folder / f"{number:03}.png"), frame)
    (folder / "006.png").write_bytes(b"this is no picture")
    done = call_main(
        "follow", folder, "--box", given(pictures), "--tracker", "mosse", "--out", "b.txt", folder=tmp_path
    )
    assert done.code == 1
    assert "006.png" in done.err
    assert len(np.loadtxt(tmp_path / "b.txt", delimiter=",")) == 6


def test_ctrl_c_keeps_what_was_followed(clip: Path, pictures: Pictures, tmp_path: Path) -> None:
    work = Following(build.source(str(clip), SourceSettings()), Mosse(), pictures.boxes[0, 0])
    steps = iter(work)
    seen = [next(steps), next(steps)]
    work.stop()  # as the signal handler does
    seen += list(steps)
    assert work.stopped
    assert 2 <= len(seen) < len(pictures.frames)
    assert work.damage is None


def test_a_real_target_is_followed_as_well_as_it_is_scored(shared: Path, tmp_path: Path) -> None:
    place = shared / "data" / "sot" / "Crossing"
    truth = read_truth(place / "groundtruth.txt")
    box = ",".join(f"{value:g}" for value in to_xywh(truth.boxes[:1])[0])
    assert sightline("follow", place / "video.mp4", "--box", box, "--out", "b.txt", folder=tmp_path).code == 0
    words = ("evaluate", "sot", "--truth", place / "groundtruth.txt", "--boxes", "b.txt", "--json", "s.json")
    done = call_main(*words, folder=tmp_path)
    assert done.code == 0, done.err
    assert "Followed by correlation" in done.out
    assert json.loads((tmp_path / "s.json").read_text())["MEAN"]["auc"] > 0.65
