"""Who hides whom: by hand, against the matrix of all pairs, and the pairs that are remembered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.trackers.scenes import boxes
from trackers.geometry import covered_matrix
from trackers.occlusion import Encounters, cover
from trackers.structures import BoolArray, FloatArray, IntArray

NOBODY = np.zeros(0, np.int64)
BACK = (0, 0, 10, 10)


def hidden(*rows: tuple[float, ...], visible: list[bool] | None = None) -> tuple[list[float], list[int]]:
    """Share of each box that is hidden, and by which."""
    seen = np.ones(len(rows), dtype=bool) if visible is None else np.array(visible, dtype=bool)
    found = cover(np.array(rows, np.float64).reshape(-1, 4), seen)
    return found.share.tolist(), found.by.tolist()


@pytest.mark.parametrize(
    ("front", "share", "by"),
    [
        pytest.param((5, 0, 15, 12), 0.5, 1, id="half, and lower"),
        pytest.param((0, 7, 10, 99), 0.3, 1, id="the feet"),
        pytest.param((-5, -5, 15, 11), 1.0, 1, id="all of it"),
        pytest.param((5, -9, 15, 10), 0.0, -1, id="as low"),
        pytest.param((5, 0, 15, 9), 0.0, -1, id="higher"),
        pytest.param((10, 0, 20, 12), 0.0, -1, id="beside"),
        pytest.param((0, 10, 10, 20), 0.0, -1, id="below"),
        pytest.param((5, 5, 5, 12), 0.0, -1, id="a line"),
    ],
)
def test_the_lower_one_hides_the_other(front: tuple[float, ...], share: float, by: int) -> None:
    shares, others = hidden(BACK, front)
    assert (shares[0], others[0]) == (pytest.approx(share), by)
    if by == 1:
        assert (shares[1], others[1]) == (0, -1)


def test_what_is_not_visible_hides_nothing_but_is_hidden() -> None:
    assert hidden(BACK, (5, 0, 15, 12), visible=[True, False]) == ([0, 0], [-1, -1])
    assert hidden(BACK, (5, 0, 15, 12), visible=[False, True]) == ([0.5, 0], [1, -1])


def test_of_two_in_front_the_one_that_takes_more_counts() -> None:
    # The third hides 6 of 10 of the first; the second 3 of 10, and 7 of 10 of the third.
    shares, others = hidden(BACK, (7, 0, 17, 12), (4, 0, 14, 11))
    assert shares == pytest.approx([0.6, 0, 0.7])
    assert others == [2, -1, 1]


def test_of_two_that_take_as_much_the_older_track_counts() -> None:
    twins = (5, 0, 15, 12), (-5, 0, 5, 12)
    assert hidden(BACK, *twins) == ([0.5, 0, 0], [1, -1, -1])
    assert hidden(twins[1], BACK, twins[0]) == ([0, 0.5, 0], [-1, 0, -1])


def test_a_box_without_area_is_hidden_by_nothing() -> None:
    assert hidden((5, 5, 5, 5), (3, 9, 3, 3), (0, 0, 10, 10)) == ([0, 0, 0], [-1, -1, -1])


def test_no_box_at_all() -> None:
    assert hidden() == ([], [])


scenes = st.tuples(boxes(most=12), st.integers(0, 2**32))


@given(scenes)
def test_it_is_the_greatest_share_that_lies_in_a_visible_box_in_front(scene: tuple[FloatArray, int]) -> None:
    rows, visible, _ = crowded(*scene)
    found = cover(rows, visible)
    in_front = (rows[None, :, 3] > rows[:, None, 3]) & visible[None, :]
    shares = np.where(in_front, covered_matrix(rows, rows), 0)
    np.testing.assert_allclose(found.share, shares.max(axis=1, initial=0), rtol=1e-12)
    assert ((found.share >= 0) & (found.share <= 1)).all()
    np.testing.assert_array_equal(found.by >= 0, found.share > 0)
    behind = np.flatnonzero(found.by >= 0)
    assert in_front[behind, found.by[behind]].all()
    np.testing.assert_allclose(shares[behind, found.by[behind]], found.share[behind], rtol=1e-12)


@given(scenes)
def test_the_order_of_boxes_does_not_matter(scene: tuple[FloatArray, int]) -> None:
    rows, visible, order = crowded(*scene)
    plain, mixed = cover(rows, visible), cover(rows[order], visible[order])
    np.testing.assert_array_equal(mixed.share, plain.share[order])
    alike = np.flatnonzero(mixed.by >= 0)
    ours, theirs = plain.by[order[alike]], order[mixed.by[alike]]
    other = ours != theirs  # only of two that hide as much
    shares = covered_matrix(rows, rows)
    np.testing.assert_array_equal(shares[order[alike], ours][other], shares[order[alike], theirs][other])


def crowded(rows: FloatArray, seed: int) -> tuple[FloatArray, BoolArray, IntArray]:
    """Boxes moved so near that they overlap, which of them are visible, and another order of them."""
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 80, (len(rows), 2))
    near = np.concatenate([corners, corners + rows[:, 2:] - rows[:, :2]], axis=1)
    return near, rng.random(len(rows)) < 0.8, rng.permutation(len(rows))


def ids(*numbers: int) -> IntArray:
    return np.array(numbers, np.int64)


def test_an_encounter_is_noted_once() -> None:
    met = Encounters()
    met.begin(ids(7, 3), ids(2, 9))
    met.begin(ids(3, 2), ids(9, 7))
    met.begin(NOBODY, NOBODY)
    assert met.ids.tolist() == [[2, 7], [3, 9], [7, 2]]


def test_encounters_end_when_told_or_when_one_is_gone() -> None:
    met = Encounters()
    met.begin(ids(7, 3, 4), ids(2, 9, 2))
    assert met.rows(ids(2, 3, 4, 7)).tolist() == [[2, 0], [3, 0]]  # 9 is gone
    assert met.ids.tolist() == [[4, 2], [7, 2]]
    met.end(np.array([True, False]))
    assert met.ids.tolist() == [[7, 2]]
    assert met.rows(ids(8, 9)).shape == (0, 2)
    assert met.rows(NOBODY).shape == (0, 2)
    met.end(np.zeros(0, dtype=bool))
    assert len(met.ids) == 0


def test_saved_encounters_do_not_change_with_those_that_go_on() -> None:
    met, restored = Encounters(), Encounters()
    met.begin(ids(7, 3), ids(2, 9))
    state = met.to_arrays()
    met.begin(ids(1), ids(2))
    met.end(np.array([False, True, True]))
    restored.from_arrays(state)
    restored.begin(ids(5), ids(6))
    assert restored.ids.tolist() == [[3, 9], [5, 6], [7, 2]]
    assert state["ids"].tolist() == [[3, 9], [7, 2]]
    assert met.ids.tolist() == [[1, 2]]
