"""The ring gives whole pictures or none, also while its writer writes, and after it was killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from fractions import Fraction
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle

import numpy as np

from pipeline.sources.ledger import Count, Ledger
from pipeline.sources.ring import Ring, Stamp, batch_slots, live_slots
from pipeline.sources.shared_block import SharedBlock
from tests.promptness import until


def stamp(number: int, *, pts: int | None = 7) -> Stamp:
    return Stamp(100 + number, 200 + number, 300 + number, 3, pts, Fraction(1, 90_000))


def picture(number: int) -> np.ndarray:
    return np.full((48, 64, 3), number % 256, np.uint8)


def test_frames_by_number() -> None:
    ring = Ring.new(48, 64, 3)
    seen = Ring(SharedBlock(os.dup(ring.fd)))
    assert (seen.height, seen.width, seen.slots, seen.published, seen.taken) == (48, 64, 3, 0, 0)
    assert seen.read(0) is None
    for number in range(5):
        ring.write(picture(number), stamp(number, pts=None if number == 3 else number))
    assert seen.published == 5
    assert [seen.read(number) is None for number in range(6)] == [True, True, False, False, False, True]
    taken = seen.read(3)
    assert taken is not None
    assert (taken[0] == 3).all()
    assert taken[1] == stamp(3, pts=None)
    ring.write(picture(9), stamp(5))
    assert (taken[0] == 3).all()  # the caller's own
    seen.taken = 4
    assert ring.taken == 4
    ring.close()
    assert seen.read(5) is not None  # as long as anybody holds it
    seen.close()
    seen.close()


def test_no_picture_is_torn() -> None:
    ring = Ring.new(240, 320, 4)
    torn: list[int] = []
    whole: list[int] = []
    end = threading.Event()

    def read() -> None:
        while not end.is_set():
            found = ring.read(max(0, ring.published - 1))
            if found is not None:
                (whole if (found[0] == found[1].capture % 256).all() else torn).append(found[1].capture)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(3000):
        ring.write(np.full((240, 320, 3), number % 256, np.uint8), Stamp(number, 0, 0, 0, None, Fraction(1)))
    end.set()
    reader.join()
    assert torn == []
    assert whole
    ring.close()


def write_for_ever(to: Connection) -> None:
    ring = Ring.new(240, 320, 2)
    send_handle(to, ring.fd, os.getppid())
    ledger = Ledger()
    send_handle(to, ledger.fd, os.getppid())
    while True:
        ring.write(picture(ring.published).repeat(5, 0).repeat(5, 1), stamp(ring.published))
        ledger[Count.FRAMES] = ring.published


def test_a_killed_writer_leaves_everything_readable() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    writer = context.Process(target=write_for_ever, args=(theirs,), daemon=True)
    writer.start()
    ring, ledger = Ring(SharedBlock(recv_handle(ours))), Ledger(SharedBlock(recv_handle(ours)))
    until(lambda: ring.published >= 20, 30, pause=0.01)
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    assert ledger[Count.FRAMES] in (ring.published, ring.published - 1)
    found = [ring.read(number) for number in (ring.published - 2, ring.published - 1)]
    for number, one in zip((ring.published - 2, ring.published - 1), found, strict=True):
        if one is not None:  # it may have been killed while it wrote over the older one
            assert one[1].capture == 100 + number
            assert len(np.unique(one[0])) == 1
    assert found[1] is not None
    ledger.close()
    assert ledger[Count.FRAMES] >= 19
    ring.close()
    writer.close()


def test_how_many_slots() -> None:
    assert batch_slots(48, 64) == 128
    assert batch_slots(1080, 1920) == 16
    assert batch_slots(4320, 7680) == 8
    assert 3 <= live_slots() <= 8
