"""Crossings: worked by hand, against supervision, and what must always hold."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.analytics.analyst import RuleAnalyst
from pipeline.analytics.lines import Line, Segments
from pipeline.events import Events
from tests.unit.analytics.walking import HEIGHT, SIDE, Place, frame, seen, told, walk
from trackers.structures import Tracks

LEVEL = Line("gate", (0.2, 0.5), (0.8, 0.5))  # from left to right: its left is above, so "in" is upwards
WHOLE = Line("border", (0.0, 0.5), (1.0, 0.5))


def up(x: float = 500, start: float = 600, end: float = 400, step: float = 20) -> list[Place]:
    return [(x, y) for y in np.arange(start, end - 1, -step).tolist()]


def down(x: float = 500, start: float = 400, end: float = 600, step: float = 20) -> list[Place]:
    return [(x, y) for y in np.arange(start, end + 1, step).tolist()]


def test_a_crossing_is_told_with_its_way_time_and_place() -> None:
    """Feet at 600, 580, ...: the step to 480 (0.6 s) leads over y = 500. It counts from 0.9 s on (SETTLE)."""
    analyst = RuleAnalyst(lines=[LEVEL])
    events = walk(analyst, up())
    assert told(events) == [(pytest.approx(0.6), 1, "gate", "cross", "in")]
    assert events.points[0].tolist() == [500, 500]
    assert events.labels.tolist() == [0]
    assert np.isnan(events.values[0])


def test_who_comes_back_crosses_the_other_way() -> None:
    events = walk(RuleAnalyst(lines=[LEVEL]), [*up(), *down(), *up()])
    assert [way for *_, way in told(events)] == ["in", "out", "in"]


def test_only_the_segment_counts() -> None:
    """Round its end: x = 900 is beyond 0.8."""
    assert told(walk(RuleAnalyst(lines=[LEVEL]), up(900))) == []
    around = [*up(900), *[(x, 440.0) for x in range(880, 500, -20)], *down(500)]
    assert [way for *_, way in told(walk(RuleAnalyst(lines=[LEVEL]), around))] == ["out"]


def test_a_box_that_trembles_on_the_line_crosses_once() -> None:
    """4 px is a tenth of the box: within that it is on no other side than before."""
    trembling = [(500.0, y) for y in (530, 510, 502, 498, 501, 497, 503, 499, 501, 498, 502, 497, 501, 499)]
    analyst = RuleAnalyst(lines=[LEVEL])
    assert told(walk(analyst, trembling)) == []
    assert [way for *_, way in told(walk(analyst, up(start=497), begin=10))] == ["in"]


def test_a_box_that_jumps_for_a_moment_does_not_cross() -> None:
    there = [(500.0, 560.0)] * 5
    assert told(walk(RuleAnalyst(lines=[LEVEL]), [*there, (500, 400), (500, 400), *there])) == []
    assert len(told(walk(RuleAnalyst(lines=[LEVEL]), [*there, *[(500.0, 400.0)] * 4]))) == 1  # 0.3 s


def test_first_frames_and_points_on_the_line() -> None:
    analyst = RuleAnalyst(lines=[LEVEL])
    assert told(analyst.update(frame(0), Tracks.empty())) == []
    assert told(walk(analyst, [(500, 500), (500, 500), (500, 460), (500, 440), (500, 420), (500, 400)])) == []


def test_a_step_over_a_gap_counts_where_the_same_track_is_on_both_sides() -> None:
    analyst = RuleAnalyst(lines=[LEVEL])
    walk(analyst, [(500, 560), (500, 560)])
    analyst.update(frame(0.5), seen({}, lost=[1]))
    after = walk(analyst, [(500, 440)] * 4, begin=2.0)
    assert told(after) == [(2.0, 1, "gate", "cross", "in")]


def test_another_track_on_the_other_side_of_a_gap_has_crossed_nothing() -> None:
    analyst = RuleAnalyst(lines=[LEVEL])
    walk(analyst, [(500, 560), (500, 560)])
    analyst.update(frame(60), seen({}, ended=[1]))
    assert told(walk(analyst, [(500, 440)] * 4, begin=60.1, id=2)) == []


def test_only_confirmed_tracks_of_classes_that_count() -> None:
    analyst = RuleAnalyst(lines=[Line("gate", LEVEL.start, LEVEL.end, labels=frozenset({1}))])
    found = []
    for k, (x, y) in enumerate(up()):
        tracks = seen({1: (x, y), 2: (x, y), 3: (x, y), 4: (x, y)}, tentative=[3], labels={2: 1, 3: 1, 4: 7})
        found.append(analyst.update(frame(k / 10), tracks))
    assert [track for _, track, *_ in told(Events.concatenate(found))] == [2]


def test_the_margin_is_of_the_box_across_the_line() -> None:
    """A tenth of the height (4 px) for a level line, of the width (2 px) for an upright one."""
    for line, near, far in (
        (LEVEL, (500.0, 496.5), (500.0, 495.5)),
        (Line("gate", (0.5, 0.2), (0.5, 0.8)), (498.5, 500.0), (497.5, 500.0)),
    ):
        begun = [(540.0, 540.0)] * 3
        assert told(walk(RuleAnalyst(lines=[line]), [*begun, *[near] * 8])) == []
        assert len(told(walk(RuleAnalyst(lines=[line]), [*begun, *[far] * 8]))) == 1


def test_a_tall_box_crosses_a_line_near_the_edge_of_the_picture() -> None:
    """A tenth of its 800 px is more than the 50 px of picture below the line: 25 px are far enough there."""
    door = Line("door", (0.0, 0.95), (1.0, 0.95), directions=("up", "down"))

    def ways(*feet: float) -> list[str]:
        analyst = RuleAnalyst(lines=[door])
        found = [
            analyst.update(frame(k / 10), seen({1: (500, y)}, size=(300, 800)))
            for k, y in enumerate([800, 900, *[y for y in feet for _ in range(4)]])
        ]
        return [way for *_, way in told(Events.concatenate(found))]

    assert ways(970) == []
    assert ways(976) == ["down"]
    assert ways(1000) == ["down"]
    assert ways(1100) == ["down"]  # cut off by the edge
    assert ways(1000, 930) == ["down"]
    assert ways(1000, 860) == ["down", "up"]


def test_the_room_beside_a_line() -> None:
    lines = [
        Line("level", (0.2, 0.9), (0.4, 0.9)),
        Line("upright", (0.25, 0.9), (0.25, 0.1)),
        Line("edge", (0, 0), (1, 0)),
    ]
    room = Segments(lines).room(np.array([200.0, 100.0]))
    np.testing.assert_allclose(room, [[90, 50, 0], [10, 150, 100]])
    assert Segments([]).room(np.array([200.0, 100.0])).shape == (2, 0)


def test_the_centre_as_anchor() -> None:
    """The centre lies 20 px above the feet."""
    line = Line("gate", LEVEL.start, LEVEL.end, anchor="centre")
    assert told(walk(RuleAnalyst(lines=[line]), up()))[0][0] == pytest.approx(0.5)


def test_another_size_of_the_picture_is_no_matter() -> None:
    """The same shares: half way at 1000x1000, the rest at 500x250."""
    analyst = RuleAnalyst(lines=[LEVEL])
    walk(analyst, [(500, 560), (500, 540)])
    found = [
        analyst.update(frame(1 + k / 10, width=500, height=250), seen({1: (250, y)}, size=(10, 10)))
        for k, y in enumerate((135, 120, 115, 110, 105))
    ]
    assert [way for *_, way in told(Events.concatenate(found))] == ["in"]


@pytest.mark.parametrize("ends", [((0.1, 0.1), (0.9, 0.8)), ((0.9, 0.3), (0.2, 0.7)), ((0.5, 0.9), (0.5, 0.1))])
def test_supervision_counts_the_same(ends: tuple[Place, Place]) -> None:
    """Straight walks clear of the line, whose anchor is the middle of the lower edge there, too."""
    rng = np.random.default_rng(4)
    theirs = sv.LineZone(
        sv.Point(ends[0][0] * SIDE, ends[0][1] * SIDE),
        sv.Point(ends[1][0] * SIDE, ends[1][1] * SIDE),
        triggering_anchors=[sv.Position.BOTTOM_CENTER],
    )
    analyst = RuleAnalyst(lines=[Line("gate", *ends)])
    begin, end = rng.uniform(100, 900, (2, 80, 2))
    size = np.array([SIDE, SIDE])
    away = [Segments([Line("gate", *ends)]).distance(places[:, None] / SIDE, size)[:, 0] for places in (begin, end)]
    clear = np.abs(away).min(axis=0) > 10  # pixels; who ends on the line has crossed theirs already
    begin, end = begin[clear], end[clear]
    found = []
    for k, share in enumerate(np.linspace(-0.5, 1.5, 41).clip(0, 1)):
        feet = {i + 1: tuple(place) for i, place in enumerate((begin + share * (end - begin)).tolist())}
        tracks = seen(feet)
        found.append(analyst.update(frame(k / 10), tracks))
        theirs.trigger(sv.Detections(xyxy=tracks.boxes, tracker_id=tracks.ids.astype(int)))
    ways = [way for *_, way in told(Events.concatenate(found))]
    assert (ways.count("in"), ways.count("out")) == (theirs.in_count, theirs.out_count)
    assert min(theirs.in_count, theirs.out_count) > 3


paths = st.lists(st.tuples(st.floats(50, 950), st.floats(50, 950)), min_size=2, max_size=12)


def settled(path: list[Place]) -> list[Place]:
    """Stay at each place until it counts."""
    return [place for place in path for _ in range(4)]


@settings(deadline=None)
@given(paths)
def test_ways_in_less_ways_out_are_the_change_of_side(path: list[Place]) -> None:
    path = [(x, y) for x, y in path if abs(y - 500) >= HEIGHT / 10]
    ways = [way for *_, way in told(walk(RuleAnalyst(lines=[WHOLE]), settled(path)))]
    above = [y < 500 for _, y in path] or [False]
    assert ways.count("in") - ways.count("out") == int(above[-1]) - int(above[0])
    assert len(ways) == sum(one != other for one, other in pairwise(above))


@settings(deadline=None)
@given(paths)
def test_turning_a_line_round_swaps_its_ways(path: list[Place]) -> None:
    line, turned = Line("gate", (0.3, 0.2), (0.6, 0.9)), Line("gate", (0.6, 0.9), (0.3, 0.2))
    one, other = (told(walk(RuleAnalyst(lines=[rule]), settled(path))) for rule in (line, turned))
    swapped = {"in": "out", "out": "in"}
    assert [(at, swapped[way]) for at, *_, way in one] == [(at, way) for at, *_, way in other]
