"""Truths read from every form they come in, and what is said of bad ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline import build
from pipeline.config import SourceSettings
from pipeline.errors import FormatError, SightlineError, SourceError
from pipeline.sources.base import Source
from pipeline.trials.mot_sequence import read_mot_sequence
from pipeline.trials.truth_set import read_truths


def opened(address: str) -> Source:
    return build.source(address, SourceSettings())


def write_pictures(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((40, 80, 3), 10 * number, np.uint8))


def coco(**changes: Any) -> dict[str, Any]:
    """Two pictures; a car, and a crowd of people in the second."""
    return {
        "images": [{"id": 7 + n, "file_name": f"{n}.png", "width": 80, "height": 40} for n in range(2)],
        "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "car"}],
        "annotations": [
            {"image_id": 8, "category_id": 3, "bbox": [1, 2, 3, 4]},
            {"image_id": 8, "category_id": 1, "bbox": [0, 0, 50, 40], "iscrowd": 1},
        ],
    } | changes


def test_coco_json(tmp_path: Path) -> None:
    write_pictures(tmp_path / "images", 2)
    (tmp_path / "val.json").write_text(json.dumps(coco()))
    (one,) = read_truths(tmp_path / "val.json", opened=opened)
    assert (one.name, one.classes) == ("val", ("person", "car"))
    assert one.truth.pictures.tolist() == [1, 1]
    assert one.truth.boxes.tolist() == [[1, 2, 4, 6], [0, 0, 50, 40]]
    assert one.truth.labels.tolist() == [1, 0]
    assert one.truth.ignored.tolist() == [False, True]
    for _ in range(2):  # again at every call
        assert [(frame.index, int(frame.image[0, 0, 0])) for frame in one.frames()] == [(0, 0), (1, 10)]


def test_yaml_of_coco_files_takes_val(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", 2)
    (tmp_path / "a.json").write_text(json.dumps(coco()))
    (tmp_path / "data.yaml").write_text("train: nothing\nval: [{images: pictures, annotations: a.json}]\n")
    (one,) = read_truths(tmp_path / "data.yaml", opened=opened)
    assert len(one.truth) == 2
    assert len(list(one.frames())) == 2
    (tmp_path / "data.yaml").write_text("val: [{images: pictures}]\n")
    with pytest.raises(FormatError, match="needs both `images`"):
        read_truths(tmp_path / "data.yaml", opened=opened)


def test_data_of_a_training_is_read_in_its_own_names(tmp_path: Path) -> None:
    """Several sets in one, of which one has other names."""
    write_pictures(tmp_path / "a" / "images", 2)
    write_pictures(tmp_path / "b" / "images", 3)
    cv2.imwrite(str(tmp_path / "b" / "images" / "0.png"), np.full((40, 80, 3), 77, np.uint8))
    (tmp_path / "a" / "c.json").write_text(json.dumps(coco()))
    (tmp_path / "b" / "labels").mkdir()
    (tmp_path / "b" / "labels" / "2.txt").write_text("0 0.5 0.5 0.25 0.5\n")
    (tmp_path / "data.yaml").write_text(
        "names: [person, vehicle]\nclasses: {car: vehicle}\ntrain: a/images\n"
        "val: [{images: a/images, annotations: a/c.json}, b/images]\n"
    )
    (one,) = read_truths(tmp_path / "data.yaml", opened=opened)
    assert (one.name, one.classes) == (tmp_path.name, ("person", "vehicle"))
    assert one.truth.pictures.tolist() == [1, 4]
    assert one.truth.labels.tolist() == [1, 0]
    np.testing.assert_allclose(one.truth.boxes, [[1, 2, 4, 6], [30, 10, 50, 30]], atol=1e-4)
    assert len(list(one.frames())) == 5


def test_yolo_folder(tmp_path: Path) -> None:
    write_pictures(tmp_path / "images", 2)
    (tmp_path / "classes.txt").write_text("person\ncar\n")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "1.txt").write_text("1 0.5 0.5 0.25 0.5\n")
    (one,) = read_truths(tmp_path, opened=opened)
    assert one.classes == ("person", "car")
    assert (one.truth.pictures.tolist(), one.truth.labels.tolist()) == ([1], [1])
    np.testing.assert_allclose(one.truth.boxes, [[30, 10, 50, 30]])


def test_real_coco(shared: Path) -> None:
    (one,) = read_truths(shared / "data/coco-mini/val.json", opened=opened)
    assert len(one.classes) == 80
    assert sum(1 for _ in one.frames()) == 80
    assert one.truth.ignored.sum() == sum("iscrowd" in mark and mark["iscrowd"] for mark in annotations(shared))


def annotations(shared: Path) -> list[dict[str, Any]]:
    held = json.loads((shared / "data/coco-mini/val.json").read_text())
    return list(held["annotations"])


def test_sequences_are_scaled_to_their_pictures(shared: Path) -> None:
    """PETS's truth is made for 768x576, its video has 480x360; every fifth frame, the first one first."""
    (one,) = read_truths(shared / "data/mot15/PETS09-S2L1", opened=opened, every=200)
    assert one.classes == ("person",)
    assert [frame.index for frame in one.frames()] == [0, 200, 400, 600]
    assert set(one.truth.pictures) == {0, 200, 400, 600}
    first = one.truth.boxes[0]
    np.testing.assert_allclose(first, [311.875, 98.75, 311.875 + 19.394, 98.75 + 46.981])


