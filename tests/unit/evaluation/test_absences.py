"""Absences scored by hand: 4 frames a second, a target of 10 x 10 that is away in frames 4 to 7."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.absences import (
    Absence,
    AbsenceScores,
    HiddenTruth,
    Hiding,
    Return,
    evaluate_absences,
    pooled,
)
from pipeline.evaluation.sot import Followed, Truth

BOX = np.array([0, 0, 10, 10.0])
AWAY = Absence(Hiding.COVERED, 4, 8)


def hidden(count: int = 16, *, absences: tuple[Absence, ...] = (AWAY,), half: tuple[int, ...] = ()) -> HiddenTruth:
    present, judged = np.ones(count, bool), np.ones(count, bool)
    for one in absences:
        present[one.begin : one.end] = False
    present[list(half)] = False
    judged[list(half)] = False
    return HiddenTruth(Truth(np.tile(BOX, (count, 1)), present), judged, absences, 4.0)


def followed(scores: list[float], *, moved: dict[int, float] | None = None) -> Followed:
    boxes = np.tile(BOX, (len(scores), 1))
    for frame, right in (moved or {}).items():
        boxes[frame, [0, 2]] += right
    return Followed(boxes, np.array(scores))


def test_seconds_count_from_the_beginning_and_from_the_return() -> None:
    scores = [1.0] * 6 + [0.05] * 4 + [0.6] * 6  # lost is said in frame 6, found in frame 10
    got = evaluate_absences(hidden(), followed(scores))
    assert got.returns == (Return(AWAY, 0.5, 0.5),)
    assert got.lost_in_time == 1.0
    assert got.recovered_in_time == 1.0
    assert got.told_lost == 0.5  # frames 6 and 7 of 4 to 7
    assert got.false_lost == pytest.approx(2 / 11)  # frames 8 and 9 of 1 to 3 and 8 to 15


def test_later_than_half_a_second_and_than_a_second_is_too_late() -> None:
    got = evaluate_absences(hidden(), followed([1.0] * 7 + [0.05] * 6 + [0.6] * 3))
    assert got.returns == (Return(AWAY, 0.75, 1.25),)
    assert (got.lost_in_time, got.recovered_in_time) == (0.0, 0.0)


def test_a_score_is_no_recovery_where_the_box_is_elsewhere() -> None:
    # IoU of boxes 4 apart is 60/140 = .43; of boxes 3 apart 70/130 = .54
    beside = evaluate_absences(hidden(), followed([1.0] * 16, moved=dict.fromkeys(range(8, 16), 4.0)))
    assert beside.returns == (Return(AWAY, None, None),)
    near = evaluate_absences(hidden(), followed([1.0] * 16, moved={**dict.fromkeys(range(8, 11), 4.0), 11: 3.0}))
    assert near.returns == (Return(AWAY, None, 0.75),)


def test_a_box_on_target_is_no_recovery_while_it_is_said_to_be_lost() -> None:
    got = evaluate_absences(hidden(), followed([1.0] * 4 + [0.0] * 12))
    assert got.returns == (Return(AWAY, 0.0, None),)


def test_a_return_begins_when_half_of_the_target_is_visible_and_half_covered_frames_are_not_judged() -> None:
    scores = [1.0] * 4 + [0.0] * 4 + [1.0] * 8
    got = evaluate_absences(hidden(half=(3, 8)), followed(scores))
    assert got.returns == (Return(AWAY, 0.0, 0.0),)  # counted from frame 9
    assert len(got.scores) == 13  # of 16 without the first, 3 and 8
    assert got.score_auc == 1.0


def test_an_absence_is_recovered_before_the_next_one_or_not_at_all() -> None:
    other = Absence(Hiding.REMOVED, 10, 12)
    got = evaluate_absences(hidden(absences=(AWAY, other)), followed([1.0] * 4 + [0.0] * 8 + [1.0] * 4))
    assert got.returns == (Return(AWAY, 0.0, None), Return(other, 0.0, 0.0))
    assert got.recovered_in_time == 0.5


def test_what_the_score_is_worth_counts_absent_frames_as_wrong() -> None:
    # judged: 1-3 right with 1, 4-7 wrong with .9, of 8-15 right 8-11 with 1 and 12-15 with .9, ties: half
    got = evaluate_absences(hidden(), followed([1.0] * 4 + [0.9] * 4 + [1.0] * 4 + [0.9] * 4))
    assert got.wrong.sum() == 4
    assert got.score_auc == pytest.approx((7 * 1 + 4 * 0.5) / 11)
    off = evaluate_absences(hidden(), followed([1.0] * 16, moved={1: 9.0}))  # IoU 10/190 is below .1
    assert off.wrong.sum() == 5


def test_targets_are_pooled_frame_by_frame() -> None:
    one = evaluate_absences(hidden(), followed([1.0] * 4 + [0.0] * 4 + [1.0] * 8))
    two = evaluate_absences(hidden(), followed([1.0] * 16))
    both = pooled([one, two])
    assert (both.lost_in_time, both.recovered_in_time, len(both.scores)) == (0.5, 1.0, 30)
    # wrong 4 with 0 and 4 with 1; right 22 with 1: half of the pairs are told apart, of the others all tie
    assert both.score_auc == pytest.approx(0.75)
    with pytest.raises(ValueError, match="no targets"):
        pooled([])


def test_without_absences_or_frames_nothing_is_known() -> None:
    got = evaluate_absences(hidden(3, absences=()), followed([1.0, 0.0, 1.0]))
    assert got.returns == ()
    assert np.isnan(got.lost_in_time)
    assert got.false_lost == 0.5
    assert got.score_auc is None
    none = AbsenceScores((), np.zeros(0), np.zeros(0, bool), np.zeros(0, bool))
    assert np.isnan(none.false_lost)
    empty = HiddenTruth(Truth(np.zeros((0, 4)), np.zeros(0, bool)), np.zeros(0, bool), (), 25.0)
    assert len(evaluate_absences(empty, Followed(np.zeros((0, 4)), np.zeros(0))).scores) == 0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="3 boxes for 16 frames"):
        evaluate_absences(hidden(), followed([1.0] * 3))
    with pytest.raises(ValueError, match="without scores"):
        evaluate_absences(hidden(), Followed(np.tile(BOX, (16, 1))))
