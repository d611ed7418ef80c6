"""Whatever a stream says of its times, a file can hold them."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.packet_times import JUMP, TICKS, USUAL_STEP, PacketTimes

STAMP = st.none() | st.integers(-(2**40), 2**40) | st.integers(0, 500)
PACKETS = st.lists(st.tuples(STAMP, STAMP, st.integers(0, 10_000_000)), max_size=30)


@given(packets=PACKETS, reordered=st.integers(0, 3), unit=st.sampled_from([1, 25, 1000, 90_000, 1_000_000]))
def test_any_stamps(packets: list[tuple[int | None, int | None, int]], reordered: int, unit: int) -> None:
    """Decoding times rise, no picture is shown before it is decoded, and a step is never longer than it took by more
    than a jump.
    """
    times = PacketTimes(Fraction(1, unit), reordered=reordered)
    at, last = 1_700_000_000_000_000, None
    for pts, dts, later in packets:
        at += later
        when = times.next(pts, dts, at)
        assert when.pts >= when.dts
        if last is not None:
            assert when.dts > last
            assert when.dts - last <= later * TICKS // 1_000_000 + JUMP + USUAL_STEP
        last = when.dts


def test_stamps_that_are_right_stay_as_they_are() -> None:
    times = PacketTimes(Fraction(1, 90_000), reordered=2)
    told = [(7_200, 0), (18_000, 3_600), (10_800, 7_200), (14_400, 10_800)]
    made = [times.next(pts, dts, 1_000_000 + dts) for pts, dts in told]
    assert [(when.pts, when.dts) for when in made] == told
    assert times.of(14_400) == 14_400


def test_a_jump_goes_on_with_the_time_that_went_by() -> None:
    times = PacketTimes(Fraction(1, 1000))
    assert times.next(0, 0, 0).dts == 0
    jumped = times.next(3_600_000, 3_600_000, 100_000)
    assert (jumped.dts, jumped.jumped) == (9_000, True)
    after = times.next(3_600_040, 3_600_040, 140_000)
    assert (after.dts, after.jumped) == (12_600, False)
    assert times.of(3_600_040) == 12_600
    assert times.of(40) is None, "of before the jump"
    back = times.next(0, 0, 180_000)
    assert (back.dts, back.jumped) == (16_200, True)


def test_a_late_burst_is_no_jump() -> None:
    """Ten seconds of silence, then everything at once: the stream's own stamps are right."""
    times = PacketTimes(Fraction(1, 1000))
    times.next(0, 0, 0)
    made = [times.next(40 * i, 40 * i, 10_000_000 + i) for i in range(1, 250)]
    assert [when.dts for when in made] == [3_600 * i for i in range(1, 250)]
    assert not any(when.jumped for when in made)
