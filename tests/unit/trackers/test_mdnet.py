"""MDNet: its classifier tells textures apart, and it learns when the paper says so."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.trackers.small_mdnet import colours, small_mdnet
from tests.unit.trackers.target_scenes import HEIGHT, WIDTH, moving, texture
from trackers.geometry import iou_pairs
from trackers.mdnet import Classifier, MdNet
from trackers.structures import FloatArray, ImageArray
from trackers.targets import LOST_SCORE

STARTS, STEPS = np.array([[40.0, 50.0]]), np.array([[2.0, 1.0]])


class Counting:
    """`colours`, and how many crops it was shown in each call."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def __call__(self, crops: ImageArray) -> FloatArray:
        self.counts.append(len(crops))
        return colours(crops)


def pieces(look: ImageArray, count: int, *, seed: int) -> FloatArray:
    """Features of `count` pieces of a texture, a few pixels apart."""
    chance = np.random.default_rng(seed)
    corners = chance.integers(20, 26, (count, 2))
    return colours(np.stack([look[y : y + 24, x : x + 24] for x, y in corners])).reshape(count, -1)


def test_training_tells_two_textures_apart() -> None:
    fine, coarse = texture(64, 64, seed=1, grain=1.5), texture(64, 64, seed=2, grain=6)
    classifier = Classifier(192, hidden=32, rate=0.01, dropped=0.5, seed=0)
    good, bad = pieces(fine, 200, seed=1), pieces(coarse, 400, seed=2)
    fresh_good, fresh_bad = pieces(fine, 50, seed=3), pieces(coarse, 50, seed=4)
    before = classifier.odds(fresh_good).min() - classifier.odds(fresh_bad).max()
    classifier.train(good, bad, rounds=80)
    assert before < 0
    assert classifier.odds(fresh_good).min() > 0 > classifier.odds(fresh_bad).max()
    assert classifier.odds(np.zeros((0, 192), np.float32)).shape == (0,)


def test_the_hardest_negatives_are_learned() -> None:
    """Few of them look like the target: among all others they would hardly ever be drawn."""
    chance = np.random.default_rng(0)
    target = np.array([1.0, 1, 0, 0], np.float32)
    alike = np.array([1.0, 0.6, 0, 0], np.float32)
    other = np.array([-1.0, -1, 0, 0], np.float32)
    noise = chance.normal(0, 0.05, (1500, 4)).astype(np.float32)
    good = target + noise[:100]
    bad = np.concatenate([alike + noise[100:115], other + noise[115:]])
    classifier = Classifier(4, hidden=16, rate=0.1, dropped=0.0, seed=0)
    classifier.train(good, bad, rounds=300)
    odds = classifier.odds(np.stack([target, alike, other]))
    assert odds[0] > 0 > odds[1]
    assert odds[2] < 0


def test_the_same_seed_repeats_exactly_and_another_does_not() -> None:
    pictures = moving(12, starts=STARTS, steps=STEPS)

    def run(seed: int) -> FloatArray:
        tracker = small_mdnet(seed=seed)
        tracker.add(pictures.frames[0], pictures.boxes[0])
        rows = [tracker.update(frame) for frame in pictures.frames[1:]]
        return np.array([[*found.boxes[0], found.scores[0]] for found in rows])

    first = run(0)
    np.testing.assert_array_equal(first, run(0))
    assert np.abs(first - run(1)).max() > 0.01


def test_random_numbers_of_others_change_nothing() -> None:
    """Each target draws its own: neither numpy's nor torch's common ones are used, nor another target's."""
    pictures = moving(6, starts=np.array([[40.0, 50.0], [200.0, 120.0]]), steps=np.array([[2.0, 1], [-2, 1]]))
    alone, together = small_mdnet(), small_mdnet()
    alone.add(pictures.frames[0], pictures.boxes[0, :1])
    together.add(pictures.frames[0], pictures.boxes[0])
    for frame in pictures.frames[1:]:
        np.testing.assert_array_equal(alone.update(frame).boxes[0], together.update(frame).boxes[0])


def scores(tracker: MdNet, frames: list[ImageArray], boxes: FloatArray) -> FloatArray:
    """Of every frame after the first (frames - 1,)."""
    tracker.add(frames[0], boxes)
    return np.array([tracker.update(frame).scores[0] for frame in frames[1:]])