def write_sequence(folder: Path, rows: str, *, width: int) -> None:
    write_pictures(folder / "img1", 2)
    (folder / "gt").mkdir()
    (folder / "gt" / "gt.txt").write_text(rows)
    info = f"[Sequence]\nname=S\nframeRate=2\nseqLength=2\nimWidth={width}\nimHeight=40\n"
    (folder / "seqinfo.ini").write_text(info)


def test_a_sequence_without_a_scaled_file_is_scaled_by_its_size(tmp_path: Path) -> None:
    write_sequence(tmp_path / "S", "1,1,10,10,20,20,1,-1,-1,-1\n2,1,10,10,20,20,0,-1,-1,-1\n", width=160)
    sequence = read_mot_sequence(tmp_path / "S", opened)
    assert sequence.people.boxes[0].tolist() == [5, 10, 15, 30]
    assert sequence.ignored.tolist() == [False, True]


def test_distractors_are_ignored_and_cars_are_left_out(tmp_path: Path) -> None:
    rows = "1,1,0,0,9,9,1,1,1\n1,2,0,0,9,9,1,3,1\n1,3,0,0,9,9,1,8,1\n1,4,0,0,9,9,0,1,1\n"
    write_sequence(tmp_path / "S", rows, width=80)
    sequence = read_mot_sequence(tmp_path / "S", opened)
    assert sequence.people.ids.tolist() == [1, 3, 4]
    assert sequence.ignored.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"annotations": [{"image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 1]}]}, "KeyError 9"),
        ({"annotations": [{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1]}]}, "ValueError"),
        ({"annotations": [{"image_id": 7, "category_id": 1, "bbox": [0, 0, float("nan"), 1]}]}, "four finite"),
        ({"images": None}, "TypeError"),
    ],
)
def test_bad_coco_is_refused(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    (tmp_path / "bad.json").write_text(json.dumps(coco(**changes)))
    with pytest.raises(FormatError, match=f"bad.json.*{says}"):
        read_truths(tmp_path / "bad.json", opened=opened)


def test_what_is_no_truth_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.json").write_text("no json")
    (tmp_path / "data.yaml").write_text("a: [")
    (tmp_path / "S" / "gt").mkdir(parents=True)
    for path, says in (
        (tmp_path / "movie.mp4", "no truth; give a MOTChallenge folder"),
        (tmp_path / "text.json", "no COCO json"),
        (tmp_path / "absent.json", "cannot be read"),
        (tmp_path / "data.yaml", "YAML"),
        (tmp_path / "S", "has no pictures"),
    ):
        with pytest.raises(SightlineError, match=says):
            read_truths(path, opened=opened)


def test_a_missing_or_damaged_picture_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path / "images", 1)
    (tmp_path / "val.json").write_text(json.dumps(coco()))
    (one,) = read_truths(tmp_path / "val.json", opened=opened)
    with pytest.raises(SourceError, match=r"1\.png cannot be read: No such file"):
        list(one.frames())
    (tmp_path / "images" / "1.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"1\.png is not a picture that can be read"):
        list(one.frames())
