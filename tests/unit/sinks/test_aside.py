"""What is only looked at keeps nobody waiting."""

from __future__ import annotations

import threading
import time

import pytest

from pipeline.sinks.aside import AsideSink
from pipeline.sinks.base import Result
from tests.fakes import make_frame, make_tracks
from tests.promptness import promptly, until
from trackers.structures import Detections


def result(index: int) -> Result:
    return Result(make_frame(index), Detections.empty(), make_tracks(Detections.empty()))


class Slow:
    """A sink that works when it is let."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.begun, self.let = threading.Event(), threading.Event()
        self.seen: list[int] = []
        self.left = False
        self._error = error

    def __enter__(self) -> Slow:
        return self

    def write(self, result: Result) -> None:
        self.begun.set()
        self.let.wait(120)
        if self._error is not None:
            raise self._error
        self.seen.append(result.frame.index)

    def __exit__(self, *_: object) -> None:
        self.left = True


def test_the_newest_is_given_on_and_nobody_waits() -> None:
    slow = Slow()
    with AsideSink(slow, interval=0.0) as sink:
        with promptly(0.5):
            sink.write(result(0))
            assert slow.begun.wait(120)  # it is being drawn
            for index in range(1, 100):
                sink.write(result(index))
        slow.let.set()
        until(lambda: 99 in slow.seen, 5)
    assert slow.seen[0] == 0
    assert slow.seen[-1] == 99
    assert len(slow.seen) <= 3
    assert slow.left


def test_not_more_often_than_asked_for() -> None:
    slow, now = Slow(), [0.0]
    slow.let.set()
    with AsideSink(slow, interval=0.5, clock=lambda: now[0]) as sink:
        for index in range(10):
            now[0] = index * 0.2
            sink.write(result(index))
            if index % 3 == 0:
                until(lambda index=index: index in slow.seen)  # type: ignore[misc]
            time.sleep(0.02)  # for those that should not be
    assert slow.seen == [0, 3, 6, 9]


def test_without_a_result_it_ends_at_once() -> None:
    slow = Slow()
    with AsideSink(slow):
        pass
    assert slow.seen == []
    assert slow.left


def test_a_failure_ends_the_pictures_alone(caplog: pytest.LogCaptureFixture) -> None:
    slow = Slow(error=RuntimeError("no room"))
    slow.let.set()
    with AsideSink(slow, interval=0.0) as sink:
        for index in range(3):
            sink.write(result(index))
            until(lambda: "could not be shown" in caplog.text)
    assert caplog.text.count("could not be shown") == 1
    assert slow.left
