"""The follower: whom it believes, when it gives a target up, and what it takes up again."""

from __future__ import annotations

import numpy as np
import pytest

from trackers.geometry import centres, iou_pairs
from trackers.structures import BoolArray, Detections, FloatArray, ImageArray, IntArray, State
from trackers.target_follower import Candidates, TargetFollower
from trackers.targets import LOST_SCORE, Found, checked_boxes, placed_boxes

SIDE = 24
GREEN, TEAL, RED = (0, 220, 0), (190, 96, 0), (0, 0, 220)
Square = tuple[float, float, tuple[int, int, int]]


def picture(*squares: Square, width: int = 320, height: int = 240) -> ImageArray:
    """Squares (left, top, colour) on black."""
    image = np.zeros((height, width, 3), np.uint8)
    for x, y, colour in squares:
        image[int(y) : int(y) + SIDE, int(x) : int(x) + SIDE] = colour
    return image


def box(x: float, y: float) -> FloatArray:
    return np.array([[x, y, x + SIDE, y + SIDE]], np.float64)


def looks(image: ImageArray, boxes: FloatArray) -> FloatArray:
    """Mean colour of each box, and darkness, (n, 4) of unit length."""
    seen = np.zeros((len(boxes), 4))
    for row, (x1, y1, x2, y2) in enumerate(boxes.round().astype(int)):
        part = image[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]
        seen[row, :3] = part.reshape(-1, 3).mean(axis=0) if part.size else 0
    seen[:, 3] = np.maximum(200 - np.linalg.norm(seen[:, :3], axis=1), 0)
    return seen / np.linalg.norm(seen, axis=1, keepdims=True)


class Scripted:
    """A target tracker that answers as it is told, and remembers what was asked of it."""

    def __init__(self, *answers: tuple[FloatArray, float], reach: float = 60.0) -> None:
        """`answers`: box (1, 4) and score of each update; the last one is repeated. `reach`: of `look`, pixels."""
        self.answers, self.reach = list(answers), reach
        self.boxes: FloatArray = np.zeros((0, 4))
        self.around: list[FloatArray] = []
        self.learned: list[BoolArray] = []
        self.placed: list[FloatArray] = []
        self.looked: list[FloatArray] = []

    def add(self, image: ImageArray, boxes: FloatArray) -> None:
        self.boxes = np.concatenate([self.boxes, checked_boxes(boxes, image)])

    def update(self, image: ImageArray, *, around: FloatArray | None = None, learn: BoolArray | None = None) -> Found:
        assert around is not None
        assert learn is not None
        self.around.append(around)
        self.learned.append(learn)
        place, score = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if score >= LOST_SCORE:
            self.boxes = np.repeat(place, len(self.boxes), axis=0)
        return Found(self.boxes.copy(), np.full(len(self.boxes), score))

    def look(self, image: ImageArray, rows: IntArray, around: FloatArray) -> Found:
        """Finds the brightest square within reach of each place."""
        self.looked.append(around)
        boxes, scores = around.copy(), np.zeros(len(around))
        for k, (x, y) in enumerate(centres(around)):
            ys, xs = np.nonzero(image.max(axis=2))
            near = np.hypot(xs - x, ys - y) <= self.reach
            if near.any():
                at = np.flatnonzero(near)[0]
                top, left = ys[at], xs[at]
                boxes[k], scores[k] = (left, top, left + SIDE, top + SIDE), 0.6
        return Found(boxes, scores)

    def place(self, rows: BoolArray, boxes: FloatArray) -> None:
        self.boxes = placed_boxes(rows, boxes, self.boxes)
        self.placed.append(boxes)

    def keep(self, rows: BoolArray) -> None:
        self.boxes = self.boxes[rows]

    def to_arrays(self) -> State:
        return {"boxes": self.boxes.copy()}

    def from_arrays(self, state: State) -> None:
        self.boxes = state["boxes"].copy()


HERE = 100.0, 100.0
SEEN = picture((*HERE, GREEN))


