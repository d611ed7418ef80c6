"""Two opinions on where targets are: who leads, for how long, and who is set right."""

from __future__ import annotations

import numpy as np
import pytest

from trackers.opinions import FIRST, SECOND, Opinions, Verdict
from trackers.targets import LOST_SCORE, Found

HERE, NEAR, ELSEWHERE = [10.0, 10, 50, 50], [12.0, 10, 52, 50], [200.0, 10, 240, 50]


def found(box: list[float], score: float) -> Found:
    return Found(np.array([box]), np.array([score]))


def one(**settings: float) -> Opinions:
    opinions = Opinions(**settings)  # type: ignore[arg-type]  # numbers
    opinions.start(1)
    return opinions


def heard(opinions: Opinions, first: float, second: float, *, apart: bool) -> Verdict:
    return opinions.heard(found(HERE, first), found(ELSEWHERE if apart else NEAR, second))


@pytest.mark.parametrize(("score", "leads", "box"), [(0.6, SECOND, [11.0, 10, 51, 50]), (0.59, FIRST, HERE)])
def test_of_one_thing_it_is_the_mean_box_once_the_second_is_sure(score: float, leads: int, box: list[float]) -> None:
    verdict = heard(one(), 0.9, score, apart=False)
    assert verdict.leads[0] == leads
    np.testing.assert_array_equal(verdict.boxes, [box])
    assert verdict.scores[0] == 0.9
    assert not verdict.overruled.any()


def test_where_they_differ_on_what_belongs_to_the_target_the_first_is_right() -> None:
    wide = Found(np.array([[0.0, 10, 60, 50]]), np.array([0.9]))  # IoU 2/3
    verdict = one().heard(found(HERE, 0.8), wide)
    np.testing.assert_array_equal(verdict.boxes, [HERE])
    np.testing.assert_array_equal(one(same=0.66).heard(found(HERE, 0.8), wide).boxes, [[5, 10, 55, 50]])


def test_where_they_differ_the_second_is_right_if_the_first_was_hardly_sure() -> None:
    wide = Found(np.array([[0.0, 10, 60, 50]]), np.array([0.9]))
    opinions = one()
    for _ in range(3):
        np.testing.assert_array_equal(opinions.heard(found(HERE, 0.15), wide).boxes, [HERE])
    opinions.heard(found(HERE, 0.15), wide)  # 0.15 + 0.45 * 0.8 ** 4 = 0.33, then 0.297
    np.testing.assert_array_equal(opinions.heard(found(HERE, 0.15), wide).boxes, wide.boxes)


def test_what_the_opinions_were_worth_is_kept_while_both_find_nothing() -> None:
    opinions = one()
    for _ in range(10):
        heard(opinions, 0.5, 0.9, apart=False)
    for _ in range(10):
        heard(opinions, 0.02, 0.03, apart=False)
    assert opinions.exact[0]
    for _ in range(3):
        heard(opinions, 0.5, 0.1, apart=False)
    assert not opinions.exact[0]


def test_trust_by_hand() -> None:
    opinions = one(rate=0.5)
    heard(opinions, 0.9, 0.1, apart=False)
    np.testing.assert_allclose(opinions.to_arrays()["trust"], [[0.75, 0.35]])
    heard(opinions, 0.9, 0.1, apart=False)
    np.testing.assert_allclose(opinions.to_arrays()["trust"], [[0.825, 0.225]])


@pytest.mark.parametrize(("first", "second", "leads"), [(0.8, 0.4, FIRST), (0.4, 0.8, SECOND)])
def test_of_two_things_the_one_is_followed_of_which_one_was_surer_of_late(
    first: float, second: float, leads: int
) -> None:
    opinions = one()
    for _ in range(5):
        heard(opinions, first, second, apart=False)
    for _ in range(2):  # two pictures of the contrary do not sway it
        verdict = heard(opinions, second, first, apart=True)
        assert verdict.leads[0] == leads
        assert not verdict.overruled.any()
    for _ in range(6):
        verdict = heard(opinions, second, first, apart=True)
    assert verdict.leads[0] == 1 - leads  # more do


def test_a_contest_lowers_the_score_by_half_of_the_other_ones() -> None:
    assert heard(one(), 0.8, 0.4, apart=True).scores[0] == pytest.approx(0.8 * 0.8)


def test_one_that_has_lost_its_thing_goes_on_from_the_others_box() -> None:
    verdict = heard(one(), 0.8, LOST_SCORE / 2, apart=True)
    np.testing.assert_array_equal(verdict.overruled, [[False, True]])
    assert verdict.scores[0] == 0.8
    verdict = heard(one(), LOST_SCORE / 2, 0.3, apart=True)
    np.testing.assert_array_equal(verdict.overruled, [[True, False]])
    np.testing.assert_array_equal(verdict.boxes, [ELSEWHERE])


def test_one_that_finds_nothing_does_not_lead_however_sure_it_was() -> None:
    opinions = one()
    for _ in range(10):
        heard(opinions, 0.2, 1.0, apart=False)
    verdict = heard(opinions, 0.2, LOST_SCORE / 2, apart=False)
    assert verdict.leads[0] == FIRST
    np.testing.assert_array_equal(verdict.overruled, [[False, True]])


def test_a_hypothesis_is_kept_for_so_many_pictures() -> None:
    opinions = one(patience=3)
    for _ in range(3):
        assert not heard(opinions, 0.8, 0.4, apart=True).overruled.any()
    np.testing.assert_array_equal(heard(opinions, 0.8, 0.4, apart=True).overruled, [[False, True]])
    trust = opinions.to_arrays()["trust"]
    assert trust[0, 0] == trust[0, 1]  # they begin anew
    assert not heard(opinions, 0.8, 0.4, apart=True).overruled.any()


def test_where_neither_finds_anything_it_is_lost() -> None:
    verdict = heard(one(), 0.05, 0.02, apart=True)
    assert verdict.scores[0] < LOST_SCORE
    assert not verdict.overruled.any()


def test_targets_are_judged_apart_and_go() -> None:
    opinions = Opinions()
    opinions.start(2)
    opinions.start(1)
    boxes = np.array([HERE, HERE, HERE])
    second = Found(np.array([NEAR, ELSEWHERE, ELSEWHERE]), np.array([0.9, 0.3, 0.05]))
    verdict = opinions.heard(Found(boxes, np.array([0.6, 0.6, 0.6])), second)
    np.testing.assert_array_equal(verdict.leads, [SECOND, FIRST, FIRST])
    np.testing.assert_array_equal(verdict.overruled, [[False, False], [False, False], [False, True]])
    kept = opinions.to_arrays()["trust"][[False, True, True]]
    opinions.keep(np.array([False, True, True]))
    np.testing.assert_array_equal(opinions.to_arrays()["trust"], kept)
    opinions.restart(np.array([True, False]))
    np.testing.assert_allclose(opinions.to_arrays()["trust"][0], opinions.sure)


def test_no_targets_need_no_opinion() -> None:
    empty = Found(np.zeros((0, 4)), np.zeros(0))
    opinions = Opinions()
    opinions.start(0)
    assert opinions.heard(empty, empty).boxes.shape == (0, 4)


def test_saved_opinions_go_on() -> None:
    opinions, other = one(), Opinions()
    for _ in range(4):
        heard(opinions, 0.8, 0.4, apart=True)
    other.from_arrays(opinions.to_arrays())
    for _ in range(9):
        a, b = (heard(each, 0.3, 0.5, apart=True) for each in (opinions, other))
        np.testing.assert_array_equal(a.overruled, b.overruled)
        np.testing.assert_array_equal(a.boxes, b.boxes)
