"""Packets of a video into a recorder, as a camera's reader gives them; as a program, one that is to be killed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av

from pipeline.sources.recorder import Segment, SegmentRecorder

START = 1_700_000_000_000_000  # microseconds UTC; 2023-11-14 22:13:20

Change = Callable[[int, av.Packet], av.Packet | None]


@dataclass
class Recording:
    """What a recorder has told of."""

    folder: Path
    segments: list[Segment] = field(default_factory=list)

    def recorder(self, camera: str = "gate", *, seconds: float = 4.0, size: int = 1 << 30) -> SegmentRecorder:
        """One that tells here."""
        return SegmentRecorder(
            self.folder, camera, segment_seconds=seconds, segment_bytes=size, tell=self.segments.append
        )

    def pictures(self) -> list[int]:
        """When each picture of all segments is shown, microseconds UTC; every segment is decoded by itself."""
        return [at for segment in self.segments for at in decoded(self.folder / segment.path, segment.from_at)]


def decoded(path: Path, from_at: int) -> list[int]:
    """When each picture of a file is shown, if its first is shown at `from_at`."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        stamps = [frame.pts * stream.time_base for frame in container.decode(stream) if frame.pts is not None]
    return [from_at + round((stamp - stamps[0]) * 1_000_000) for stamp in stamps]


def packets(container: av.container.InputContainer) -> Iterator[av.Packet]:
    """Of the video, without the empty one at the end."""
    yield from (packet for packet in container.demux(container.streams.video[0]) if packet.size)


def arrival(packet: av.Packet, start: int = START) -> int:
    """When a packet would come from a camera."""
    stamp = packet.dts if packet.dts is not None else packet.pts
    return start + round((stamp or 0) * packet.time_base * 1_000_000)


def feed(recorder: SegmentRecorder, video: Path, *, start: int = START, change: Change | None = None) -> int:
    """A whole video; returns how many packets. `change`: what becomes of packet i; None: it is lost."""
    count = 0
    with av.open(str(video)) as container:
        recorder.begin(container.streams.video[0])
        for index, packet in enumerate(packets(container)):
            at = arrival(packet, start)
            changed = packet if change is None else change(index, packet)
            if changed is not None:
                recorder.take(changed, at)
                count += 1
    return count


def main(folder: str, video: str) -> None:
    """Record again and again until killed, 10 times as fast as it was."""
    recording = Recording(Path(folder))
    recorder = recording.recorder(seconds=60.0)  # longer than whoever kills it needs to see what it has written
    start = START
    while True:
        with av.open(video) as container:
            recorder.begin(container.streams.video[0])
            for packet in packets(container):
                recorder.take(packet, arrival(packet, start))
                packet.decode()
                time.sleep(0.004)
        start += 100_000_000


if __name__ == "__main__":
    main(*sys.argv[1:])
