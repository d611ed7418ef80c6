"""Many crops in a file, where they come from, and what is made of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import DamagedSourceError, OutputError, TrainingError
from pipeline.training.crop_augmentation import NONE, padded_size
from pipeline.training.crop_mixing import unlikely
from pipeline.training.crop_sources import Finder, from_labels, from_recording, from_stills
from pipeline.training.crop_stock import cut_all, fill_stock, held_out, open_stock
from pipeline.training.labelled import DetectionData, LabelledPicture
from pipeline.training.teacher_notes import TeacherNotes
from tests.fakes import FakeSource, ScriptedDetector
from trackers.structures import Detections, ImageArray

SIZE = (16, 8)


def plain(*greys: int) -> Iterator[ImageArray]:
    return (np.full((*padded_size(SIZE), 3), grey, np.uint8) for grey in greys)


def quiet(count: int) -> None:
    pass


def test_a_stock_holds_what_came(tmp_path: Path) -> None:
    seen: list[int] = []
    fill_stock(tmp_path / "stock", plain(5, 7, 9), most=10, seed=0, told=seen.append)
    stock = open_stock(tmp_path / "stock", SIZE)
    assert stock.shape == (3, 20, 10, 3)
    assert stock[:, 0, 0, 0].tolist() == [5, 7, 9]
    assert seen == [1, 2, 3]
    assert [file.name for file in tmp_path.iterdir()] == ["stock"]


def test_of_too_many_each_is_kept_with_the_same_chance(tmp_path: Path) -> None:
    counts = np.zeros(12)
    for seed in range(300):
        fill_stock(tmp_path / "stock", plain(*range(12)), most=4, seed=seed, told=quiet)
        kept = open_stock(tmp_path / "stock", SIZE)[:, 0, 0, 0]
        assert len(set(kept.tolist())) == 4
        counts[kept] += 1
    assert counts.min() > 60  # 100 each are expected, with a deviation of 8
    assert counts.max() < 140


def test_what_goes_wrong_with_a_stock(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no object was found"):
        fill_stock(tmp_path / "stock", plain(), most=4, seed=0, told=quiet)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match="cannot be written"):
        fill_stock(tmp_path / "nowhere" / "stock", plain(1), most=4, seed=0, told=quiet)
    (tmp_path / f".full.crops-{os.getpid()}.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left"):
        fill_stock(tmp_path / "full", plain(1), most=4, seed=0, told=quiet)
    (tmp_path / "cut").write_bytes(b"123")
    with pytest.raises(TrainingError, match="damaged"):
        open_stock(tmp_path / "cut", SIZE)
    with pytest.raises(TrainingError, match="too few"):
        held_out(4, share=0.1, most=10, seed=0)


def test_held_out_rows_are_not_learned_from() -> None:
    rows, held = held_out(100, share=0.1, most=5, seed=3)
    assert sorted([*rows, *held]) == list(range(100))
    assert len(held) == 5
    assert held_out(100, share=0.1, most=5, seed=3) == (rows, held)


def test_small_boxes_are_no_crops() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    boxes = np.array([[10, 10, 30, 50], [10, 10, 20, 25], [50, 10, 50, 90]], np.float32)
    assert len(list(cut_all([(image, boxes)], SIZE))) == 1


def boxes_of(index: int) -> Detections:
    boxes = np.array([[5, 5, 15, 40], [30, 5, 40, 40], [45, 5, 55, 40]], np.float32)
    return Detections(boxes, np.array([0.9, 0.2, 0.8], np.float32), np.array([0, 0, 1]))


def test_a_recording_gives_crops_of_sure_boxes_until_it_breaks_off() -> None:
    script = ScriptedDetector(boxes_of, ("person", "bike"))
    finder = Finder(script, [0], 0.5)
    source = from_recording(
        "fake", lambda: FakeSource(25, error=DamagedSourceError("breaks off")), finder, size=SIZE, every=1.0
    )
    assert source.digest == "fake0, every 1 s, scripted 000000000000 person from 0.5"
    assert len(list(source.crops())) == len(script.shown) == 1  # nothing moves in these pictures


def test_pictures_and_labels_give_crops(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), np.full((60, 80, 3), 100, np.uint8))
    finder = Finder(ScriptedDetector(boxes_of, ("person", "bike")), [0, 1], 0.5)
    assert len(list(from_stills("in", [file], finder, size=SIZE).crops())) == 2
    boxes = np.array([[0.5, 0.5, 0.2, 0.5], [0.5, 0.5, 0.2, 0.5]], np.float32)
    picture = LabelledPicture(file, 60, 80, "", np.array([0, 1]), boxes)
    data = DetectionData(("person", "bike"), (picture, picture), (), "digest")  # an epoch of a detector shows it twice
    assert len(list(from_labels("set", data, ["bike"], size=SIZE).crops())) == 1
    with pytest.raises(TrainingError, match="has no class cat"):
        from_labels("set", data, ["cat"], size=SIZE)


def test_unlikely_crops_are_of_all_three_kinds_and_the_same_again() -> None:
    one, other = (crop for crop in plain(10, 200))
    made = [unlikely(one, other, SIZE, NONE, np.random.default_rng(seed)) for seed in range(30)]
    again = [unlikely(one, other, SIZE, NONE, np.random.default_rng(seed)) for seed in range(30)]
    assert all(np.array_equal(a, b) for a, b in zip(made, again, strict=True))
    assert all(crop.shape == (16, 8, 3) for crop in made)
    halves = [crop for crop in made if {10, 200} == set(crop.ravel().tolist())]
    assert 3 < len(halves) < 20
    assert all(crop[0, 0, 0] == 10 and crop[-1, 0, 0] == 200 for crop in halves)


def test_notes_are_read_as_they_were_written(tmp_path: Path) -> None:
    notes = TeacherNotes(tmp_path / "notes", views=2, count=5, dimension=3)
    rows = np.array([4, 1])
    assert notes.read(1, rows) is None
    written = notes.write(1, rows, np.array([[0.1, 0.2, 0.3], [1, 0, 0]], np.float32))
    again = TeacherNotes(tmp_path / "notes", views=2, count=5, dimension=3)
    assert np.array_equal(again.read(1, rows), written)
    assert again.read(0, rows) is None
    assert again.read(1, np.array([4, 2])) is None
    with pytest.raises(TrainingError, match="other crops"):
        TeacherNotes(tmp_path / "notes", views=2, count=6, dimension=3)
    with pytest.raises(OutputError, match="cannot be written"):
        TeacherNotes(tmp_path / "nowhere" / "notes", views=2, count=6, dimension=3)
