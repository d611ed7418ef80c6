"""Packets that have waited for the decoder are left out up to a fresh key picture."""

from __future__ import annotations

from fractions import Fraction

import av

from pipeline.sources.backlog import Backlog
from pipeline.sources.live_clock import LiveClock
from pipeline.sources.packet_source import Arrival

MS = 1_000


class Line:
    """Ten packets a second, every tenth a key picture, and a clock that knows when they were taken."""

    def __init__(self) -> None:
        self.clock = LiveClock(offset=lambda: 0)
        self.clock.begin(Fraction(1, 1000), 100 * MS, anchor=0)
        self.backlog = Backlog()
        self.number = 0

    def packet(self, *, late: int, waited: bool, stamped: bool = True) -> bool:
        """Whether the next one, so many microseconds late, is left out."""
        packet = av.Packet(10)
        packet.is_keyframe = self.number % 10 == 0
        at = self.number * 100 * MS + late
        pts = self.number * 100 if stamped else None
        self.number += 1
        return self.backlog.is_stale(Arrival(packet, pts, at, waited), self.clock)


def test_who_keeps_up_decodes_all() -> None:
    line = Line()
    assert not any(line.packet(late=20 * MS, waited=True) for _ in range(30))
    assert not any(line.packet(late=400 * MS, waited=False) for _ in range(30))


def test_all_up_to_a_fresh_key_picture_is_left_out() -> None:
    line = Line()
    assert [line.packet(late=0, waited=True) for _ in range(3)] == [False] * 3
    late = [line.packet(late=(900 - 50 * number) * MS, waited=False) for number in range(20)]  # 3 to 22
    assert late == [True] * 17 + [False] * 3  # key pictures are 10, which is 550 ms late, and 20
    assert not line.packet(late=0, waited=True)


def test_a_key_picture_that_was_waited_for_is_fresh() -> None:
    line = Line()
    line.number = 5
    assert [line.packet(late=2000 * MS, waited=number > 1) for number in range(7)] == [True] * 5 + [False] * 2


def test_what_has_no_stamp_follows_the_others() -> None:
    line = Line()
    assert not line.packet(late=900 * MS, waited=False, stamped=False)
    assert line.packet(late=900 * MS, waited=False)
    assert line.packet(late=900 * MS, waited=False, stamped=False)


def test_a_clock_that_is_wrong_is_no_backlog() -> None:
    line = Line()
    assert not any(line.packet(late=3_600_000 * MS, waited=False) for _ in range(20))
