"""Stays: worked by hand, against supervision and shapes that are known."""

from __future__ import annotations

import numpy as np
import pytest
import supervision as sv

from pipeline.analytics.analyst import RuleAnalyst
from pipeline.analytics.ground import Ground
from pipeline.analytics.zones import Polygons, Zone, anchor_points
from pipeline.events import EventKind, Events
from tests.unit.analytics.walking import SIDE, START, frame, seen, told, walk
from trackers.structures import Tracks

SQUARE = ((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6))
YARD = Zone("yard", SQUARE)
IN, OUT = (500.0, 500.0), (300.0, 500.0)


def values(events: Events, kind: EventKind) -> list[float]:
    return [value for value, one in zip(events.values.tolist(), events.kinds, strict=True) if one is kind]


def test_enter_and_leave() -> None:
    """Outside at 0 and 0.1 s, inside from 0.2 to 1.1 s, outside from 1.2 s."""
    events = walk(RuleAnalyst([YARD]), [OUT, OUT, *[IN] * 10, *[OUT] * 5])
    assert told(events) == [
        (pytest.approx(0.2), 1, "yard", "enter", ""),
        (pytest.approx(1.2), 1, "yard", "leave", ""),
    ]
    assert values(events, EventKind.LEAVE) == [pytest.approx(1.0)]
    assert events.points.tolist() == [list(IN), list(OUT)]


def test_who_is_first_seen_inside_enters_then() -> None:
    assert told(walk(RuleAnalyst([YARD]), [IN] * 5)) == [(0.0, 1, "yard", "enter", "")]


def test_a_track_that_ends_inside_left_when_it_was_last_seen() -> None:
    analyst = RuleAnalyst([YARD])
    walk(analyst, [IN] * 10)
    assert told(analyst.update(frame(1.5), seen({}, lost=[1]))) == []
    events = analyst.update(frame(30), seen({}, ended=[1]))
    assert told(events) == [(pytest.approx(0.9), 1, "yard", "leave", "")]
    assert events.values[0] == pytest.approx(0.9)
    assert len(analyst) == 0


def test_a_track_that_ends_just_outside_left_when_it_was_first_seen_there() -> None:
    analyst = RuleAnalyst([YARD])
    walk(analyst, [*[IN] * 10, OUT])
    assert told(analyst.update(frame(3), seen({}, ended=[1]))) == [(pytest.approx(1.0), 1, "yard", "leave", "")]


def test_a_stay_goes_on_while_a_track_is_lost() -> None:
    analyst = RuleAnalyst([Zone("yard", SQUARE, dwell_seconds=2)])
    walk(analyst, [IN] * 5)
    for k in range(5, 20):
        assert told(analyst.update(frame(k / 10), seen({}, lost=[1]))) == []
    assert [kind for _, _, _, kind, _ in told(walk(analyst, [IN, IN], begin=2.0))] == ["dwell"]


def test_a_box_that_trembles_on_the_edge_stays_once() -> None:
    """A twentieth of the shorter side is 1 px: less than that outside is not outside."""
    trembling = [(500.0, y) for y in (590, 590, 590, 599, 600.5, 599, 600.8, 600.8, 600.8, 600.8, 599)]
    assert [kind for *_, kind, _ in told(walk(RuleAnalyst([YARD]), trembling))] == ["enter"]
    assert len(told(walk(RuleAnalyst([YARD]), [*trembling, *[(500.0, 602.0)] * 4]))) == 2


def test_a_box_that_jumps_for_a_moment_neither_comes_nor_goes() -> None:
    assert told(walk(RuleAnalyst([YARD]), [OUT, OUT, IN, IN, OUT, OUT])) == []
    assert len(told(walk(RuleAnalyst([YARD]), [*[IN] * 5, OUT, OUT, *[IN] * 5]))) == 1


def test_dwell_is_told_once_a_stay() -> None:
    events = walk(RuleAnalyst([Zone("yard", SQUARE, dwell_seconds=1)]), [*[IN] * 30, *[OUT] * 5, *[IN] * 15])
    dwelt = [(at, kind) for at, _, _, kind, _ in told(events) if kind == "dwell"]
    assert dwelt == [(pytest.approx(1.0), "dwell"), (pytest.approx(4.5), "dwell")]
    assert values(events, EventKind.DWELL) == [pytest.approx(1.0)] * 2


def test_loiter_needs_a_small_circle() -> None:
    """A circle of a twentieth of the height: 50 px. The one who walks leaves it each second, the other does not."""
    zone = Zone("yard", ((0, 0), (1, 0), (1, 1), (0, 1)), loiter_seconds=2, loiter_radius=0.05)
    walking = [(300.0 + 6 * k, 500.0) for k in range(40)]
    assert [kind for *_, kind, _ in told(walk(RuleAnalyst([zone]), walking))] == ["enter"]
    swaying = [(500.0 + 20 * (-1) ** k, 500.0) for k in range(40)]
    events = walk(RuleAnalyst([zone]), swaying)
    assert [(at, kind) for at, _, _, kind, _ in told(events)] == [(0.0, "enter"), (pytest.approx(2.0), "loiter")]
    moved = walk(RuleAnalyst([zone]), [*[(300.0, 300.0)] * 25, *[(700.0, 700.0)] * 25])
    assert [at for at, _, _, kind, _ in told(moved) if kind == "loiter"] == [pytest.approx(2.0), pytest.approx(4.5)]


