"""`--config fast` looks at a quarter of the frames, `--config light` at all; both do well."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.pipeline_benchmark.benchmark import score_tracks
from tests.integration.command import call_main
from trackers.structures import Evidence

FRAMES = 240


def test_a_quarter_of_the_looks_tracks_nearly_as_well(pets: Path, tmp_path: Path) -> None:
    people = ["--config", "fast", "--set", "detector.keep=[person]"]
    told = ["--mot-out", "t.txt", "--report", "report.json", "--max-frames", FRAMES]
    done = call_main("run", pets / "video.mp4", *people, *told, folder=tmp_path)
    assert done.code == 0, done.err
    stages = json.loads((tmp_path / "report.json").read_text())["sources"][0]["stages"]
    assert stages["detect"]["frames"] == FRAMES / 4
    database = tmp_path / "runs" / "sightline.db"
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM media").fetchall()[0][0] >= 6  # crops of who was there
        known = Counter(Evidence(one) for (one,) in connection.execute("SELECT evidence FROM observations"))
    assert 2 < known[Evidence.INTERPOLATED] / known[Evidence.DETECTED] < 3.2
    assert known[Evidence.INTERPOLATED] + known[Evidence.DETECTED] > 0.9 * known.total()
    scores = score_tracks(pets / "gt" / "gt_at_video_scale.txt", tmp_path / "t.txt", frames=FRAMES)
    assert scores.hota.hota >= 0.4  # .44 found; .52 in all 795 frames


@pytest.mark.parametrize(
    ("detector", "settings", "least"),
    [
        ("person-vehicle-bicycle-int8", [], 0.43),  # .48 found; .54 in all 795 frames
        (
            "person-vehicle-bicycle-tiny-int8",
            [
                "--set",
                "detector.weights=bundled:person-vehicle-bicycle-tiny",
                "--set",
                "detector.input_size=[512, 512]",
            ],
            0.39,  # .43 found; .53 in all 795 frames
        ),
    ],
    ids=["usual", "narrower"],
)
def test_every_frame_is_looked_at(pets: Path, tmp_path: Path, detector: str, settings: list[str], least: float) -> None:
    people = ["--config", "light", "--set", "detector.keep=[person]", *settings]
    told = ["--mot-out", "t.txt", "--report", "report.json", "--max-frames", FRAMES]
    done = call_main("run", pets / "video.mp4", *people, *told, folder=tmp_path)
    assert done.code == 0, done.err
    assert f"{detector} (openvino CPU int8" in done.out
    stages = json.loads((tmp_path / "report.json").read_text())["sources"][0]["stages"]
    assert stages["detect"]["frames"] == FRAMES
    assert stages["embed"]["frames"] <= FRAMES
    scores = score_tracks(pets / "gt" / "gt_at_video_scale.txt", tmp_path / "t.txt", frames=FRAMES)
    assert scores.hota.hota >= least