def test_it_trains_every_so_many_pictures() -> None:
    pictures = moving(10, starts=STARTS, steps=STEPS)
    runs = [scores(small_mdnet(later_rounds=rounds, every=4), pictures.frames, pictures.boxes[0]) for rounds in (0, 5)]
    assert runs[0].min() > LOST_SCORE
    same = runs[0] == runs[1]
    assert same[:4].all()  # picture 4 itself is looked at before
    assert not same[4:].any()


def test_it_trains_at_once_where_the_target_is_not_found() -> None:
    pictures = moving(10, starts=STARTS, steps=STEPS, hidden=range(5, 10))
    runs = [
        scores(small_mdnet(later_rounds=rounds, every=999), pictures.frames, pictures.boxes[0]) for rounds in (0, 5)
    ]
    assert runs[0][:4].min() > LOST_SCORE > runs[0][4]
    same = runs[0] == runs[1]
    assert same[:5].all()  # pictures 1 to 5; in 5 it is lost
    assert not same[5:].all()


def test_nothing_is_learned_from_where_the_target_is_not() -> None:
    pictures = moving(8, starts=STARTS, steps=STEPS, hidden=range(5, 8))
    shown = Counting()
    scores(small_mdnet(shown), pictures.frames, pictures.boxes[0])
    first, *later = shown.counts
    assert first == 100 + 300 + 200  # target, everything else, boxes to put right
    assert later == [128, 15 + 40] * 4 + [128] * 3


def test_it_is_looked_for_further_away_the_longer_it_is_not_found() -> None:
    """Hidden for ten pictures, it comes back more than its side further on."""
    still = moving(15, starts=STARTS, steps=STEPS * 0, hidden=range(4, 14))
    moved = moving(1, starts=STARTS + np.array([44.0, 0.0]), steps=STEPS)
    overlaps = {}
    for widening in (1.0, 1.15):
        tracker = small_mdnet(widening=widening, candidates=256)
        scores(tracker, still.frames[:14], still.boxes[0])
        for _ in range(4):
            found = tracker.update(moved.frames[0])
        overlaps[widening] = iou_pairs(found.boxes, moved.boxes[0])[0]
    assert overlaps[1.0] == 0
    assert overlaps[1.15] > 0.6


def test_sizes_and_proportions_are_followed() -> None:
    pictures = moving(20, starts=np.array([[100.0, 80.0]]), steps=np.array([[0.0, 0.0]]), growth=1.02)
    tracker = small_mdnet(candidates=256)
    tracker.add(pictures.frames[0], pictures.boxes[0])
    for frame in pictures.frames[1:]:
        found = tracker.update(frame)
    assert iou_pairs(pictures.boxes[0], pictures.boxes[-1])[0] < 0.5
    assert iou_pairs(found.boxes, pictures.boxes[-1])[0] > 0.75


def test_no_target_grows_beyond_its_limit() -> None:
    pictures = moving(20, starts=np.array([[100.0, 80.0]]), steps=np.array([[0.0, 0.0]]), growth=1.03)
    tracker = small_mdnet(largest_growth=1.2)
    tracker.add(pictures.frames[0], pictures.boxes[0])
    widths = [np.ptp(tracker.update(frame).boxes[0, ::2]) for frame in pictures.frames[1:]]
    assert max(widths) == pytest.approx(1.2 * 40)


def test_features_of_any_shape_do() -> None:
    """Maps and rows of numbers are the same to it."""
    pictures = moving(4, starts=STARTS, steps=STEPS)
    flat = small_mdnet(lambda crops: colours(crops).reshape(len(crops), -1))
    np.testing.assert_array_equal(
        scores(flat, pictures.frames, pictures.boxes[0]), scores(small_mdnet(), pictures.frames, pictures.boxes[0])
    )


def test_a_target_as_large_as_the_picture_is_followed() -> None:
    picture = texture(WIDTH, HEIGHT, seed=4)
    tracker = small_mdnet()
    tracker.add(picture, np.array([[0.0, 0.0, WIDTH, HEIGHT]]))
    found = tracker.update(picture)
    assert iou_pairs(found.boxes, np.array([[0.0, 0.0, WIDTH, HEIGHT]]))[0] > 0.8
