"""`sightline demo` and `sightline doctor` as a new user meets them."""

from __future__ import annotations

import re
from pathlib import Path

import av

from pipeline.evaluation.benchmark import evaluate_folders
from pipeline.store.database import open_database
from tests.integration.command import sightline


def test_demo_tracks_the_plaza_and_says_where_everything_is(tmp_path: Path) -> None:
    done = sightline("demo", "--out", "out", folder=tmp_path, seconds=290)
    assert done.code == 0, done.err
    scene = re.search(r"(\d+) walkers, (\d+) crossings, (\d+) full occlusions", done.out)
    assert scene is not None
    walkers, crossings, occlusions = map(int, scene.groups())
    assert walkers >= 12
    assert crossings >= 15
    assert occlusions >= 10
    scores = evaluate_folders(tmp_path / "out" / "truth", tmp_path / "out" / "tracks").combined
    assert scores.identity.idf1 >= 0.75
    assert f"IDF1 {scores.identity.idf1:.3f}" in done.out
    for file in ("plaza.mp4", "plaza-tracks.mp4", "sightline.db"):
        assert f"out/{file}" in done.out
        assert (tmp_path / "out" / file).stat().st_size > 0
    with av.open(str(tmp_path / "out" / "plaza-tracks.mp4")) as video:
        assert video.streams.video[0].frames == 1500


def test_demo_again_into_the_same_folder(tmp_path: Path) -> None:
    for _ in range(2):
        assert sightline("demo", "--out", "out", "--seconds", 5, folder=tmp_path).code == 0
    assert not list(tmp_path.rglob("*.part"))


def test_demo_into_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    done = sightline("demo", "--out", "taken/demo", folder=tmp_path)
    assert done.code == 2
    assert "taken" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_doctor_finds_what_a_run_needs(tmp_path: Path) -> None:
    done = sightline("doctor", folder=tmp_path)
    assert done.code == 0, done.out
    for word in ("openvino", "h264", "libx264", "will be made", "rtsp, hls, mpjpeg", "hardware decoding"):
        assert word in done.out
    assert re.search(r"shared memory\s+│ ok", done.out)
    assert re.search(rf"media folder\s+│ ok\s+│ {tmp_path}/runs/media, [\d.]+ GiB free", done.out)
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_is_wrong_with_a_database(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("no database\n" * 100)
    done = sightline("doctor", "--database", "notes.db", folder=tmp_path)
    assert done.code == 1
    assert re.search(r"database\s+│ bad", done.out)
    done = sightline("doctor", "--database", "postgresql://me:s3cret@127.0.0.1:1/x", folder=tmp_path)
    assert done.code == 1
    assert "s3cret" not in done.out
    open_database(tmp_path / "good.db").close()
    assert sightline("doctor", "--database", "good.db", folder=tmp_path).code == 0
