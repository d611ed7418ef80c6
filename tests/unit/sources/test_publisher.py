"""What gets into the ring, and what is only counted."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from pipeline.sources.camera_counts import CameraCounts
from pipeline.sources.ledger import Count, Ledger
from pipeline.sources.live_clock import LiveClock
from pipeline.sources.publisher import Publisher
from pipeline.sources.ring import Ring
from pipeline.sources.shared_block import SharedBlock
from tests.promptness import until

MS = Fraction(1, 1000)


class Desk:
    """A publisher with all that it needs, and what came of it."""

    def __init__(self, *, every: bool = False, max_fps: float | None = None) -> None:
        self.ledger = Ledger()
        self.rings: list[Ring] = []
        self.converted = 0
        self.woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(self.woken, False)
        self.ends = (self.woken, wake)
        self.stopping = threading.Event()
        self.clock = LiveClock(offset=lambda: 0)
        self.clock.begin(MS, 100_000, anchor=0)
        self.publisher = Publisher(
            self.ledger,
            self.clock,
            every=every,
            max_fps=max_fps,
            announce=lambda ring: self.rings.append(Ring(SharedBlock(os.dup(ring.fd)))),
            wake=wake,
            stopping=self.stopping,
        )

    def put(self, pts: int, *, size: tuple[int, int] = (4, 2), patient: bool = False) -> None:
        def image() -> np.ndarray:
            self.converted += 1
            return np.zeros((size[1], size[0], 3), np.uint8)

        self.publisher.publish(image, size=size, pts=pts, arrived=pts * 1000, patient=patient)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    finish(made)


def finish(made: Desk) -> None:
    made.publisher.close()
    made.ledger.close()
    for ring in made.rings:
        ring.close()
    for end in made.ends:
        os.close(end)


def test_a_change_of_size_is_a_session_with_a_ring_of_its_own(desk: Desk) -> None:
    for pts in (0, 100):
        desk.put(pts)
    desk.put(200, size=(8, 2))
    desk.put(300, size=(8, 2))
    assert [(ring.width, ring.height, ring.published) for ring in desk.rings] == [(4, 2, 2), (8, 2, 2)]
    found = desk.rings[1].read(0)
    assert found is not None
    assert (found[1].session, found[1].capture) == (1, 200_000)
    assert (desk.ledger[Count.FRAMES], desk.ledger[Count.SESSION]) == (4, 1)
    assert len(os.read(desk.woken, 100)) == 4


@pytest.mark.parametrize(("wanted", "kept"), [(5.0, 10), (3.0, 6), (10.0, 20), (100.0, 20), (0.4, 1)])
def test_no_more_than_wanted_is_converted(wanted: float, kept: int) -> None:
    desk = Desk(max_fps=wanted)
    for pts in range(0, 2000, 100):
        desk.put(pts)
    assert desk.converted == desk.rings[0].published == kept
    assert desk.ledger[Count.FRAMES] == 20
    finish(desk)


def test_a_full_pipe_is_no_obstacle(desk: Desk) -> None:
    capacity = fcntl.fcntl(desk.ends[1], fcntl.F_SETPIPE_SZ, 4096)
    for pts in range(capacity + 10):
        desk.put(pts)
    assert desk.rings[0].published == capacity + 10


def test_who_is_patient_waits_for_room() -> None:
    desk = Desk(every=True)
    thread = threading.Thread(target=lambda: [desk.put(pts, patient=True) for pts in range(0, 20_000, 100)])
    thread.start()
    until(lambda: desk.rings and desk.rings[0].published >= desk.rings[0].slots - 1)
    slots = desk.rings[0].slots
    thread.join(0.3)
    assert thread.is_alive()
    assert desk.rings[0].published == slots - 1
    desk.rings[0].taken = 10
    until(lambda: desk.rings[0].published >= slots + 9)
    thread.join(0.1)
    assert desk.rings[0].published == slots + 9
    desk.stopping.set()
    thread.join()
    finish(desk)


def test_counts_over_connections() -> None:
    counts = CameraCounts()
    assert (counts[Count.FRAMES], counts.last_at, counts.rate(5.0), counts.session) == (0, None, 0.0, 0)
    for session in (0, 3):
        ledger = Ledger()
        counts.begin(ledger)
        for frame in range(20):
            ledger[Count.FRAMES] = frame + 1
            ledger[Count.AT], ledger[Count.CAPTURE], ledger[Count.SESSION] = 50 + frame, 10 + frame, session
            counts.sample(frame / 10)
        assert counts.rate(1.9) == pytest.approx(10, abs=0.6)
        assert counts.last_at == 69
        counts.end()
        counts.end()
        ledger.close()
    assert (counts[Count.FRAMES], counts.last_at, counts.capture, counts.session) == (40, 69, 29, 4)
    assert counts.rate(5.0) == 0.0
    counts.begin(Ledger())
    counts.end()  # without a frame
    assert (counts.session, counts.at) == (4, 69)
