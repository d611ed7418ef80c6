"""Whose exemplars are, and which objects are most like a query, against plain loops over float64 numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.store.exemplars import NOBODY, Exemplars, Likeness, Members, unit
from trackers.structures import FloatArray, IntArray

END = np.iinfo(np.int64).max


def columns(*rows: tuple[int, ...], width: int) -> list[IntArray]:
    return list(np.array(rows, np.int64).reshape(-1, width).T)


def exemplars(vectors: FloatArray, objects: IntArray) -> Exemplars:
    n = np.arange(len(vectors))
    return Exemplars(n + 1, n, n, unit(vectors), objects)


@given(
    parts=st.dictionaries(st.tuples(st.integers(1, 4), st.integers(0, 9)), st.integers(1, 5)),
    length=st.integers(1, 4),
    asked=st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 12)), max_size=8),
)
def test_owners(parts: dict[tuple[int, int], int], length: int, asked: list[tuple[int, int]]) -> None:
    starts = sorted(parts)
    rows = []
    for i, (track, begin) in enumerate(starts):
        following = [start for other, start in starts[i + 1 : i + 2] if other == track]
        rows.append((track, begin, min([*following, begin + length]), parts[track, begin]))
    members = Members(*columns(*reversed(rows), width=4))
    tracks, at = columns(*asked, width=2)
    expected = [
        next((own for mine, begin, end, own in rows if mine == track and begin <= moment < end), NOBODY)
        for track, moment in asked
    ]
    assert members.owners(tracks, at).tolist() == expected


def test_a_member_without_end_holds_all_that_follows() -> None:
    members = Members(*columns((1, 0, 10, 7), (1, 10, END, 8), width=4))
    assert members.owners(np.array([1, 1, 1, 2]), np.array([9, 10, END - 1, 10])).tolist() == [7, 8, 8, NOBODY]


def test_no_members_own_nothing() -> None:
    members = Members(*columns(width=4))
    assert members.owners(np.array([1, 2]), np.array([0, 0])).tolist() == [NOBODY, NOBODY]
    assert Members(*columns((1, 0, 9, 1), width=4)).owners(np.zeros(0, int), np.zeros(0, int)).tolist() == []


def test_unit_length() -> None:
    vectors = unit(np.array([[3, 4], [0, 0], [1e-30, 0], [1e30, 1e30]], np.float32))
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, [[0.6, 0.8], [0, 0], [1, 0], [0.5**0.5, 0.5**0.5]], rtol=1e-7)


def by_hand(table: Exemplars, query: FloatArray) -> list[tuple[int, float, int]]:
    """Object, cosine and row of all objects, one product at a time."""
    best: dict[int, tuple[float, int]] = {}
    for row, (own, vector) in enumerate(zip(table.objects.tolist(), table.vectors.astype(float), strict=True)):
        cosine = max(float((vector * one).sum()) for one in query.astype(float))
        if own != NOBODY and (own not in best or cosine > best[own][0]):
            best[own] = cosine, row
    return sorted(((own, *found) for own, found in best.items()), key=lambda one: (-one[1], one[0]))


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(0, 60),
    d=st.sampled_from([1, 3, 16, 33]),
    q=st.integers(1, 4),
    k=st.integers(1, 70),
    coarse=st.booleans(),
)
def test_likeness_is_that_of_plain_loops(seed: int, n: int, d: int, q: int, k: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    vectors, query = rng.normal(size=(n, d)), rng.normal(size=(q, d))
    if coarse:  # many equal vectors, so that ties decide
        vectors, query = vectors.round(), query.round()
    vectors = vectors[rng.integers(0, max(n, 1), n)] if coarse and n else vectors
    table = exemplars(vectors, rng.choice([NOBODY, *range(1, 30)], n))
    query = unit(query)
    expected = by_hand(table, query)
    found = Likeness(table, query)
    assert found.objects.tolist() == sorted(own for own, _, _ in expected)
    among = rng.choice(range(NOBODY, 31), rng.integers(0, 40))
    expected = [one for one in expected if one[0] in among]
    ranked = found.first(k, among)
    rows = list(zip(ranked.objects.tolist(), ranked.cosines.tolist(), ranked.rows.tolist(), strict=True))
    assert rows == expected[:k]


@pytest.mark.parametrize("q", [1, 5])
def test_many_nearly_equal_vectors_come_in_exact_order(q: int) -> None:
    """Their cosines differ by less than float32 can tell; rows of every block are among them."""
    rng = np.random.default_rng(7)
    n, d = 40_000, 64
    base = rng.normal(size=d)
    vectors = unit(base + 1e-5 * rng.normal(size=(n, d)))
    table = Exemplars(np.arange(n), np.arange(n), np.arange(n), vectors, rng.integers(1, 9000, n))
    query = unit(base + 1e-5 * rng.normal(size=(q, d)))
    exact = np.stack([(vectors.astype(float) * one).sum(axis=1) for one in query.astype(float)]).max(axis=0)
    order = np.lexsort((table.objects, -exact))
    _, first = np.unique(table.objects[order], return_index=True)
    expected = order[np.sort(first)][:500]
    ranked = Likeness(table, query).first(500, np.arange(9000))
    np.testing.assert_array_equal(ranked.objects, table.objects[expected])
    np.testing.assert_array_equal(ranked.cosines, exact[expected])
    plain = (vectors @ query.T).max(axis=1)
    assert not np.array_equal(np.argsort(-plain, kind="stable")[:500], np.argsort(-exact, kind="stable")[:500])


def test_nothing_is_like_anything() -> None:
    ranked = Likeness(Exemplars.none(4), unit(np.ones((1, 4)))).first(10, np.array([1, 2]))
    assert (len(ranked.objects), len(ranked.cosines), len(ranked.rows)) == (0, 0, 0)


def test_rows_that_stayed_are_known_again() -> None:
    table = exemplars(np.eye(3), np.array([1, 1, 2]))  # ids 1 2 3, tracks 0 1 2, at 0 1 2
    same = table.same_as(np.array([0, 1, 2, 3, 9]), np.array([0, 0, 1, 2, 2]), np.array([0, 0, 9, 2, 2]))
    assert same.tolist() == [-1, 0, -1, 2, -1]
    assert table.same_as(*[np.zeros(0, np.int64)] * 3).tolist() == []
    assert Exemplars.none(3).same_as(np.array([1]), np.array([0]), np.array([0])).tolist() == [-1]
