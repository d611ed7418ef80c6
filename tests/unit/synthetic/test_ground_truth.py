"""The truth as MOTChallenge files, read back and scored by the benchmark's rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import OutputError
from pipeline.evaluation.benchmark import Benchmark, evaluate_files
from pipeline.evaluation.sequences import Layout, SequenceBoxes, read_truth, write_tracks
from pipeline.evaluation.sidecars import read_seqinfo
from pipeline.synthetic.ground_truth import DISTRACTOR, PEDESTRIAN, to_sequence, write_truth
from pipeline.synthetic.scene import Scene


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(seconds=30, size=(640, 360), fps=12.5)


def test_reads_back_as_written(scene: Scene, tmp_path: Path) -> None:
    truths = list(scene.truths())
    path = write_truth(tmp_path / "plaza", scene, truths)
    info = read_seqinfo(tmp_path / "plaza" / "seqinfo.ini")
    assert (info.name, info.frame_rate, info.length, info.width, info.height) == ("plaza", 12.5, 375, 640, 360)
    rows = read_truth(path, layout=Layout.CLASS)
    assert len(rows) == sum(len(truth) for truth in truths)
    last = max((truth for truth in truths if len(truth)), key=lambda truth: truth.index)
    mine = rows[rows.frames == last.index + 1]
    np.testing.assert_array_equal(mine.ids, last.ids)
    np.testing.assert_array_equal(mine.boxes, last.boxes)
    np.testing.assert_allclose(mine.visibility, last.visibility, atol=1e-4)


def test_hidden_walkers_are_there_and_do_not_count(scene: Scene) -> None:
    rows = to_sequence(scene.truths())
    hidden = rows.visibility <= 0.05
    assert hidden.sum() > 20
    assert set(rows.classes[hidden]) == {DISTRACTOR}
    assert set(rows.scores[hidden]) == {0.0}
    assert set(rows.classes[~hidden]) == {PEDESTRIAN}
    assert set(rows.scores[~hidden]) == {1.0}


@pytest.mark.parametrize("silent", [False, True], ids=["reports hidden walkers", "is silent about them"])
def test_a_perfect_tracker_is_perfect_whatever_it_does_with_hidden_walkers(
    silent: bool, scene: Scene, tmp_path: Path
) -> None:
    path = write_truth(tmp_path, scene, scene.truths())
    rows = to_sequence(scene.truths())
    write_tracks(tmp_path / "tracks.txt", rows[rows.scores > 0] if silent else as_tracks(rows))
    scores = evaluate_files(path, tmp_path / "tracks.txt", benchmark=Benchmark.MOT17).combined
    assert (scores.identity.idfp, scores.identity.idfn) == (0, 0)
    assert (scores.clear.fp, scores.clear.fn, scores.clear.idsw) == (0, 0, 0)


def as_tracks(rows: SequenceBoxes) -> SequenceBoxes:
    ones = np.ones(len(rows))
    return SequenceBoxes(rows.frames, rows.ids, rows.boxes, ones, np.full(len(rows), PEDESTRIAN), ones)


def test_an_empty_scene_is_an_empty_file(tmp_path: Path) -> None:
    scene = Scene(seconds=0.2, size=(64, 48))
    path = write_truth(tmp_path / "short", scene, scene.truths())
    assert path.read_text() == ""
    assert len(to_sequence([])) == 0


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    scene = Scene(seconds=0.2, size=(64, 48))
    with pytest.raises(OutputError, match="cannot be created"):
        write_truth(tmp_path / "file", scene, scene.truths())
