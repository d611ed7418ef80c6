"""The channel: order, bound, and that both ends wake."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from pipeline.channel import Cancelled, Channel
from tests.promptness import allowed


def started(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_items_come_out_in_order_and_the_end_is_none() -> None:
    channel = Channel[int](3)
    for item in (1, 2, 3):
        channel.put(item)
    channel.close()
    assert list(channel) == [1, 2, 3]
    assert channel.get() is None
    assert channel.high_water == 3


def test_a_full_channel_holds_its_producer_back() -> None:
    channel = Channel[int](2)
    thread = started(lambda: [channel.put(item) for item in range(5)])
    time.sleep(0.05)
    assert thread.is_alive()
    assert [channel.get() for _ in range(5)] == [0, 1, 2, 3, 4]
    thread.join(allowed(5))
    assert not thread.is_alive()
    assert channel.high_water == 2


@pytest.mark.parametrize("waiting", ["put", "get"])
def test_cancelling_wakes_both_ends(waiting: str) -> None:
    channel = Channel[int](1)
    outcome: list[str] = []
    if waiting == "put":
        channel.put(0)

    def wait() -> None:
        try:
            channel.put(1) if waiting == "put" else channel.get()
        except Cancelled:
            outcome.append("cancelled")

    thread = started(wait)
    time.sleep(0.02)
    channel.cancel()
    thread.join(allowed(5))
    assert outcome == ["cancelled"]
    with pytest.raises(Cancelled):
        channel.get()


def test_closing_wakes_a_waiting_consumer() -> None:
    channel = Channel[int](1)
    items: list[int | None] = []
    thread = started(lambda: items.append(channel.get()))
    time.sleep(0.02)
    channel.close()
    thread.join(allowed(5))
    assert items == [None]


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Channel[int](0)
    channel = Channel[int](1)
    channel.close()
    with pytest.raises(ValueError, match="closed"):
        channel.put(1)
