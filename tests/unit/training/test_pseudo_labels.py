"""Pseudo-labels with a teacher that is scripted: what is written, what is left out, and going on after the end."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import ConfigError, DamagedSourceError, FormatError, SourceError, TrainingError
from pipeline.training.class_map import ClassMap
from pipeline.training.harvest import Harvest, refuse_empty
from pipeline.training.kept_labels import read_set
from pipeline.training.label_set import LabelSet
from pipeline.training.labelling_rules import Rules
from pipeline.training.pseudo_labels import PseudoLabels
from tests.fakes import FakeSource, ScriptedDetector
from trackers.calibration import ScoreCalibration
from trackers.deepsort import DeepSort
from trackers.refine import Refinement, refine
from trackers.structures import Detections

THEIRS = ("person", "bike")


def quiet(done: int, total: int | None) -> None:
    pass


def found(*rows: tuple[float, float, int]) -> Detections:
    """Boxes 20 x 30 pixels with left side, score and label."""
    boxes = np.array([(left, 10, left + 20, 40) for left, _, _ in rows], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score, _ in rows], np.float32)
    return Detections(boxes, scores, np.array([label for *_, label in rows], np.int64))


def walker(index: int) -> Detections:
    """Somebody walks; in frame 10 something else flickers, in frames 20 to 22 the teacher is not sure."""
    rows = [(5.0 + index, 0.3 if index in (20, 21, 22) else 0.8, 0)]
    return found(*rows, (130.0, 0.9, 0)) if index == 10 else found(*rows)


def teach(
    out: Path, script: ScriptedDetector, rules: Rules, *, classes: str | None = None, resume: bool = False
) -> tuple[PseudoLabels, LabelSet]:
    labels = LabelSet.begin(out, {"rules": repr(rules)}, resume=resume)
    known = ClassMap.parse(classes, [*THEIRS, "car"] if classes else THEIRS)
    work = PseudoLabels(
        script,
        known,
        rules,
        labels,
        new_tracker=lambda: DeepSort(
            calibration=ScoreCalibration(known=((0.0, 1.0), (0.0, 1.0))),
            strong_score=0.5,
            weak_score=0.2,
            new_score=0.5,
        ),
        refiner=lambda rows, recording: refine(rows, Refinement(), recording=recording),
    )
    return work, labels


RULES = Rules(every=1.0, moved=0.0, val_share=0.0)


def source(count: int = 40, *, error: Exception | None = None) -> FakeSource:
    return FakeSource(count, width=160, height=120, error=error)


def written(out: Path, kind: str = "labels") -> dict[str, str]:
    files = [file for file in (out / kind).rglob("*") if file.is_file()]
    return {file.stem.rpartition("-")[2]: file.read_text() for file in sorted(files)}


def test_a_recording_becomes_pictures_labels_and_scores(tmp_path: Path) -> None:
    work, labels = teach(tmp_path / "out", ScriptedDetector(walker, THEIRS), RULES)
    harvest = work.recording(lambda first: source(), quiet)
    data = labels.finish(THEIRS)
    assert harvest == Harvest("fake0", pictures=4, boxes=4, promoted=1, dropped=1, ignored=1)
    lines = written(tmp_path / "out")
    assert list(lines) == ["0000000", "0000010", "0000020", "0000030"]
    assert lines["0000020"] == f"0 {35 / 160:.6f} {25 / 120:.6f} {20 / 160:.6f} {30 / 120:.6f}\n"
    assert written(tmp_path / "out", "scores")["0000020"] == "0.8000\n"  # promoted to what is usual for the track
    assert data.read_text() == "train: images/train\nnames:\n  0: person\n  1: bike\nscores: true\n"
    assert not (tmp_path / "out" / ".work").exists()


def test_without_confirmation_scores_decide(tmp_path: Path) -> None:
    rules = Rules(every=1.0, moved=0.0, val_share=0.25, confirm=False)
    work, _ = teach(tmp_path / "out", ScriptedDetector(walker, THEIRS), rules)
    harvest = work.recording(lambda first: source(), quiet)
    assert (harvest.boxes, harvest.promoted, harvest.dropped) == (
        5,
        0,
        0,
    )  # the flicker is one; frame 23 stands in for the weak ones
    assert len(list((tmp_path / "out" / "images" / "val").iterdir())) == 1  # the end of the recording


def test_boxes_shrink_with_the_picture(tmp_path: Path) -> None:
    work, _ = teach(tmp_path / "out", ScriptedDetector(walker, THEIRS), Rules(moved=0.0, val_share=0.0, image_size=80))
    work.recording(lambda first: source(), quiet)
    picture = next((tmp_path / "out" / "images" / "train").iterdir())
    assert cv2.imread(str(picture)).shape == (60, 80, 3)
    assert written(tmp_path / "out")["0000000"].startswith(f"0 {15 / 160:.6f}")


def test_killed_half_way_nothing_is_asked_twice_and_nothing_is_there_twice(tmp_path: Path) -> None:
    calm, _ = teach(tmp_path / "calm", ScriptedDetector(walker, THEIRS), RULES)
    calm.recording(lambda first: source(450), quiet)
    script = ScriptedDetector(walker, THEIRS, fail_at=430)
    work, _ = teach(tmp_path / "out", script, RULES)
    with pytest.raises(RuntimeError, match="broke"):
        work.recording(lambda first: source(450), quiet)
    script = ScriptedDetector(walker, THEIRS)
    work, labels = teach(tmp_path / "out", script, RULES, resume=True)
    harvest = work.recording(lambda first: FakeSource(450, width=160, height=120, first=first), quiet)
    assert script.shown == list(range(400, 450))  # two pieces of 200 were kept
    assert written(tmp_path / "out") == written(tmp_path / "calm")
    assert labels.sources["fake0"]["pictures"] == harvest.pictures
    script.shown.clear()
    assert work.recording(lambda first: source(450), quiet) == harvest
    assert script.shown == []


@pytest.mark.parametrize("left", [0, 100])
def test_a_damaged_piece_is_named(tmp_path: Path, left: int) -> None:
    work, labels = teach(tmp_path / "out", ScriptedDetector(walker, THEIRS, fail_at=210), RULES)
    with pytest.raises(RuntimeError, match="broke"):
        work.recording(lambda first: source(450), quiet)
    piece = labels.work("fake0") / "000000.npz"
    piece.write_bytes(piece.read_bytes()[:left])
    with pytest.raises(TrainingError, match=r"000000\.npz is damaged: .*delete it"):
        work.recording(lambda first: source(450), quiet)


def test_a_source_that_breaks_off_gives_what_came_before(tmp_path: Path) -> None:
    work, _ = teach(tmp_path / "out", ScriptedDetector(walker, THEIRS), RULES)
    harvest = work.recording(lambda first: source(25, error=DamagedSourceError("fake0 breaks off")), quiet)
    assert (harvest.pictures, harvest.damage) == (3, "fake0 breaks off")


def test_a_source_without_frames(tmp_path: Path) -> None:
    work, _ = teach(tmp_path / "out", ScriptedDetector(walker, THEIRS), RULES)
    with pytest.raises(SourceError, match="no frame"):
        work.recording(lambda first: source(0), quiet)


def test_a_teacher_that_finds_nothing(tmp_path: Path) -> None:
    script = ScriptedDetector(lambda index: found(), THEIRS)
    work, _ = teach(tmp_path / "out", script, RULES)
    harvest = work.recording(lambda first: source(), quiet)
    assert (harvest.pictures, harvest.boxes) == (0, 0)
    with pytest.raises(TrainingError, match="found no object"):
        refuse_empty([harvest], "blind", RULES)


def pictures(folder: Path, count: int) -> list[Path]:
    folder.mkdir(parents=True)
    files = [folder / f"{number}.png" for number in range(count)]
    for number, file in enumerate(files):
        cv2.imwrite(str(file), np.full((60, 80 + number, 3), 100, np.uint8))
    return files


def test_stills_go_by_scores_and_a_corrupt_one_is_left_out(tmp_path: Path) -> None:
    files = pictures(tmp_path / "in", 3)
    files[1].write_bytes(b"no picture")
    script = ScriptedDetector(lambda index: found((5, 0.8, 0), (50, 0.3, 0)), THEIRS)
    work, _ = teach(tmp_path / "out", script, Rules(val_share=0.0))
    harvest = work.stills("in", files, quiet)
    assert (harvest.pictures, harvest.boxes, harvest.ignored, harvest.left_out) == (2, 2, 2, 1)
    assert "1.png" in harvest.damage
    assert script.shown == [0, 2]


def test_labels_of_people_are_kept_and_the_rest_is_added(tmp_path: Path) -> None:
    pictures(tmp_path / "in" / "images", 2)
    (tmp_path / "in" / "classes.txt").write_text("car\n")
    (tmp_path / "in" / "labels").mkdir()
    (tmp_path / "in" / "labels" / "0.txt").write_text(f"0 {15 / 80} {25 / 60} {20 / 80} {30 / 60}\n")
    script = ScriptedDetector(lambda index: found((5, 0.9, 1), (50, 0.8, 0)), THEIRS)
    work, _ = teach(tmp_path / "out", script, Rules(val_share=0.0), classes="person,vehicle=car+bike")
    harvest = work.kept("in", read_set(tmp_path / "in"), ["person", "vehicle"], quiet)
    assert (harvest.pictures, harvest.boxes) == (2, 4)
    first, second = written(tmp_path / "out").values()
    assert [line[0] for line in first.splitlines()] == ["1", "0"]  # the car once, by its label
    assert [line[0] for line in second.splitlines()] == ["1", "0"]
    scores = list(written(tmp_path / "out", "scores").values())
    assert scores == ["1.0000\n0.8000\n", "0.9000\n0.8000\n"]


def test_corrupt_labels_are_told_before_the_teacher_works(tmp_path: Path) -> None:
    pictures(tmp_path / "in" / "images", 2)
    (tmp_path / "in" / "classes.txt").write_text("car\n")
    (tmp_path / "in" / "labels").mkdir()
    (tmp_path / "in" / "labels" / "1.txt").write_text("5 0.5 0.5 0.1 0.1\n")
    script = ScriptedDetector(lambda index: found(), THEIRS)
    work, _ = teach(tmp_path / "out", script, RULES, classes="person,car")
    with pytest.raises(FormatError, match=r"1\.txt:1: class 5"):
        work.kept("in", read_set(tmp_path / "in"), ["person"], quiet)
    assert script.shown == []


def test_a_set_is_gone_on_with_only_as_it_was_begun(tmp_path: Path) -> None:
    out = tmp_path / "out"
    LabelSet.begin(out, {"min": 0.5}, resume=False)
    with pytest.raises(TrainingError, match="--resume goes on"):
        LabelSet.begin(out, {"min": 0.5}, resume=False)
    with pytest.raises(TrainingError, match=r"min is 0\.5 there and 0\.6 here"):
        LabelSet.begin(out, {"min": 0.6}, resume=True)
    assert LabelSet.begin(out, {"min": 0.5}, resume=True).sources == {}
    (out / "manifest.json").write_text(json.dumps({"other": 1}))
    with pytest.raises(TrainingError, match="no manifest"):
        LabelSet.begin(out, {"min": 0.5}, resume=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    with pytest.raises(TrainingError, match="not an empty folder"):
        LabelSet.begin(tmp_path / "full", {}, resume=False)


def test_rules_that_contradict_each_other() -> None:
    with pytest.raises(ConfigError, match="must rise"):
        Rules(min_score=0.3, doubt_score=0.4)


def test_a_name_becomes_a_file_name_that_nothing_misreads(tmp_path: Path) -> None:
    files: Sequence[Path] = pictures(tmp_path / "in", 1)
    script = ScriptedDetector(lambda index: found((5, 0.8, 0)), THEIRS)
    work, _ = teach(tmp_path / "out", script, Rules(val_share=0.0))
    work.stills("a b/ü'", files, quiet)
    (picture,) = (tmp_path / "out" / "images" / "train").iterdir()
    assert re.fullmatch(r"a_b_-[0-9a-f]{8}-0-000000\.jpg", picture.name)


def test_folders_of_one_name_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    work, _ = teach(tmp_path / "out", ScriptedDetector(lambda index: found((5, 0.8, 0)), THEIRS), Rules(val_share=0.0))
    files = [*pictures(tmp_path / "a" / "images", 2), *pictures(tmp_path / "b" / "images", 2)]
    files[3].write_bytes(files[2].read_bytes())  # else they were the same pictures: one source
    work.stills("images", files[:2], quiet)
    work.stills("images", files[2:], quiet)
    assert len(list((tmp_path / "out" / "images" / "train").iterdir())) == 4
