"""Timetable: when each frame of a video file is shown, read from the packets without decoding them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from pipeline.sources.clock import FrameClock
from pipeline.sources.container import open_container, video_stream
from pipeline.sources.files import VideoFile
from trackers.structures import BoolArray, FloatArray, IntArray

_Stamps = tuple[int | None, int | None, bool]  # of presentation, of decoding, whether it is a key frame


@dataclass(frozen=True, slots=True, eq=False)
class Timetable:
    """The frames of a video file in the order they are shown. Row i of every column is frame i."""

    pts: IntArray  # (n,) int64 presentation time stamp, rising
    times: FloatArray  # (n,) float64 seconds since frame 0, rising; as VideoFile gives them
    keys: BoolArray  # (n,) whether decoding can begin here

    def __len__(self) -> int:
        return len(self.pts)

    def key_before(self, row: int) -> int:
        """The last frame up to `row` where decoding can begin; 0 if there is none."""
        found = np.flatnonzero(self.keys[: row + 1])
        return int(found[-1]) if len(found) else 0


def read_timetable(path: Path) -> Timetable | None:
    """The timetable of a file. None where only decoding tells: stamps that are missing, occur twice or start anew.

    Reads the file once from its beginning (about 1 GB/s). Frames that are packed but never shown (VP8) count too, so
    indices behind them are higher than VideoFile's; times are the same. Raises SourceError.
    """
    with VideoFile(path) as video:
        if video.time_base is None:
            return None
        head = round(-video.time_offset / video.time_base)  # its first packets may hold no picture that can be shown
        clock = FrameClock(video.time_base, video.fps)
    rows = list(_packets(path))
    if not _orderly(rows):
        return None
    shown = sorted((pts, key) for pts, _, key in rows if pts is not None and pts >= head)
    if not shown or shown[0][0] != head:
        return None
    pts, keys = zip(*shown, strict=True)
    times = np.array([clock.seconds(stamp) for stamp in pts], np.float64)
    return Timetable(np.array(pts, np.int64), times, np.array(keys, np.bool_))


def _packets(path: Path) -> Iterator[_Stamps]:
    """Of every packet that will be shown, up to where the file can be read."""
    with open_container(path) as container:
        packets = container.demux(video_stream(container, path.name))
        while True:
            try:
                packet: av.Packet | None = next(packets, None)
            except FFmpegError:
                return  # VideoFile gives the frames up to here, too
            if packet is None:
                return
            if packet.size and not packet.is_discard:
                yield packet.pts, packet.dts, packet.is_keyframe


def _orderly(rows: list[_Stamps]) -> bool:
    shown = [pts for pts, _, _ in rows]
    decoded = [dts for _, dts, _ in rows if dts is not None]
    return None not in shown and len(set(shown)) == len(shown) and decoded == sorted(decoded)
