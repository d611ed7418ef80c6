"""Camera motion: known maps of drawn and of real pictures, among boxes that move, and where nothing is known."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest

from tests.unit.trackers.textures import moved, shift, texture, turn, warp
from trackers.camera_motion import CameraMotion
from trackers.geometry import warp_boxes
from trackers.structures import FloatArray, ImageArray

SHEAR = np.array([[1.02, 0.03, -4.0], [-0.01, 0.97, 6.0]])


def farthest(found: FloatArray, true: FloatArray, image: ImageArray) -> float:
    """The largest distance between where two maps take a picture's pixels."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)
    return float(np.linalg.norm(moved(corners, found) - moved(corners, true), axis=1).max())


@pytest.mark.parametrize(
    "affine",
    [
        pytest.param(shift(0, 0), id="stands still"),
        pytest.param(shift(4.5, -2.25), id="pans"),
        pytest.param(shift(-25, 18), id="pans quickly"),
        pytest.param(turn(3, 1, around=(160, 120)), id="turns"),
        pytest.param(turn(0, 1.06, around=(100, 60)), id="zooms"),
        pytest.param(turn(-2, 0.96, around=(10, 200)), id="all of it"),
    ],
)
def test_the_map_is_found(affine: FloatArray) -> None:
    camera, picture = CameraMotion(), texture()
    camera.update(picture)
    found = camera.update(warp(picture, affine))
    assert found.shape == (2, 3)
    assert camera.known
    assert farthest(found, affine, picture) < 0.2


@pytest.mark.parametrize(("model", "least", "most"), [("affine", 0.0, 0.3), ("similarity", 1.0, 20.0)])
def test_only_an_affine_map_shears(model: Literal["similarity", "affine"], least: float, most: float) -> None:
    camera, picture = CameraMotion(model=model, share=0.05), texture()
    camera.update(picture)
    found = camera.update(warp(picture, SHEAR))
    assert camera.known
    assert least <= farthest(found, SHEAR, picture) <= most


def test_a_wide_picture_is_shrunk_and_the_map_is_its_own() -> None:
    picture = texture(size=(1280, 721))  # shrunk to a whole number of rows: not by the same factor
    affine = turn(1.5, 1.02, around=(500, 300))
    camera = CameraMotion(width=400)
    camera.update(picture)
    found = camera.update(warp(picture, affine))
    assert camera.known
    assert farthest(found, affine, picture) < 1.0


def test_boxes_that_move_otherwise_do_not_count() -> None:
    picture, things = texture(), texture(3)
    affine = shift(3, 1)
    boxes = np.array([[20.0, 30, 150, 220], [170, 20, 300, 220]])  # two thirds of the picture, moving together
    after = shift(-9, -6)

    def seen(camera_moved: FloatArray, things_moved: FloatArray) -> tuple[ImageArray, FloatArray]:
        shown, places = warp(picture, camera_moved), warp_boxes(boxes, things_moved)
        for x1, y1, x2, y2 in places.astype(int):
            shown[y1:y2, x1:x2] = warp(things, things_moved)[y1:y2, x1:x2]
        return shown, places

    told, untold = CameraMotion(), CameraMotion()
    for camera_moved, things_moved in [(shift(0, 0), shift(0, 0)), (affine, after)]:
        shown, places = seen(camera_moved, things_moved)
        found, misled = told.update(shown, places), untold.update(shown)
    assert told.known
    assert farthest(found, affine, picture) < 0.2
    assert farthest(misled, affine, picture) > 2


