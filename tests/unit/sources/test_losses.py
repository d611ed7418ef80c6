"""pipeline.sources.losses: jumps of time by hand, at 10 frames a second and 100 units of stamp a frame."""

from __future__ import annotations

import pytest

from pipeline.sources.losses import Losses


def fed(*stamps: int) -> Losses:
    """Ten frames a second; packets with these stamps were read."""
    losses = Losses(10.0)
    for order, stamp in enumerate(stamps):
        losses.packet(stamp, order)
    return losses


def test_no_jump_is_no_loss() -> None:
    losses = fed(0, 100, 200)
    losses.damage()
    assert [losses.before(0, 0.0), losses.before(100, 0.1), losses.before(200, 0.14)] == [0, 0, 0]


@pytest.mark.parametrize(("jump", "missing"), [(0.2, 1), (0.26, 2), (1.2, 11)])
def test_a_jump_after_damage_is_a_loss(jump: float, missing: int) -> None:
    losses = fed(0, 1000)
    losses.damage()
    assert losses.before(0, 0.0) == 0
    assert losses.before(1000, jump) == missing


def test_a_jump_without_damage_is_a_pause() -> None:
    losses = fed(0, 1000)
    assert [losses.before(0, 0.0), losses.before(1000, 1.0)] == [0, 0]


def test_damage_long_ago_explains_no_jump() -> None:
    losses = fed(0)
    losses.damage()
    for number in range(1, 80):
        losses.packet(number * 100, number)
        assert losses.before(number * 100, 0.1) == 0
    losses.packet(20_000, 80)
    assert losses.before(20_000, 12.1) == 0


def test_packets_that_gave_no_picture_are_a_loss() -> None:
    losses = fed(0, 300, 100, 200, 400)
    assert [losses.before(0, 0.0), losses.before(300, 0.3), losses.before(400, 0.1)] == [0, 2, 0]


def test_one_packet_that_is_never_shown_makes_no_loss_of_a_pause() -> None:
    losses = fed(0, 950, 1000)  # 950: an alternate reference frame of VP8
    assert [losses.before(0, 0.0), losses.before(1000, 1.0)] == [0, 0]


def test_a_picture_that_comes_after_its_successor_is_late_only_in_a_damaged_file() -> None:
    losses = fed(0, 100, 200)
    losses.before(0, 0.0)
    losses.before(200, 0.2)
    assert not losses.late(100)
    losses.damage()
    assert losses.late(100)
    assert not losses.late(200)
    assert not losses.late(None)


def test_a_clock_set_anew_forgets_what_came_before() -> None:
    losses = fed(0, 100, 200)
    losses.damage()
    losses.before(200, 0.2)
    losses.packet(100, 0)
    assert not losses.late(100)
    assert losses.before(100, 0.1) == 0
