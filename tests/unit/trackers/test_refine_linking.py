"""Links between pieces of tracks: their odds against scipy, the choice against every other, and scenes by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.stats import multivariate_normal

from tests.unit.trackers.scenes import person
from trackers import kalman
from trackers.linking import Pieces, chains, choose, link, log_odds
from trackers.structures import FloatArray, IntArray

PICTURE = 1000.0 * 600
MODEL = kalman.XYWH8
Walk = tuple[FloatArray, FloatArray]  # times, boxes


def walk(start: float, end: float, x: float, speed: float, *, y: float = 100.0, fps: float = 10.0) -> Walk:
    """Someone who passes `x` at `start` seconds, and is seen until `end`."""
    times = np.arange(round(start * fps), round(end * fps) + 1) / fps
    return times, np.array([person(x + speed * (time - start), y) for time in times])


def make_pieces(
    *walks: Walk, labels: Sequence[int] | None = None, looks: Sequence[Sequence[float]] | None = None
) -> Pieces:
    counts = [len(times) for times, _ in walks]
    return Pieces(
        first=np.array([times[0] for times, _ in walks]),
        last=np.array([times[-1] for times, _ in walks]),
        labels=np.zeros(len(walks), np.int64) if labels is None else np.array(labels),
        starts=np.concatenate([[0], np.cumsum(counts)]),
        times=np.concatenate([np.zeros(0), *(times for times, _ in walks)]),
        boxes=np.concatenate([np.zeros((0, 4)), *(boxes for _, boxes in walks)]),
        looks=None if looks is None else np.array(looks, float),
    )


def linked(
    pieces: Pieces, *, seconds: float = 3.0, odds: float = 1.0, rate: float = 0.2, appearance_limit: float = 0.25
) -> list[int]:
    return link(
        pieces, MODEL, seconds=seconds, odds=odds, newcomers=rate / PICTURE, appearance_limit=appearance_limit
    ).tolist()


def one_by_one(times: FloatArray, boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """State after the last box, by the filter for one track."""
    mean, covariance = kalman.initiate(MODEL, boxes[:1])
    for k in range(1, len(times)):
        height = boxes[k - 1 : k, 3] - boxes[k - 1 : k, 1]
        mean, covariance = kalman.predict(MODEL, mean, covariance, times[k] - times[k - 1], height)
        mean, covariance = kalman.update(MODEL, mean, covariance, boxes[k : k + 1])
    return mean[0], covariance[0]


def test_odds_are_those_of_two_gaussians_and_a_newcomer() -> None:
    rng = np.random.default_rng(1)
    early, late = walk(0, 1.2, 100, 50), walk(2, 2.7, 210, 40, y=110)
    early[1][:] += rng.normal(0, 2, early[1].shape)
    late[1][:] += rng.normal(0, 2, late[1].shape)
    mean, covariance = one_by_one(*early)
    height = np.array([early[1][-1, 3] - early[1][-1, 1]])
    mean, covariance = (part[0] for part in kalman.predict(MODEL, mean[None], covariance[None], 0.8, height))
    back, back_covariance = one_by_one(-late[0][::-1], late[1][::-1])
    mirror = np.diag([1.0] * 4 + [-1.0] * 4)
    same = multivariate_normal(mean, covariance + mirror @ back_covariance @ mirror).logpdf(mirror @ back)
    # 0.2 newcomers/s on 1000 x 600 px; two sizes and four velocities spread over one height (a second) each
    other = late[1][0, 3] - late[1][0, 1]
    newcomer = np.log(0.2 / PICTURE / np.sqrt(height[0] * other) ** 6)
    found = log_odds(make_pieces(early, late), MODEL, np.array([0]), np.array([1]), newcomers=0.2 / PICTURE)
    np.testing.assert_allclose(found, [same - newcomer], rtol=1e-9)


def test_only_the_last_thirty_boxes_count() -> None:
    times = np.arange(0, 10, 0.1)
    boxes = np.array([person(100 + 50 * time) for time in times])
    bent = boxes.copy()
    bent[:60] += 30
    after = walk(10.5, 11.5, 625, 50)
    one, other = (
        log_odds(make_pieces((times, each), after), MODEL, np.array([0]), np.array([1]), newcomers=1e-6)
        for each in (boxes, bent)
    )
    np.testing.assert_array_equal(one, other)


def test_many_pairs_are_compared_in_blocks() -> None:
    walks = [walk(k, k + 0.5, 100 + 7 * k, 10) for k in range(130)]
    pieces = make_pieces(*walks)
    before, after = np.triu_indices(130, 1)  # 8385 pairs
    together = log_odds(pieces, MODEL, before, after, newcomers=1e-6)
    some = np.array([0, 4095, 4096, 8384])
    np.testing.assert_allclose(
        log_odds(pieces, MODEL, before[some], after[some], newcomers=1e-6), together[some], rtol=1e-9
    )


def test_a_walker_who_was_hidden_is_one() -> None:
    assert linked(make_pieces(walk(0, 2, 100, 60), walk(2.8, 5, 268, 60))) == [1, -1]


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (walk(2.8, 5, 600, 60), "too far"),
        (walk(2.8, 5, 268, -250), "the other way"),
        (walk(5.2, 8, 412, 60), "too late"),
        (walk(1.9, 5, 268, 60), "while the first is there still"),
        (walk(2.0, 5, 220, 60), "in the same frame"),
    ],
)
def test_two_walkers_are_two(second: Walk, why: str) -> None:
    assert linked(make_pieces(walk(0, 2, 100, 60), second)) == [-1, -1], why


def test_classes_are_never_mixed() -> None:
    walks = walk(0, 2, 100, 60), walk(2.8, 5, 268, 60)
    assert linked(make_pieces(*walks, labels=[0, 1])) == [-1, -1]
    assert linked(make_pieces(*walks, labels=[1, 1])) == [1, -1]


def test_what_is_safe_in_an_empty_square_is_a_guess_in_a_crowd() -> None:
    pieces = make_pieces(walk(0, 2, 100, 60), walk(3.2, 5, 300, 60))
    assert linked(pieces, rate=0.1) == [1, -1]
    assert linked(pieces, rate=1000.0) == [-1, -1]
    assert linked(pieces, rate=0.1, odds=1e9) == [-1, -1]


def test_looks_forbid_and_support() -> None:
    walks = walk(0, 2, 100, 60), walk(3.4, 5, 330, 60), walk(0, 6, 800, 0), walk(0, 6, 700, 0)
    alike, unlike = [1.0, 0, 0], [0.0, 1, 0]
    others = [[0.0, 0, 1], [0.0, -1, 0]]
    unknown = [np.nan] * 3
    limits = {"rate": 30.0}  # by motion alone not quite enough
    assert linked(make_pieces(*walks), **limits) == [-1] * 4
    assert linked(make_pieces(*walks, looks=[alike, unknown, *others]), **limits) == [-1] * 4
    assert linked(make_pieces(*walks, looks=[alike, alike, *others]), **limits) == [1, -1, -1, -1]
    assert linked(make_pieces(*walks, looks=[alike, alike, alike, alike]), **limits) == [-1] * 4  # all wear one suit
    assert linked(make_pieces(*walks, looks=[alike, unlike, *others]), rate=0.1) == [-1] * 4
    assert linked(make_pieces(*walks, looks=[alike, unknown, *others]), rate=0.1) == [1, -1, -1, -1]


def test_the_links_are_the_best_together() -> None:
    # The first would fit the third best, but then the second had nobody.
    pieces = make_pieces(walk(0, 2, 100, 0), walk(0, 2, 130, 0), walk(2.6, 5, 118, 0), walk(2.6, 5, 60, 0))
    assert linked(pieces) == [3, 2, -1, -1]


def test_several_pieces_make_a_chain() -> None:
    following = linked(make_pieces(walk(6.6, 8, 496, 60), walk(0, 2, 100, 60), walk(2.8, 6, 268, 60)))
    assert following == [-1, 2, 0]
    assert chains(np.array(following)).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("following", "heads"),
    [([], []), ([-1], [0]), ([-1, -1], [0, 1]), ([1, 2, 3, -1], [0, 0, 0, 0]), ([2, -1, 4, 1, -1], [0, 3, 0, 3, 0])],
)
def test_chains(following: list[int], heads: list[int]) -> None:
    assert chains(np.array(following, np.int64)).tolist() == heads


def test_no_piece_and_unseen_pieces() -> None:
    assert linked(make_pieces()) == []
    nobody: Walk = (np.zeros(0), np.zeros((0, 4)))
    seen = walk(0, 2, 100, 60)
    pieces = Pieces(
        first=np.array([0.0, 2.5]),
        last=np.array([2.0, 3.0]),
        labels=np.zeros(2, np.int64),
        starts=np.array([0, len(seen[0]), len(seen[0])]),
        times=np.concatenate([seen[0], nobody[0]]),
        boxes=np.concatenate([seen[1], nobody[1]]),
    )
    assert linked(pieces) == [-1, -1]


@st.composite
def gains(draw: st.DrawFn) -> tuple[IntArray, IntArray, FloatArray]:
    cells = draw(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=20))
    ordered = draw(st.permutations(sorted(cells)))
    worth = draw(st.lists(st.floats(1e-3, 100), min_size=len(cells), max_size=len(cells)))
    pairs = np.array(ordered, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1], np.array(worth, float)


@given(gains())
def test_no_other_choice_is_worth_more(pairs: tuple[IntArray, IntArray, FloatArray]) -> None:
    before, after, gain = pairs
    rows, columns = choose(before, after, gain)
    worth = np.zeros((6, 6))
    worth[before, after] = gain
    assert len(set(rows.tolist())) == len(rows)
    assert len(set(columns.tolist())) == len(columns)
    assert (worth[rows, columns] > 0).all()
    np.testing.assert_allclose(
        worth[rows, columns].sum(), worth[linear_sum_assignment(worth, maximize=True)].sum(), rtol=1e-9
    )
