"""`sightline demo` and `sightline doctor` as a new user meets them."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import av
import pytest

from pipeline.evaluation.benchmark import evaluate_folders
from pipeline.store.database import open_database
from pipeline.synthetic.scene import Scene
from tests.integration.command import Finished, call_main, sightline


@dataclass(frozen=True)
class Demo:
    """What `sightline demo --out out` left in a folder."""

    folder: Path
    seconds: int
    done: Finished


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(10, id="10 s"),
        pytest.param(60, id="60 s", marks=[pytest.mark.long, pytest.mark.timeout(600)]),  # what it is by default
    ],
)
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder, seconds = tmp_path_factory.mktemp("demo"), int(request.param)
    done = sightline("demo", "--out", "out", "--seconds", seconds, folder=folder, seconds=580)
    assert done.code == 0, done.err
    return Demo(folder, seconds, done)


def test_demo_tracks_the_plaza_and_says_where_everything_is(demo: Demo) -> None:
    """What happens in all of the default scene is counted by tests/unit/synthetic/test_scene.py."""
    said, out = demo.done.out, demo.folder / "out"
    scene = re.search(r"(\d+) walkers, (\d+) crossings, (\d+) full occlusions", said)
    assert scene is not None
    walkers, crossings, occlusions = map(int, scene.groups())
    assert walkers >= demo.seconds / 5
    assert occlusions >= demo.seconds / 6
    counts = Scene(seconds=demo.seconds).statistics()
    assert (walkers, crossings, occlusions) == (counts.walkers, counts.crossings, counts.full_occlusions)
    scores = evaluate_folders(out / "truth", out / "tracks").combined
    assert scores.identity.idf1 >= 0.82
    assert f"IDF1 {scores.identity.idf1:.3f}" in said
    for file in ("plaza.mp4", "plaza-tracks.mp4", "sightline.db"):
        assert f"out/{file}" in said
        assert (out / file).stat().st_size > 0
    with av.open(str(out / "plaza-tracks.mp4")) as video:
        assert video.streams.video[0].frames == 25 * demo.seconds


def test_demo_again_into_the_same_folder(demo: Demo, tmp_path: Path) -> None:
    shutil.copytree(demo.folder / "out", tmp_path / "out")
    assert call_main("demo", "--out", "out", "--seconds", 5, folder=tmp_path).code == 0
    assert not list(tmp_path.rglob("*.part"))
    with av.open(str(tmp_path / "out" / "plaza-tracks.mp4")) as video:
        assert video.streams.video[0].frames == 125


def test_demo_into_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    done = call_main("demo", "--out", "taken/demo", folder=tmp_path)
    assert done.code == 2
    assert "taken" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_the_version_is_told(tmp_path: Path) -> None:
    assert call_main("--version", folder=tmp_path).out == f"sightline {version('sightline')}\n"


def test_doctor_finds_what_a_run_needs(tmp_path: Path) -> None:
    done = sightline("doctor", folder=tmp_path)
    assert done.code == 0, done.out
    for word in ("openvino", "h264", "libx264", "will be made", "rtsp, hls, mpjpeg", "hardware decoding"):
        assert word in done.out
    assert re.search(r"shared memory\s+│ ok", done.out)
    assert re.search(rf"media folder\s+│ ok\s+│ {tmp_path}/runs/media, [\d.]+ GiB free", done.out)
    assert re.search(r"detector\s+│ ok\s+│ person-vehicle-bicycle \(openvino CPU \w+\) finds 3 of 3 people", done.out)
    assert re.search(r"embedder\s+│ ok\s+│ person-reid \(openvino CPU \w+\) knows 3 of 3 of them again", done.out)
    overlap = re.search(r"segmenter\s+│ ok\s+│ mask-rcnn \(torch CPU \w+\) draws masks .* by (\d+)%", done.out)
    assert overlap is not None
    assert int(overlap[1]) >= 60
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_is_wrong_with_a_database(tmp_path: Path) -> None:
    """Of others, tests/integration/store/test_store_database.py asks what says this."""
    done = call_main("doctor", "--database", "postgresql://me:s3cret@127.0.0.1:1/x", folder=tmp_path)
    assert done.code == 1
    assert re.search(r"database\s+│ bad", done.out)
    assert "s3cret" not in done.out
    open_database(tmp_path / "good.db").close()
    assert call_main("doctor", "--database", "good.db", folder=tmp_path).code == 0
