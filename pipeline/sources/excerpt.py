"""Footage: the pictures of a source between two moments, without reading all that comes before them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.error import EOFError as EndOfFile
from av.error import FFmpegError

from pipeline.errors import DamagedSourceError, SourceError
from pipeline.sources.container import open_container, video_stream
from pipeline.sources.files import VideoFile
from pipeline.sources.fingerprint import fingerprint_file
from pipeline.sources.images import ImageFolder
from pipeline.sources.picture import Negative, Orientation
from pipeline.sources.timetable import Timetable, read_timetable
from trackers.structures import Frame

_log = logging.getLogger(__name__)

MOST_PIXELS = 8192 * 8192  # of a frame of a video that a stranger sends
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Footage(Protocol):
    """A source that can be looked at again. Safe to share between threads."""

    def between(self, from_at: int, to_at: int) -> Iterator[Frame]:
        """The frames of from_at <= at <= to_at (microseconds UTC), with the times and numbers they have in a run.

        Raises SourceError where the source cannot be opened. What cannot be decoded is left out.
        """


def open_footage(kind: str, path: Path, *, start_at: int, fps: float | None = None) -> Footage:
    """What a run has read, to be looked at again.

    `kind`: of the source, "file" or "images". `start_at`: of its first frame, microseconds UTC, as stored. `fps`: of a
    folder of pictures. Raises SourceError where it cannot be opened or is of a kind that cannot be looked at again.
    """
    match kind:
        case "file":
            return VideoFootage(path, start_at=start_at)
        case "images":
            return PictureFootage(path, start_at=start_at, fps=25.0 if fps is None else fps)
        case _:
            raise SourceError(f"{path.name} is a source of kind '{kind}': what it showed is not kept")


def fingerprint_now(kind: str, path: Path) -> str:
    """What a stored source's fingerprint would be now. `kind`: as for `open_footage`. Raises SourceError."""
    if kind == "images":
        with ImageFolder(path) as folder:
            return folder.fingerprint
    try:
        return fingerprint_file(path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error


def check_video(path: Path) -> None:
    """Raise SourceError where no picture of a video file can be decoded, or one would need too much memory."""
    check_picture_size(path)
    with VideoFile(path):
        return


def check_picture_size(path: Path) -> None:
    """Raise SourceError where a picture of a video file would need too much memory. Decodes nothing."""
    with open_container(path) as container:
        stream = video_stream(container, path.name)
        if stream.width * stream.height > MOST_PIXELS:
            raise SourceError(f"{path.name} has pictures of {stream.width}x{stream.height}: more than can be handled")


class VideoFootage:
    """A video file, entered at the key frame before the wanted moment.

    Every frame of the file is listed once, without decoding; then each excerpt costs its own length and what lies
    between the key frame and its beginning. Files whose stamps tell too little are decoded from the start each time.
    """

    def __init__(self, path: Path, *, start_at: int) -> None:
        """`start_at`: of the first frame, microseconds UTC. Raises SourceError."""
        self._path = path
        self._start = start_at
        self._table = read_timetable(path)
        if self._table is not None:
            self._at = start_at + np.rint(self._table.times * 1e6).astype(np.int64)

    @property
    def count(self) -> int | None:
        """How many frames there are; None where only decoding tells."""
        return None if self._table is None else len(self._table)

    def numbered(self, index: int) -> Frame | None:
        """The frame with a number (from 0), None where there is none. Raises SourceError."""
        if self._table is None:
            with VideoFile(self._path, first_frame=index) as video:
                return next(iter(video), None)
        return next(self._enter(self._table, index, index + 1), None) if index < len(self._table) else None

    def between(self, from_at: int, to_at: int) -> Iterator[Frame]:
        """See Footage."""
        if self._table is None:
            yield from self._read_through(from_at, to_at)
            return
        first, end = np.searchsorted(self._at, (from_at, to_at + 1)).tolist()
        if first < end:
            yield from self._enter(self._table, first, end)

    def _read_through(self, from_at: int, to_at: int) -> Iterator[Frame]:
        with VideoFile(self._path, start_at=_EPOCH + timedelta(microseconds=self._start)) as video:
            try:
                for frame in video:
                    if frame.at > to_at:
                        return
                    if frame.at >= from_at:
                        yield frame
            except DamagedSourceError as damage:
                _log.info("an excerpt ends early: %s", damage)

    def _enter(self, table: Timetable, first: int, end: int) -> Iterator[Frame]:
        """Frames first to end - 1. Where decoding cannot begin at the nearest key frame, from one further back."""
        nearest = table.key_before(first)
        for key in dict.fromkeys((nearest, table.key_before(max(nearest - 1, 0)), 0)):
            frames = self._decode(table, key, first, end)
            head = next(frames, None)
            if head is not None:
                yield head
                yield from frames
                return

    def _decode(self, table: Timetable, key: int, first: int, end: int) -> Iterator[Frame]:
        """Frames first to end - 1, decoded from `key` on, none where that cannot be; from the file's start for 0."""
        orientation = size = None
        with open_container(self._path) as container:
            stream = video_stream(container, self._path.name)
            stream.thread_type = "AUTO"
            packets = _packets_from(container, stream, int(table.pts[key])) if key else container.demux(stream)
            for picture in _pictures_from(packets, int(table.pts[key]) if key else None):
                if picture.pts is None or picture.pts < table.pts[first]:
                    continue
                size = size or (picture.width, picture.height)
                if picture.pts > table.pts[end - 1] or (picture.width, picture.height) != size:
                    return
                row = int(np.searchsorted(table.pts, picture.pts))
                orientation = orientation or Orientation.of(picture)
                yield Frame(
                    picture=Negative(picture, orientation),
                    index=row,
                    time=float(table.times[row]),
                    at=int(self._at[row]),
                    pts=picture.pts,
                    time_base=picture.time_base,
                )


class PictureFootage:
    """A folder of pictures at a fixed rate."""

    def __init__(self, path: Path, *, start_at: int, fps: float) -> None:
        """`start_at`: of the first picture, microseconds UTC. `fps`: as in the run. Raises SourceError."""
        self._path = path
        self._start = _EPOCH + timedelta(microseconds=start_at)
        self._fps = fps
        with ImageFolder(path, fps=fps, start_at=self._start) as folder:
            count = folder.frame_count or 0
        unit = 1 / Fraction(fps).limit_denominator(1_000_000)
        self._at = np.array([start_at + round(float(index * unit) * 1e6) for index in range(count)], np.int64)

    def between(self, from_at: int, to_at: int) -> Iterator[Frame]:
        """See Footage."""
        first, end = np.searchsorted(self._at, (from_at, to_at + 1)).tolist()
        if first >= end:
            return
        with ImageFolder(
            self._path, fps=self._fps, start_at=self._start, first_frame=first, max_frames=end - first
        ) as folder:
            try:
                yield from folder
            except DamagedSourceError as damage:
                _log.info("an excerpt ends early: %s", damage)


def _packets_from(container: av.container.InputContainer, stream: av.VideoStream, key: int) -> Iterator[av.Packet]:
    """The packets from the key frame with the stamp `key` on; none where seeking does not lead there."""
    for target in (key, key - round(2 / stream.time_base)):  # demuxers differ in whether they stop before or behind it
        try:
            container.seek(target, stream=stream, backward=True)
            for packet in container.demux(stream):
                if packet.pts == key and packet.size:
                    yield packet
                    yield from container.demux(stream)
                    return
                if packet.pts is not None and packet.is_keyframe and packet.pts > key:
                    break
        except FFmpegError as error:
            _log.debug("cannot seek: %s", error)
            return


def _pictures_from(packets: Iterator[av.Packet], key: int | None) -> Iterator[av.VideoFrame]:
    """What can be decoded, from the picture with the stamp `key` on; from the first one for None.

    Nothing where that picture does not come out whole: its packet begins a slow refresh (H.264's recovery point), and
    the decoder would paint the next pictures over grey.
    """
    for picture in _pictures(packets):
        if key is not None:
            if picture.pts is None or picture.pts < key:
                continue  # shown before the key frame, made from pictures that were not read
            if picture.pts != key or not picture.key_frame:
                return
            key = None
        yield picture


def _pictures(packets: Iterator[av.Packet]) -> Iterator[av.VideoFrame]:
    """What can be decoded."""
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError as error:
            _log.info("an excerpt ends early: %s", error)
            return
        if packet is None:
            return
        try:
            yield from packet.decode()
        except EndOfFile:
            return
        except FFmpegError as error:
            _log.debug("a packet of an excerpt could not be decoded: %s", error)