def following(first: Scripted, second: Scripted, *, candidates: Candidates | None = None) -> TargetFollower:
    follower = TargetFollower(first, second, looks, candidates=candidates, patience=3)
    follower.add(SEEN, box(*HERE))
    return follower


def gone(*, candidates: Candidates | None = None, pictures: int = 6) -> tuple[TargetFollower, Scripted, Scripted]:
    """One whose target was there for 5 pictures and is away since some."""
    first = Scripted(*[(box(*HERE), 0.8)] * 5, (box(*HERE), 0.3))
    second = Scripted(*[(box(*HERE), 0.9)] * 5, (box(*HERE), 0.02))
    follower = following(first, second, candidates=candidates)
    for _ in range(5):
        follower.update(SEEN)
    for _ in range(pictures):
        follower.update(picture())
    return follower, first, second


def shown(follower: TargetFollower, image: ImageArray, times: int = 3) -> Found:
    """What it finds in the last of so many pictures: clues must hold in three."""
    for _ in range(times):
        found = follower.update(image)
    return found


def test_both_tell_the_box_while_the_second_is_sure_and_then_the_first() -> None:
    exact, rough = box(101, 100), box(99, 102)
    follower = following(Scripted((rough, 0.8)), Scripted((exact, 0.9), (exact, 0.2)))
    np.testing.assert_array_equal(follower.update(SEEN).boxes, box(100, 101))
    np.testing.assert_array_equal(follower.update(SEEN).boxes, rough)
    np.testing.assert_array_equal(follower.boxes, rough)


def test_of_two_places_the_one_is_believed_that_shows_the_target() -> None:
    """The first is surer, but what it found is red."""
    image = picture((*HERE, GREEN), (200, 100, RED))
    first, second = Scripted((box(200, 100), 0.9)), Scripted((box(*HERE), 0.3))
    follower = following(first, second)
    found = follower.update(image)
    np.testing.assert_array_equal(found.boxes, box(*HERE))
    assert found.scores[0] >= LOST_SCORE
    np.testing.assert_array_equal(first.placed[-1], box(*HERE))  # and goes on from there


def test_the_one_that_lost_it_goes_on_from_the_others_box() -> None:
    image = picture((200, 100, GREEN))
    first, second = Scripted((box(200, 100), 0.7)), Scripted((box(*HERE), 0.05))
    follower = following(first, second)
    np.testing.assert_array_equal(follower.update(image).boxes, box(200, 100))
    np.testing.assert_array_equal(second.placed[-1], box(200, 100))
    assert not first.placed


def test_what_is_not_like_the_target_is_no_target_however_sure_the_first_is() -> None:
    first, second = Scripted((box(130, 100), 0.9)), Scripted((box(*HERE), 0.05))
    follower = following(first, second)
    found = follower.update(picture((130, 100, RED)))
    assert found.scores[0] < LOST_SCORE
    np.testing.assert_array_equal(found.boxes, box(*HERE))
    np.testing.assert_array_equal(first.boxes, box(*HERE))


def test_what_is_like_the_target_is_there_however_unsure_the_first_is() -> None:
    follower = following(Scripted((box(*HERE), 0.02)), Scripted((box(*HERE), 0.02)))
    assert follower.update(SEEN).scores[0] >= LOST_SCORE


@pytest.mark.parametrize(("sure", "believed"), [(0.9, False), (0.3, True)])
def test_what_the_second_had_in_its_grip_does_not_leap(sure: float, believed: bool) -> None:
    """A lookalike far off, at once: believed only where the second has not been sure of the target."""
    first = Scripted(*[(box(*HERE), 0.8)] * 5, (box(200, 100), 0.8))
    second = Scripted(*[(box(*HERE), sure)] * 5, (box(*HERE), 0.02))
    follower = following(first, second)
    for _ in range(5):
        follower.update(SEEN)
    found = follower.update(picture((200, 100, TEAL)))
    assert (found.scores[0] >= LOST_SCORE) is np.bool_(believed)
    np.testing.assert_array_equal(found.boxes, box(200, 100) if believed else box(*HERE))


