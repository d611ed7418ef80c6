"""VideoFile: the frames of a video file, upright, with their true times."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.error import EOFError as EndOfFile
from av.error import FFmpegError

from pipeline.errors import DamagedSourceError, SourceError
from pipeline.sources.base import StartOrigin, check_limits, check_name, in_utc, microseconds
from pipeline.sources.clock import FrameClock
from pipeline.sources.container import RECOPY, open_container, video_stream
from pipeline.sources.fingerprint import fingerprint_file
from pipeline.sources.losses import Losses
from pipeline.sources.picture import Negative, Orientation
from pipeline.sources.truncation import promised_size
from trackers.structures import Frame

_log = logging.getLogger(__name__)

FALLBACK_FPS = Fraction(25)  # for raw streams that name no rate


class VideoFile:
    """A video file. Opened by the constructor, closed by `__exit__`; iterated once.

    Every frame is decoded, in order. Where packets in the middle are corrupt, the decoder conceals what it can, frames
    that cannot be decoded are missing, their neighbours keep their true times and their numbers (missing ones are
    counted by the time that passed and the nominal rate), and `damaged` counts the damage. Where the file ends before
    its container says, or FFmpeg gives up, the frames up to there come first and then DamagedSourceError; so too where
    the picture size changes, because boxes before and after would not be comparable.
    """

    kind = "file"

    def __init__(
        self,
        path: Path | str,
        *,
        start_at: datetime | None = None,
        max_frames: int | None = None,
        first_frame: int = 0,
        threads: int = 0,
    ) -> None:
        """Open the file and read its first frame.

        `start_at`: when the first frame was taken; default the container's creation time, else the file's date less
        its duration. `max_frames`: end after so many, lost ones included. `first_frame`: index of the first to give;
        those before are decoded, because the later ones depend on them, but not converted. `threads`: of the decoder,
        0 for as many as there are cores. Raises SourceError.
        """
        self.path = Path(path)
        check_name(self.path)
        self.name = self.path.name
        self.uri = str(self.path.resolve())
        self.repaired = 0
        self.damaged = 0
        self.dropped = 0
        check_limits(self.name, first_frame, max_frames)
        self._first, self._max = first_frame, max_frames
        self._stopped = False
        self._container = open_container(self.path)
        try:
            self._stream = video_stream(self._container, self.name)
            self._stream.thread_type = "AUTO"
            self._stream.thread_count = threads
            self.codec: str = self._stream.codec_context.name
            self._rate: Fraction = self._stream.average_rate or self._stream.guessed_rate or FALLBACK_FPS
            self.duration = _duration(self._container, self._stream)
            self._count = _count(self._stream, self.duration, self._rate)
            self._losses = Losses(self.fps)
            self._packets = self._container.demux(self._stream)
            self._decoded = self._decode()
            self._head = self._first_picture()
            self._orientation = Orientation.of(self._head)
            self.start_at, self.start_origin = self._start(start_at)
        except BaseException:
            self._container.close()
            raise

    @property
    def width(self) -> int:
        """Pixels, upright."""
        return int(self._head.height if self._orientation.transposed else self._head.width)

    @property
    def height(self) -> int:
        """Pixels, upright."""
        return int(self._head.width if self._orientation.transposed else self._head.height)

    @property
    def fps(self) -> float:
        """Nominal frames a second, from the container."""
        return float(self._rate)

    @property
    def time_base(self) -> Fraction | None:
        """Seconds per unit of the frames' pts."""
        base: Fraction | None = self._head.time_base
        return base

    @property
    def time_offset(self) -> float:
        """Seconds: a frame's time is pts * time_base + time_offset, unless it was repaired."""
        if self._head.pts is None or self.time_base is None:
            return 0.0
        return -float(self._head.pts * self.time_base)

    @property
    def frame_count(self) -> int | None:
        """How many frames iteration should give: by the container, or duration times rate."""
        if self._count is None:
            return self._max
        remaining = max(0, self._count - self._first)
        return remaining if self._max is None else min(remaining, self._max)

    @cached_property
    def fingerprint(self) -> str:
        """Of the file's content; see `fingerprint.py`. Raises SourceError where it can no longer be read."""
        try:
            return fingerprint_file(self.path)
        except OSError as error:
            raise SourceError(f"{self.name} can no longer be read: {error.strerror}") from error

    def __iter__(self) -> Iterator[Frame]:
        start = microseconds(self.start_at)
        clock = FrameClock(self._head.time_base or 1 / self._rate, float(self._rate))
        end = None if self._max is None else self._first + self._max
        index, count, last = -1, 0, 0.0
        for picture in chain((self._head,), self._decoded):
            time = clock.seconds(picture.pts)
            self.repaired = clock.repaired
            index += 1 + self._losses.before(picture.pts, time - last)
            last = time
            if end is not None and index >= end:
                return
            self._check_size(picture, index)
            count += 1
            if index >= self._first:
                yield Frame(
                    picture=Negative(picture, self._orientation),
                    index=index,
                    time=time,
                    at=start + round(time * 1e6),
                    pts=picture.pts,
                    time_base=picture.time_base,
                )
            if index + 1 == end or self._stopped:
                return
        self._check_end(index + 1, count)

    def stop(self) -> None:
        """End the iteration after the frame in hand."""
        self._stopped = True

    def close(self) -> None:
        """Close the file. No iteration may be running in another thread."""
        self._decoded.close()
        self._packets.close()
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @cached_property
    def _missing_bytes(self) -> int:
        """How many bytes the file lacks of what its container promises."""
        promised = promised_size(self.path, self._container.format.name, self._stream.index_entries)
        return 0 if promised is None else max(0, promised - self.path.stat().st_size)

    def _first_picture(self) -> av.VideoFrame:
        try:
            head = next(self._decoded, None)
        except DamagedSourceError as error:
            raise SourceError(f"{self.name} holds no picture that can be decoded; {RECOPY}") from error
        if head is None:
            raise SourceError(f"{self.name} holds no picture that can be decoded; {RECOPY}")
        return head

    def _decode(self) -> Generator[av.VideoFrame, None, None]:
        """All pictures that can be decoded; bad packets are counted and skipped."""
        while (packet := self._next_packet()) is not None:
            if packet.size:  # the last one is empty: it flushes the decoder
                self._losses.packet(packet.pts, packet.dts)
            if packet.is_corrupt:
                self._losses.damage()
            if packet.is_corrupt and self._missing_bytes and packet.pos + packet.size >= self.path.stat().st_size:
                self.damaged += 1  # the packet in which the file was cut: half a picture
                continue
            try:
                pictures = packet.decode()
            except EndOfFile:
                return
            except FFmpegError as error:
                self._damage()
                _log.debug("%s: a packet could not be decoded: %s", self.name, error)
                continue
            for picture in pictures:
                if self._losses.late(picture.pts):
                    self._damage()
                    continue
                if picture.is_corrupt:
                    self._damage()
                yield picture

    def _damage(self) -> None:
        self.damaged += 1
        self._losses.damage()

    def _next_packet(self) -> av.Packet | None:
        try:
            return next(self._packets, None)
        except FFmpegError as error:
            raise DamagedSourceError(f"{self.name} cannot be read on: {error.strerror}; {RECOPY}") from error

    def _check_size(self, picture: av.VideoFrame, index: int) -> None:
        if (picture.width, picture.height) != (self._head.width, self._head.height):
            raise DamagedSourceError(
                f"{self.name}: the picture size changes from {self._head.width}x{self._head.height} to "
                f"{picture.width}x{picture.height} at frame {index}; split the file there and run both parts"
            )

    def _check_end(self, end: int, count: int) -> None:
        """Raise where the frames ended too early. `end`: index after the last; `count`: frames decoded."""
        if end < self._first:
            raise SourceError(f"{self.name} has {end} frames; it cannot be read from frame {self._first} on")
        if self._missing_bytes:
            expected = "" if self._count is None else f" of about {self._count}"
            raise DamagedSourceError(
                f"{self.name} is cut off: {count}{expected} frames could be read, {self._missing_bytes} bytes "
                f"are missing at the end; {RECOPY}"
            )
        if self.damaged:
            _log.warning(
                "%s: %d packets or frames were damaged and were concealed or left out", self.name, self.damaged
            )

    def _start(self, given: datetime | None) -> tuple[datetime, StartOrigin]:
        if given is not None:
            return in_utc(given, name=self.name), StartOrigin.GIVEN
        created = self._container.metadata.get("creation_time") or self._stream.metadata.get("creation_time")
        if created is not None:
            try:
                moment = datetime.fromisoformat(created)
            except ValueError:
                _log.warning("%s: the creation time %r in the container is no date", self.name, created)
            else:
                if moment.year > 1970:  # cameras without a clock write 1904 or 1970
                    return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC), StartOrigin.CONTAINER
        written = self.path.stat().st_mtime  # a camera closes the file after the last frame
        return datetime.fromtimestamp(written - (self.duration or 0.0), UTC), StartOrigin.FILE


def _duration(container: av.container.InputContainer, stream: av.VideoStream) -> float | None:
    """Seconds from the first frame to the end of the whole file, as the container says.

    A recorder's segments may carry on their predecessor's stamps. Matroska keeps the stamp of the end as the duration,
    and FFmpeg does not subtract the first one there, as it does in its other containers.
    """
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is None:
        return None
    before = container.start_time or 0 if "matroska" in container.format.name else 0
    return float(max(0, container.duration - before) / av.time_base)


def _count(stream: av.VideoStream, duration: float | None, rate: Fraction) -> int | None:
    """Frames in the whole file: as the container says, or duration times rate."""
    if stream.frames:
        return int(stream.frames)
    return None if duration is None else max(1, round(duration * rate))
