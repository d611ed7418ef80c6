"""How much boxes look like targets, by one description or by several."""

from __future__ import annotations

import numpy as np

from trackers.likeness import JoinedLooks, Likeness
from trackers.structures import FloatArray, ImageArray

PICTURE = np.zeros((100, 200, 3), np.uint8)
TARGET, LATER = np.array([[80.0, 40, 100, 60]]), np.array([[82.0, 40, 102, 60]])
ACROSS = np.array([1.0, 0, 1, 0])
ROW, SURELY = np.array([0]), np.array([True])


def turned(angles: FloatArray) -> FloatArray:
    """Looks (n, 2) of unit length."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def by_place(image: ImageArray, boxes: FloatArray) -> FloatArray:
    """A look that turns with the left side of a box: by 90 degrees in 45 pixels from the target's."""
    assert image.ndim == 3
    return turned(np.abs(boxes[:, 0] - TARGET[0, 0]) / 45 * np.pi / 2)


def nothing(image: ImageArray, boxes: FloatArray) -> FloatArray:
    """Nothing can be told of what is left of the target."""
    assert image.ndim == 3
    return np.where(boxes[:, :1] < TARGET[0, 0], 0, [[1.0, 0, 0]])


def test_shares_by_hand() -> None:
    """Of the eight boxes around, two look as the target does and six as what is 30 pixels, or 60 degrees, away."""
    likeness = Likeness(by_place, least=0.6)
    likeness.start(PICTURE, TARGET)
    others = (2 + 6 * 0.5) / 8
    boxes = np.concatenate([TARGET, TARGET + 30 * ACROSS])
    shares = likeness.shares(PICTURE, np.zeros(2, np.int64), boxes)
    np.testing.assert_allclose(shares, [(1 - others) / (0.75 - others), (0.5 - others) / (0.75 - others)])


def test_only_what_is_surely_the_target_is_learned_and_not_in_every_picture() -> None:
    likeness = Likeness(by_place, least=0.6)
    likeness.start(PICTURE, TARGET)
    before = likeness.to_arrays()
    for _ in range(10):
        likeness.learn(PICTURE, LATER, ~SURELY)
    np.testing.assert_array_equal(likeness.to_arrays()["likeness.usual"], before["likeness.usual"])
    for _ in range(5):
        likeness.learn(PICTURE, LATER, SURELY)
    assert likeness.to_arrays()["likeness.usual"] > before["likeness.usual"]


def test_what_is_not_like_it_counts_as_late_and_not_as_its_own() -> None:
    likeness = Likeness(by_place, least=0.6)
    likeness.start(PICTURE, TARGET)
    for _ in range(5):
        likeness.learn(PICTURE, TARGET + 45 * ACROSS, SURELY)
    assert likeness.recent[0] < 1
    assert likeness.to_arrays()["gallery.counts"].tolist() == [1]


def test_joined_looks_agree_by_the_mean_of_their_parts() -> None:
    looks = JoinedLooks(by_place, nothing)
    seen = looks(PICTURE, np.concatenate([TARGET, TARGET + 30 * ACROSS, TARGET - 30 * ACROSS]))
    np.testing.assert_allclose(seen @ seen[0], [1, (0.5 + 1) / 2, 0], atol=1e-12)
    np.testing.assert_array_equal(seen[2], 0)  # where one part can tell nothing, nothing is told


def test_no_targets_are_like_nothing() -> None:
    likeness = Likeness(by_place, least=0.6)
    assert likeness.shares(PICTURE, ROW[:0], TARGET[:0]).shape == (0,)
    likeness.learn(PICTURE, TARGET[:0], SURELY[:0])
    likeness.start(PICTURE, TARGET)
    likeness.keep(~SURELY)
    assert likeness.recent.shape == (0,)


def test_one_that_is_saved_knows_the_same() -> None:
    known, other = Likeness(by_place, least=0.6), Likeness(by_place, least=0.6)
    known.start(PICTURE, TARGET)
    for _ in range(5):
        known.learn(PICTURE, LATER, SURELY)
    other.from_arrays(known.to_arrays())
    np.testing.assert_array_equal(known.shares(PICTURE, ROW, LATER), other.shares(PICTURE, ROW, LATER))
    assert other.recent == known.recent
