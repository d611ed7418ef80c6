"""Cut-outs: of masks, and of what moves before a camera that stands still."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.errors import FormatError, TrainingError
from pipeline.training.cutouts import Cutout, background, digest_of, from_coco, from_still_camera
from trackers.structures import Detections, ImageArray

SIZE = (120, 160)


def coco(folder: Path, *rows: tuple[int, tuple[int, int, int, int]], crowd: int = 0) -> Path:
    """A json whose objects are rectangles (class, x y w h) in one green picture with red objects."""
    image = np.full((*SIZE, 3), (0, 200, 0), np.uint8)
    annotations = []
    for label, (x, y, w, h) in rows:
        image[y : y + h, x : x + w] = (0, 0, 220)
        outline = [x, y, x + w - 1, y, x + w - 1, y + h - 1, x, y + h - 1]
        one = {"image_id": 1, "category_id": label, "bbox": [x, y, w, h], "segmentation": [outline], "iscrowd": crowd}
        annotations.append(one)
    cv2.imwrite(str(folder / "one.png"), image)
    file = folder / "instances.json"
    content = {
        "images": [{"id": 1, "file_name": "one.png", "height": SIZE[0], "width": SIZE[1]}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "chair"}],
    }
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def test_an_object_is_cut_out_along_its_mask(tmp_path: Path) -> None:
    (cutout,) = from_coco(coco(tmp_path, (1, (50, 30, 20, 60))), tmp_path, {"person": 0})
    opaque = cutout.picture[..., 3] == 255
    assert opaque.sum() == 20 * 60
    assert (cutout.picture[opaque][:, :3] == (0, 0, 220)).all()
    assert (cutout.label, cutout.whole) == (0, True)


def test_what_is_of_no_class_is_an_obstacle(tmp_path: Path) -> None:
    file = coco(tmp_path, (2, (50, 30, 20, 60)))
    assert [one.label for one in from_coco(file, tmp_path, {"person": 0})] == [-1]
    assert not from_coco(file, tmp_path, {"person": 0}, obstacles=False)


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        ((0, 30, 20, 60), {"left"}),
        ((140, 30, 20, 60), {"right"}),
        ((50, 0, 20, 60), {"top"}),
        ((0, 60, 20, 60), {"left", "bottom"}),
        ((50, 0, 40, 120), None),
    ],
)
def test_an_object_knows_where_it_goes_on_outside(
    tmp_path: Path, box: tuple[int, int, int, int], cut: set[str] | None
) -> None:
    found = from_coco(coco(tmp_path, (1, box)), tmp_path, {"person": 0})
    assert [one.cut for one in found] == ([] if cut is None else [cut])


def test_crowds_and_specks_are_left_out(tmp_path: Path) -> None:
    assert not from_coco(coco(tmp_path, (1, (50, 30, 20, 60)), crowd=1), tmp_path, {"person": 0})
    assert not from_coco(coco(tmp_path, (1, (50, 30, 8, 12))), tmp_path, {"person": 0})


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    file = coco(tmp_path, (1, (50, 30, 20, 60)))
    (tmp_path / "one.png").unlink()
    with pytest.raises(TrainingError, match=r"one\.png.*is missing or damaged"):
        from_coco(file, tmp_path, {"person": 0})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"images": None}, "no list 'images'"),
        ({"annotations": [{}]}, "lacks one of image_id, category_id, bbox, segmentation"),
        ({"bbox": [1, 2]}, "annotation 7 of one.png has no sound bbox"),
        ({"segmentation": [["a", "b"]]}, "annotation 7 of one.png has no sound bbox"),
        ({"segmentation": [[1, 2, 3]]}, "annotation 7 of one.png has no sound bbox"),
    ],
)
def test_a_file_that_is_no_coco_json_is_refused(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    file = coco(tmp_path, (1, (50, 30, 20, 60)))
    held = json.loads(file.read_text(encoding="utf-8"))
    held["annotations"][0] |= {"id": 7} | changes
    held |= {key: value for key, value in changes.items() if key in held}
    file.write_text(json.dumps(held), encoding="utf-8")
    with pytest.raises(FormatError, match=says):
        from_coco(file, tmp_path, {"person": 0})
    file.write_text("", encoding="utf-8")
    with pytest.raises(FormatError, match="no JSON"):
        from_coco(file, tmp_path, {"person": 0})


def test_the_digest_knows_pictures_labels_and_sides() -> None:
    picture = np.zeros((30, 20, 4), np.uint8)
    kinds = [Cutout(picture, 0), Cutout(picture, 1), Cutout(picture, 0, frozenset({"left"})), Cutout(picture + 1, 0)]
    assert len({digest_of([one]) for one in kinds}) == 4
    assert digest_of(kinds[:1]) == digest_of([Cutout(picture.copy(), 0)])


def still(*boxes: tuple[int, int, int, int]) -> ImageArray:
    """A grey scene with ellipses in these boxes."""
    image = np.full((*SIZE, 3), 90, np.uint8)
    for x, y, w, h in boxes:
        cv2.ellipse(image, (x + w // 2, y + h // 2), (w // 2, h // 2), 0, 0, 360, (30, 160, 240), cv2.FILLED)
    return image


def found(*boxes: tuple[int, int, int, int]) -> Detections:
    """People in these boxes."""
    corners = np.array([[x, y, x + w, y + h] for x, y, w, h in boxes], np.float32).reshape(-1, 4)
    return Detections(corners, np.ones(len(boxes), np.float32), np.zeros(len(boxes), np.int64))


def test_what_moves_before_a_still_camera_is_cut_out() -> None:
    seen = [(20 + 30 * step, 20, 24, 60) for step in range(4)]
    empty = background([still(box) for box in seen])
    assert (empty == 90).all()
    (cutout,) = from_still_camera(still(seen[1]), empty, found(seen[1]))
    share = (cutout.picture[..., 3] > 0).sum() / (np.pi / 4 * 24 * 60)
    assert 0.9 < share < 1.15


def test_objects_that_overlap_or_do_not_differ_are_left_in_the_picture() -> None:
    empty = still()
    pair = [(40, 20, 30, 60), (60, 25, 30, 60)]
    assert not list(from_still_camera(still(*pair), empty, found(*pair)))
    assert not list(from_still_camera(empty, empty, found(pair[0])))


def test_no_background_without_pictures() -> None:
    with pytest.raises(TrainingError, match="no pictures"):
        background([])
