"""read_detection_data: YOLO and COCO become one form, and what is wrong is told with its place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from pipeline.errors import FormatError, SightlineError, TrainingError
from pipeline.training.detection_data import read_detection_data

Spoil = Callable[[Path], None]


def picture(path: Path, mark: int, *, width: int = 40, height: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((height, width, 3), mark, np.uint8))


def yolo(folder: Path) -> Path:
    """Two pictures to learn from, one to judge by: 40 x 20 pixels, classes car and person."""
    for part, count in (("train", 2), ("val", 1)):
        for index in range(count):
            picture(folder / "images" / part / f"{index}.png", 10 * index + len(part))
            labels = folder / "labels" / part / f"{index}.txt"
            labels.parent.mkdir(parents=True, exist_ok=True)
            labels.write_text("0 0.5 0.5 0.25 0.5\n\n1 0.25 0.5 0.1 0.2\n", encoding="utf-8")
    return write(folder, {"names": ["car", "person"], "train": "images/train", "val": "images/val"})


def write(folder: Path, data: Any) -> Path:
    (folder / "data.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return folder / "data.yaml"


def coco(folder: Path, **changes: Any) -> None:
    """A COCO file for the two training pictures of `yolo`, with the same boxes."""
    boxes = [(7, [15, 5, 10, 10]), (3, [8, 8, 4, 4])]
    held = {
        "images": [{"id": 10 + i, "file_name": f"{i}.png", "width": 40, "height": 20} for i in range(2)],
        "annotations": [
            {"id": 100 * i + k, "image_id": 10 + i, "category_id": category, "bbox": box}
            for i in range(2)
            for k, (category, box) in enumerate(boxes)
        ],
        "categories": [{"id": 7, "name": "car"}, {"id": 3, "name": "person"}],
    }
    (folder / "train.json").write_text(json.dumps(held | changes), encoding="utf-8")


def image(name: str) -> dict[str, Any]:
    return {"id": 10, "file_name": name, "width": 20, "height": 40}


def test_yolo_text_as_worked_by_hand(tmp_path: Path) -> None:
    told: list[int] = []
    data = read_detection_data(yolo(tmp_path), told.append)
    assert told == [1, 2, 1]
    assert data.names == ("car", "person")
    assert [one.path.name for one in data.train] == ["0.png", "1.png"]
    assert (data.train[0].height, data.train[0].width) == (20, 40)
    assert data.train[0].labels.tolist() == [0, 1]
    np.testing.assert_allclose(data.train[0].boxes, [[0.5, 0.5, 0.25, 0.5], [0.25, 0.5, 0.1, 0.2]], atol=1e-7)


def test_coco_gives_the_same_pictures_and_the_same_digest(tmp_path: Path) -> None:
    theirs = read_detection_data(yolo(tmp_path))
    coco(tmp_path)
    train = [{"images": "images/train", "annotations": "train.json"}]
    ours = read_detection_data(write(tmp_path, {"names": ["car", "person"], "train": train, "val": "images/val"}))
    for one, other in zip(theirs.train, ours.train, strict=True):
        assert one.labels.tolist() == other.labels.tolist()
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-6)
    assert ours.val[0].sha256 == theirs.val[0].sha256


def test_the_digest_knows_labels_pictures_and_names_but_not_places(tmp_path: Path) -> None:
    first = read_detection_data(yolo(tmp_path / "a")).digest
    assert first == read_detection_data(yolo(tmp_path / "b")).digest
    labels = tmp_path / "b" / "labels" / "train" / "0.txt"
    labels.write_text("0 0.5 0.5 0.25 0.51\n", encoding="utf-8")
    second = read_detection_data(tmp_path / "b" / "data.yaml").digest
    picture(tmp_path / "b" / "images" / "train" / "0.png", 77)
    third = read_detection_data(tmp_path / "b" / "data.yaml").digest
    assert len({first, second, third}) == 3


def test_classes_of_others_become_ours_and_unnamed_ones_are_left_out(tmp_path: Path) -> None:
    yolo(tmp_path)
    source = {"images": "images/train", "names": ["bus", "dog"]}
    held = {"names": ["person", "vehicle"], "train": [source], "val": "images/val", "classes": {"bus": "vehicle"}}
    data = read_detection_data(write(tmp_path, held))
    assert [one.labels.tolist() for one in data.train] == [[1], [1]]
    (tmp_path / "theirs.txt").write_text("dog\nbus\n", encoding="utf-8")
    held["train"] = {"images": "images/train", "labels": "labels/train", "names": "theirs.txt"}
    data = read_detection_data(write(tmp_path, held))
    np.testing.assert_allclose(data.train[0].boxes, [[0.25, 0.5, 0.1, 0.2]], atol=1e-7)


def test_polygons_become_the_boxes_around_them(tmp_path: Path) -> None:
    file = yolo(tmp_path)
    rows("1 0.1 0.2 0.3 0.2 0.2 0.6")(tmp_path)
    first = read_detection_data(file).train[0]
    np.testing.assert_allclose(first.boxes, [[0.2, 0.4, 0.2, 0.4]], atol=1e-7)
    assert first.labels.tolist() == [1]


def test_folders_within_the_pictures_are_within_the_labels(tmp_path: Path) -> None:
    yolo(tmp_path)
    source = {"images": "images", "labels": "labels"}
    for part in ("train", "val"):  # in each a picture 0.png
        (tmp_path / "labels" / part / "0.txt").write_text(f"0 0.5 0.5 0.{len(part)} 0.5\n", encoding="utf-8")
    picture(tmp_path / "other" / "0.png", 200)
    (tmp_path / "other" / "0.txt").write_text("0 0.5 0.5 0.25 0.5\n", encoding="utf-8")
    data = read_detection_data(write(tmp_path, {"names": ["car", "person"], "train": source, "val": "other"}))
    widths = {one.path.relative_to(tmp_path / "images").as_posix(): one.boxes[0, 2] for one in data.train}
    assert widths["train/0.png"] == pytest.approx(0.5)
    assert widths["val/0.png"] == pytest.approx(0.3)


def test_lists_of_pictures_and_pictures_without_objects(tmp_path: Path) -> None:
    yolo(tmp_path)
    (tmp_path / "labels" / "train" / "1.txt").unlink()
    (tmp_path / "list.txt").write_text("images/train/1.png\nimages/train/0.png\n", encoding="utf-8")
    data = read_detection_data(
        write(tmp_path, {"names": {0: "car", 1: "person"}, "train": "list.txt", "val": "images/val"})
    )
    assert [(one.path.name, len(one.labels)) for one in data.train] == [("1.png", 0), ("0.png", 2)]


def test_a_part_is_shown_as_often_as_asked(tmp_path: Path) -> None:
    yolo(tmp_path)
    picture(tmp_path / "more" / "9.png", 200)
    said = {"names": ["car", "person"], "train": [{"images": "images/train"}, "more"], "val": "images/val"}
    once = read_detection_data(write(tmp_path, said))
    said["train"] = [{"images": "images/train", "times": 2}, "more"]
    data = read_detection_data(write(tmp_path, said))
    assert [one.path.name for one in data.train] == ["0.png", "0.png", "1.png", "1.png", "9.png"]
    assert len(data.val) == 1
    assert data.digest != once.digest


def test_a_box_a_pixel_outside_is_clipped(tmp_path: Path) -> None:
    file = yolo(tmp_path)
    (tmp_path / "labels" / "train" / "0.txt").write_text("0 0.1 0.5 0.24 0.5\n", encoding="utf-8")  # from -0.8 pixels
    np.testing.assert_allclose(read_detection_data(file).train[0].boxes, [[0.11, 0.5, 0.22, 0.5]], atol=1e-7)


def rows(text: str) -> Spoil:
    return lambda folder: (folder / "labels" / "train" / "0.txt").write_text(text, encoding="utf-8") and None


def bytes_of(name: str, content: bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(content) and None


def cut_short(folder: Path) -> None:
    whole = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (60, 60, 3)).astype(np.uint8))[1].tobytes()
    (folder / "images" / "train" / "cut.jpg").write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        pytest.param(rows("0 0.5 0.5 0.2"), "0.txt:1: has 4 columns", id="columns"),
        pytest.param(rows("0 0.5 0.5 0.2 0.2\ncar 0.5 0.5 0.2 0.2"), "0.txt:2: 'car", id="words"),
        pytest.param(rows("2 0.5 0.5 0.2 0.2"), "0.txt:1: class 2 is unknown", id="class"),
        pytest.param(rows("-1 0.5 0.5 0.2 0.2"), "class -1 is unknown", id="negative class"),
        pytest.param(rows("0 0.1 0.2 0.3 0.2 nan 0.6"), "not finite", id="nan in a polygon"),
        pytest.param(rows("0 nan 0.5 0.2 0.2"), "0.txt:1: a coordinate is not finite", id="nan"),
        pytest.param(rows("0 0.5 0.5 inf 0.2"), "not finite", id="infinite"),
        pytest.param(rows("0 0.5 0.5 0.2 0"), "0.txt:1: the box has no size", id="no height"),
        pytest.param(rows("0 0.5 0.5 -0.2 0.2"), "the box has no size", id="negative width"),
        pytest.param(rows("0 200 90 20 20"), "0.txt:1: the box lies", id="pixels instead of shares"),
        pytest.param(rows("0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2"), "0.txt:2: the same box was there", id="twice"),
        pytest.param(cut_short, "cut.jpg is cut short", id="half a picture"),
        pytest.param(bytes_of("images/train/0.png", b""), "0.png is not a picture", id="empty picture"),
        pytest.param(bytes_of("images/train/0.png", b"hello"), "is not a picture", id="text as picture"),
        pytest.param(bytes_of("labels/train/0.txt", b"\xff\xfe\x00"), "be read as text", id="binary labels"),
    ],
)  # fmt: skip
def test_bad_pictures_and_labels_are_told_with_their_place(tmp_path: Path, spoil: Spoil, says: str) -> None:
    file = yolo(tmp_path)
    spoil(tmp_path)
    with pytest.raises(FormatError) as caught:
        read_detection_data(file)
    assert "1 problem: " in str(caught.value)
    assert says in str(caught.value)


def test_of_many_problems_five_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    file = yolo(tmp_path)
    rows("0 0.5 0.5 0 0\n" * 9)(tmp_path)
    with pytest.raises(FormatError) as caught:
        read_detection_data(file)
    assert "9 problems" in str(caught.value)
    assert "and 4 more" in str(caught.value)
    assert str(caught.value).count("has no size") == 5


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"train": None}, TrainingError, "'train' names no pictures"),
        ({"val": []}, TrainingError, "'val' names no pictures"),
        ({"train": "nowhere"}, FormatError, "there is no"),
        ({"train": "empty"}, TrainingError, "there are no pictures in 'train'"),
        ({"train": "bare"}, TrainingError, "none of the 1 pictures of 'train' has a box"),
        ({"val": "images/train"}, TrainingError, "2 of 2 pictures of 'val' are also in 'train'"),
        ({"train": ["images/train", "images/train"]}, FormatError, "is there twice"),
        ({"names": []}, FormatError, "must list the classes"),
        ({"names": {1: "car"}}, FormatError, "must list the classes"),
        ({"names": ["car", "car"]}, FormatError, "each once"),
        ({"classes": {"bus": "vehicle"}}, FormatError, "which is not in names"),
        ({"train": {"image": "images/train"}}, FormatError, "is neither a path nor"),
        ({"train": "images/train/0.png"}, FormatError, "0.png is neither a folder of pictures nor a text file"),
        ({"class": {"bus": "car"}}, FormatError, "there is no 'class'; did you mean 'classes'"),
        ({"train": {"images": "images/train", "names": "images"}}, FormatError, "images cannot be read"),
        ({"train": {"images": "images/train", "times": 0}}, FormatError, "times is 0; it must be how often"),
        ({"train": {"images": "images/train", "times": "2x"}}, FormatError, "times is '2x'"),
        ({"val": {"images": "images/val", "times": 2}}, FormatError, "`times` counts under 'train' only"),
        (
            {"train": {"images": "images/train", "names": ["cat", "persons"]}},
            FormatError,
            "class 'cat' is not in names",
        ),
    ],
)
def test_bad_data_sets(tmp_path: Path, changes: dict[str, Any], kind: type[SightlineError], says: str) -> None:
    yolo(tmp_path)
    (tmp_path / "empty").mkdir()
    picture(tmp_path / "bare" / "0.png", 99)
    held = {"names": ["car", "person"], "train": "images/train", "val": "images/val"} | changes
    with pytest.raises(kind) as caught:
        read_detection_data(write(tmp_path, held))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"images": "all"}, "no list 'images'"),
        ({"categories": [{"id": 7}]}, "entry 0 of 'categories' lacks one of id, name"),
        ({"categories": [{"id": 7, "name": "car"}]}, "annotation 1: category 3 is not in the file"),
        ({"categories": [{"id": 7, "name": "car"}, {"id": 3, "name": "persons"}]}, "did you mean 'person'"),
        ({"annotations": [{"id": 5, "image_id": 1, "category_id": 7, "bbox": [1, 1, 2, 2]}]}, "annotation 5: image 1"),
        ({"annotations": [{"id": 5, "image_id": 10, "category_id": 7, "bbox": [1, 1]}]}, "annotation 5: bbox [1, 1]"),
        ({"annotations": [{"id": 5, "image_id": 10, "category_id": 7, "bbox": [1, 1, 0, 2]}]}, "has no size"),
        ({"images": [image("0.png")], "annotations": []}, "has 40x20 pixels, but the labels are for 20x40"),
        ({"images": [image("9.png")], "annotations": []}, "cannot be read"),
    ],
)  # fmt: skip
def test_bad_coco_files(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    yolo(tmp_path)
    coco(tmp_path, **changes)
    train = {"images": "images/train", "annotations": "train.json"}
    with pytest.raises(FormatError) as caught:
        read_detection_data(write(tmp_path, {"names": ["car", "person"], "train": train, "val": "images/val"}))
    assert says in str(caught.value)


@pytest.mark.parametrize("text", ["", "- a", "a: [", "\x00"])
def test_files_that_are_no_data_set(tmp_path: Path, text: str) -> None:
    file = tmp_path / "data.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match=r"data\.yaml"):
        read_detection_data(file)
    with pytest.raises(FormatError, match="cannot be read"):
        read_detection_data(tmp_path / "absent.yaml")


def test_real_coco_and_yolo_pictures_are_sound(shared: Path, tmp_path: Path) -> None:
    held = {
        "path": str(shared / "data"),
        "names": ["person", "vehicle"],
        "classes": dict.fromkeys(("car", "bus", "truck", "ambulance", "motorcycle"), "vehicle"),
        "train": [
            {"images": "coco-mini/images", "annotations": "coco-mini/train.json"},
            {"images": "vehicles/atl-traffic/images", "names": "vehicles/atl-traffic/classes.txt"},
        ],
        "val": {"images": "coco-mini/images", "annotations": "coco-mini/val.json"},
    }
    data = read_detection_data(write(tmp_path, held))
    counts = np.bincount(np.concatenate([one.labels for one in data.train]))
    assert len(data.train) == 369 + 280
    assert len(data.val) == 80
    assert counts.tolist() == [769, 191 + 4618]