def test_count_is_told_when_a_limit_is_passed_and_when_that_is_over() -> None:
    analyst = RuleAnalyst([Zone("yard", SQUARE, count_above=2)])
    found = []
    for k in range(30):
        inside = {1, 2} | ({3, 4} if 5 <= k < 15 else set())
        found.append(analyst.update(frame(k / 10), seen({one: IN if one in inside else OUT for one in (1, 2, 3, 4)})))
    events = Events.concatenate(found)
    counted = [(at, track, kind) for at, track, _, kind, _ in told(events) if kind == "count"]
    assert counted == [(pytest.approx(0.8), 0, "count"), (pytest.approx(1.8), 0, "count")]
    assert values(events, EventKind.COUNT) == [4, 2]
    assert events.labels[[kind is EventKind.COUNT for kind in events.kinds]].tolist() == [-1, -1]


@pytest.mark.parametrize(
    "ground",
    [
        Ground(metres_per_pixel=0.01),
        Ground(homography=((10, 0, 0), (0, 10, 0), (0, 0, 1))),  # the picture is 10 m wide and high
        Ground(homography=((-20, 0, 0), (0, -20, 0), (0, 0, -2))),  # the same
    ],
)
def test_speed_in_metres_a_second(ground: Ground) -> None:
    """20 px, 0.2 m, every 0.1 s: 2 m/s, known after 0.6 s."""
    everywhere = ((0, 0), (1, 0), (1, 1), (0, 1))
    path = [(200.0 + 20 * k, 500.0) for k in range(20)]
    events = walk(RuleAnalyst([Zone("road", everywhere, speed_above=1.9)], ground=ground), path)
    assert [(at, kind) for at, _, _, kind, _ in told(events)] == [(0.0, "enter"), (pytest.approx(0.6), "speed")]
    assert values(events, EventKind.SPEED) == [pytest.approx(2.0, rel=1e-3)]
    slow = walk(RuleAnalyst([Zone("road", everywhere, speed_above=2.1)], ground=ground), path)
    assert values(slow, EventKind.SPEED) == []


def test_no_speed_out_of_a_jump_over_a_gap() -> None:
    everywhere = ((0, 0), (1, 0), (1, 1), (0, 1))
    analyst = RuleAnalyst([Zone("road", everywhere, speed_above=0.5)], ground=Ground(metres_per_pixel=0.01))
    walk(analyst, [(200.0, 500.0)] * 10)
    assert values(walk(analyst, [(900.0, 500.0)] * 10, begin=3.0), EventKind.SPEED) == []


def test_beyond_the_horizon_there_are_no_metres() -> None:
    """w = y - 0.5: the horizon lies in the middle of the picture."""
    ground = Ground(homography=((1, 0, 0), (0, 1, 0), (0, 1, -0.5)))
    metres = ground.metres(np.array([[0.5, 0.75], [0.5, 0.5], [0.5, 0.25]]), np.array([SIDE, SIDE]))
    np.testing.assert_allclose(metres[0], [2, 3])
    assert np.isnan(metres[1:]).all()


def test_only_classes_that_count_enter() -> None:
    analyst = RuleAnalyst([Zone("yard", SQUARE, labels=frozenset({2}))])
    found = [analyst.update(frame(k / 10), seen({1: IN, 2: IN, 3: IN}, labels={2: 2, 3: 9})) for k in range(5)]
    assert [track for _, track, *_ in told(Events.concatenate(found))] == [2]


def test_nobody_and_the_first_frame() -> None:
    analyst = RuleAnalyst([YARD])
    assert len(analyst.update(frame(0), Tracks.empty())) == 0
    assert len(RuleAnalyst().update(frame(0), seen({1: IN}))) == 0
    assert len(analyst.update(frame(1), seen({}, ended=[7]))) == 0


def test_what_reaches_beyond_the_picture_stands_at_its_edge() -> None:
    bottom = Zone("bottom", ((0, 0.9), (1, 0.9), (1, 1), (0, 1)))
    assert [kind for *_, kind, _ in told(walk(RuleAnalyst([bottom]), [(500.0, 1040.0)] * 5))] == ["enter"]
    corners = anchor_points(np.array([[-50, -50, 20, 2000]], np.float32), np.array([1000.0, 1000.0]))
    assert ((corners > 0) & (corners < 1)).all()


def test_supervision_finds_the_same_inside() -> None:
    star = np.array(
        [(0.5, 0.1), (0.6, 0.4), (0.9, 0.4), (0.65, 0.6), (0.75, 0.9), (0.5, 0.7), (0.25, 0.9), (0.35, 0.6)]
    )
    theirs = sv.PolygonZone((star * SIDE).astype(int), triggering_anchors=[sv.Position.BOTTOM_CENTER])
    feet = np.random.default_rng(1).uniform(5, 995, (2000, 2))
    tracks = seen({i + 1: (x, y) for i, (x, y) in enumerate(feet.tolist())})
    polygons = Polygons([Zone("star", star.tolist())])
    shares = (feet / SIDE)[:, None]
    away = polygons.distance(shares, np.array([SIDE, SIDE]))[:, 0]
    clear = away > 2  # pixels: theirs is a mask
    inside = polygons.contain(shares)[:, 0]
    expected = theirs.trigger(sv.Detections(xyxy=tracks.boxes))
    np.testing.assert_array_equal(inside[clear], expected[clear])
    assert 300 < inside.sum() < 1500


def test_distance_from_an_outline() -> None:
    """The square from 400 to 600: 100 px left of it, 50 px above its corner's diagonal, and its middle."""
    points = np.array([[0.3, 0.5], [0.37, 0.36], [0.5, 0.5]])[:, None]
    away = Polygons([YARD]).distance(points, np.array([1000.0, 1000.0]))
    np.testing.assert_allclose(away[:, 0], [100, 50, 100])


def test_times_are_those_of_the_frames() -> None:
    assert walk(RuleAnalyst([YARD]), [IN] * 5, begin=7).at.tolist() == [START + 7_000_000]
