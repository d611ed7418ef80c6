"""Walkers keep their ids while they cannot be seen, with the default's settings and the bundled embedder."""

from __future__ import annotations

import pytest

from pipeline import build
from pipeline.config import load_settings
from pipeline.synthetic.hidden_scenes import Disappearance, hidden_scene
from tests.hidden_walkers import AS_SAID, events, see, unmasked


@pytest.mark.parametrize(
    ("disappearance", "seconds"),
    [
        pytest.param(Disappearance.WALL, 1.0, marks=pytest.mark.long),
        (Disappearance.WALL, 3.0),
        (Disappearance.AWAY, 3.0),
    ],
)
def test_who_comes_back_is_known(disappearance: Disappearance, seconds: float) -> None:
    settings = load_settings("default", [f"tracker.calibration={AS_SAID}"])
    seen = unmasked(see(hidden_scene(disappearance, seconds, seed=1), build.embedder(settings.embedder)))
    found = list(events(seen, build.tracker(settings.tracker)))
    assert len(found) == len(seen.scene.walkers)
    assert all(abs(one.truly - seconds) < 0.7 for one in found)
    assert all(one.kept for one in found)


def test_who_waits_too_briefly_does_not_know() -> None:
    """The measure can fail: a tracker that forgets at once keeps no id."""
    settings = load_settings(
        "default", [f"tracker.calibration={AS_SAID}", "tracker.lost_seconds=0.2", "tracker.shadowed_lost_seconds=0.2"]
    )
    seen = see(hidden_scene(Disappearance.WALL, 1.0, seed=1), None)
    assert not any(one.kept for one in events(seen, build.tracker(settings.tracker)))
