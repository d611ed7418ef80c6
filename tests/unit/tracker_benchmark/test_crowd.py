"""The simulated crowd: what is true of it, and what a detector says of it."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.tracker_benchmark.crowd import FRAME_RATE, NOBODY, simulate
from trackers.geometry import iou_matrix


def test_truth_has_so_many_objects_in_every_frame_and_never_gives_an_id_again() -> None:
    truth = simulate(40, frames=300, seed=3).truth
    assert np.bincount(truth.frames).tolist() == [0] + [40] * 300
    for frame in range(1, 301):
        assert len(np.unique(truth.ids[truth.frames == frame])) == 40
    for identity in np.unique(truth.ids):
        seen = truth.frames[truth.ids == identity]
        assert np.array_equal(seen, np.arange(seen[0], seen[-1] + 1))
    assert len(np.unique(truth.ids)) > 40  # some left in 10 s, and others came
    assert (truth.boxes[:, 2:] > truth.boxes[:, :2]).all()


def test_centres_stay_in_the_picture_and_move_as_people_do() -> None:
    crowd = simulate(60, frames=200, seed=5)
    truth = crowd.truth
    centres = (truth.boxes[:, :2] + truth.boxes[:, 2:]) / 2
    assert (centres >= -1e-9).all()
    assert (centres <= np.array([crowd.width, crowd.height]) + 1e-9).all()
    speeds = []
    for identity in np.unique(truth.ids):
        mine = truth.ids == identity
        heights = truth.boxes[mine, 3] - truth.boxes[mine, 1]
        assert heights.max() - heights.min() < 1e-9
        speeds.append(np.diff(centres[mine], axis=0) * FRAME_RATE / heights[0])
    every = np.concatenate(speeds)
    assert 0.45 < every.std() < 0.75  # heights a second; 0.6 but for the edges
    assert np.abs(every).max() < 4


def test_detections_are_the_truth_with_noise_misses_and_false_ones() -> None:
    crowd = simulate(100, frames=100, seed=1)
    found, truth = crowd.detections, crowd.truth
    false = crowd.shown == NOBODY
    assert 0.04 < false.sum() / len(truth) < 0.06
    assert 0.94 < (~false).sum() / len(truth) < 0.96
    overlaps = []
    for frame in (1, 50, 100):
        rows, true = np.flatnonzero((found.frames == frame) & ~false), np.flatnonzero(truth.frames == frame)
        place = {int(identity): index for index, identity in enumerate(truth.ids[true])}
        own = iou_matrix(found.boxes[rows], truth.boxes[true])
        overlaps += [own[i, place[int(crowd.shown[row])]] for i, row in enumerate(rows)]
    assert min(overlaps) > 0.5
    assert 0.8 < np.mean(overlaps) < 0.95
    assert ((found.scores > 0) & (found.scores < 1)).all()
    assert (np.diff(found.frames) >= 0).all()


def test_the_same_arguments_give_the_same_crowd_and_features_do_not_change_it() -> None:
    one, again, other = (simulate(20, frames=30, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one.detections.boxes, again.detections.boxes)
    assert not np.array_equal(one.truth.boxes, other.truth.boxes)
    described = simulate(20, frames=30, seed=1, dimension=16)
    assert np.array_equal(one.detections.boxes, described.detections.boxes)
    assert one.features is None


def test_features_of_one_object_are_alike_and_of_two_are_not() -> None:
    crowd = simulate(20, frames=30, seed=1, dimension=128)
    assert crowd.features is not None
    assert crowd.features.dtype == np.float32
    assert np.allclose(np.linalg.norm(crowd.features, axis=1), 1, atol=1e-6)
    known = crowd.shown != NOBODY
    likeness = crowd.features[known] @ crowd.features[known].T
    same = crowd.shown[known][:, None] == crowd.shown[known]
    assert likeness[same].min() > 0.6
    assert np.abs(likeness[~same]).max() < 0.6


@pytest.mark.parametrize("objects", [0, 1])
def test_few_objects(objects: int) -> None:
    crowd = simulate(objects, frames=3, seed=1, dimension=4)
    assert len(crowd.truth) == 3 * objects
    assert crowd.features is not None
    assert len(crowd.features) == len(crowd.detections) == len(crowd.shown)