def test_looks_that_had_changed_are_compared_with_what_they_were_of_late() -> None:
    """What was teal for long is believed to be so when the second loses it; what was green a moment ago is not."""
    for long, believed in ((2, False), (30, True)):
        first, second = Scripted((box(*HERE), 0.8)), Scripted(*[(box(*HERE), 0.9)] * long, (box(*HERE), 0.05))
        follower = following(first, second)
        for _ in range(long):
            follower.update(picture((*HERE, TEAL)))
        assert (follower.update(picture((*HERE, TEAL))).scores[0] >= LOST_SCORE) is np.bool_(believed)


def test_a_lost_target_keeps_its_box_and_a_low_score() -> None:
    follower, _, _ = gone(pictures=1)
    for _ in range(30):
        found = follower.update(picture())
        np.testing.assert_array_equal(found.boxes, box(*HERE))
        assert 0 <= found.scores[0] < LOST_SCORE


def test_nothing_is_learned_while_it_is_away() -> None:
    _, first, second = gone(pictures=6)
    assert all(learn.all() for learn in second.learned[:5])
    assert not any(learn.any() for learn in second.learned[-2:])
    assert not first.learned[-1].any()


def test_a_target_that_returns_where_it_was_is_taken_up_again() -> None:
    follower, first, second = gone()
    assert shown(follower, SEEN, 2).scores[0] < LOST_SCORE
    found = follower.update(SEEN)
    assert iou_pairs(found.boxes, box(*HERE))[0] > 0.9
    assert found.scores[0] > 0.5
    for tracker in (first, second):
        np.testing.assert_array_equal(tracker.boxes, found.boxes)
    first.answers, second.answers = [(box(102, 100), 0.8)], [(box(102, 100), 0.9)]
    np.testing.assert_array_equal(follower.update(SEEN).boxes, box(102, 100))


def test_it_is_found_far_off_the_later_the_farther() -> None:
    """What is 150 pixels off is beyond reach at once, and within it some seconds later."""
    image = picture((250, 100, GREEN))
    follower, _, _ = gone(pictures=5)
    assert follower.update(image).scores[0] < LOST_SCORE
    follower, _, _ = gone(pictures=90)
    scores = [follower.update(image).scores[0] for _ in range(40)]
    assert max(scores) > 0.5
    np.testing.assert_array_equal(follower.boxes, box(250, 100))


def test_it_is_expected_where_its_way_leads() -> None:
    places = [box(100 + 3 * step, 100) for step in range(1, 11)]
    first = Scripted(*[(place, 0.8) for place in places], (places[-1], 0.02))
    second = Scripted(*[(place, 0.9) for place in places], (places[-1], 0.02))
    follower = following(first, second)
    for step in range(1, 11):
        follower.update(picture((100 + 3 * step, 100, GREEN)))
    for _ in range(14):
        follower.update(picture())
    middle = centres(first.around[-1])[0]
    assert 130 + 20 < middle[0] - SIDE / 2 < 130 + 50  # 14 steps of 3 pixels, or nearly
    assert abs(middle[1] - 112) < 3


@pytest.mark.parametrize("colour", [TEAL, RED])
def test_a_distractor_is_not_taken_up(colour: tuple[int, int, int]) -> None:
    follower, _, _ = gone()
    for _ in range(20):
        found = follower.update(picture((110, 100, colour)))
        assert found.scores[0] < LOST_SCORE
        np.testing.assert_array_equal(found.boxes, box(*HERE))
    assert follower.update(picture((110, 100, colour), (104, 160, GREEN))).scores[0] < 1  # it goes on looking
    for _ in range(3):
        found = follower.update(picture((104, 160, GREEN)))
    np.testing.assert_array_equal(found.boxes, box(104, 160))


