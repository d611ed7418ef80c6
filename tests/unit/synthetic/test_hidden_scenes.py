"""Scenes in which somebody is hidden for a known time are what they say."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.synthetic.hidden_scenes import FPS, Disappearance, hidden_scene
from pipeline.synthetic.looks import draw_looks
from pipeline.synthetic.script import straight
from pipeline.synthetic.truth import HIDDEN


def seconds_hidden(disappearance: Disappearance, seconds: float, *, seed: int) -> list[float]:
    """For how long each of the walkers it is about is hidden or out of the picture, once it was seen."""
    made = hidden_scene(disappearance, seconds, seed=seed)
    truths = [made.scene.truth(index) for index in range(len(made.scene))]
    found = []
    for walker in made.walkers:
        seen = np.array([bool((truth.visibility[truth.ids == walker] > HIDDEN).any()) for truth in truths])
        first, last = np.flatnonzero(seen)[[0, -1]]
        found.append(float((~seen[first:last]).sum() / FPS))
    return found


@pytest.mark.parametrize("disappearance", [Disappearance.WALL, Disappearance.AWAY])
@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_walkers_are_hidden_for_that_time(disappearance: Disappearance, seconds: float) -> None:
    for found in seconds_hidden(disappearance, seconds, seed=3):
        assert found == pytest.approx(seconds, abs=0.45)


def test_look_alikes_cover_each_other_and_look_alike() -> None:
    made = hidden_scene(Disappearance.LOOK_ALIKE, 1.0, seed=0)
    one, other = (made.scene._figures[walker - 1].look for walker in made.walkers)
    assert one == other
    covered = [float(made.scene.truth(index).covered.max(initial=0)) for index in range(len(made.scene))]
    assert max(covered) > 0.5
    assert covered[0] == 0


def test_scenes_differ_by_seed_and_not_by_chance() -> None:
    one, same, other = (hidden_scene(Disappearance.WALL, 1.0, seed=seed).scene.frame(20).image for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_nobody_is_hidden_for_no_time() -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        hidden_scene(Disappearance.WALL, 0.0, seed=1)


def test_a_walk_is_as_fast_and_as_long_as_said() -> None:
    look = draw_looks(1, np.random.default_rng(0))[0]
    visit = straight(0, look, 2.0, pace=1.5, way=((-3.0, 12.0), (3.0, 12.0)))
    assert visit.end == pytest.approx(2.0 + 6 / 1.5)
    np.testing.assert_allclose(visit.positions(np.array([2.0, 4.0, 6.0])), [[-3, 12], [0, 12], [3, 12]], atol=1e-9)
    with pytest.raises(ValueError, match="leads nowhere"):
        straight(0, look, 0.0, pace=1.0, way=((1.0, 12.0), (1.0, 12.0)))
