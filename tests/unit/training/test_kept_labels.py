"""Sets that people have labelled, in YOLO's form."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import FormatError
from pipeline.training.kept_labels import check_labels, read_labels, read_set


def touch(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_folder_with_classes(tmp_path: Path) -> None:
    touch(tmp_path / "classes.txt", "car\nbus\n\n")
    touch(tmp_path / "images" / "a.jpg")
    found = read_set(tmp_path)
    assert found.names == ("car", "bus")
    assert [(one.labels, one.split) for one in found.pictures] == [(tmp_path / "labels" / "a.txt", "train")]


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    touch(tmp_path / "classes.txt", "car\n")
    for name in ("a", "b"):
        touch(tmp_path / "images" / f"{name}.jpg")
        touch(tmp_path / "labels" / f"{name}.txt", "0 0.5 0.5 0.2\n")
    with pytest.raises(FormatError, match=r"2 problems: .*a\.txt:1: .*b\.txt:1: "):
        check_labels(read_set(tmp_path))


def test_a_data_yaml(tmp_path: Path) -> None:
    file = touch(tmp_path / "data.yaml", "names: {1: bus, 0: car}\ntrain: images/train\nval: list.txt\n")
    touch(tmp_path / "images" / "train" / "a.jpg")
    touch(tmp_path / "list.txt", "images/val/b.png\n")
    found = read_set(file)
    assert found.names == ("car", "bus")
    assert [(one.picture.name, one.split) for one in found.pictures] == [("a.jpg", "train"), ("b.png", "val")]
    assert found.pictures[1].labels == (tmp_path / "labels" / "val" / "b.txt").resolve()
    assert read_set(tmp_path) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("train: images", "must list the classes"),
        ("names: [car]\ntrain: nowhere", "neither folder nor list"),
        ("names: [car]\ntrain: empty", "no pictures"),
        ("- car", "holds no data set"),
        ("names: [", "no YAML"),
    ],
)
def test_what_is_no_set(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "empty").mkdir()
    touch(tmp_path / "images" / "a.jpg")
    with pytest.raises(FormatError, match=reason):
        read_set(touch(tmp_path / "data.yaml", text))


def test_boxes_and_polygons(tmp_path: Path) -> None:
    file = touch(tmp_path / "a.txt", "1 0.5 0.5 0.2 0.4\n\n0 0.1 0.2 0.3 0.2 0.3 0.6 0.1 0.6\n")
    found = read_labels(file, 2, 100, 50)
    assert found.boxes.tolist() == [pytest.approx([40, 15, 60, 35]), pytest.approx([10, 10, 30, 30])]
    assert found.labels.tolist() == [1, 0]
    assert found.scores.tolist() == [1, 1]
    assert len(read_labels(tmp_path / "none.txt", 2, 100, 50)) == 0


@pytest.mark.parametrize(
    "line", ["car 0.5 0.5 0.2 0.4", "2 0.5 0.5 0.2 0.4", "0 0.5 0.5 0.2", "0 0.5 nan 0.2 0.4", "0 3 0.5 0.2 0.4"]
)
def test_corrupt_labels_name_file_and_line(tmp_path: Path, line: str) -> None:
    file = touch(tmp_path / "a.txt", f"0 0.5 0.5 0.2 0.4\n{line}\n")
    with pytest.raises(FormatError, match=r"a\.txt:2: "):
        read_labels(file, 2, 100, 50)