def test_weaker_evidence_is_enough_where_the_second_is_sure_of_it_too() -> None:
    follower, _, second = gone()
    second.answers = [(box(110, 100), 0.8)]
    found = follower.update(picture((110, 100, TEAL)))
    np.testing.assert_array_equal(found.boxes, box(110, 100))
    assert found.scores[0] >= LOST_SCORE
    follower, _, second = gone()
    second.answers = [(box(110, 100), 0.8)]
    assert follower.update(picture((110, 100, RED))).scores[0] < LOST_SCORE  # it has to be like it all the same


def seeing(*boxes: FloatArray, label: int = 3) -> Candidates:
    """A detector that sees these boxes (1, 4), and the target where it was learned; all of the class `label`."""

    def detect(image: ImageArray) -> Detections:
        everything = np.concatenate([box(HERE[0] + 1, HERE[1]), *boxes]).astype(np.float32)
        count = len(everything)
        labels = np.full(count, label)
        labels[0] = 3
        return Detections(everything, np.full(count, 0.5, np.float32), labels)

    return detect


def test_what_a_detector_sees_is_taken_up_where_it_looks_like_the_target() -> None:
    """Out of reach of the first, near enough to have come there: a green square among red ones."""
    image = picture((170, 150, GREEN), (60, 60, RED))
    follower, first, _ = gone(candidates=seeing(box(60, 60), box(170, 150)), pictures=4)
    first.reach = 1
    found = shown(follower, image)
    np.testing.assert_array_equal(found.boxes, box(170, 150))
    assert found.scores[0] > 0.5
    assert len(first.looked[-1]) > 2  # and it was searched as without one, too


@pytest.mark.parametrize(
    ("boxes", "label"),
    [
        (box(170, 150), 4),  # of another class
        (box(290, 10), 3),  # out of reach
        (np.array([[170.0, 150, 194, 158]]), 3),  # of another shape
    ],
)
def test_what_does_not_fit_is_not_taken_up(boxes: FloatArray, label: int) -> None:
    image = picture((170, 150, GREEN), (290, 10, GREEN))
    follower, first, _ = gone(candidates=seeing(boxes, label=label), pictures=4)
    first.reach = 1
    assert shown(follower, image).scores[0] < LOST_SCORE


def test_what_no_detector_knows_is_searched_without_one() -> None:
    asked: list[ImageArray] = []

    def blind(image: ImageArray) -> Detections:
        asked.append(image)
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    follower, _, _ = gone(candidates=blind, pictures=8)
    assert shown(follower, SEEN).scores[0] > 0.5
    assert len(asked) == 1  # when the target was learned


def test_a_detector_is_asked_while_the_target_is_away_and_not_in_every_picture() -> None:
    asked: list[ImageArray] = []

    def counting(image: ImageArray) -> Detections:
        asked.append(image)
        return seeing()(image)

    follower, _, _ = gone(candidates=counting, pictures=4)
    assert len(asked) == 1
    for _ in range(6):
        follower.update(picture())
    assert len(asked) == 3


def test_what_is_like_the_target_for_a_moment_only_is_not_taken_up() -> None:
    follower, _, _ = gone()
    for image in (picture((110, 100, GREEN)), picture((110, 100, RED))) * 4:
        assert shown(follower, image, 1).scores[0] < LOST_SCORE
    assert shown(follower, picture((110, 100, GREEN)), 2).scores[0] < LOST_SCORE
    assert shown(follower, picture((60, 60, GREEN)), 2).scores[0] < LOST_SCORE  # something else


def test_one_that_is_saved_goes_on_as_if_nothing_had_been() -> None:
    follower, first, second = gone(pictures=6)
    other = TargetFollower(
        Scripted(first.answers[0], reach=first.reach), Scripted(second.answers[0]), looks, patience=3
    )
    other.from_arrays(follower.to_arrays())
    for image in (picture((110, 100, TEAL)), picture((108, 104, GREEN)), SEEN):
        found, again = follower.update(image), other.update(image)
        np.testing.assert_array_equal(found.boxes, again.boxes)
        np.testing.assert_array_equal(found.scores, again.scores)
    for name, array in follower.to_arrays().items():
        np.testing.assert_array_equal(array, other.to_arrays()[name], err_msg=name)


