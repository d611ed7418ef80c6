"""Waiting in tests: it ends as soon as it may, is as patient as the machine needs it, and says what did not come."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.promptness import allowed, promptly, until


def test_it_waits_until_it_is_met() -> None:
    looks = iter([False, False, True])
    with promptly(1.0):
        until(lambda: next(looks), 60, pause=0.0)
    assert list(looks) == []


@pytest.mark.parametrize("why", ["it never rains", lambda: "it never rains"])
def test_what_does_not_come_is_said(why: str | Callable[[], str]) -> None:
    with pytest.raises(AssertionError, match=rf"it never rains \(not within {allowed(0.01):g} s\)"):
        until(lambda: False, 0.01, why, pause=0.0)


def test_there_is_a_look_after_the_last_moment() -> None:
    looks = iter([False, True])
    until(lambda: next(looks), 0.02, pause=allowed(0.04))
