"""Wrong passwords: who waits how long, and what is remembered."""

from __future__ import annotations

import pytest

from pipeline.api import attempts
from pipeline.api.attempts import Attempts
from pipeline.api.sessions import IDLE, LIFETIME, MOST, Sessions


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fail(given: Attempts, address: str, times: int) -> None:
    for _ in range(times):
        given.failed(address)


def test_the_first_failures_cost_nothing_then_the_wait_doubles() -> None:
    clock = Clock()
    given = Attempts(clock)
    fail(given, "10.0.0.1", attempts.FREE - 1)
    assert given.wait("10.0.0.1") == 0.0
    waits = []
    for _ in range(14):
        given.failed("10.0.0.1")
        waits.append(given.wait("10.0.0.1"))
    assert waits[:5] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert waits[-1] == attempts.LONGEST
    clock.now += attempts.LONGEST - 1
    assert given.wait("10.0.0.1") == 1.0
    clock.now += 1
    assert given.wait("10.0.0.1") == 0.0


def test_others_do_not_wait_for_one() -> None:
    given = Attempts(Clock())
    fail(given, "10.0.0.1", 20)
    assert given.wait("10.0.0.1") > 0
    assert given.wait("10.0.0.2") == 0.0


def test_a_success_and_time_are_forgiving() -> None:
    clock = Clock()
    given = Attempts(clock)
    fail(given, "10.0.0.1", 8)
    given.succeeded("10.0.0.1")
    assert given.wait("10.0.0.1") == 0.0
    fail(given, "10.0.0.1", 8)
    clock.now += attempts.FORGOTTEN + 1
    assert given.wait("10.0.0.1") == 0.0
    given.failed("10.0.0.1")
    assert given.wait("10.0.0.1") == 0.0


def test_many_addresses_together_slow_everybody_down_but_lock_nobody_out() -> None:
    clock = Clock()
    given = Attempts(clock)
    for number in range(attempts.FREE_OVERALL + 20):
        given.failed(f"10.0.{number // 250}.{number % 250}")
    assert given.wait("192.0.2.1") == attempts.LONGEST_OVERALL
    clock.now += attempts.LONGEST_OVERALL
    assert given.wait("192.0.2.1") == 0.0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:2", True),  # one host's /64
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("10.0.0.1", "10.0.0.2", False),
        ("", "", True),
    ],
)
def test_an_address_is_a_network_that_one_host_may_hold(one: str, other: str, same: bool) -> None:
    given = Attempts(Clock())
    fail(given, one, 10)
    assert (given.wait(other) > 0) is same


def test_memory_is_bounded() -> None:
    given = Attempts(Clock())
    for number in range(attempts.MOST + 50):
        given.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(given._of) == attempts.MOST


def test_sessions_end_when_idle_when_old_and_when_told() -> None:
    clock = Clock()
    sessions = Sessions(clock)
    first, second = sessions.begin(), sessions.begin()
    assert first != second
    assert len(first) >= 43  # 256 bits
    assert sessions.holds(first)
    assert not sessions.holds(first + "x")
    assert not sessions.holds("")
    assert not sessions.holds(None)
    sessions.end(first)
    sessions.end("unknown")
    assert not sessions.holds(first)
    clock.now += IDLE - 1
    assert sessions.holds(second)
    clock.now += IDLE - 1
    assert sessions.holds(second)  # it was used
    clock.now += IDLE
    assert not sessions.holds(second)
    third = sessions.begin()
    for _ in range(round(LIFETIME / (IDLE / 2)) - 1):
        clock.now += IDLE / 2
        assert sessions.holds(third)
    clock.now += IDLE / 2
    assert not sessions.holds(third)


def test_sessions_are_bounded_and_kept_as_hashes() -> None:
    sessions = Sessions(Clock())
    tokens = [sessions.begin() for _ in range(MOST + 1)]
    assert not sessions.holds(tokens[0])
    assert sessions.holds(tokens[-1])
    assert all(token.encode() not in key for token in tokens for key in list(sessions._ends)[:5])
