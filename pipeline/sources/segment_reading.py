"""Reading what a segment holds, also one that broke off, without decoding it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from av.error import FFmpegError

from pipeline.errors import SourceError
from pipeline.sources.container import open_container, video_stream
from pipeline.sources.truncation import mp4_boxes

_USUAL_STEP = 40_000  # microseconds, of a segment with a single picture


@dataclass(frozen=True, slots=True)
class Extent:
    """What is in a segment."""

    microseconds: int  # from the key picture at its head to where the one after the last would be
    codec: str
    width: int  # pixels
    height: int


def cut_to_whole(path: Path) -> None:
    """Cut off a last part that was not written to its end: players stumble over it. Raises OSError.

    A part of MP4 is a box, of two seconds at most. Matroska's are taken as they are by everyone.
    """
    length = path.stat().st_size
    whole = 0
    for name, end in mp4_boxes(path) if ".mp4" in path.suffixes else ():
        if end > length:
            break
        if name != "moof":  # says what is in the box behind it, and is nothing without
            whole = end
    if 0 < whole < length:
        os.truncate(path, whole)


def read_extent(path: Path) -> Extent:
    """Of a segment, as far as it can be read. Raises SourceError where no picture of it can be."""
    shown: list[int] = []
    with open_container(path) as container:
        stream = video_stream(container, path.name)
        unit = stream.time_base
        try:
            shown += [packet.pts for packet in container.demux(stream) if packet.size and packet.pts is not None]
        except FFmpegError as error:
            if not shown:
                raise SourceError(f"{path} holds no picture that can be read: {error}") from error
        if not shown or not unit:
            raise SourceError(f"{path} holds no picture")
        first, last = shown[0], max(shown)
        length = round((last - first) * unit * 1_000_000)
        step = length // (len(shown) - 1) if len(shown) > 1 else _USUAL_STEP
        return Extent(length + max(1, step), stream.codec_context.codec.canonical_name, stream.width, stream.height)
