"""Composites: what is pasted is labelled where it is seen, near things cover far ones, the same seed gives the same."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from pipeline.errors import TrainingError
from pipeline.training.composites import Composer, CompositeStyle
from pipeline.training.cutouts import Cutout
from pipeline.training.scenes import Labelled, RenderedScenes

PLAIN = CompositeStyle(sizes=((240, 320),), class_shares=(1.0,), class_heights=(1.0,), obstacle_share=0.0)


def scene(*boxes: tuple[int, int, int, int]) -> Labelled:
    """An empty green picture in which objects of class 0 are said to be."""
    image = np.full((240, 320, 3), (0, 120, 0), np.uint8)
    return Labelled(image, np.array(boxes, np.float32).reshape(-1, 4), np.zeros(len(boxes), np.int64))


def person(label: int = 0) -> Cutout:
    """A red block of 20 x 60 in clear surroundings."""
    picture = np.zeros((80, 40, 4), np.uint8)
    picture[10:70, 10:30] = (0, 0, 255, 255)
    return Cutout(picture, label)


def composer(*scenes: Labelled, cutouts: tuple[Cutout, ...] = (), style: CompositeStyle = PLAIN) -> Composer:
    held = scenes or (scene(),)
    return Composer([partial(lambda one: one, each) for each in held], cutouts or (person(),), style, seed=5)


def _pixels(box: np.ndarray) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def reddish(image: np.ndarray) -> np.ndarray:
    """Pixels that are not the scene's green; colours of cut-outs vary."""
    return np.abs(image.astype(int) - np.median(image.reshape(-1, 3), axis=0)).max(axis=2) > 60


def test_labels_lie_on_what_was_pasted() -> None:
    make = composer()
    shares = []
    for index in range(40):
        made = make(index)
        assert made.image.shape == (240, 320, 3)
        assert made.image.dtype == np.uint8
        changed = reddish(made.image)
        for x1, y1, x2, y2 in made.boxes.round().astype(int):
            shares.append(changed[y1:y2, x1:x2].mean())
            assert 0 <= x1 < x2 <= 320
            assert 0 <= y1 < y2 <= 240
    assert len(shares) > 60
    assert np.median(shares) > 0.5


def test_the_same_seed_and_number_give_the_same_picture_whatever_came_before() -> None:
    first, second = composer(), composer()
    for index in range(3):
        second(index)
    one, other = first(7), second(7)
    assert (one.image == other.image).all()
    assert (one.boxes == other.boxes).all()
    assert (one.image != first(8).image).any()


def test_lower_means_larger() -> None:
    make = composer(
        style=CompositeStyle(sizes=((240, 320),), class_shares=(1.0,), class_heights=(1.0,), most_objects=2)
    )
    pairs = 0
    for index in range(60):
        boxes = make(index).boxes
        if len(boxes) == 2 and boxes[:, 3].max() < 239 and boxes[:, 0].min() > 0 and boxes[:, 2].max() < 320:
            low, high = np.argmax(boxes[:, 3]), np.argmin(boxes[:, 3])
            if boxes[low, 3] - boxes[high, 3] > 30 and boxes[:, 1].min() > 0:
                pairs += 1
                assert boxes[low, 3] - boxes[low, 1] > 0.8 * (boxes[high, 3] - boxes[high, 1])
    assert pairs > 3


def test_what_is_hidden_loses_its_label() -> None:
    crowd = CompositeStyle(
        sizes=((240, 320),), class_shares=(1.0,), class_heights=(1.0,), most_objects=60, near_height=(0.9, 0.95)
    )
    kept = [len(composer(style=crowd, cutouts=(person(),))(index).boxes) for index in range(8)]
    everything = CompositeStyle(
        sizes=((240, 320),), class_shares=(1.0,), class_heights=(1.0,), most_objects=60, near_height=(0.9, 0.95),
        least_visible=0.0,
    )  # fmt: skip
    every = [len(composer(style=everything)(index).boxes) for index in range(8)]
    assert sum(kept) < sum(every)


def test_the_labels_of_the_scene_are_kept_unless_covered() -> None:
    sparse = CompositeStyle(sizes=((240, 320),), class_shares=(1.0,), class_heights=(1.0,), most_objects=1)
    make = composer(scene((100, 60, 220, 180)), style=sparse)
    counts = [len(make(index).boxes) for index in range(30)]
    assert max(counts) == 2
    assert sum(count >= 1 for count in counts) > 20


def test_objects_of_the_scene_do_not_hide_each_other() -> None:
    behind, before = (120, 70, 140, 110), (100, 60, 220, 180)  # a driver in a car
    tiny = CompositeStyle(
        sizes=((240, 320),), class_shares=(1.0,), class_heights=(1.0,), most_objects=1, near_height=(0.06, 0.07)
    )  # what is pasted is too small to hide them
    orders = [composer(scene(*boxes), style=tiny) for boxes in ((behind, before), (before, behind))]
    counts = [[sum(_pixels(box) > 300 for box in make(index).boxes) for index in range(20)] for make in orders]
    assert counts[0] == counts[1]
    assert counts[0].count(2) > 5


def test_obstacles_have_no_label() -> None:
    style = CompositeStyle(sizes=((240, 320),), class_shares=(1.0,), class_heights=(1.0,), obstacle_share=1.0)
    make = composer(cutouts=(person(), person(-1)), style=style)
    assert all(len(make(index).boxes) == 0 for index in range(10))
    assert any(reddish(make(index).image).any() for index in range(10))


def test_with_nothing_to_paste_parts_of_scenes_stay_as_they_are() -> None:
    held = scene((100, 60, 140, 160))
    make = composer(held, cutouts=(), style=replace(PLAIN, most_objects=0))
    assert Composer([lambda: held], [], replace(PLAIN, most_objects=0), 0)(0).image.shape == held.image.shape
    assert not any(reddish(make(index).image).any() for index in range(6))
    assert max(len(make(index).boxes) for index in range(6)) == 1


def test_one_that_is_cut_stands_at_the_lower_border() -> None:
    cut = Cutout(person().picture[:70], 0, frozenset({"bottom"}))
    make = composer(cutouts=(cut,))
    lower = [box[3] for index in range(20) for box in make(index).boxes]
    assert lower
    assert all(bottom >= 238 for bottom in lower)


def test_nothing_to_paste_or_to_paste_over_is_told() -> None:
    with pytest.raises(TrainingError, match="nothing to paste"):
        composer(cutouts=(person(-1),))
    with pytest.raises(TrainingError, match="no scenes"):
        Composer([], [person()], PLAIN, 0)


def test_rendered_scenes_know_their_walkers() -> None:
    moments = RenderedScenes([3, 4], label=1)
    made = [moments(index) for index in range(6)]
    assert sum(len(one.boxes) for one in made) > 5
    assert all((one.labels == 1).all() for one in made)
    again = moments(2)
    assert (again.image == made[2].image).all()
    assert (again.boxes == made[2].boxes).all()
