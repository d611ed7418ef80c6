"""UUIDv7: layout, order, and clocks that misbehave."""

from __future__ import annotations

from uuid import RFC_4122

from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.public_id import PublicIds


def test_layout() -> None:
    one = PublicIds(clock=lambda: 0x0123456789AB * 1_000_000 + 999_999, random_bits=lambda bits: (1 << bits) - 1).new()
    assert one.version == 7
    assert one.variant == RFC_4122
    assert str(one) == "01234567-89ab-77ff-bfff-ffffffffffff"


@given(st.lists(st.integers(0, 2**62), min_size=2, max_size=50))
def test_ids_rise_whatever_the_clock_does(times: list[int]) -> None:
    ticks = iter(times)
    maker = PublicIds(clock=lambda: next(ticks))
    made = [maker.new() for _ in times]
    assert made == sorted(set(made))


def test_a_full_millisecond_runs_into_the_next() -> None:
    maker = PublicIds(clock=lambda: 5_000_000, random_bits=lambda bits: (1 << bits) - 1)
    maker._tail, maker._milliseconds = (1 << 74) - 1, 5
    assert maker.new().int >> 80 == 6


def test_two_makers_do_not_share_anything() -> None:
    assert PublicIds(clock=lambda: 0).new() != PublicIds(clock=lambda: 0).new()
