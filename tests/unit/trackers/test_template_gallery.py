"""The looks of targets: the first stays, the others are as different as they come."""

from __future__ import annotations

import numpy as np
import pytest

from trackers.structures import FloatArray
from trackers.template_gallery import TemplateGallery

AXES = np.eye(6)


def between(a: int, b: int, cosine: float) -> FloatArray:
    """A look (6,) with that cosine to axis a, and the rest along axis b."""
    return np.asarray(cosine * AXES[a] + np.sqrt(1 - cosine**2) * AXES[b])


def known(gallery: TemplateGallery, row: int) -> int:
    """Of how many axes is a look kept."""
    return int(sum(gallery.likeness(np.array([row]), AXES[[axis]])[0] > 0.99 for axis in range(6)))


def test_likeness_is_that_of_the_nearest_look_and_not_below_0() -> None:
    gallery = TemplateGallery()
    gallery.start(AXES[:1])
    gallery.add(np.array([0]), AXES[1:2])
    rows = np.zeros(3, np.int64)
    looks = np.stack([between(0, 2, 0.6), between(1, 2, 0.9), -AXES[0]])
    np.testing.assert_allclose(gallery.likeness(rows, looks), [0.6, 0.9, 0])


def test_only_what_is_new_is_kept() -> None:
    gallery = TemplateGallery(new=0.8)
    gallery.start(AXES[:1])
    gallery.add(np.array([0]), between(0, 1, 0.81)[None])
    assert gallery.likeness(np.array([0]), AXES[1:2])[0] == 0
    gallery.add(np.array([0]), between(0, 1, 0.79)[None])
    assert gallery.likeness(np.array([0]), AXES[1:2])[0] > 0.5


def test_the_first_look_outlasts_all_others() -> None:
    gallery = TemplateGallery(budget=3)
    gallery.start(AXES[:1])
    for axis in (1, 2, 3, 4):
        gallery.add(np.array([0]), AXES[[axis]])
    likeness = gallery.likeness(np.zeros(6, np.int64), AXES)
    np.testing.assert_allclose(likeness, [1, 0, 0, 1, 1, 0])  # the oldest later ones went
    gallery.add(np.array([0]), AXES[[5]])
    np.testing.assert_allclose(gallery.likeness(np.zeros(6, np.int64), AXES), [1, 0, 0, 0, 1, 1])


def test_with_a_budget_of_one_only_the_first_is_known() -> None:
    gallery = TemplateGallery(budget=1)
    gallery.start(AXES[:1])
    gallery.add(np.array([0]), AXES[[1]])
    assert known(gallery, 0) == 1
    with pytest.raises(ValueError, match="at least the first look"):
        TemplateGallery(budget=0)


def test_targets_have_looks_of_their_own_and_go() -> None:
    gallery = TemplateGallery()
    gallery.start(AXES[:2])
    gallery.start(AXES[2:3])
    gallery.add(np.array([2, 0]), AXES[[4, 3]])
    np.testing.assert_allclose(gallery.likeness(np.array([0, 1, 2]), AXES[[3, 3, 4]]), [1, 0, 1])
    gallery.keep(np.array([False, True, True]))
    assert len(gallery) == 2
    np.testing.assert_allclose(gallery.likeness(np.array([0, 1]), AXES[[1, 4]]), [1, 1])


def test_empty_is_fine() -> None:
    gallery = TemplateGallery()
    gallery.start(np.zeros((0, 6)))
    assert gallery.likeness(np.zeros(0, np.int64), np.zeros((0, 6))).shape == (0,)
    gallery.add(np.zeros(0, np.int64), np.zeros((0, 6)))
    assert len(gallery) == 0


def test_a_saved_gallery_goes_on() -> None:
    gallery, other = TemplateGallery(budget=2), TemplateGallery(budget=2)
    gallery.start(AXES[:1])
    gallery.add(np.array([0]), AXES[[1]])
    other.from_arrays(gallery.to_arrays())
    other.add(np.array([0]), AXES[[2]])
    np.testing.assert_allclose(other.likeness(np.zeros(3, np.int64), AXES[:3]), [1, 0, 1])
    with pytest.raises(ValueError, match="holds 2 looks"):
        TemplateGallery(budget=3).from_arrays(gallery.to_arrays())
