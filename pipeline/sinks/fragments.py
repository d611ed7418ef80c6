"""FragmentedVideo: H.264 video written in parts that survive a killed process, joined at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.error import FFmpegError

from pipeline.errors import OutputError
from pipeline.sinks.h264_file import FORMATS, TIME_BASE, H264File
from pipeline.sinks.part_file import PartFile
from trackers.structures import ImageArray

_REORDERED = 16  # more pictures than x264 reorders: so many units before its showing, the first one may be decoded


@dataclass(frozen=True, slots=True)
class Fragment:
    """A whole part of the video."""

    path: Path
    first_frame: int
    start: int  # time of its first picture, in TIME_BASE; in the file that is 0


class FragmentedVideo:
    """Fragments lie in a hidden folder beside the video, and are joined without encoding them again.

    Left without an exception, the video is complete or absent, and the folder is gone; left with one, whole fragments
    stay where a run may be resumed. Raises OutputError.
    """

    def __init__(self, path: Path | str, *, fps: float, quality: int, owner: str) -> None:
        """`fps`, `quality`: as for H264File. `owner`: the run that could be resumed; empty where none could."""
        self.path = Path(path)
        if self.path.suffix.lower() not in FORMATS:
            raise OutputError(f"{path}: video is written as {', '.join(FORMATS)}; name such a file")
        self._fps, self._quality, self._owner = fps, quality, owner
        self._joined = PartFile(self.path, owner=owner)
        self.folder = self.path.with_name(f".{self.path.name}.{owner or os.getpid()}.parts")
        self._open: H264File | None = None
        self._start = 0

    def resume(self, next_frame: int, frames: int) -> None:
        """Go on after `frames` pictures, the next being number `next_frame`.

        What was begun later is dropped. A video that a stop has joined is taken apart again: it is one fragment.
        """
        for half in self.folder.glob(".*.part"):
            half.unlink()
        for fragment in self._fragments():
            if fragment.first_frame >= next_frame:
                fragment.path.unlink()
        found = sum(_pictures(fragment.path) for fragment in self._fragments())
        if found == frames:
            return
        if found or not self.path.is_file() or _pictures(self.path) != frames:
            raise OutputError(
                f"{self.path} cannot be gone on with: {frames} frames were written, and {found} of them are left in "
                f"{self.folder}; resume with --without-video, and run the source anew for a whole video"
            )
        self.folder.mkdir(exist_ok=True)
        self.path.replace(self._place(0, 0))

    def __enter__(self) -> Self:
        self._joined.check()
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise self._joined.failure(error) from error
        return self

    def write(self, image: ImageArray, seconds: float, frame: int) -> None:
        """Encode one picture (height, width, 3) of the size of the first, number `frame`. `seconds`: rising."""
        if self._open is None:
            self._start = round(seconds / TIME_BASE)
            self._open = H264File(self._place(frame, self._start), fps=self._fps, quality=self._quality)
            self._open.__enter__()
        self._open.write(image, seconds - float(self._start * TIME_BASE))

    def cut(self) -> None:
        """Complete the fragment: whatever happens later, its pictures need not be made again."""
        if self._open is not None:
            fragment, self._open = self._open, None
            fragment.__exit__(None, None, None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.cut()
            self._join()
        elif self._open is not None:
            self._open.__exit__(kind, error, trace)
        if error is None or not self._owner or not self._fragments():
            shutil.rmtree(self.folder)

    def _place(self, first_frame: int, start: int) -> Path:
        return self.folder / f"{first_frame:012d}-{start}.mp4"

    def _fragments(self) -> list[Fragment]:
        """The whole ones, in order."""
        found = []
        for path in sorted(self.folder.glob("[0-9]*-*.mp4")):
            first_frame, _, start = path.stem.partition("-")
            found.append(Fragment(path, int(first_frame), int(start)))
        return found

    def _join(self) -> None:
        fragments = self._fragments()
        if not fragments:
            return
        form = FORMATS[self.path.suffix.lower()]
        options = {"movflags": "+faststart"} if form in ("mp4", "mov") else {}
        with self._joined:
            try:
                with av.open(f"file:{self._joined.part.absolute()}", "w", format=form, options=options) as out:
                    _copy(fragments, out)
            except FFmpegError as error:
                raise OutputError(
                    f"{self.path} cannot be written: {error.strerror}; check the folder and the disk"
                ) from error


def _copy(fragments: list[Fragment], out: av.container.OutputContainer) -> None:
    """The packets of all fragments into one container, each at its own time."""
    stream: av.VideoStream | None = None
    last = None  # decoding time of the last packet
    for fragment in fragments:
        with av.open(f"file:{fragment.path.absolute()}") as part:
            if stream is None:
                stream = out.add_stream_from_template(part.streams.video[0])
                stream.time_base = TIME_BASE
            for packet in _packets(part):
                shown = _ticks(packet.pts, packet) + fragment.start
                if packet.dts is not None:
                    decoded = _ticks(packet.dts, packet) + fragment.start
                else:  # Matroska does not keep it
                    decoded = shown - _REORDERED if last is None else last + 1
                if last is not None and decoded <= last:  # a fragment's first pictures wait for their reordering
                    decoded = last + 1
                packet.pts, packet.dts, packet.time_base = shown, decoded, TIME_BASE
                last = decoded
                packet.stream = stream
                out.mux(packet)


def _ticks(stamp: int, packet: av.Packet) -> int:
    """A time stamp of a packet, in TIME_BASE."""
    ticks: Fraction = stamp * packet.time_base / TIME_BASE
    return round(ticks)


def _pictures(path: Path) -> int:
    """How many there are in a file; 0 where it cannot be read."""
    try:
        with av.open(f"file:{path.absolute()}") as part:
            return sum(1 for _ in _packets(part))
    except (FFmpegError, IndexError):
        return 0


def _packets(part: av.container.InputContainer) -> Iterator[av.Packet]:
    """Those with a picture; the last one that PyAV gives only flushes."""
    return (packet for packet in part.demux(part.streams.video[0]) if packet.size)
