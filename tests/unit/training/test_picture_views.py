"""Views: what they show lies where their boxes and masks say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.errors import TrainingError
from pipeline.training.labelled import LabelledPicture
from pipeline.training.picture_order import shown_in
from pipeline.training.picture_views import STILL, View, ViewChange, mask_of, view_of

RED, BLUE = (0, 0, 255), (255, 0, 0)
MOVED = ViewChange(hue=0, saturation=0, light=0, grey=0)


def corners(x1: float, y1: float, x2: float, y2: float) -> list[list[float]]:
    return [[x1, y1, x2, y1, x2, y2, x1, y2]]


def picture(path: Path) -> LabelledPicture:
    """200 x 100 on grey: a red rectangle with a mask, a blue one with a box alone."""
    image = np.full((100, 200, 3), 60, np.uint8)
    image[20:80, 30:60] = RED
    image[40:70, 120:180] = BLUE
    cv2.imwrite(str(path), image)
    boxes = np.array([[45 / 200, 0.5, 30 / 200, 0.6], [150 / 200, 0.55, 60 / 200, 0.3]], np.float32)
    return LabelledPicture(path, 100, 200, "", np.array([0, 1]), boxes, None, (corners(30, 20, 60, 80), None))


def coloured(view: View, colour: tuple[int, int, int]) -> np.ndarray:
    return np.asarray(np.abs(view.image.astype(int) - colour).max(axis=2) < 40)


def test_a_still_view_is_the_whole_picture_in_the_middle(tmp_path: Path) -> None:
    view = view_of(picture(tmp_path / "a.png"), 100, STILL, np.random.default_rng(0))
    assert view.image.shape == (100, 100, 3)
    assert (view.image[:24] == 114).all()
    assert (view.image[76:] == 114).all()
    np.testing.assert_allclose(view.boxes, [[15, 35, 30, 65], [60, 45, 90, 60]], atol=0.51)
    assert view.labels.tolist() == [0, 1]
    assert view.masked.tolist() == [True, False]
    assert abs(int(view.masks[0].sum()) - 15 * 30) <= 60
    assert not view.masks[1].any()


@pytest.mark.parametrize("seed", range(8))
def test_boxes_and_masks_go_where_the_pixels_go(tmp_path: Path, seed: int) -> None:
    view = view_of(picture(tmp_path / "a.png"), 128, MOVED, np.random.default_rng(seed))
    assert len(view.boxes)
    for row, label in enumerate(view.labels.tolist()):
        there = coloured(view, (RED, BLUE)[label])
        ys, xs = np.nonzero(there)
        seen = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        np.testing.assert_allclose(view.boxes[row], seen, atol=1.01)
        if view.masked[row]:
            assert (view.masks[row] & there).sum() > 0.9 * (view.masks[row] | there).sum()


@pytest.mark.parametrize("mirror", [0.0, 1.0])
@pytest.mark.parametrize("side", [64, 160, 320])
def test_a_mask_lies_in_its_box_to_a_part_of_a_pixel(tmp_path: Path, side: int, mirror: float) -> None:
    """Edges of boxes and middles of pixels are half a pixel apart, and mirrored ones to the other side."""
    change = replace(MOVED, zoom=(1.0, 1.0), mirror=mirror)
    for seed in range(4):
        view = view_of(picture(tmp_path / "a.png"), side, change, np.random.default_rng(seed))
        ys, xs = np.nonzero(view.masks[0])
        middle = [(xs.min() + xs.max() + 1) / 2, (ys.min() + ys.max() + 1) / 2]
        box = view.boxes[0]
        np.testing.assert_allclose([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], middle, atol=0.51)


def test_light_alone_changes_the_picture(tmp_path: Path) -> None:
    lit = replace(STILL, light=0.5)
    one, other = (view_of(picture(tmp_path / "a.png"), 96, lit, np.random.default_rng(seed)) for seed in (1, 2))
    assert abs(float(one.image.mean()) - float(other.image.mean())) > 1


def test_views_differ_by_their_chances_and_are_the_same_for_the_same_ones(tmp_path: Path) -> None:
    one = picture(tmp_path / "a.png")
    first, again, other = (view_of(one, 96, ViewChange(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)


def test_what_lies_outside_the_view_is_no_object_of_it(tmp_path: Path) -> None:
    near = ViewChange(zoom=(6.0, 6.0), mirror=0)
    counts = {
        len(view_of(picture(tmp_path / "a.png"), 64, near, np.random.default_rng(seed)).boxes) for seed in range(9)
    }
    assert 0 in counts
    assert max(counts) < 2


def test_a_picture_without_objects_has_an_empty_view(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((30, 40, 3), np.uint8))
    bare = LabelledPicture(path, 30, 40, "", np.zeros(0, np.int64), np.zeros((0, 4), np.float32))
    view = view_of(bare, 64, ViewChange(), np.random.default_rng(0))
    assert (len(view.boxes), view.masks.shape) == (0, (0, 64, 64))


def test_a_picture_that_went_away_is_named(tmp_path: Path) -> None:
    one = picture(tmp_path / "a.png")
    one.path.unlink()
    with pytest.raises(TrainingError, match=r"a\.png can no longer be read"):
        view_of(one, 64, STILL, np.random.default_rng(0))


def test_masks_are_read_as_coco_writes_them() -> None:
    counted = {"size": [4, 5], "counts": [4, 2, 14]}  # down the columns: rows 0 and 1 of column 1
    wanted = np.zeros((4, 5), np.uint8)
    wanted[:2, 1] = 1
    np.testing.assert_array_equal(mask_of(counted, 4, 5), wanted)
    assert mask_of(corners(1, 1, 4, 3), 4, 5).sum() == 6
    short, text = {"size": [4, 5], "counts": [5]}, {"size": [4, 5], "counts": "00000"}
    for wrong in ({"size": [4, 5]}, [[1, 2]], "text", {"size": [9, 9], "counts": [81]}, short, text):
        with pytest.raises(ValueError, match="mask"):
            mask_of(wrong, 4, 5)


def test_every_picture_is_shown_before_any_is_shown_again() -> None:
    row = np.concatenate([shown_in(epoch, of=7, count=3, seed=5) for epoch in range(1, 8)])
    for start in range(0, 21, 7):
        assert sorted(row[start : start + 7].tolist()) == list(range(7))
    assert not np.array_equal(row[:7], row[7:14])
    np.testing.assert_array_equal(shown_in(4, of=7, count=3, seed=5), row[9:12])
    assert len(shown_in(1, of=2, count=5, seed=0)) == 5
