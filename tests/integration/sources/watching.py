"""A camera under test, its engine, and a clock: takes frames as an engine would and keeps what they tell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Any, Self

import psutil

from pipeline.sources.camera import Camera
from pipeline.sources.feed import FeedStatus
from pipeline.sources.outage_guard import OutageGuard
from tests import promptness
from trackers.structures import Frame, Gap


@dataclass(frozen=True)
class Taken:
    """A frame without its picture, and when it was taken by the engine."""

    frame: Frame
    mark: int  # of the picture: its first byte
    when: float  # monotonic seconds
    lag: float  # seconds from capture until here, by this computer's UTC


class Watching:
    """A running camera. A context manager: closed after it, and whatever it left is an error of the test's."""

    def __init__(self, url: str, *, name: str = "gate", guard: OutageGuard | None = None, **options: Any) -> None:
        self.camera = Camera(name, url, guard=guard or OutageGuard(), **options)
        self.taken: list[Taken] = []
        self.gap_at_end: Gap | None = None
        self._fresh = threading.Event()
        self._stopping = False
        self._look: Callable[[Frame], int] = lambda frame: 0
        self._thread = threading.Thread(target=self._take)

    def looking(self, look: Callable[[Frame], int]) -> Self:
        """Keep what `look` reads in each picture."""
        self._look = look
        return self

    @property
    def status(self) -> FeedStatus:
        return self.camera.status()

    @property
    def gaps(self) -> list[Gap]:
        return [one.frame.gap for one in self.taken if one.frame.gap is not None]

    def until(self, true: Callable[[], bool], *, seconds: float = 15.0) -> float:
        """Wait until something holds. Returns the seconds that took; see `promptness.until`."""
        since = time.monotonic()
        promptness.until(true, seconds, lambda: f"it did not come to be: {self.status}", pause=0.01)
        return time.monotonic() - since

    def frames(self, more: int, *, seconds: float = 15.0) -> float:
        """Wait for so many more frames."""
        wanted = len(self.taken) + more
        return self.until(lambda: len(self.taken) >= wanted, seconds=seconds)

    def longest_pause(self, since: float, until: float) -> float:
        """Seconds without a frame, at most, between two monotonic times."""
        times = [since, *(one.when for one in self.taken if since < one.when < until), until]
        return max(later - earlier for earlier, later in pairwise(times))

    def check(self) -> None:
        """What holds of all frames, whatever happened."""
        frames = [one.frame for one in self.taken]
        assert [frame.index for frame in frames] == list(range(len(frames)))
        assert not frames or frames[0].time == 0
        offsets: dict[int, int] = {}
        for one, other in pairwise(frames):
            assert other.time > one.time
            assert other.at > one.at
            assert other.session >= one.session
        for frame in frames:
            offset = frame.at - round(frame.time * 1e6)
            assert abs(offset - offsets.setdefault(frame.session, offset)) <= 1
        for one, other in pairwise(frames):
            if other.gap is not None:
                assert (other.gap.from_at, other.gap.to_at) == (one.at, other.at)

    def _take(self) -> None:
        while not self._stopping:
            self._fresh.wait(0.1)
            self._fresh.clear()
            while (frame := self.camera.take()) is not None:
                self.taken.append(
                    Taken(
                        Frame(
                            frame.image[:1, :1].copy(),
                            frame.index,
                            frame.time,
                            frame.at,
                            session=frame.session,
                            pts=frame.pts,
                            time_base=frame.time_base,
                            gap=frame.gap,
                        ),
                        self._look(frame),
                        time.monotonic(),
                        time.time() - frame.at / 1e6,
                    )
                )

    def __enter__(self) -> Self:
        self._thread.start()
        self.camera.start(self._fresh.set)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gap_at_end = self.camera.close()
        self._stopping = True
        self._thread.join()
        if error is None:
            self.check()


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
