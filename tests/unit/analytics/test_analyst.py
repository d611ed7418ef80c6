"""RuleAnalyst as a whole: its state, what it forgets, and that nothing depends on the order of tracks."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.analytics.analyst import RuleAnalyst
from pipeline.analytics.ground import Ground
from pipeline.analytics.lines import Line
from pipeline.analytics.zones import Zone
from pipeline.events import Events
from pipeline.stages import Follower
from tests.fakes import FakeTracker
from tests.unit.analytics.walking import frame, same, seen, told, walk
from trackers.structures import Detections, FloatArray, IntArray, Tracks

ZONES = [
    Zone("yard", ((0.2, 0.2), (0.7, 0.3), (0.6, 0.8), (0.3, 0.7)), dwell_seconds=1, count_above=3, speed_above=1),
    Zone("door", ((0.5, 0.5), (0.9, 0.5), (0.9, 0.9)), anchor="centre", loiter_seconds=0.5, loiter_radius=0.2),
]
LINES = [Line("gate", (0.1, 0.5), (0.9, 0.6)), Line("kerb", (0.5, 0.0), (0.4, 1.0), anchor="centre")]


def analyst() -> RuleAnalyst:
    return RuleAnalyst(ZONES, LINES, ground=Ground(metres_per_pixel=0.02))


def crowd(frames: int, *, seed: int = 3, tracks: int = 12) -> list[Tracks]:
    """Tracks that wander, come late, are lost for a while and end."""
    rng = np.random.default_rng(seed)
    places: FloatArray = rng.uniform(100, 900, (tracks, 2))
    speeds: FloatArray = rng.normal(0, 25, (tracks, 2))
    born: IntArray = rng.integers(0, frames // 2, tracks)
    end: IntArray = born + rng.integers(10, frames, tracks)
    shown = []
    for k in range(frames):
        speeds += rng.normal(0, 5, speeds.shape)
        speeds[(places < 50) & (speeds < 0)] *= -1
        speeds[(places > 950) & (speeds > 0)] *= -1
        places = places + speeds.clip(-60, 60)
        alive = np.flatnonzero((born <= k) & (k < end))
        lost = alive[rng.random(len(alive)) < 0.1]
        feet = {int(i) + 1: (float(places[i, 0]), float(places[i, 1])) for i in alive if i not in lost}
        shown.append(seen(feet, lost=(lost + 1).tolist(), ended=(np.flatnonzero(end == k) + 1).tolist()))
    return shown


def follow(watching: RuleAnalyst, shown: list[Tracks], *, begin: int = 0) -> Events:
    found = [watching.update(frame((begin + k) / 10), tracks) for k, tracks in enumerate(shown)]
    return Events.concatenate([Events.empty(), *found])


def test_the_crowd_makes_events_of_every_kind() -> None:
    events = follow(analyst(), crowd(200))
    assert {kind.value for kind in events.kinds} == {"enter", "leave", "dwell", "loiter", "cross", "count", "speed"}
    assert set(events.directions) == {"", "in", "out"}


@pytest.mark.parametrize("cut", [0, 1, 37, 120, 200])
def test_saved_and_restored_it_goes_on_as_if_nothing_had_happened(cut: int) -> None:
    shown = crowd(200)
    first, second = analyst(), analyst()
    before = follow(first, shown[:cut])
    second.from_arrays({name: array.copy() for name, array in first.to_arrays().items()})
    after = follow(second, shown[cut:], begin=cut)
    assert same(Events.concatenate([before, after]), follow(analyst(), shown))


def test_a_state_is_a_copy() -> None:
    watching = analyst()
    follow(watching, crowd(50))
    state = watching.to_arrays()
    kept = {name: array.copy() for name, array in state.items()}
    follow(watching, crowd(50, seed=9), begin=50)
    for name, array in state.items():
        np.testing.assert_array_equal(array, kept[name])


def test_the_order_of_tracks_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    shown = crowd(150)
    shuffled = [tracks[rng.permutation(len(tracks))] for tracks in shown]
    assert same(follow(analyst(), shown), follow(analyst(), shuffled))


def test_a_rule_tells_the_same_whatever_others_there_are() -> None:
    shown = crowd(150)
    together = told(follow(analyst(), shown))
    for zone in ZONES:
        alone = told(follow(RuleAnalyst([zone], ground=Ground(metres_per_pixel=0.02)), shown))
        assert alone == [event for event in together if event[2] == zone.name]
    for line in LINES:
        assert told(follow(RuleAnalyst(lines=[line]), shown)) == [event for event in together if event[2] == line.name]


def test_tracks_that_ended_are_forgotten() -> None:
    watching = analyst()
    for number in range(200):
        watching.update(frame(number), seen({number + 1: (500, 500)}, ended=[number] if number else []))
    assert len(watching) == 1
    assert sum(array.nbytes for array in watching.to_arrays().values()) < 5000


def test_another_analyst_takes_over_at_the_rules_that_both_have() -> None:
    shown = crowd(200)
    first, second = analyst(), RuleAnalyst([ZONES[0]], [LINES[1], LINES[0]], ground=Ground(metres_per_pixel=0.02))
    before = follow(first, shown[:100])
    second.take_over(first)
    after = follow(second, shown[100:], begin=100)
    kept = {ZONES[0].name, *(line.name for line in LINES)}
    whole = sorted(event for event in told(follow(analyst(), shown)) if event[2] in kept)
    assert sorted(event for event in told(Events.concatenate([before, after])) if event[2] in kept) == whole


def test_at_a_rule_that_is_new_tracks_begin_anew() -> None:
    first, second = RuleAnalyst(lines=LINES), RuleAnalyst([Zone("all", ((0, 0), (1, 0), (1, 1), (0, 1)))], LINES)
    walk(first, [(500, 500)] * 10)
    second.take_over(first)
    assert told(walk(second, [(500, 500)] * 5, begin=1.0)) == [(1.0, 1, "all", "enter", "")]


def test_a_stream_changes_its_rules_between_two_frames() -> None:
    """Who was inside before is inside after, and does not enter once more."""
    there = Detections(np.array([[490, 460, 510, 500]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64))
    inside = Zone("all", ((0, 0), (1, 0), (1, 1), (0, 1)))
    follower = Follower(FakeTracker(), RuleAnalyst([inside]))
    found = []
    for k in range(20):
        if k == 5:
            follower.analyst = RuleAnalyst([inside], LINES)
        found.append(follower.update(frame(k / 10), there)[1])
    assert [(rule, kind) for _, _, rule, kind, _ in told(Events.concatenate(found))] == [("all", "enter")]
    assert "analytics.side" in follower.to_arrays()


def test_the_state_of_other_rules_is_refused() -> None:
    state = analyst().to_arrays()
    with pytest.raises(ValueError, match="other zones"):
        RuleAnalyst(ZONES[:1], LINES, ground=Ground(metres_per_pixel=1)).from_arrays(state)
    with pytest.raises(ValueError, match="does not fit"):
        RuleAnalyst(ZONES, LINES[:1], ground=Ground(metres_per_pixel=1)).from_arrays(state)


def test_rules_need_names_that_differ_and_speeds_a_ground() -> None:
    with pytest.raises(ValueError, match="names that differ"):
        RuleAnalyst(ZONES, [Line("yard", (0, 0), (1, 1))])
    with pytest.raises(ValueError, match="needs a ground"):
        RuleAnalyst(ZONES)
    with pytest.raises(ValueError, match="one of them"):
        Ground()
