"""The gallery: distances and running means by hand, what it forgets, and how it is saved."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from trackers.appearance import Gallery
from trackers.structures import FloatArray

EAST, NORTH, WEST = np.array([[1, 0]]), np.array([[0, 1]]), np.array([[-1, 0]])
DIAGONAL = np.array([[1, 1]]) / sqrt(2)


def unit(*vectors: FloatArray) -> FloatArray:
    return np.concatenate(vectors).astype(np.float32)


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_cost_is_the_smallest_cosine_distance_to_any_exemplar() -> None:
    gallery = Gallery(budget=3)
    gallery.start(2, unit(EAST, WEST))
    gallery.add(rows(0), unit(NORTH))
    # Track 0 knows east and north, track 1 west. The diagonal is 45 degrees from east and north, 135 from west.
    cost = gallery.cost(rows(0, 1), unit(EAST, DIAGONAL, WEST))
    half = sqrt(0.5)
    np.testing.assert_allclose(cost, [[0, 1 - half, 1], [2, 1 + half, 0]], atol=1e-6)
    np.testing.assert_allclose(gallery.cost(rows(1), unit(EAST)), [[2]], atol=1e-6)


def by_definition(gallery: Gallery, row: int, feature: FloatArray) -> float:
    filled = min(int(gallery.counts[row]), gallery.budget)
    return min((1 - float(feature @ known) for known in gallery.exemplars[row, :filled]), default=np.inf)


@pytest.mark.parametrize("asked", [1, 3, 40])
def test_costs_of_pairs_agree_with_the_definition(asked: int) -> None:
    """While tracks are born and end in any order, so that slots are used again."""
    rng = np.random.default_rng(asked)

    def some(count: int) -> FloatArray:
        vectors = rng.normal(size=(count, 8))
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    gallery = Gallery(budget=4)
    for _ in range(60):
        born = int(rng.integers(0, 4))
        gallery.start(born, some(born) if rng.random() < 0.8 else None)
        seen = np.flatnonzero(rng.random(len(gallery)) < 0.6)
        gallery.add(seen, some(len(seen)))
        stay = rng.random(len(gallery)) < 0.9
        gallery.keep(stay)
        features = some(7)
        features[3, 1] = np.nan
        picked = rng.integers(0, max(len(gallery), 1), asked if len(gallery) else 0)
        columns = rng.integers(0, 7, len(picked))
        expected = [
            np.inf if column == 3 else by_definition(gallery, row, features[column])
            for row, column in zip(picked.tolist(), columns.tolist(), strict=True)
        ]
        np.testing.assert_allclose(gallery.pair_cost(picked, columns, features), expected, atol=1e-6)
        everyone = np.arange(len(gallery))
        matrix = gallery.cost(everyone, features)
        np.testing.assert_allclose(matrix[picked, columns], expected, atol=1e-6)
    assert len(gallery) > 5


def test_a_reused_place_remembers_nothing_of_who_had_it_before() -> None:
    gallery = Gallery(budget=2)
    gallery.start(2, unit(EAST, NORTH))
    gallery.add(rows(0), unit(EAST))
    gallery.keep(np.array([False, True]))
    gallery.start(1, None)
    assert gallery.cost(rows(0, 1), unit(EAST)).tolist() == [[1], [np.inf]]
    gallery.add(rows(1), unit(WEST))
    assert gallery.cost(rows(1), unit(EAST)).tolist() == [[2]]


def test_the_oldest_exemplar_goes_when_the_budget_is_spent() -> None:
    gallery = Gallery(budget=2)
    gallery.start(1, unit(EAST))
    gallery.add(rows(0), unit(NORTH))
    np.testing.assert_allclose(gallery.cost(rows(0), unit(EAST)), [[0]], atol=1e-6)
    gallery.add(rows(0), unit(WEST))  # east goes
    np.testing.assert_allclose(gallery.cost(rows(0), unit(EAST, NORTH, WEST)), [[1, 0, 0]], atol=1e-6)
    gallery.add(rows(0), unit(WEST))  # north goes
    np.testing.assert_allclose(gallery.cost(rows(0), unit(EAST, NORTH, WEST)), [[2, 1, 0]], atol=1e-6)
    assert gallery.exemplars.shape == (1, 2, 2)
    assert gallery.counts.tolist() == [4]


def test_running_mean_by_hand() -> None:
    gallery = Gallery(momentum=0.8)
    gallery.start(1, unit(EAST))
    np.testing.assert_allclose(gallery.means, EAST)
    gallery.add(rows(0), unit(NORTH))
    # 0.8 east + 0.2 north, of length sqrt(0.68)
    np.testing.assert_allclose(gallery.means, [[0.8 / sqrt(0.68), 0.2 / sqrt(0.68)]], rtol=1e-6)
    np.testing.assert_allclose(gallery.mean_cost(rows(0), unit(EAST)), [[1 - 0.8 / sqrt(0.68)]], rtol=1e-6)


def test_a_mean_of_opposites_is_no_direction() -> None:
    gallery = Gallery(momentum=0.5)
    gallery.start(1, unit(EAST))
    gallery.add(rows(0), unit(WEST))
    assert gallery.means.tolist() == [[0, 0]]
    assert gallery.mean_cost(rows(0), unit(EAST)).tolist() == [[1]]


def test_a_track_without_features_is_infinitely_far() -> None:
    gallery = Gallery()
    gallery.start(1, None)
    gallery.start(1, unit(EAST))
    for cost in (gallery.cost(rows(0, 1), unit(EAST)), gallery.mean_cost(rows(0, 1), unit(EAST))):
        assert cost.tolist() == [[np.inf], [0]]
    gallery.add(rows(0), unit(NORTH))
    assert gallery.cost(rows(0), unit(NORTH)).tolist() == [[0]]
    assert gallery.means[0].tolist() == [0, 1]  # the first feature is the mean, with no past before it


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_feature_that_is_not_finite_is_far_from_all_and_not_kept(broken: float) -> None:
    gallery = Gallery()
    bad = np.array([[1, broken]])
    gallery.start(2, unit(EAST, bad))
    gallery.add(rows(0, 1), unit(bad, bad))
    assert gallery.counts.tolist() == [1, 0]
    assert np.isfinite(gallery.means).all()
    for cost in (gallery.cost(rows(0, 1), unit(EAST, bad)), gallery.mean_cost(rows(0, 1), unit(EAST, bad))):
        assert cost.tolist() == [[0, np.inf], [np.inf, np.inf]]


def test_forgotten_tracks_leave_the_others_as_they_were() -> None:
    gallery = Gallery(budget=2)
    gallery.start(3, unit(EAST, NORTH, WEST))
    gallery.add(rows(2), unit(NORTH))
    gallery.keep(np.array([False, True, True]))
    assert len(gallery) == 2
    np.testing.assert_allclose(gallery.cost(rows(0, 1), unit(WEST)), [[1], [0]], atol=1e-6)
    gallery.start(1, unit(EAST))
    np.testing.assert_allclose(gallery.cost(rows(2), unit(EAST)), [[0]], atol=1e-6)


def test_features_keep_their_length() -> None:
    gallery = Gallery()
    gallery.start(1, unit(EAST))
    with pytest.raises(ValueError, match="features have 3 numbers, those before had 2"):
        gallery.cost(rows(0), np.ones((1, 3), np.float32))
    gallery.keep(np.array([False]))
    gallery.start(1, np.ones((1, 3), np.float32))  # nobody is left who knows the old length
    assert gallery.exemplars.shape == (1, 100, 3)


def test_no_track_and_no_feature() -> None:
    gallery = Gallery()
    none = np.zeros((0, 2), np.float32)
    gallery.start(0, none)
    gallery.start(0, None)
    gallery.add(rows(), none)
    gallery.keep(np.zeros(0, dtype=bool))
    assert len(gallery) == 0
    assert gallery.cost(rows(), unit(EAST)).shape == (0, 1)
    assert gallery.mean_cost(rows(), unit(EAST)).shape == (0, 1)
    gallery.start(1, unit(EAST))
    assert gallery.cost(rows(0), none).shape == (1, 0)
    assert gallery.mean_cost(rows(0), none).shape == (1, 0)
    assert gallery.cost(rows(), none).shape == (0, 0)


def test_saved_and_restored_it_goes_on_the_same() -> None:
    rng = np.random.default_rng(0)
    gallery, twin = Gallery(budget=5), Gallery(budget=5)
    gallery.start(3, rng.normal(size=(3, 4)).astype(np.float32))
    gallery.add(rows(0, 2), rng.normal(size=(2, 4)).astype(np.float32))
    twin.from_arrays(gallery.to_arrays())
    for _ in range(8):
        features = rng.normal(size=(3, 4)).astype(np.float32)
        np.testing.assert_array_equal(gallery.cost(rows(0, 1, 2), features), twin.cost(rows(0, 1, 2), features))
        for each in (gallery, twin):
            each.add(rows(0, 1, 2), features)
    for name, array in gallery.to_arrays().items():
        np.testing.assert_array_equal(array, twin.to_arrays()[name], err_msg=name)


def test_a_saved_state_does_not_change_with_the_gallery() -> None:
    gallery = Gallery(budget=2)
    gallery.start(1, unit(EAST))
    saved = gallery.to_arrays()
    before = {name: array.copy() for name, array in saved.items()}
    gallery.add(rows(0), unit(NORTH))
    twin = Gallery(budget=2)
    twin.from_arrays(saved)
    twin.add(rows(0), unit(WEST))
    for name, array in saved.items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_a_state_of_another_budget_is_refused() -> None:
    gallery = Gallery(budget=5)
    with pytest.raises(ValueError, match="up to 5 exemplars a track, not 6"):
        Gallery(budget=6).from_arrays(gallery.to_arrays())


def test_distance_to_the_mean_by_hand() -> None:
    gallery = Gallery(budget=3, momentum=0.5)
    gallery.start(2, unit(EAST, WEST))
    gallery.add(rows(0), unit(NORTH))  # the mean is half of each, 45 degrees from both
    half = sqrt(0.5)
    cost = gallery.mean_pair_cost(rows(0, 0, 1, 1), rows(0, 1, 0, 2), unit(EAST, DIAGONAL, WEST))
    np.testing.assert_allclose(cost, [1 - half, 0, 2, 0], atol=1e-6)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_distances_of_pairs_to_the_mean_are_those_of_the_matrix(broken: float) -> None:
    rng = np.random.default_rng(3)
    gallery = Gallery(budget=2)
    gallery.start(5, rng.normal(size=(5, 3)).astype(np.float32))
    gallery.start(1, None)  # known by nothing
    gallery.add(rows(1, 4), rng.normal(size=(2, 3)).astype(np.float32))
    features = rng.normal(size=(4, 3)).astype(np.float32)
    features[2] = broken
    tracks, columns = np.indices((6, 4)).reshape(2, -1)
    expected = gallery.mean_cost(np.arange(6), features)
    assert np.isinf(expected[5]).all()
    assert np.isinf(expected[:, 2]).all()
    found = gallery.mean_pair_cost(tracks, columns, features)
    np.testing.assert_allclose(found.reshape(6, 4), expected, rtol=1e-5, atol=1e-6)


def test_distances_of_no_pair_to_the_mean() -> None:
    gallery = Gallery()
    assert gallery.mean_pair_cost(rows(), rows(), unit(EAST)).shape == (0,)
    gallery.start(1, unit(EAST))
    assert gallery.mean_pair_cost(rows(), rows(), np.zeros((0, 2), np.float32)).shape == (0,)


def test_what_was_left_out_weighs_in_with_the_next_feature() -> None:
    """Two features that are none, then north: as if north had been seen three times."""
    nothing = np.full((1, 2), np.nan, np.float32)
    sparse, dense = Gallery(), Gallery()
    for gallery in (sparse, dense):
        gallery.start(1, unit(EAST))
    for feature in (nothing, nothing):
        sparse.add(rows(0), feature)
    resumed = Gallery()
    resumed.from_arrays(sparse.to_arrays())
    for gallery in (sparse, resumed):
        gallery.add(rows(0), unit(NORTH))
        share = 1 - 0.9**3
        np.testing.assert_allclose(gallery.means[0], np.array([0.9**3, share]) / np.hypot(0.9**3, share), atol=1e-6)
        assert gallery.counts.tolist() == [2]
    sparse.add(rows(0), unit(NORTH))
    dense.add(rows(0), unit(NORTH))
    np.testing.assert_allclose(dense.means[0], np.array([0.9, 0.1]) / np.hypot(0.9, 0.1), atol=1e-6)
