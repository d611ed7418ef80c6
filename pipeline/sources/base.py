"""What the engine asks of a source of pictures: the protocol Source, and where its start time comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from pipeline.errors import SourceError
from trackers.structures import Frame

# Version of how a coded picture becomes an array: colour conversion, orientation, bit depth. Part of the key under
# which detections are kept. Raise it with every change that gives a file other pixels; detections are then made again.
DECODING = 1


class StartOrigin(StrEnum):
    """How we know when a source's first frame was taken."""

    GIVEN = "given"  # by the caller
    CONTAINER = "container"  # creation_time in the file's metadata
    FILE = "file"  # from the file's modification time: a guess


class Source(Protocol):
    """Pictures of one camera in order. Open from construction until `__exit__`; iterated once, by one thread."""

    @property
    def name(self) -> str:
        """Short name for people: the file's or folder's name."""

    @property
    def uri(self) -> str:
        """Where it is; holds no secret."""

    @property
    def kind(self) -> str:
        """ "file" or "images"."""

    @property
    def width(self) -> int:
        """Of every frame, pixels, upright."""

    @property
    def height(self) -> int:
        """Of every frame, pixels, upright."""

    @property
    def fps(self) -> float:
        """Nominal frames a second; true times are in the frames."""

    @property
    def frame_count(self) -> int | None:
        """How many frames iteration should give, None if unknown. An estimate: containers lie."""

    @property
    def duration(self) -> float | None:
        """Seconds from the first frame to the end of the last one, None if unknown. An estimate."""

    @property
    def codec(self) -> str:
        """Name of the decoder, e.g. "h264"; file suffix for pictures."""

    @property
    def start_at(self) -> datetime:
        """When the first frame was taken, UTC."""

    @property
    def start_origin(self) -> StartOrigin:
        """How `start_at` is known."""

    @property
    def time_base(self) -> Fraction | None:
        """Seconds per unit of the frames' raw pts, None for pictures."""

    @property
    def time_offset(self) -> float:
        """Seconds: a frame's time is pts * time_base + time_offset, unless it was repaired; 0.0 for pictures."""

    @property
    def fingerprint(self) -> str:
        """Changes when the content does (see `fingerprint.py`)."""

    @property
    def repaired(self) -> int:
        """Frames so far whose time stamp was missing or wrong and has been replaced."""

    @property
    def damaged(self) -> int:
        """Packets so far that could not be decoded, and frames that the decoder had to patch."""

    @property
    def dropped(self) -> int:
        """Frames so far that were read and not given: 0, as reading waits."""

    def __iter__(self) -> Iterator[Frame]:
        """Give the frames.

        Raises DamagedSourceError where the source breaks off in the middle, SourceError where it holds no picture.
        """

    def stop(self) -> None:
        """Let the iteration end soon. Safe from any thread and from a signal handler."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def in_utc(moment: datetime, *, name: str) -> datetime:
    """The same moment in UTC. Raises SourceError where it has no time zone; `name` is the source's."""
    if moment.tzinfo is None:
        raise SourceError(f"{name}: the start time {moment.isoformat()} has no time zone; write e.g. 2026-11-02T08:30Z")
    return moment.astimezone(UTC)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly (no float on the way)."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def check_name(path: Path) -> None:
    """Raise SourceError where the path is no text: databases, logs and terminals could not hold it."""
    try:
        str(path.absolute()).encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise SourceError(f"the name {shown} is not UTF-8; rename it") from error


def check_limits(name: str, first_frame: int, max_frames: int | None) -> None:
    """Raise SourceError where the wanted range of frames makes no sense."""
    if first_frame < 0:
        raise SourceError(f"{name}: the first frame is {first_frame}; frames count from 0")
    if max_frames is not None and max_frames < 1:
        raise SourceError(f"{name}: at most {max_frames} frames asked for; ask for 1 or more")
