"""The rendered scene: reproducible, of any size, and as eventful as the demo needs."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.synthetic.counts import SceneCounts
from pipeline.synthetic.scene import Scene, frames
from pipeline.synthetic.truth import Truth

SMALL = (320, 180)


@pytest.fixture(scope="module")
def counts() -> SceneCounts:
    return Scene().statistics()


def test_the_default_minute_has_what_the_demo_promises(counts: SceneCounts) -> None:
    assert counts.frames == 1500
    assert counts.walkers >= 12
    assert counts.crossings >= 15
    assert counts.full_occlusions >= 10
    assert counts.returns >= 1
    assert 4 <= counts.mean_present <= 8
    assert 0.4 <= counts.hidden_seconds / counts.full_occlusions <= 2.0


def test_a_frame_does_not_depend_on_those_asked_for_before() -> None:
    one, other = Scene(seconds=12, size=SMALL), Scene(seconds=12, size=SMALL)
    for index in (0, 100, 170):
        one.frame(index)
    np.testing.assert_array_equal(one.frame(240).image, other.frame(240).image)


def test_another_seed_gives_another_plaza_and_other_people() -> None:
    one, other = Scene(seconds=12, size=SMALL, seed=1), Scene(seconds=12, size=SMALL, seed=2)
    assert (one.backdrop != other.backdrop).any()
    assert not np.array_equal(one.truth(250).boxes, other.truth(250).boxes)


def test_a_longer_scene_shows_the_same_plaza() -> None:
    np.testing.assert_array_equal(
        Scene(seconds=1, size=SMALL).frame(3).image, Scene(seconds=50, size=SMALL).frame(3).image
    )


def test_the_fast_truth_is_the_truth_of_the_picture() -> None:
    scene = Scene(seconds=30, size=SMALL)
    for index in range(100, 750, 61):
        assert_same(scene.truth(index), scene.frame(index).truth)


def assert_same(one: Truth, other: Truth) -> None:
    assert (one.index, one.time) == (other.index, other.time)
    for column in ("ids", "boxes", "visible_boxes", "visibility", "covered"):
        np.testing.assert_array_equal(getattr(one, column), getattr(other, column))
    np.testing.assert_array_equal(one.masks.origins, other.masks.origins)
    for a, b in zip(one.masks.crops, other.masks.crops, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_plaza_is_empty_at_first_so_that_a_background_can_be_learned() -> None:
    scene = Scene(seconds=8, size=SMALL)
    assert all(len(scene.truth(index)) == 0 for index in range(37))
    assert max(len(truth) for truth in scene.truths()) > 0


def test_sensor_noise_and_light_make_every_frame_a_little_different() -> None:
    scene = Scene(seconds=1, size=SMALL)
    first, second = (scene.frame(index).image.astype(float) for index in (0, 1))
    difference = first - second
    assert 1.0 < difference.std() < 6.0
    assert abs(difference.mean()) < 1.0


@pytest.mark.parametrize(
    ("seconds", "size", "fps", "length"),
    [(0.2, (640, 360), 25.0, 5), (0.01, (64, 48), 10.0, 1), (3.0, (333, 187), 7.5, 22), (2.0, (120, 300), 29.97, 60)],
)
def test_any_length_size_and_rate(seconds: float, size: tuple[int, int], fps: float, length: int) -> None:
    scene = Scene(seconds=seconds, size=size, fps=fps)
    assert len(scene) == length
    last = scene.frame(length - 1)
    assert last.image.shape == (size[1], size[0], 3)
    assert last.image.dtype == np.uint8
    assert last.truth.time == pytest.approx((length - 1) / fps)


def test_the_rate_changes_when_we_look_and_not_what_happens() -> None:
    slow, fast = Scene(seconds=10, size=SMALL, fps=5), Scene(seconds=10, size=SMALL, fps=30)
    np.testing.assert_array_equal(slow.truth(45).boxes, fast.truth(270).boxes)


def test_without_walkers_nothing_is_true() -> None:
    scene = Scene(seconds=4, size=SMALL, walkers=0)
    assert len(scene.frame(99).truth) == 0
    assert scene.statistics() == SceneCounts(100, 0, 0, 0, 0, 0.0, 0.0)


def test_a_crowd_larger_than_the_wardrobe_can_be_drawn() -> None:
    scene = Scene(seconds=10, size=SMALL, walkers=60)
    assert len(scene.frame(249).truth) > 0


def test_nobody_walks_through_anybody_or_anything() -> None:
    scene = Scene()
    for time in np.arange(2.0, 60.0, 0.5):
        here = [v.positions(np.array([time]))[0] for v in scene._visits if v.start <= time <= v.end]
        for i, spot in enumerate(here):
            apart = [np.hypot(*(spot - other)) for other in here[:i]]
            assert min(apart, default=9.0) > 0.5
            assert all(np.hypot(*(spot - (prop.x, prop.z))) > prop.radius for prop in scene._props)


def test_frames_come_as_from_a_source() -> None:
    scene = Scene(seconds=1, size=SMALL, fps=10)
    taken = list(islice(frames(scene, stream=3), 4))
    assert [frame.index for frame in taken] == [0, 1, 2, 3]
    assert [frame.time for frame in taken] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert [frame.at for frame in taken] == [0, 100_000, 200_000, 300_000]
    assert {frame.stream for frame in taken} == {3}
    np.testing.assert_array_equal(taken[2].image, scene.frame(2).image)


@pytest.mark.parametrize("index", [-1, 5])
def test_a_frame_outside_the_scene_is_an_error(index: int) -> None:
    with pytest.raises(IndexError, match="5 frames"):
        Scene(seconds=0.5, size=SMALL, fps=10).frame(index)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seconds": 0}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"fps": -1}, "fps"),
        ({"fps": float("inf")}, "fps"),
        ({"size": (0, 720)}, "width and height"),
        ({"size": (1280, 100_000)}, "width and height"),
        ({"walkers": -1}, "walkers"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_rendered_is_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Scene(**arguments)
