"""Mask labels: a teacher's masks go to the labelled boxes they belong to, and to no others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import ConfigError, TrainingError
from pipeline.models.base import ModelCard
from pipeline.training.class_map import ClassMap
from pipeline.training.detection_data import read_training_pictures
from pipeline.training.labelled import LabelledPicture
from pipeline.training.mask_labels import ANNOTATIONS, digest_of, label_masks
from pipeline.training.picture_views import mask_of
from pipeline.training.watching import PIECE
from trackers.structures import Detections, Frame, Masks

NAMES = ("person", "vehicle")


class Teacher:
    """Sees the same objects in every picture: boxes x1 y1 x2 y2 whose left halves are the masks.

    `stopped`: Ctrl-C comes with the picture of this number.
    """

    def __init__(
        self, *objects: tuple[int, tuple[int, int, int, int]], masked: bool = True, stopped: int | None = None
    ) -> None:
        self.card = ModelCard("teacher", "detect", "1", "0" * 64, "none", None, ("car", "person"), masks=masked)
        self.shown: list[int] = []
        self._objects, self._masked, self._stopped = objects, masked, stopped

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        if self._stopped in [frame.index for frame in frames]:
            raise KeyboardInterrupt
        self.shown += [frame.index for frame in frames]
        boxes = np.array([box for _, box in self._objects], np.float32).reshape(-1, 4)
        crops = []
        for x1, y1, x2, y2 in boxes.astype(int).tolist():
            crop = np.zeros((y2 - y1, x2 - x1), bool)
            crop[:, : (x2 - x1) // 2] = True
            crops.append(crop)
        masks = Masks(boxes[:, :2].astype(np.int64), tuple(crops)) if self._masked else None
        labels = np.array([label for label, _ in self._objects], np.int64)
        return [Detections(boxes, np.ones(len(boxes), np.float32), labels, masks=masks) for _ in frames]


def picture(path: Path, *objects: tuple[int, tuple[int, int, int, int]]) -> LabelledPicture:
    """200 x 100, with labelled boxes."""
    cv2.imwrite(str(path), np.zeros((100, 200, 3), np.uint8))
    rows = [[(x1 + x2) / 400, (y1 + y2) / 200, (x2 - x1) / 200, (y2 - y1) / 100] for _, (x1, y1, x2, y2) in objects]
    labels = np.array([label for label, _ in objects], np.int64)
    return LabelledPicture(path, 100, 200, "", labels, np.array(rows, np.float32).reshape(-1, 4))


def labelled(
    tmp_path: Path, teacher: Teacher, *objects: tuple[int, tuple[int, int, int, int]]
) -> list[dict[str, object]]:
    classes = ClassMap.parse("person,vehicle=car", teacher.card.classes)
    (tmp_path / "images").mkdir()
    found = label_masks(
        [picture(tmp_path / "images" / "a.png", *objects)],
        classes,
        teacher=teacher,
        folder=tmp_path,
        work=tmp_path / ".work",
        overlap=0.6,
        told=lambda _: None,
    )
    entries: list[dict[str, object]] = json.loads(found.write().read_text())["annotations"]
    return entries


def test_a_mask_goes_to_the_box_it_overlaps_with_and_is_cut_to_it(tmp_path: Path) -> None:
    teacher = Teacher((1, (10, 10, 50, 90)), (0, (100, 20, 180, 60)))
    person, far, vehicle = labelled(
        tmp_path, teacher, (0, (12, 10, 52, 90)), (0, (60, 10, 90, 90)), (1, (100, 20, 180, 60))
    )
    mask = mask_of(person["segmentation"], 100, 200)
    assert mask[10:90, 12:30].all()
    assert mask.sum() == 80 * 18
    assert "segmentation" not in far
    assert mask_of(vehicle["segmentation"], 100, 200).sum() == 40 * 40


def test_a_mask_of_another_class_or_of_another_place_is_none(tmp_path: Path) -> None:
    teacher = Teacher((0, (10, 10, 50, 90)), (1, (100, 20, 140, 60)))
    for entry in labelled(tmp_path, teacher, (0, (10, 10, 50, 90)), (0, (120, 20, 160, 60))):
        assert "segmentation" not in entry


def test_one_mask_serves_one_box(tmp_path: Path) -> None:
    teacher = Teacher((1, (10, 10, 50, 90)))
    entries = labelled(tmp_path, teacher, (0, (14, 10, 54, 90)), (0, (10, 10, 50, 90)))
    assert ["segmentation" in entry for entry in entries] == [False, True]


def test_the_file_is_read_by_those_who_train(tmp_path: Path) -> None:
    labelled(tmp_path, Teacher((1, (10, 10, 50, 90))), (0, (10, 10, 50, 90)), (1, (100, 20, 140, 60)))
    data = tmp_path / "data.yaml"
    data.write_text("names: [person, vehicle]\ntrain: [{images: ., annotations: annotations.json}]\n")
    names, pictures, _ = read_training_pictures(data)
    assert names == NAMES
    assert pictures[0].labels.tolist() == [0, 1]
    assert [shape is not None for shape in pictures[0].shapes] == [True, False]


def test_a_teacher_without_masks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="teacher finds boxes, but no masks"):
        labelled(tmp_path, Teacher((1, (10, 10, 50, 90)), masked=False), (0, (10, 10, 50, 90)))


def test_a_mask_that_somebody_drew_stays(tmp_path: Path) -> None:
    """The labels know the whole box as the object; the teacher sees its left half."""
    shape = [[10, 10, 50, 10, 50, 90, 10, 90]]
    (tmp_path / "images").mkdir()
    drawn = replace(picture(tmp_path / "images" / "a.png", (0, (10, 10, 50, 90))), shapes=(shape,))
    teacher = Teacher((1, (10, 10, 50, 90)))
    found = label_masks(
        [drawn],
        ClassMap.parse("person,vehicle=car", teacher.card.classes),
        teacher=teacher,
        folder=tmp_path,
        work=tmp_path / ".work",
        overlap=0.6,
        told=lambda _: None,
    )
    entry = json.loads(found.write().read_text())["annotations"][0]
    assert mask_of(entry["segmentation"], 100, 200).sum() == 40 * 80


PERSON, CAR = (0, (10, 10, 50, 90)), (1, (100, 20, 140, 60))
SEEN = (1, (10, 10, 50, 90))  # by the teacher, in its labels


def many(folder: Path) -> list[LabelledPicture]:
    """Two pieces of pictures and some more, by turns with one object and with two."""
    folder.mkdir()
    one, two = picture(folder / "one.png", PERSON), picture(folder / "two.png", PERSON, CAR)
    return [two if number % 2 else one for number in range(2 * PIECE + 30)]


def label(folder: Path, pictures: Sequence[LabelledPicture], teacher: Teacher) -> bytes:
    """What is written, work included, into a folder."""
    classes = ClassMap.parse("person,vehicle=car", teacher.card.classes)
    found = label_masks(
        pictures, classes, teacher=teacher, folder=folder, work=folder / "work", overlap=0.6, told=lambda _: None
    )
    return found.write().read_bytes()


def test_after_an_interruption_the_same_is_written_and_little_is_looked_at_again(tmp_path: Path) -> None:
    pictures = many(tmp_path / "pictures")
    whole = label(tmp_path / "whole", pictures, Teacher(SEEN))
    entries = json.loads(whole)["annotations"]
    assert [one["id"] for one in entries] == [*range(1, 3 * len(pictures) // 2 + 1)]
    assert sum("segmentation" in one for one in entries) == len(pictures)
    for stopped in (PIECE - 10, PIECE + 20, 2 * PIECE + 10):
        with pytest.raises(KeyboardInterrupt):
            label(tmp_path / "mine", pictures, Teacher(SEEN, stopped=stopped))
        assert not (tmp_path / "mine" / ANNOTATIONS).exists()
    last = Teacher(SEEN)
    assert label(tmp_path / "mine", pictures, last) == whole
    assert last.shown == [*range(2 * PIECE, len(pictures))]


@pytest.mark.parametrize("content", [b"[{", b"[]", b"{}", b"\xff"])
def test_a_damaged_piece_is_told_and_made_again_once_it_is_deleted(content: bytes, tmp_path: Path) -> None:
    pictures = many(tmp_path / "pictures")
    whole = label(tmp_path / "mine", pictures, Teacher(SEEN))
    damaged = tmp_path / "mine" / "work" / "000000.json"
    damaged.write_bytes(content)
    with pytest.raises(TrainingError, match=r"000000\.json .*; delete it, what it held is then made again"):
        label(tmp_path / "mine", pictures, Teacher(SEEN))
    damaged.unlink()
    assert label(tmp_path / "mine", pictures, Teacher(SEEN)) == whole


def test_no_pictures_give_an_empty_file(tmp_path: Path) -> None:
    assert json.loads(label(tmp_path / "mine", [], Teacher(SEEN)))["annotations"] == []


def test_all_that_decides_the_labels_changes_their_digest(tmp_path: Path) -> None:
    pictures = many(tmp_path / "pictures")[:2]
    drawn = [replace(pictures[0], shapes=([[10, 10, 50, 10, 50, 90]],)), pictures[1]]
    moved = [replace(pictures[0], path=tmp_path / "elsewhere.png"), pictures[1]]
    digests = {
        digest_of(some, data, tmp_path / "mine")
        for some, data in ((pictures, "a"), (pictures, "b"), (drawn, "a"), (moved, "a"), (pictures[:1], "a"))
    }
    assert len(digests) == 5
    assert digest_of(pictures, "a", tmp_path / "mine") == digest_of([*pictures], "a", tmp_path / "mine")
