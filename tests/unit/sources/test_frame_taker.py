"""What the engine gets of rings and outages, policy by policy."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.feed import DropReason
from pipeline.sources.frame_taker import FrameTaker
from pipeline.sources.ring import Ring, Stamp
from trackers.structures import Frame, Gap

UTC = 1_000_000_000
BASE = Fraction(1, 1000)


class Camera:
    """Writes frames a tenth of a second apart, marked by their number."""

    def __init__(self, *, every: bool, slots: int = 4) -> None:
        self.taker = FrameTaker(every)
        self.slots = slots
        self.capture = 5_000_000
        self.session = -1
        self.number = 0
        self.connect()

    def connect(self) -> None:
        self.ring = Ring.new(2, 2, self.slots)
        self.session += 1
        self.taker.connected(self.ring)

    def write(self, count: int) -> None:
        for _ in range(count):
            image = np.full((2, 2, 3), self.number % 256, np.uint8)
            stamp = Stamp(self.capture, UTC + self.capture, self.capture, self.session, self.number, BASE)
            self.ring.write(image, stamp)
            self.capture += 100_000
            self.number += 1

    def take(self) -> list[int]:
        """Marks of all frames that can be taken now."""
        return [int(frame.image[0, 0, 0]) for frame in self.frames()]

    def frames(self) -> list[Frame]:
        return list(iter(self.taker.take, None))


def test_nothing_is_there_at_first() -> None:
    taker = FrameTaker(every=False)
    assert taker.take() is None
    assert not taker.waiting
    assert taker.close(UTC) is None


def test_the_freshest_is_taken_and_the_rest_is_counted() -> None:
    camera = Camera(every=False)
    camera.write(1)
    assert camera.take() == [0]
    camera.write(3)
    assert camera.taker.waiting
    assert camera.take() == [3]
    camera.write(9)
    assert camera.take() == [12]
    assert camera.take() == []
    assert camera.taker.dropped == {"stale": 2 + 8, "overrun": 0, "paused": 0}
    assert camera.taker.taken == 3


def test_every_frame_in_order_as_long_as_the_ring_holds() -> None:
    camera = Camera(every=True)
    camera.write(3)
    assert camera.take() == [0, 1, 2]
    camera.write(6)
    assert camera.take() == [6, 7, 8]  # of four slots one may be written just now
    assert camera.taker.dropped == {"stale": 0, "overrun": 3, "paused": 0}
    assert camera.ring.taken == 9


def test_times_indices_and_sessions() -> None:
    camera = Camera(every=True)
    camera.write(2)
    first, second = camera.frames()
    camera.taker.lost("cut", since=0)
    camera.connect()
    camera.capture += 7_000_000
    camera.write(1)
    (third,) = camera.frames()
    assert [frame.index for frame in (first, second, third)] == [0, 1, 2]
    assert [frame.time for frame in (first, second, third)] == [0.0, 0.1, 7.2]
    assert [frame.session for frame in (first, second, third)] == [0, 0, 1]
    assert (third.pts, third.time_base, third.at) == (2, BASE, UTC + 12_200_000)
    assert third.gap == Gap(second.at, third.at, "cut")
    assert (first.gap, second.gap) == (None, None)


@pytest.mark.parametrize("every", [True, False])
def test_an_outage_is_told_once(every: bool) -> None:
    camera = Camera(every=every)
    camera.taker.lost("refused", since=UTC)
    camera.connect()
    camera.write(2)
    gaps = [frame.gap for frame in camera.frames()]
    assert gaps[0] is not None
    assert (gaps[0].from_at, gaps[0].reason) == (UTC, "refused")
    assert gaps[1:] == [None] * (len(gaps) - 1)
    camera.write(1)
    assert [frame.gap for frame in camera.frames()] == [None]


def test_what_was_read_before_an_outage_comes_before_it() -> None:
    camera = Camera(every=True)
    camera.write(2)
    camera.taker.lost("cut", since=0)
    camera.connect()
    camera.write(1)
    frames = camera.frames()
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 1, 2]
    assert [frame.gap is not None for frame in frames] == [False, False, True]


def test_the_freshest_of_another_connection() -> None:
    camera = Camera(every=False)
    camera.write(2)
    camera.taker.lost("cut", since=UTC)
    camera.connect()
    camera.write(2)
    (frame,) = camera.frames()
    assert frame.image[0, 0, 0] == 3
    assert frame.gap == Gap(UTC, frame.at, "cut")
    assert camera.taker.dropped["stale"] == 3


def test_outages_without_a_frame_between_are_one_gap() -> None:
    camera = Camera(every=True)
    camera.write(1)
    (first,) = camera.frames()
    for reason in ("cut", "paused", "cut"):
        camera.taker.lost(reason, since=0)
        camera.connect()
    camera.write(1)
    (second,) = camera.frames()
    assert second.gap == Gap(first.at, second.at, "cut; paused")


def test_the_size_changes_without_a_gap() -> None:
    camera = Camera(every=True)
    camera.write(1)
    camera.connect()
    camera.write(1)
    assert [frame.gap for frame in camera.frames()] == [None, None]


def test_a_pause_drops_what_waits() -> None:
    camera = Camera(every=True)
    camera.write(3)
    camera.taker.discard(DropReason.PAUSED)
    assert camera.take() == []
    assert camera.taker.dropped["paused"] == 3


def test_the_outage_at_the_end() -> None:
    camera = Camera(every=True)
    camera.write(1)
    (frame,) = camera.frames()
    camera.taker.lost("cut", since=0)
    assert camera.taker.close(frame.at + 5_000_000) == Gap(frame.at, frame.at + 5_000_000, "cut")
    assert camera.taker.take() is None
    assert camera.taker.close(0) is None


@pytest.mark.parametrize(("every", "rings"), [(True, 4), (False, 2)])
def test_where_nobody_takes_anything_little_is_kept(every: bool, rings: int) -> None:
    camera = Camera(every=every)
    held = []
    for _ in range(20):
        held.append(camera.ring)
        camera.write(2)
        camera.taker.lost("cut", since=UTC)
        camera.connect()
    assert sum(ring.fd >= 0 for ring in [*held, camera.ring]) == rings
    camera.write(2)
    frames = camera.frames()
    assert len(frames) + sum(camera.taker.dropped.values()) == 42
    assert frames[0].gap is not None
    assert len([frame for frame in frames if frame.gap is not None]) == (rings if every else 1)


@given(
    st.booleans(),
    st.lists(st.sampled_from(["write", "write many", "take", "lose", "connect", "pause"]), max_size=60),
)
def test_every_frame_is_taken_or_counted(every: bool, acts: list[str]) -> None:
    camera = Camera(every=every, slots=5)
    frames: list[Frame] = []
    outages = 0
    for act in acts:
        match act:
            case "write":
                camera.write(1)
            case "write many":
                camera.write(7)
            case "take":
                found = camera.taker.take()
                frames += [found] if found is not None else []
            case "lose":
                camera.taker.lost("cut", since=0)
                camera.connect()
                outages += 1
            case "connect":
                camera.connect()
            case _:
                camera.taker.discard(DropReason.PAUSED)
    frames += camera.frames()
    assert len(frames) + sum(camera.taker.dropped.values()) == camera.number
    assert [frame.index for frame in frames] == list(range(len(frames)))
    for one, other in itertools.pairwise(frames):
        assert (other.time > one.time, other.at > one.at, other.session >= one.session) == (True, True, True)
        assert other.gap is None or (other.gap.from_at, other.gap.to_at) == (one.at, other.at)
    assert sum(frame.gap is not None for frame in frames) <= outages
