"""Costs, gates and pairings: by hand, against every possible pairing, and over several stages."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from tests.unit.trackers.scenes import see
from trackers import association
from trackers.association import Pairing, assign
from trackers.structures import FloatArray

INF, NAN = np.inf, np.nan
NO_ROWS = np.zeros(0, np.int64)


def pairs(cost: list[list[float]] | FloatArray, limit: float) -> list[tuple[int, int]]:
    rows, columns = assign(np.array(cost, float), limit=limit)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


@pytest.mark.parametrize(
    ("cost", "limit", "expected"),
    [
        pytest.param([[0.3]], 0.5, [(0, 0)], id="cheap enough"),
        pytest.param([[0.5]], 0.5, [(0, 0)], id="exactly the limit"),
        pytest.param([[0.6]], 0.5, [], id="too dear"),
        # 0.1 + 0.8 is dearer than 0.3 + 0.2, though 0.1 is the cheapest of all.
        pytest.param([[0.1, 0.3], [0.2, 0.8]], 1.0, [(0, 1), (1, 0)], id="the sum counts, not the cheapest pair"),
        pytest.param([[0.1, 0.9], [0.2, 0.8]], 1.0, [(0, 0), (1, 1)], id="both pairs"),
        # Leaving out costs 0.5: {0-0 alone} 0.1 + 0.5 beats {0-1, 1-0} 0.4 + 0.3.
        pytest.param([[0.1, 0.4], [0.3, 9.0]], 0.5, [(0, 0)], id="one good pair and one left out"),
        # With 0.7 for leaving out it is 0.1 + 0.7 against 0.7.
        pytest.param([[0.1, 0.4], [0.3, 9.0]], 0.7, [(0, 1), (1, 0)], id="two fair pairs"),
        pytest.param([[0.3], [0.2], [0.4]], 1.0, [(1, 0)], id="more rows than columns"),
        pytest.param([[0.3, 0.2, 0.4]], 1.0, [(0, 1)], id="more columns than rows"),
        pytest.param([[INF, 0.2], [NAN, 0.1]], 1.0, [(1, 1)], id="a column that cannot be"),
        pytest.param([[INF, NAN], [NAN, -INF]], 1.0, [], id="nothing can be"),
        pytest.param([[-1.0, 0.0], [0.0, INF]], INF, [(0, 1), (1, 0)], id="without limit, as many as can be"),
        pytest.param([[0.3, INF, INF], [0.1, INF, INF], [INF, 0.1, 0.2]], INF, [(1, 0), (2, 1)], id="two on one"),
        pytest.param([[0.3, INF, INF], [0.1, INF, INF], [INF, 0.1, 0.2]], 1e300, [(1, 0), (2, 1)], id="huge limit"),
        pytest.param([[-5.0]], -1.0, [(0, 0)], id="negative costs"),
        pytest.param([[0.5, 0.5], [0.5, 0.5]], 0.5, [(0, 0), (1, 1)], id="ties"),
    ],
)
def test_assignment_by_hand(cost: list[list[float]], limit: float, expected: list[tuple[int, int]]) -> None:
    assert pairs(cost, limit) == expected


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_assignment_of_nothing(shape: tuple[int, int]) -> None:
    assert pairs(np.zeros(shape), 1.0) == []


def test_ties_fall_the_same_way_every_time() -> None:
    cost = np.full((6, 4), 0.5)
    assert len({tuple(pairs(cost, 1.0)) for _ in range(20)}) == 1


def total(cost: FloatArray, chosen: list[tuple[int, int]], limit: float) -> float:
    return sum(cost[pair] for pair in chosen) + limit * (min(cost.shape) - len(chosen))


def every_pairing(cost: FloatArray, limit: float) -> list[list[tuple[int, int]]]:
    rows, columns = cost.shape
    candidates = [
        list(zip(some, others, strict=True))
        for count in range(min(rows, columns) + 1)
        for some in combinations(range(rows), count)
        for others in permutations(range(columns), count)
    ]
    allowed = np.isfinite(cost) & (cost <= limit)
    return [chosen for chosen in candidates if all(allowed[pair] for pair in chosen)]


costs = st.tuples(st.integers(1, 4), st.integers(1, 4)).flatmap(
    lambda shape: st.lists(
        st.one_of(st.floats(0, 1, width=16), st.sampled_from([INF, NAN])),
        min_size=shape[0] * shape[1],
        max_size=shape[0] * shape[1],
    ).map(lambda values: np.array(values).reshape(shape))
)


@given(costs, st.floats(0, 1))
def test_no_other_pairing_is_cheaper(cost: FloatArray, limit: float) -> None:
    chosen = pairs(cost, limit)
    assert chosen in every_pairing(cost, limit)
    cheapest = min(total(cost, other, limit) for other in every_pairing(cost, limit))
    assert total(cost, chosen, limit) == pytest.approx(cheapest, abs=1e-12)


@given(costs)
def test_without_limit_as_many_pairs_as_can_be_and_the_cheapest_of_these(cost: FloatArray) -> None:
    possible = every_pairing(cost, INF)
    most = max(map(len, possible))
    cheapest = min(sum(cost[pair] for pair in other) for other in possible if len(other) == most)
    for limit in (INF, float(np.finfo(float).max), 1e6):
        chosen = pairs(cost, limit)
        assert len(chosen) == most
        assert sum(cost[pair] for pair in chosen) == pytest.approx(cheapest, abs=1e-9)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40))
def test_where_all_pairs_are_allowed_scipy_gives_the_same(seed: int, rows: int, columns: int) -> None:
    cost = np.random.default_rng(seed).random((rows, columns))
    i, j = linear_sum_assignment(cost)
    # A limit of the number of pairs is dearer than any sum of costs below 1.
    assert pairs(cost, float(min(rows, columns))) == list(zip(i.tolist(), j.tolist(), strict=True))


@given(st.integers(0, 2**32), st.integers(1, 120), st.integers(1, 120), st.sampled_from([0.3, 0.7, 1.0]), st.booleans())
def test_among_many_pairs_none_is_settled_too_early(
    seed: int, rows: int, columns: int, limit: float, tied: bool
) -> None:
    """Each row finds its own column cheap and some others near it, as in a crowd; or many costs are equal."""
    rng = np.random.default_rng(seed)
    cost = np.where(rng.random((rows, columns)) < 4 / columns, rng.random((rows, columns)), INF)
    own = np.arange(min(rows, columns))
    cost[own, own] = 0.5 * rng.random(len(own))
    if tied:
        cost = np.round(cost * 4) / 4
    chosen = pairs(cost, limit)
    assert len({i for i, _ in chosen}) == len({j for _, j in chosen}) == len(chosen)
    dense = np.where(cost <= limit, cost, limit)
    i, j = linear_sum_assignment(dense)
    assert all(cost[pair] <= limit for pair in chosen)
    assert total(cost, chosen, limit) == pytest.approx(dense[i, j].sum(), abs=1e-9)


def test_candidates_are_a_matrix_without_its_infinities() -> None:
    cost = np.array([[0.3, INF, 0.1], [NAN, 0.2, 0.9]])
    candidates = association.Candidates.of(cost, limit=0.5)
    assert candidates.shape == (2, 3)
    assert candidates.rows.tolist() == [0, 0, 1]
    assert candidates.columns.tolist() == [0, 2, 1]
    assert candidates.cost.tolist() == [0.3, 0.1, 0.2]
    assert candidates(np.array([1, 0]), np.array([2, 1, 0])).tolist() == [[INF, 0.2, INF], [0.1, INF, 0.3]]
    kept = candidates[candidates.cost > 0.15]
    assert (kept.rows.tolist(), kept.columns.tolist(), kept.shape) == ([0, 1], [0, 1], (2, 3))
    assert association.scored(candidates, np.array([1.0, 0.5, 0.0])).cost.tolist() == pytest.approx([0.3, 1.0, 0.6])
    assert len(association.Candidates.of(np.zeros((0, 3)), limit=1.0)) == 0


@given(st.integers(0, 2**32), st.integers(0, 8), st.integers(0, 8), st.floats(0, 1))
def test_candidates_are_paired_as_their_matrix_is(seed: int, tracks: int, detections: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    cost = np.where(rng.random((tracks, detections)) < 0.5, rng.random((tracks, detections)), INF)
    some, others = rng.random(tracks) < 0.7, rng.random(detections) < 0.7
    ours, theirs = Pairing(tracks, detections), Pairing(tracks, detections)
    ours.match(some, others, association.Candidates.of(cost, limit=INF), limit=limit)
    theirs.match(some, others, table(cost), limit=limit)
    np.testing.assert_array_equal(ours.detection_of, theirs.detection_of)
    np.testing.assert_array_equal(ours.free, theirs.free)


def test_a_candidate_of_infinite_cost_is_none() -> None:
    pairing = Pairing(2, 1)
    costs = np.array([INF, NAN])
    hopeless = association.Candidates(np.array([0, 1]), np.array([0, 0]), costs, (2, 1))
    pairing.match(np.ones(2, dtype=bool), np.ones(1, dtype=bool), hopeless, limit=INF)
    assert len(pairing.matched) == 0


def test_scores_scale_the_overlap() -> None:
    # Cost 0.4 is an overlap of 0.6; half sure of it leaves 0.3.
    two = np.arange(2)
    pairs = association.Candidates.of(np.array([[0.4, 0.4], [1.0, 0.0]]), limit=INF)
    np.testing.assert_allclose(association.scored(pairs, np.array([0.5, 1.0]))(two, two), [[0.7, 0.4], [1.0, 0.0]])


def test_classes_are_compared_pair_by_pair() -> None:
    gate = association.same_class(np.array([1, 2]), np.array([2, 2, 1]))
    assert gate.tolist() == [[False, False, True], [True, True, False]]


def test_overlap_costs_look_at_the_rows_asked_for() -> None:
    tracks = np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [0, 0, 10, 10]])
    seen = see((90, 0, 99, 9), (0, 0, 10, 10), labels=[0, 1], scores=[0.9, 0.5])
    labels = np.array([0, 1, 1])
    plain = association.overlap(tracks, labels, seen)
    np.testing.assert_allclose(plain(np.array([1, 2]), np.array([1])), [[2 / 3], [0]])
    assert plain(np.array([0]), np.array([1])).tolist() == [[INF]]  # another class
    assert plain(NO_ROWS, np.array([1])).shape == (0, 1)
    scored = association.scored(plain, seen.scores)
    np.testing.assert_allclose(scored(np.array([1, 2, 0]), np.array([1])), [[1 - 0.5 / 3], [0.5], [INF]])


def test_overlap_looks_at_usable_detections_or_those_given() -> None:
    tracks = np.array([[0.0, 0, 10, 10]])
    seen = see((0, 0, 10, 10), (0, 0, INF, 10), (NAN, 0, 10, 10), (0, 0, 10, 5), (20, 0, 30, 10))
    plain = association.overlap(tracks, np.array([0]), seen)
    assert plain.columns.tolist() == [0, 3]  # the last one touches nobody
    assert plain.cost.tolist() == [0, 0.5]
    mask = np.array([False, False, False, True, True])
    assert association.overlap(tracks, np.array([0]), seen, among=mask).columns.tolist() == [3]


def candidates(*cost: float) -> association.Candidates:
    """Pairs 0-0, 1-1, .. at these costs."""
    own = np.arange(len(cost))
    return association.Candidates(own, own, np.array(cost, float), (len(cost), len(cost)))


@pytest.mark.parametrize(
    ("other", "weight", "similar"),
    [
        # 10 of 30 px of height are shared, and a third of the area.
        pytest.param((0, 10, 10, 30), 0.0, 1 / 3, id="off"),
        pytest.param((0, 10, 10, 30), 1.0, 1 / 9, id="Yang et al. 2024"),
        pytest.param((0, 10, 10, 30), 0.5, 3**-1.5, id="half as much"),
        pytest.param((5, 0, 15, 20), 1.0, 1 / 3, id="beside, as high"),
        pytest.param((0, 20, 10, 40), 1.0, 0.0, id="below, touching"),
        pytest.param((0, 5, 10, 15), 1.0, 1 / 4, id="inside, half as high"),
    ],
)
def test_an_overlap_counts_less_where_heights_differ(other: tuple[float, ...], weight: float, similar: float) -> None:
    boxes = np.array([[0.0, 0, 10, 20]])
    seen = see(other)  # type: ignore[arg-type]
    pairs = association.overlap(boxes, np.zeros(1, np.int64), seen)
    found = association.heightened(pairs, boxes, seen, weight)
    np.testing.assert_allclose(found.cost, [1 - similar], rtol=1e-6)
    assert (found.rows.tolist(), found.columns.tolist(), found.shape) == ([0], [0], (1, 1))


def test_boxes_without_height_have_none_in_common() -> None:
    flat = np.array([[0.0, 5, 10, 5]])
    assert association.heightened(candidates(0.5), flat, see((0, 5, 10, 5)), 1.0).cost.tolist() == [1]


@pytest.mark.parametrize(("weight", "expected"), [(0.0, [0.3, 0.2, 0.5]), (0.5, [0.5, 0.2, 0.6])])
def test_a_pair_of_different_scores_is_dearer(weight: float, expected: list[float]) -> None:
    tracks, detections = np.array([0.9, 0.5, 0.1]), np.array([0.5, 0.5, 0.3])
    found = association.alike_in_score(candidates(0.3, 0.2, 0.5), tracks, detections, weight)
    np.testing.assert_allclose(found.cost, expected)
    assert (found.rows.tolist(), found.columns.tolist(), found.shape) == ([0, 1, 2], [0, 1, 2], (3, 3))


def test_costs_of_no_pair() -> None:
    assert len(association.heightened(candidates(), np.zeros((0, 4)), see(), 1.0)) == 0
    assert len(association.alike_in_score(candidates(), np.zeros(0), np.zeros(0), 1.0)) == 0


def test_tracks_are_open_until_they_have_a_detection() -> None:
    pairing = Pairing(4, 2, without=np.array([False, True, False, False]))
    asked = np.array([True, True, True, False])
    assert pairing.open_tracks(asked).tolist() == [True, False, True, False]
    pairing.match(asked, np.ones(2, dtype=bool), table(np.eye(4)[:, 2:]), limit=0.5)
    assert pairing.detection_of.tolist() == [0, -1, 1, -1]
    assert not pairing.open_tracks(asked).any()
    assert pairing.open_tracks(np.ones(4, dtype=bool)).tolist() == [False, False, False, True]
    assert Pairing(0, 3).open_tracks(np.zeros(0, dtype=bool)).shape == (0,)


def test_two_tracks_change_detections() -> None:
    pairing = Pairing(3, 2)
    pairing.detection_of[:] = 1, -1, 0
    pairing.free[:] = False
    pairing.exchange(0, 2)
    assert pairing.detection_of.tolist() == [0, -1, 1]
    pairing.exchange(0, 1)
    assert pairing.detection_of.tolist() == [-1, 0, 1]
    assert not pairing.free.any()


def table(cost: FloatArray) -> association.CostFunction:
    return lambda rows, columns: cost[np.ix_(rows, columns)]


def test_stages_take_what_earlier_ones_left() -> None:
    pairing = Pairing(3, 3)
    everyone = np.ones(3, dtype=bool)
    # First the tracks 0 and 1 among the detections 0 and 1, of which only 0-1 is cheap enough.
    cost = np.array([[0.9, 0.1, 0.0], [0.9, 0.2, 0.0], [0.0, 0.0, 0.0]])
    some = np.array([True, True, False])
    pairing.match(some, some, table(cost), limit=0.5)
    assert pairing.detection_of.tolist() == [1, -1, -1]
    assert pairing.free.tolist() == [True, False, True]
    assert pairing.matched.tolist() == [0]
    # Then all: track 1 gets detection 2, track 2 detection 0.
    pairing.match(everyone, everyone, table(cost), limit=0.5)
    assert pairing.detection_of.tolist() == [1, 2, 0]
    assert not pairing.free.any()
    before = pairing.detection_of.copy()
    pairing.match(everyone, everyone, table(cost), limit=0.5)  # nobody is left
    np.testing.assert_array_equal(pairing.detection_of, before)


@given(st.integers(0, 2**32), st.integers(0, 8), st.integers(0, 8), st.integers(1, 5))
def test_no_stage_gives_a_track_or_a_detection_twice(seed: int, tracks: int, detections: int, stages: int) -> None:
    rng = np.random.default_rng(seed)
    pairing = Pairing(tracks, detections)
    settled = np.full(tracks, -1)
    for _ in range(stages):
        some, others = rng.random(tracks) < 0.7, rng.random(detections) < 0.7
        pairing.match(some, others, table(rng.random((tracks, detections))), limit=rng.random())
        had = settled >= 0
        np.testing.assert_array_equal(pairing.detection_of[had], settled[had])  # what was settled stays
        fresh = (pairing.detection_of >= 0) & ~had
        assert some[fresh].all()
        assert others[pairing.detection_of[fresh]].all()
        settled = pairing.detection_of.copy()
    taken = settled[settled >= 0]
    assert len(set(taken.tolist())) == len(taken)
    np.testing.assert_array_equal(np.flatnonzero(~pairing.free), np.sort(taken))
    np.testing.assert_array_equal(pairing.matched, np.flatnonzero(settled >= 0))


@pytest.mark.parametrize(("tracks", "detections"), [(0, 0), (0, 2), (2, 0)])
def test_nothing_to_pair(tracks: int, detections: int) -> None:
    pairing = Pairing(tracks, detections)
    everyone, everything = np.ones(tracks, dtype=bool), np.ones(detections, dtype=bool)
    pairing.match(everyone, everything, table(np.zeros((tracks, detections))), limit=1.0)
    assert len(pairing.matched) == 0
    assert pairing.free.all()
