"""Backoff and guard: who tries again, and when."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.backoff import Backoff
from pipeline.sources.outage_guard import ASK_AGAIN, MOST, OutageGuard


class Clock:
    """Seconds, moved by the test."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.floats(0.01, 20), st.floats(1, 20), st.integers(0, 2**32))
def test_pauses_double_up_to_the_cap(first: float, cap: float, seed: int) -> None:
    backoff = Backoff(first, cap=cap, random=Random(seed))
    for tries in range(70):
        whole = min(cap, first * 2**tries)
        assert whole / 2 <= backoff.next() <= whole
    backoff.reset()
    assert backoff.next() <= min(first, cap)


def test_cameras_do_not_wait_alike() -> None:
    pauses = {round(Backoff(1, cap=10, random=Random(seed)).next(), 3) for seed in range(20)}
    assert len(pauses) > 15


def test_so_many_at_once_and_in_order() -> None:
    guard = OutageGuard(simultaneous=2, hold_seconds=5, clock=Clock())
    assert [guard.ask(name) for name in "abcd"] == [0, 0, ASK_AGAIN, ASK_AGAIN]
    assert guard.ask("a") == 0  # still has its place
    guard.done("b")
    assert guard.ask("d") == ASK_AGAIN  # c was first
    assert guard.ask("c") == 0
    guard.done("a")
    guard.done("c")
    assert [guard.ask(name) for name in "de"] == [0, 0]


def test_who_gives_up_keeps_nobody_waiting() -> None:
    guard = OutageGuard(simultaneous=1, clock=Clock())
    assert [guard.ask(name) for name in "abc"] == [0, ASK_AGAIN, ASK_AGAIN]
    guard.done("b")
    guard.done("a")
    guard.done("never asked")
    assert guard.ask("c") == 0


def test_who_hangs_gives_its_place_away() -> None:
    clock = Clock()
    guard = OutageGuard(simultaneous=1, hold_seconds=1.0, clock=clock)
    assert guard.ask("dead") == 0
    assert guard.ask("alive") == ASK_AGAIN
    clock.now += 1.0
    assert guard.ask("alive") == 0


def test_who_is_lost_alone_does_not_wait() -> None:
    clock = Clock()
    guard = OutageGuard(clock=clock, random=Random(1))
    assert guard.lost() == 0
    clock.now += 10
    assert guard.lost() == 0


@pytest.mark.parametrize("cameras", [10, 500])
def test_who_is_lost_with_others_is_spread(cameras: int) -> None:
    guard = OutageGuard(clock=Clock(), random=Random(1))
    pauses = [guard.lost() for _ in range(cameras)]
    assert all(0 <= pause <= MOST for pause in pauses)
    assert max(pauses) > min(MOST, 0.02 * cameras) / 2
