"""Joining segments of a recording into one file, as they are, without encoding anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
from av.error import FFmpegError

from pipeline.errors import OutputError, SourceError
from pipeline.sources.container import open_container, video_stream
from pipeline.sources.packet_times import TICKS, TIME_BASE
from pipeline.sources.segment_file import IN_MP4
from pipeline.sources.segment_footage import SegmentPart

HOLE = 500_000  # microseconds between two segments beyond which it is told that something is missing


@dataclass(frozen=True, slots=True)
class Joined:
    """What a joined file shows."""

    from_at: int  # of its first picture, microseconds UTC
    to_at: int  # of its last picture
    pictures: int
    missing: int  # microseconds between that were not recorded


@dataclass(frozen=True, slots=True)
class _Timed:
    """A packet with its times in ticks since the epoch."""

    packet: av.Packet
    dts: int
    pts: int


def join_segments(parts: Sequence[SegmentPart], out: Path, *, name: str, from_at: int, to_at: int) -> Joined:
    """Write what segments show of from_at <= time < to_at (microseconds UTC) to a file.

    `parts`: by time, at least one. `name`: of the file to be; its suffix says which kind, .mp4 or .mkv. It begins with
    the key picture at or before `from_at`, as nothing can be decoded before. Raises SourceError where a segment cannot
    be read, OutputError where the stream has changed in between or the file cannot be written.
    """
    kind = {".mp4": "mp4", ".mkv": "matroska"}.get(Path(name).suffix.lower())
    if kind is None:
        raise OutputError(f"{name}: recordings are written as .mp4 or .mkv; name such a file")
    begin, end = _ticks(from_at), _ticks(to_at)
    holes = [following.from_at - one.to_at for one, following in pairwise(parts)]
    with open_container(parts[0].path) as container:
        template = video_stream(container, parts[0].path.name)
        described = _described(template)
        if kind == "mp4" and described[0] not in IN_MP4:
            raise OutputError(f"{name}: {described[0]} does not go into .mp4; name a file that ends in .mkv")
        first = last = count = 0
        decoded: int | None = None
        try:
            with av.open(f"file:{out.absolute()}", "w", format=kind, options=_options(kind)) as output:
                stream = output.add_stream_from_template(template, opaque=True)
                stream.time_base = TIME_BASE
                if described[0] == "hevc" and kind == "mp4":
                    stream.codec_context.codec_tag = "hvc1"
                for timed in _wanted(parts, described, begin, end):
                    if decoded is None:
                        first, zero = timed.pts, timed.dts
                        decoded = timed.dts - 1
                    decoded = max(timed.dts, decoded + 1)
                    packet = timed.packet
                    packet.stream, packet.time_base = stream, TIME_BASE
                    packet.dts, packet.pts = decoded - zero, max(timed.pts, decoded) - zero
                    packet.duration = None
                    output.mux_one(packet)
                    last, count = max(last, timed.pts), count + 1
        except FFmpegError as error:
            raise OutputError(
                f"{name} cannot be written: {error.strerror or error}; check the folder and the disk"
            ) from error
    if not count:
        raise SourceError("no picture of that time is recorded; `sightline recordings` lists what is")
    return Joined(_microseconds(first), _microseconds(last), count, sum(hole for hole in holes if hole > HOLE))


def _wanted(parts: Sequence[SegmentPart], described: tuple[object, ...], begin: int, end: int) -> Iterator[_Timed]:
    """Packets from the last key picture up to `begin` to the last one before `end`, ticks."""
    group: list[_Timed] = []  # since the last key picture, while it is not known whether it is the first one wanted
    begun = False
    for timed in _packets(parts, described):
        if begun:
            if timed.pts < end:
                yield timed
            continue
        if timed.packet.is_keyframe and timed.pts <= begin:
            group = []
        group.append(timed)
        if timed.pts >= begin:
            begun = True
            yield from (one for one in group if one.pts < end)
            group = []
    yield from (one for one in group if one.pts < end)


def _packets(parts: Sequence[SegmentPart], described: tuple[object, ...]) -> Iterator[_Timed]:
    for part in parts:
        with open_container(part.path) as container:
            stream = video_stream(container, part.path.name)
            if _described(stream) != described:
                raise OutputError(
                    f"the camera sends something else from {part.path.stem.replace('_', '.')} UTC on (another size or "
                    "codec), which does not go into one file; export what is before it and what is behind it"
                )
            offset: int | None = None
            try:
                for packet in container.demux(stream):
                    if not packet.size or packet.pts is None or not packet.time_base:
                        continue
                    shown = round(packet.pts * packet.time_base * TICKS)
                    if offset is None:
                        offset = _ticks(part.from_at) - shown
                    dts = shown if packet.dts is None else round(packet.dts * packet.time_base * TICKS)
                    yield _Timed(packet, dts + offset, shown + offset)
            except FFmpegError as error:
                raise SourceError(f"{part.path} can be read only in part: {error}") from error


def _described(stream: av.VideoStream) -> tuple[object, ...]:
    """What has to be the same in all of a file."""
    context = stream.codec_context
    return context.codec.canonical_name, stream.width, stream.height, context.extradata


def _options(kind: str) -> dict[str, str]:
    return {"movflags": "+faststart"} if kind == "mp4" else {}


def _ticks(at: int) -> int:
    return at * TICKS // 1_000_000


def _microseconds(ticks: int) -> int:
    return ticks * 1_000_000 // TICKS