def test_a_pan_is_followed_from_picture_to_picture() -> None:
    camera, picture = CameraMotion(), texture(size=(900, 240))
    at = np.cumsum([0, 5, 7.5, -3, 12])
    maps = [camera.update(warp(picture, shift(-x, 0))[:, :320]) for x in at]
    np.testing.assert_array_equal(maps[0], np.eye(2, 3))
    np.testing.assert_allclose([each[0, 2] for each in maps[1:]], -np.diff(at), atol=0.1)
    np.testing.assert_allclose([each[:, :2] for each in maps[1:]], [np.eye(2)] * 4, atol=1e-3)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(texture(8), id="another scene"),
        pytest.param(np.full((240, 320), 90, np.uint8), id="nothing to see"),
        pytest.param(texture(size=(322, 240)), id="another size"),
    ],
)
def test_the_identity_is_flagged_where_nothing_is_known(after: ImageArray) -> None:
    camera, picture = CameraMotion(), texture()
    camera.update(picture)
    camera.update(picture)
    assert camera.known
    assert camera.agreeing > 0.9
    np.testing.assert_array_equal(camera.update(after), np.eye(2, 3))
    assert not camera.known


def test_it_goes_on_after_a_change_of_size() -> None:
    camera = CameraMotion()
    wider = texture(size=(400, 300))
    camera.update(texture())
    camera.update(wider)
    assert not camera.known
    assert farthest(camera.update(warp(wider, shift(6, 2))), shift(6, 2), wider) < 0.2
    assert camera.known


def test_the_first_picture_and_flat_ones() -> None:
    camera, flat = CameraMotion(), np.full((240, 320, 3), 90, np.uint8)
    for _ in range(2):
        np.testing.assert_array_equal(camera.update(flat), np.eye(2, 3))
        assert not camera.known


def test_boxes_over_all_of_it_leave_nothing_to_see() -> None:
    camera, whole = CameraMotion(), np.array([[-5.0, -5, 900, 900]])
    for _ in range(2):
        np.testing.assert_array_equal(camera.update(texture(), whole), np.eye(2, 3))
    assert not camera.known


def test_no_boxes_and_such_as_are_none_count_for_nothing() -> None:
    picture, after = texture(), warp(texture(), shift(4, 3))
    odd = np.array([[np.nan, 0, 400, 400], [400, 10, 500, 80], [90, 90, 10, 10], [0, 0, np.inf, 9]])
    maps = []
    for boxes in (None, np.zeros((0, 4)), odd, odd.astype(np.float32)):
        camera = CameraMotion()
        camera.update(picture, boxes)
        maps.append(camera.update(after, boxes))
        assert camera.known
    np.testing.assert_array_equal(maps, [maps[0]] * 4)


def test_tiny_pictures() -> None:
    camera = CameraMotion()
    for _ in range(2):
        np.testing.assert_array_equal(camera.update(texture(size=(9, 7))[:2, :2]), np.eye(2, 3))


def test_two_cameras_do_not_know_each_other() -> None:
    first, second = CameraMotion(), CameraMotion()
    first.update(texture())
    second.update(texture(5))
    ours = first.update(warp(texture(), shift(3, 0)))
    theirs = second.update(warp(texture(5), shift(0, -2)))
    np.testing.assert_allclose([ours[:, 2], theirs[:, 2]], [[3, 0], [0, -2]], atol=0.15)


@pytest.mark.parametrize("video", ["mot15/PETS09-S2L1/video.mp4", "videos/car-detection.mp4"])
def test_a_real_picture(shared: Path, video: str) -> None:
    picture = frame(shared / "data" / video)
    height, width = picture.shape[:2]
    affine = turn(0.8, 1.015, around=(width / 2, height / 3))
    affine[:, 2] += [7.3, -4.1]
    noise = np.random.default_rng(0).normal(0, 4, picture.shape)
    camera = CameraMotion()
    camera.update(picture)
    found = camera.update(np.clip(warp(picture, affine) + noise, 0, 255).astype(np.uint8))
    assert camera.known
    assert farthest(found, affine, picture) < 0.4


def frame(path: Path) -> ImageArray:
    """The first picture of a video."""
    video = cv2.VideoCapture(str(path))
    try:
        return np.asarray(video.read()[1], np.uint8)
    finally:
        video.release()