def test_what_took_the_targets_place_is_not_learned() -> None:
    """Something alike, which the filter does not take for it: the target's gallery knows nothing of it later."""
    first = Scripted((box(*HERE), 0.8))
    second = Scripted(*[(box(*HERE), 0.9)] * 5, *[(box(*HERE), 0.2)] * 20, (box(*HERE), 0.02))
    follower = following(first, second)
    for _ in range(5):
        follower.update(SEEN)
    for _ in range(20):
        follower.update(picture((*HERE, TEAL)))
    known = [follower.to_arrays()[name] for name in ("likeness.gallery.counts", "likeness.likeness.recent")]
    np.testing.assert_array_equal(known[0], [1])
    np.testing.assert_allclose(known[1], [1], atol=0.25)


def test_it_is_not_searched_elsewhere_before_patience_is_over() -> None:
    _, first, _ = gone(pictures=4)
    assert not first.looked
    _, first, _ = gone(pictures=5)
    assert first.looked


def test_targets_of_several_fates() -> None:
    """One stays, one leaves: each by itself."""
    image = picture((40, 40, GREEN), (200, 100, RED))
    boxes = np.concatenate([box(40, 40), box(200, 100)])

    class Honest(Scripted):
        """Finds whatever is bright at each target's box."""

        def update(
            self, image: ImageArray, *, around: FloatArray | None = None, learn: BoolArray | None = None
        ) -> Found:
            there = [image[int(y) + 5, int(x) + 5].any() for x, y in self.boxes[:, :2]]
            return Found(self.boxes.copy(), np.where(there, 0.9, 0.01))

    follower = TargetFollower(Honest(), Honest(), looks, patience=3)
    follower.add(image, boxes[:1])
    follower.add(image, boxes[1:])
    for _ in range(10):
        found = follower.update(picture((40, 40, GREEN)))
    np.testing.assert_array_equal(found.scores >= LOST_SCORE, [True, False])
    np.testing.assert_array_equal(found.boxes, boxes)
    follower.keep(np.array([False, True]))
    np.testing.assert_array_equal(follower.update(image).boxes, boxes[1:])
    assert follower.update(image).scores[0] >= LOST_SCORE


def test_a_target_that_is_placed_is_there() -> None:
    follower, first, second = gone()
    follower.place(np.array([True]), box(200, 150))
    for tracker in (first, second):
        np.testing.assert_array_equal(tracker.boxes, box(200, 150))
    first.answers, second.answers = [(box(200, 150), 0.8)], [(box(200, 150), 0.9)]
    assert follower.update(picture((200, 150, GREEN))).scores[0] > 0.5


def test_it_is_looked_for_where_it_is_said_to_be() -> None:
    follower, first, second = gone(pictures=1)
    follower.update(picture(), around=box(30, 30))
    np.testing.assert_array_equal(first.around[-1], box(30, 30))
    np.testing.assert_array_equal(second.around[-1], box(30, 30))


def test_no_targets_need_no_trackers() -> None:
    follower = TargetFollower(Scripted(), Scripted(), looks)
    follower.add(SEEN, np.zeros((0, 4)))
    assert follower.update(SEEN).boxes.shape == (0, 4)
    follower.keep(np.zeros(0, dtype=bool))
    assert follower.boxes.shape == (0, 4)


@pytest.mark.parametrize(("lost", "back"), [(0.0, 0.5), (0.7, 0.6), (0.5, 1.1)])
def test_contradictory_shares_are_refused(lost: float, back: float) -> None:
    with pytest.raises(ValueError, match="lost_share <= back_share"):
        TargetFollower(Scripted(), Scripted(), looks, lost_share=lost, back_share=back)
