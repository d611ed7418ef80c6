"""A camera's times, worked by hand, and what must hold whatever it sends."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.live_clock import LiveClock, anchor_of
from pipeline.sources.ring import Stamp

MS = 1_000
BASE = Fraction(1, 90_000)
UTC = 1_790_000_000_000_000


class Camera:
    """Ten frames a second, each on its way for 20 ms, by a clock that the test holds."""

    def __init__(self, *, start: int = 5_000_000, **first: int) -> None:
        self.offset = UTC
        self.clock = LiveClock(offset=lambda: self.offset, **first)
        self.now = start
        self.clock.begin(BASE, 100 * MS, anchor=start - 20 * MS)
        self.pts = 0

    def frame(self, *, pts: int | None = -1, wait: int = 100 * MS, waited: bool = True) -> Stamp:
        """The next one, `wait` after the last. `pts`: other than it should be."""
        stamp = self.clock.stamp(self.pts if pts == -1 else pts, self.now, waited=waited)
        self.now += wait
        self.pts += 9_000
        return stamp


def test_a_good_camera() -> None:
    camera = Camera()
    stamps = [camera.frame() for _ in range(3)]
    assert [stamp.capture for stamp in stamps] == [4_980_000, 5_080_000, 5_180_000]
    assert [stamp.at - stamp.capture for stamp in stamps] == [UTC] * 3
    assert [stamp.arrived for stamp in stamps] == [5_000_000, 5_100_000, 5_200_000]
    assert {(stamp.session, stamp.time_base) for stamp in stamps} == {(0, BASE)}
    assert stamps[2].pts == 18_000
    assert camera.clock.repaired == 0


def test_missing_and_stray_stamps_are_replaced() -> None:
    camera = Camera()
    camera.frame()
    assert camera.frame(pts=None).capture == 5_080_000  # it came 20 ms after it was taken, as its predecessor did
    assert camera.frame(pts=4_500).capture == 5_130_000  # before its predecessor: half an interval after it
    assert camera.frame().capture == 5_280_000
    assert camera.frame(pts=90_000 * 500).capture == 5_380_000  # 500 s ahead, but it is here: by its arrival
    assert camera.frame().capture == 5_480_000
    assert camera.clock.repaired == 3
    assert camera.clock.session == 0


def test_a_clock_that_was_set_anew() -> None:
    camera = Camera()
    camera.frame()
    camera.frame()
    camera.pts = 7_000_000_000
    stamps = [camera.frame() for _ in range(3)]
    assert [stamp.capture for stamp in stamps] == [5_180_000, 5_280_000, 5_380_000]
    assert [stamp.session for stamp in stamps] == [0, 1, 1]
    assert camera.clock.repaired == 1
    camera.pts = 0
    assert [camera.frame().capture for _ in range(3)] == [5_480_000, 5_580_000, 5_680_000]
    assert (camera.clock.session, camera.clock.repaired) == (2, 2)


def test_a_slow_clock_is_followed() -> None:
    camera = Camera()
    stamps = [camera.frame(wait=101 * MS) for _ in range(800)]  # 10 ms late a second
    late = [stamp.arrived - stamp.capture for stamp in stamps]
    assert max(late) < 800 * MS
    assert camera.clock.session == 1  # after 50 s and what was watched
    assert late[-1] < 350 * MS
    for one, other in pairwise(stamps):
        assert other.capture > one.capture
    assert camera.clock.repaired == 0


def test_a_fast_clock_is_followed() -> None:
    camera = Camera()
    stamps = [camera.frame(wait=99 * MS) for _ in range(300)]
    assert min(stamp.arrived - stamp.capture for stamp in stamps) >= -100 * MS
    assert camera.clock.session == 2  # 1 ms a frame: from 20 ms late to 100 ms early, then every 100 ms


def test_frames_that_come_late_together_are_no_drift() -> None:
    camera = Camera()
    camera.frame()
    camera.now += 3_000_000  # nothing came for three seconds, then all of it
    stamps = [camera.frame(wait=0, waited=False) for _ in range(30)]
    assert {stamp.session for stamp in stamps} == {0}
    assert stamps[-1].capture == 4_980_000 + 30 * 100_000
    assert camera.frame(wait=100 * MS).session == 0


def test_sessions_go_on_after_each_other() -> None:
    camera = Camera(start=9_000_000, session=4, after=8_990_000, after_at=UTC + 8_990_000)
    first = camera.frame()
    assert (first.session, first.capture, first.at) == (4, 9_040_000, UTC + 9_040_000)  # a stamp from before
    camera.clock.begin(BASE, 100 * MS, anchor=camera.now)
    assert camera.frame(pts=0).session == 5


def test_utc_that_is_set() -> None:
    camera = Camera()
    first = camera.frame()
    camera.offset += 3_600_000_000
    ahead = camera.frame()
    assert (ahead.session, ahead.at - first.at) == (1, 3_600_100_000)
    camera.offset -= 3_600_000_000
    back = camera.frame()
    assert (back.session, back.at - ahead.at) == (1, 100_000)  # never back
    camera.clock.begin(BASE, 100 * MS, anchor=camera.now + 7_200_000_000)  # two hours without a picture
    assert camera.clock.stamp(0, camera.now + 7_200_000_000).at == UTC + camera.now + 7_200_000_000


@pytest.mark.parametrize(
    ("arrivals", "anchor"),
    [
        ([(None, 1_000)], 1_000),
        ([(90_000, 5_000_000)], 4_000_000),
        ([(0, 5_000_000), (9_000, 5_001_000), (18_000, 5_002_000), (27_000, 5_090_000)], 4_790_000),
        ([(None, 5_000_000), (9_000, 5_100_000)], 5_000_000),
    ],
)
def test_the_least_late_tells_the_clock(arrivals: list[tuple[int | None, int]], anchor: int) -> None:
    assert anchor_of(arrivals, BASE) == anchor


FRAMES = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(0, 10**13), st.just(-1)),  # -1: as it should be
        st.integers(0, 4_000_000),  # microseconds until the next comes
        st.booleans(),
        st.integers(-2_000_000, 2_000_000),  # how far UTC is set
        st.integers(0, 20),  # 0: a new connection
    ),
    max_size=60,
)


@given(FRAMES)
def test_times_rise_and_sessions_are_even(frames: list[tuple[int | None, int, bool, int, int]]) -> None:
    camera = Camera()
    stamps = []
    for pts, wait, waited, utc, connection in frames:
        camera.offset += utc if utc % 7 == 0 else 0
        if not connection:
            camera.clock.begin(BASE, 100 * MS, anchor=camera.now - round((camera.pts) * BASE * 1_000_000))
        stamps.append(camera.frame(pts=pts, wait=wait, waited=waited))
    for one, other in pairwise(stamps):
        assert other.capture > one.capture
        assert other.at > one.at
        assert other.session in (one.session, one.session + 1, one.session + 2)
        if other.session == one.session:
            assert other.at - other.capture == one.at - one.capture
    assert all(stamp.capture <= stamp.arrived + 10_000_000 for stamp in stamps)
