"""What holds for all target trackers: they follow, they notice a loss, and bad input is told or survived."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import cv2
import numpy as np
import pytest

from pipeline import build
from pipeline.target_settings import CorrelationSettings, FlowSettings, MosseSettings
from tests.unit.trackers.plain_networks import PLAIN
from tests.unit.trackers.small_mdnet import small_mdnet
from tests.unit.trackers.target_scenes import HEIGHT, WIDTH, Pictures, moving, texture
from trackers.backbone_looks import BackboneLooks
from trackers.geometry import iou_pairs
from trackers.siamese import SiameseTracker
from trackers.structures import FloatArray
from trackers.target_follower import TargetFollower
from trackers.targets import LOST_SCORE, ResumableTargets, TargetTracker, followable

MAKERS: dict[str, Callable[[], TargetTracker]] = {
    "mosse": lambda: build.target_tracker(MosseSettings()),
    "correlation": lambda: build.target_tracker(CorrelationSettings()),
    "correlation, fast": lambda: build.target_tracker(CorrelationSettings(profile="fast")),
    "mdnet": lambda: small_mdnet(candidates=256),
    "flow": lambda: build.target_tracker(FlowSettings()),
    "auto": lambda: TargetFollower(
        SiameseTracker(PLAIN), build.target_tracker(CorrelationSettings()), BackboneLooks(PLAIN)
    ),
}
STARTS, STEPS = np.array([[40.0, 50.0], [200.0, 120.0]]), np.array([[2.5, 1.25], [-2.0, 0.5]])


@pytest.fixture(params=list(MAKERS))
def make(request: pytest.FixtureRequest) -> Callable[[], TargetTracker]:
    return MAKERS[request.param]


def follow(tracker: TargetTracker, pictures: Pictures) -> tuple[FloatArray, FloatArray]:
    """Boxes (frames, n, 4) and scores (frames, n); those of the first frame as given."""
    tracker.add(pictures.frames[0], pictures.boxes[0])
    boxes, scores = [pictures.boxes[0]], [np.ones(len(pictures.boxes[0]))]
    for frame in pictures.frames[1:]:
        found = tracker.update(frame)
        boxes.append(found.boxes)
        scores.append(found.scores)
    return np.stack(boxes), np.stack(scores)


def test_targets_are_followed(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(30, starts=STARTS, steps=STEPS)
    boxes, scores = follow(make(), pictures)
    overlaps = iou_pairs(boxes.reshape(-1, 4), pictures.boxes.reshape(-1, 4))
    assert overlaps.min() > 0.8
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scores[1:].min() > 0.3


def test_together_they_go_as_alone(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(10, starts=STARTS, steps=STEPS)
    together, scores = follow(make(), pictures)
    for k in range(len(STARTS)):
        alone, score = follow(make(), Pictures(pictures.frames, pictures.boxes[:, k : k + 1]))
        np.testing.assert_allclose(together[:, k], alone[:, 0], atol=0.05)
        np.testing.assert_allclose(scores[:, k], score[:, 0], atol=0.02)


def test_targets_come_and_go(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(20, starts=STARTS, steps=STEPS)
    tracker = make()
    tracker.add(pictures.frames[0], pictures.boxes[0, :1])
    for frame in pictures.frames[1:6]:
        tracker.update(frame)
    tracker.add(pictures.frames[5], pictures.boxes[5, 1:])
    for frame in pictures.frames[6:12]:
        found = tracker.update(frame)
    assert iou_pairs(found.boxes, pictures.boxes[11]).min() > 0.8
    tracker.keep(np.array([False, True]))
    for frame in pictures.frames[12:]:
        found = tracker.update(frame)
    assert iou_pairs(found.boxes, pictures.boxes[-1, 1:]).min() > 0.8


def test_without_targets_nothing_is_found(make: Callable[[], TargetTracker]) -> None:
    tracker = make()
    picture = texture(WIDTH, HEIGHT, seed=3)
    assert len(tracker.update(picture)) == 0
    tracker.add(picture, np.zeros((0, 4)))
    assert tracker.update(picture).boxes.shape == (0, 4)
    tracker.add(picture, np.array([[20.0, 20, 60, 60]]))
    tracker.keep(np.array([False]))
    assert len(tracker.update(picture)) == 0


def test_the_score_falls_when_the_target_is_gone(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(30, starts=STARTS, steps=STEPS / 4, hidden=range(15, 30))
    _, scores = follow(make(), pictures)
    assert scores[16:].max() < scores[1:15].min()


def test_another_scene_as_second_picture_is_a_loss(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(6, starts=STARTS, steps=STEPS * 0)
    tracker = make()
    tracker.add(pictures.frames[0], pictures.boxes[0])
    for other in (texture(WIDTH, HEIGHT, seed=8), np.zeros_like(pictures.frames[0])):
        found = tracker.update(other)
        assert found.scores.max() < 0.5
    for frame in pictures.frames[1:]:
        found = tracker.update(frame)
    assert iou_pairs(found.boxes, pictures.boxes[0]).min() > 0.7  # nothing of it was learned
    assert found.scores.min() > 0.3


def test_a_lost_target_keeps_its_box_wherever_it_was_expected(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(2, starts=STARTS[:1], steps=STEPS[:1] * 0)
    tracker = make()
    tracker.add(pictures.frames[0], pictures.boxes[0])
    found = tracker.update(np.zeros_like(pictures.frames[0]), around=np.array([[200.0, 150, 230, 180]]))
    assert found.scores[0] < LOST_SCORE
    np.testing.assert_array_equal(found.boxes, pictures.boxes[0])


def test_what_is_no_box_is_not_searched(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(2, starts=STARTS, steps=STEPS)
    found = []
    for around in (None, np.array([[np.nan, 0, 1, 1], [80.0, 80, 20, 20]])):
        tracker = make()
        tracker.add(pictures.frames[0], pictures.boxes[0])
        found.append(tracker.update(pictures.frames[1], around=around).boxes)
    np.testing.assert_array_equal(found[0], found[1])
    with pytest.raises(ValueError, match="a box for each target"):
        tracker.update(pictures.frames[1], around=np.zeros((3, 4)))


def test_it_is_looked_for_where_it_is_expected(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(2, starts=STARTS[:1], steps=np.array([[120.0, 60.0]]))
    tracker = make()
    tracker.add(pictures.frames[0], pictures.boxes[0])
    found = tracker.update(pictures.frames[1], around=pictures.boxes[1] + 4)
    assert iou_pairs(found.boxes, pictures.boxes[1])[0] > 0.75


def test_a_target_leaves_the_picture(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(40, starts=np.array([[260.0, 100.0]]), steps=np.array([[4.0, 0.0]]))
    boxes, scores = follow(make(), pictures)
    assert np.isfinite(boxes).all()
    assert scores[-5:].max() < 0.5 * scores[1:5].min()


def test_sizes_and_scenes_change(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(5, starts=STARTS, steps=STEPS)
    tracker = make()
    follow(tracker, pictures)
    for frame in (texture(WIDTH, HEIGHT, seed=8), texture(64, 48, seed=9), np.zeros((8, 8, 3), np.uint8)):
        found = tracker.update(frame)
        assert np.isfinite(found.boxes).all()
        assert np.isfinite(found.scores).all()
        assert found.scores.max() < 0.5


def test_grey_pictures_do(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(10, starts=STARTS, steps=STEPS)
    grey = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in pictures.frames]
    boxes, _ = follow(make(), Pictures(grey, pictures.boxes))
    assert iou_pairs(boxes[-1], pictures.boxes[-1]).min() > 0.8


def test_pictures_of_sixteen_bits_are_refused(make: Callable[[], TargetTracker]) -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint16)
    with pytest.raises(ValueError, match="8 bits a channel, got uint16"):
        make().add(picture, np.array([[10.0, 10, 50, 50]]))
    with pytest.raises(ValueError, match="8 bits a channel, got uint16"):
        make().update(picture)


@pytest.mark.parametrize(
    ("box", "told"),
    [
        ([400, 10, 440, 50], "outside the picture of 320 x 240"),
        ([-30, 10, 5, 50], "middle outside the picture"),
        ([-60, 10, -20, 50], "outside the picture"),
        ([10, 10, 10, 50], "smaller than 3 x 3"),
        ([50, 50, 10, 10], "smaller than 3 x 3"),
        ([-10, -10, 400, 300], "larger than the picture"),
        ([np.nan, 10, 50, 50], "no number"),
        ([10, 10, np.inf, 50], "no number"),
    ],
)
def test_boxes_that_show_nothing_are_refused(make: Callable[[], TargetTracker], box: list[float], told: str) -> None:
    tracker = make()
    with pytest.raises(ValueError, match=told):
        tracker.add(texture(WIDTH, HEIGHT, seed=3), np.array([[10.0, 10, 50, 50], box]))
    assert tracker.boxes.shape == (0, 4)  # none of them


def test_boxes_at_the_border_do(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(10, starts=np.array([[-15.0, 190.0], [290.0, -10.0]]), steps=np.array([[1.0, 0], [-1.0, 0]]))
    boxes, _ = follow(make(), pictures)
    assert iou_pairs(boxes[-1], pictures.boxes[-1]).min() > 0.6


def test_a_target_of_one_colour_is_survived(make: Callable[[], TargetTracker]) -> None:
    tracker = make()
    picture = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
    tracker.add(picture, np.array([[10.0, 10, 50, 50]]))
    found = tracker.update(picture)
    assert np.isfinite(found.boxes).all()
    assert np.isfinite(found.scores).all()


def test_what_may_not_be_learned_from_is_not(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(20, starts=STARTS[:1], steps=STEPS[:1] * 0)
    covered = [frame.copy() for frame in pictures.frames]
    x1, y1, x2, y2 = pictures.boxes[0, 0].astype(int)
    for frame in covered[1:12]:  # half of it: enough to be found, too little to be what it looks like
        frame[y1:y2, (x1 + x2) // 2 : x2] = 127
    scores = []
    for may in (True, False):
        tracker = make()
        tracker.add(pictures.frames[0], pictures.boxes[0])
        for frame in covered[1:12]:
            tracker.update(frame, learn=np.array([may]))
        scores.append(tracker.update(pictures.frames[12]).scores[0])
    assert scores[1] >= scores[0] - 0.01
    assert scores[1] > 0.5
    with pytest.raises(ValueError, match="a value for each target"):
        tracker.update(pictures.frames[1], learn=np.ones(3, dtype=bool))


def test_a_target_is_placed(make: Callable[[], TargetTracker]) -> None:
    pictures = moving(3, starts=STARTS, steps=np.array([[120.0, 60.0], [1.0, 0.5]]))
    tracker = make()
    tracker.add(pictures.frames[0], pictures.boxes[0])
    tracker.place(np.array([True, False]), pictures.boxes[1, :1] + 3)
    np.testing.assert_array_equal(tracker.boxes, [pictures.boxes[1, 0] + 3, pictures.boxes[0, 1]])
    assert iou_pairs(tracker.update(pictures.frames[1]).boxes, pictures.boxes[1]).min() > 0.75
    with pytest.raises(ValueError, match="boxes for 1 of 2 targets"):
        tracker.place(np.array([True, False]), pictures.boxes[1])
    with pytest.raises(ValueError, match="at least 3 x 3 pixels"):
        tracker.place(np.array([True, False]), np.array([[4.0, 4, 4, np.nan]]))


@pytest.mark.parametrize("name", ["mosse", "correlation", "correlation, fast", "flow", "auto"])
def test_a_saved_tracker_goes_on_as_if_nothing_had_been(name: str) -> None:
    pictures = moving(14, starts=STARTS, steps=STEPS)
    whole, first, second = (cast("ResumableTargets", MAKERS[name]()) for _ in range(3))
    for tracker in (whole, first):
        tracker.add(pictures.frames[0], pictures.boxes[0])
        for frame in pictures.frames[1:7]:
            tracker.update(frame)
    second.from_arrays(first.to_arrays())
    first.update(texture(WIDTH, HEIGHT, seed=8))  # what was saved is a copy
    for frame in pictures.frames[7:]:
        expected, found = whole.update(frame), second.update(frame)
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_what_can_be_followed_is_what_is_taken(make: Callable[[], TargetTracker]) -> None:
    picture = texture(WIDTH, HEIGHT, seed=3)
    boxes = np.array([[10.0, 10, 50, 50], [10, 10, 10, 50], [np.nan, 0, 9, 9], [400, 10, 440, 50], [-9, -9, 400, 300]])
    mask = followable(boxes, picture)
    np.testing.assert_array_equal(mask, [True, False, False, False, False])
    make().add(picture, boxes[mask])
    assert followable(np.zeros((0, 4)), picture).shape == (0,)
