"""Clips whose target is away: a red square that wanders over a still wall, so that what is behind it is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.evaluation.absences import Absence, Hiding
from pipeline.evaluation.sot import Truth
from pipeline.target_benchmark.absence_plan import plan_absences
from pipeline.target_benchmark.benchmark import spread_boxes
from pipeline.target_benchmark.hiding import hide
from trackers.structures import ImageArray

RATE = 10.0
RED = (0, 0, 255)


def wall() -> ImageArray:
    noise = np.random.default_rng(3).integers(60, 190, (30, 40, 3), np.uint8)
    return np.asarray(cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC), np.uint8)


def clip(frames: int = 60) -> tuple[list[ImageArray], Truth]:
    """It goes 2 pixels a frame to the right, from 10."""
    left = 10.0 + 2 * np.arange(frames)
    boxes = np.stack([left, np.full(frames, 50.0), left + 16, np.full(frames, 66.0)], axis=1)
    pictures = []
    for box in boxes.astype(int):
        picture = wall()
        picture[box[1] : box[3], box[0] : box[2]] = RED
        pictures.append(picture)
    return pictures, Truth(boxes, np.ones(frames, bool))


def reds(picture: ImageArray) -> int:
    return int((picture == RED).all(axis=2).sum())


def test_a_removed_target_shows_what_is_behind_it_and_all_else_stays() -> None:
    pictures, truth = clip()
    made = hide(pictures, truth, [Absence(Hiding.REMOVED, 25, 35)], frame_rate=RATE)
    assert sorted(made.changed) == list(range(25, 35))
    assert made.hidden.truth.present.tolist() == [not 25 <= i < 35 for i in range(60)]
    assert made.hidden.judged.all()
    for picture in made.changed.values():
        assert reds(picture) == 0
        assert np.abs(picture.astype(int) - wall()).mean() < 1.0
        assert np.abs(picture[40:76].astype(int) - wall()[40:76]).max() < 30  # nowhere a ghost


def test_a_covered_target_is_out_of_sight_and_what_covers_it_comes_and_goes() -> None:
    pictures, truth = clip()
    made = hide(pictures, truth, [Absence(Hiding.COVERED, 25, 37)], frame_rate=RATE)
    assert all(reds(made.changed[frame]) == 0 for frame in range(25, 37))
    around = sorted(set(made.changed) - set(range(25, 37)))
    assert around == [23, 24, 37, 38]
    for frame in around:  # by how much of it is still seen
        share = reds(made.changed[frame]) / 256
        assert made.hidden.truth.present[frame] == (share > 0.45)
        assert made.hidden.judged[frame] == (share > 0.45 or share < 0.05)
    assert reds(pictures[30]) == 256  # those that were given stay as they are


def test_absences_are_drawn_by_seed_with_time_before_and_after() -> None:
    truth = Truth(np.tile([0, 0, 9, 9.0], (700, 1)), np.ones(700, bool))
    plan = plan_absences(truth, 25.0, seed=1)
    assert plan == plan_absences(truth, 25.0, seed=1)
    assert plan != plan_absences(truth, 25.0, seed=2)
    assert len(plan) == 4
    assert [one.how for one in plan[:2]] in ([Hiding.REMOVED, Hiding.COVERED], [Hiding.COVERED, Hiding.REMOVED])
    assert plan[0].how == plan[2].how
    ends = [0, *(one.end for one in plan)]
    for one, before in zip(plan, ends, strict=False):
        assert 25 <= one.end - one.begin <= 75
        assert one.begin >= before + 25
    assert plan[-1].end <= 700 - 25


@pytest.mark.parametrize("frames", [1, 50, 62])
def test_a_clip_that_is_too_short_has_none(frames: int) -> None:
    assert plan_absences(Truth(np.ones((frames, 4)), np.ones(frames, bool)), 25.0, seed=0) == ()


def test_none_is_where_the_target_is_away_by_itself() -> None:
    present = np.ones(200, bool)
    present[60:140] = False
    for seed in range(20):
        for one in plan_absences(Truth(np.ones((200, 4)), present), 25.0, seed=seed):
            assert present[one.begin - 25 : one.end + 25].all()


def test_many_boxes_are_spread_over_the_picture() -> None:
    boxes = spread_boxes(np.array([5, 5, 25, 15.0]), 20, width=200, height=100)
    assert boxes.shape == (20, 4)
    assert (boxes[:, 2:] - boxes[:, :2] == [20, 10]).all()
    assert (boxes.min(), boxes[:, 2].max(), boxes[:, 3].max()) == (0, 200, 100)
    assert len(np.unique(boxes, axis=0)) == 20
    with pytest.raises(ConfigError, match="larger than its picture"):
        spread_boxes(np.array([0, 0, 300, 10.0]), 2, width=200, height=100)
