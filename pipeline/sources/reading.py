"""What a camera's two processes say to each other: the order to read, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pipeline.sources.recorder import Segment


@dataclass(frozen=True, slots=True)
class RecordOrder:
    """Record the stream as it comes."""

    media_folder: Path
    segment_seconds: float
    segment_bytes: int


@dataclass(frozen=True, slots=True)
class ReadOrder:
    """One connection to a camera."""

    name: str
    address: str = field(repr=False)  # with user and password
    shown: str  # without
    transport: str = "tcp"  # or udp, of RTSP
    hardware: str = "auto"  # auto, none, cuda, vaapi, qsv
    every: bool = False  # every frame is wanted, not only the freshest
    max_fps: float | None = None
    open_seconds: float = 10.0
    stall_seconds: float = 5.0
    loop: bool = False
    session: int = 0  # number of the first
    after: int | None = None  # time of the last frame before, monotonic microseconds
    after_at: int | None = None  # and microseconds UTC
    record: RecordOrder | None = None
    recording: bool = True  # False: not now


@dataclass(frozen=True, slots=True)
class Opened:
    """The connection stands."""

    codec: str
    fps: float | None  # as declared
    decoder: str
    note: str = ""  # to be said aloud, e.g. why a wish could not be met


@dataclass(frozen=True, slots=True)
class NewRing:
    """From now on frames are in another ring; its descriptor comes next."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """A segment is complete."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class Recording:
    """Whether it is recorded now: "on", "off", or why it has stopped."""

    state: str


class LossKind(StrEnum):
    """What to do about a connection that is over."""

    BROKEN = "broken"  # try again soon
    REFUSED = "refused"  # wrong password, no such stream: trying again helps only once somebody has changed something
    ENDED = "ended"  # a file is through


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is over."""

    kind: LossKind
    reason: str  # in words, without secrets


@dataclass(frozen=True, slots=True)
class RecordNow:
    """From the other side: go on or pause with recording."""

    on: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """From the other side: finish."""


Told = Opened | NewRing | Recorded | Recording | Lost


class LossError(Exception):
    """Inside the reading process: the connection is over."""

    def __init__(self, kind: LossKind, reason: str) -> None:
        """See Lost."""
        super().__init__(reason)
        self.lost = Lost(kind, reason)
