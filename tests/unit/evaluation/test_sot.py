"""One target followed: numbers by hand, properties, and no frame at all."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.evaluation import sot
from pipeline.evaluation.sot import Followed, FollowScores, Truth
from trackers.geometry import iou_pairs
from trackers.structures import FloatArray

BOX = np.array([100.0, 100.0, 110.0, 120.0])  # 10 wide, 20 high
NONE = np.zeros((0, 4))


def moved(*steps: tuple[float, float]) -> FloatArray:
    """The box, moved by each step."""
    return np.stack([BOX + np.array(step * 2) for step in steps])


def truth(*present: bool) -> Truth:
    """The box in every frame, where it is present."""
    return Truth(np.tile(BOX, (len(present), 1)), np.array(present, bool))


# overlaps 1, 100 of 300, 120 of 280, 0; centres 0, 5, 8, 20 pixels off; .5 and .4 sizes; last, the target is away
FRAMES = truth(True, True, True, True, False)
BOXES = moved((0, 0), (5, 0), (0, 8), (12, 16), (0, 0))


@st.composite
def followings(draw: st.DrawFn) -> tuple[FloatArray, FloatArray]:
    """Boxes of a target and of a tracker in whole pixels, 1 to 20 of them."""
    side, place = st.integers(1, 30), st.integers(-20, 40)
    rows = draw(st.lists(st.tuples(*[place, place, side, side] * 2), min_size=1, max_size=20))
    numbers = np.array(rows, float).reshape(-1, 2, 4)
    numbers[..., 2:] += numbers[..., :2]
    return numbers[:, 0], numbers[:, 1]


def evaluated(true_boxes: FloatArray, boxes: FloatArray) -> FollowScores:
    return sot.evaluate(Truth(true_boxes, np.ones(len(true_boxes), bool)), Followed(boxes))


def test_worked_by_hand() -> None:
    scores = sot.evaluate(FRAMES, Followed(BOXES))
    assert (scores.frames, scores.present) == (5, 4)
    # above 0 .. .3 three of four, above .35 and .4 two, above .45 .. .95 one, above 1 none
    assert scores.success.tolist() == [0.75] * 7 + [0.5] * 2 + [0.25] * 11 + [0]
    assert scores.auc == pytest.approx(9 / 21)
    assert scores.precision.tolist() == [0.25] * 5 + [0.5] * 3 + [0.75] * 12 + [1] * 31
    assert scores.precision_near == 1  # 20 pixels away are near enough
    assert scores.normalised_precision.tolist() == [0.25] * 40 + [0.5] * 10 + [0.75]
    assert scores.normalised_auc == pytest.approx((40 / 4 + 10 / 2 + 3 / 4) / 51)
    assert scores.robustness == 1
    assert scores.score_auc is None


def test_precision_near_is_that_at_twenty_pixels() -> None:
    assert evaluated(moved((0, 0)), moved((0, 20))).precision_near == 1
    assert evaluated(moved((0, 0)), moved((0, 20.5))).precision_near == 0


def test_sizes_are_those_of_the_true_box() -> None:
    """Centres 3 and 8 pixels apart: .3 of its width of 10, .4 of its height of 20."""
    boxes = BOX[None] + np.array([3 - 20, 8 - 30, 3 + 20, 8 + 30])
    assert sot.normalised_errors(BOX[None], boxes) == pytest.approx([0.5])
    assert sot.centre_errors(BOX[None], boxes) == pytest.approx([73**0.5])


def test_scores_by_hand() -> None:
    """Followed: .9 and .5. Lost: .5 and, with the target away, .6. In order: two pairs and a tie of four."""
    followed = Followed(BOXES, np.array([0.0, 0.9, 0.5, 0.5, 0.6]))  # the first one, of the given box, does not count
    assert sot.evaluate(FRAMES, followed).score_auc == pytest.approx(2.5 / 4)


def test_a_frame_without_the_target_may_hold_anything() -> None:
    boxes = FRAMES.boxes.copy()
    boxes[-1] = np.nan
    scores = [0.1, 0.9, 0.5, 0.5, 0.6]
    followed = Followed(BOXES, np.array(scores))
    one, other = sot.evaluate(FRAMES, followed), sot.evaluate(replace(FRAMES, boxes=boxes), followed)
    for field in fields(FollowScores):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def test_an_overlap_of_a_tenth_is_not_lost() -> None:
    """Of 100 square pixels 10 are shared in the second frame, which is followed, and 9.9 in the third."""
    square = np.array([[0.0, 0.0, 1.0, 10.0]])
    whole = np.array([[0.0, 0.0, 10.0, 10.0]])
    assert iou_pairs(square, whole)[0] == 0.1
    followed = Followed(np.repeat(whole, 3, axis=0), np.array([1.0, 0.8, 0.2]))
    marks = np.repeat(square, 3, axis=0)
    marks[2, 2] = 0.99
    assert sot.evaluate(Truth(marks, np.ones(3, bool)), followed).score_auc == 1
    assert sot.robustness(np.full(10, 0.1)) == 1
    assert sot.robustness(np.full(10, 0.0999)) == 0


@pytest.mark.parametrize(
    ("lost", "expected"),
    [
        pytest.param("." * 5 + "x" * 9 + "." + "x" * 10 + "." * 5, 15 / 30, id="nine in a row do not count, ten do"),
        pytest.param("." * 11 + "x" * 9, 1, id="nine at the end"),
        pytest.param("." * 10 + "x" * 10, 0.5, id="ten at the end"),
        pytest.param("x" * 12 + "." * 8, 0, id="from the beginning"),
        pytest.param("." * 2 + "x" * 10 + "." * 3 + "x" * 10, 2 / 25, id="the first failure counts"),
        pytest.param("." * 20, 1, id="never"),
        pytest.param("x", 1, id="too short to fail"),
    ],
)
def test_robustness(lost: str, expected: float) -> None:
    assert sot.robustness(np.array([0.05 if mark == "x" else 0.7 for mark in lost])) == pytest.approx(expected)


def test_frames_without_the_target_do_not_interrupt_a_failure() -> None:
    """Followed for 10 frames, then away in every other one of 20."""
    present = [True] * 10 + [True, False] * 10
    boxes = moved(*[(0, 0)] * 10, *[(50, 50)] * 20)
    assert sot.evaluate(truth(*present), Followed(boxes)).robustness == pytest.approx(10 / 20)


def test_no_frame() -> None:
    assert np.isnan(sot.success_curve(np.zeros(0))).tolist() == [True] * 21
    assert np.isnan(sot.precision_curve(np.zeros(0))).tolist() == [True] * 51
    assert np.isnan(sot.normalised_precision_curve(np.zeros(0))).tolist() == [True] * 51
    assert math.isnan(sot.robustness(np.zeros(0)))
    assert sot.centre_errors(NONE, NONE).shape == sot.normalised_errors(NONE, NONE).shape == (0,)
    assert sot.score_auc(np.zeros(0), np.zeros(0, bool)) is None
    scores = sot.evaluate(Truth(NONE, np.zeros(0, bool)), Followed(NONE, np.zeros(0)))
    assert (scores.frames, scores.present, scores.score_auc) == (0, 0, None)
    assert math.isnan(scores.auc)


def test_the_first_frame_alone() -> None:
    """It is counted as any other, but its score says nothing."""
    scores = sot.evaluate(truth(True), Followed(moved((0, 0)), np.array([1.0])))
    assert (scores.auc, scores.robustness, scores.score_auc) == (20 / 21, 1, None)


def test_a_target_in_no_frame() -> None:
    scores = sot.evaluate(truth(False, False), Followed(moved((0, 0), (0, 0)), np.array([1.0, 0.5])))
    assert (scores.frames, scores.present, scores.score_auc) == (2, 0, None)
    assert math.isnan(scores.auc)
    assert math.isnan(scores.robustness)


@given(followings())
def test_perfect_boxes(boxes: tuple[FloatArray, FloatArray]) -> None:
    scores = evaluated(boxes[0], boxes[0].copy())
    assert scores.success.tolist() == [1] * 20 + [0]  # nothing overlaps by more than 1
    assert scores.auc == pytest.approx(20 / 21)
    assert (scores.precision == 1).all()
    assert (scores.normalised_precision == 1).all()
    assert scores.robustness == 1


@given(followings())
def test_curves_go_one_way_and_success_is_the_mean_overlap(boxes: tuple[FloatArray, FloatArray]) -> None:
    """An overlap o passes from 20 o to 20 o + 1 thresholds (Čehovin et al. 2016: AUC is the mean overlap)."""
    scores = evaluated(*boxes)
    assert (np.diff(scores.success) <= 0).all()
    assert (np.diff(scores.precision) >= 0).all()
    assert (np.diff(scores.normalised_precision) >= 0).all()
    mean = iou_pairs(*boxes).mean()
    assert 20 * mean - 1e-9 <= 21 * scores.auc <= 20 * mean + 1 + 1e-9


@given(followings(), st.sampled_from([0.5, 2.0, 8.0]), st.integers(-64, 64))
def test_size_and_place_of_the_picture_do_not_matter(
    boxes: tuple[FloatArray, FloatArray], scale: float, step: int
) -> None:
    """Only precision in pixels knows the scale."""
    one, other = evaluated(*boxes), evaluated(*(scale * part + step for part in boxes))
    np.testing.assert_array_equal(one.success, other.success)
    np.testing.assert_array_equal(one.normalised_precision, other.normalised_precision)
    assert one.robustness == other.robustness
    np.testing.assert_array_equal(
        other.precision, (scale * sot.centre_errors(*boxes)[:, None] <= np.arange(51)).mean(axis=0)
    )


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=20))
def test_score_auc_agrees_with_the_definition(rows: list[tuple[int, bool]]) -> None:
    scores, lost = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], bool)
    pairs = [(a > b) + (a == b) / 2 for a in scores[~lost] for b in scores[lost]]
    found = sot.score_auc(scores, lost)
    assert (found is None) == (not pairs)
    assume(pairs)
    assert found == pytest.approx(np.mean(pairs))
    assert sot.score_auc(-scores, lost) == pytest.approx(1 - np.mean(pairs))
    assert sot.score_auc(np.exp(scores), lost) == found  # of scores only the order counts


def test_the_mean_takes_every_target_alike() -> None:
    """Four frames by hand, of which AUC is 9/21, and one perfect one."""
    long = sot.evaluate(FRAMES, Followed(BOXES, np.array([0.0, 0.9, 0.5, 0.5, 0.6])))
    short = sot.evaluate(truth(True), Followed(moved((0, 0))))
    mean = sot.mean_scores([long, short])
    assert (mean.frames, mean.present) == (6, 5)
    assert mean.auc == pytest.approx((9 / 21 + 20 / 21) / 2)
    assert mean.success.shape == (21,)
    assert mean.precision[0] == pytest.approx((0.25 + 1) / 2)
    assert mean.score_auc == pytest.approx(2.5 / 4)  # of the one that has it
    assert sot.mean_scores([short, short]).score_auc is None
    with pytest.raises(ValueError, match="no targets"):
        sot.mean_scores([])


def test_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="2 boxes for 1 frames"):
        sot.evaluate(truth(True), Followed(moved((0, 0), (0, 0))))
    with pytest.raises(ValueError, match=r"boxes must be \(2, 4\), got \(1, 4\)"):
        Truth(moved((0, 0)), np.ones(2, bool))
    with pytest.raises(ValueError, match=r"boxes must be \(1, 4\), got \(1, 5\)"):
        Followed(np.zeros((1, 5)))
    with pytest.raises(ValueError, match=r"scores must be \(1,\), got \(2,\)"):
        Followed(moved((0, 0)), np.zeros(2))
    with pytest.raises(ValueError, match="NaN"):
        sot.score_auc(np.array([np.nan, 1]), np.array([True, False]))
