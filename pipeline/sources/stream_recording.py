"""StreamRecording: a camera's packets to its recorder; where that fails, recording stops and reading goes on."""

from __future__ import annotations

from collections.abc import Callable

import av

from pipeline.errors import OutputError
from pipeline.sources.packet_source import Arrival, utc_offset
from pipeline.sources.reading import ReadOrder, Recorded, Recording
from pipeline.sources.recorder import SegmentRecorder
from pipeline.sources.ring import Stamp


class StreamRecording:
    """Of one connection. Does nothing where nothing is to be recorded."""

    def __init__(self, order: ReadOrder, tell: Callable[[Recorded | Recording], None]) -> None:
        self._tell = tell
        self._wanted = order.recording  # may be changed by another thread
        self._running = False
        self._failed = False
        self._stream: av.VideoStream | None = None
        self._recorder: SegmentRecorder | None = None
        if order.record is not None:
            self._recorder = SegmentRecorder(
                order.record.media_folder,
                order.name,
                segment_seconds=order.record.segment_seconds,
                segment_bytes=order.record.segment_bytes,
                tell=lambda segment: tell(Recorded(segment)),
            )

    def begin(self, stream: av.VideoStream) -> None:
        """The stream is open, or is read again from its start."""
        self._stream = stream
        if self._running:
            self._running = False
        self._follow()

    def want(self, on: bool) -> None:
        """Go on, also after a failure, or pause. From any thread; takes effect with the next packet."""
        self._wanted = on
        if on:
            self._failed = False

    def take(self, arrival: Arrival) -> None:
        """The next packet, before it is decoded."""
        self._follow()
        if self._running and self._recorder is not None:
            at = arrival.at + utc_offset()
            recorder = self._recorder
            self._try(lambda: recorder.take(arrival.packet, at))

    def align(self, stamp: Stamp) -> None:
        """When a picture was taken."""
        if self._running and self._recorder is not None and stamp.pts is not None:
            recorder, pts = self._recorder, stamp.pts
            self._try(lambda: recorder.align(pts, stamp.at))

    def close(self) -> None:
        """Complete the last segment."""
        if self._running and self._recorder is not None:
            self._try(self._recorder.close)
            self._running = False

    def _follow(self) -> None:
        """Do what is wanted by now."""
        recorder, stream = self._recorder, self._stream
        if recorder is None or stream is None:
            return
        wanted = self._wanted and not self._failed
        if wanted and not self._running:
            self._running = True
            self._try(lambda: recorder.begin(stream))
            if self._running:
                self._tell(Recording("on"))
        elif not wanted and self._running:
            self.close()
            if not self._failed:
                self._tell(Recording("off"))

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (OSError, OutputError) as error:
            self._running, self._failed = False, True
            self._tell(Recording(str(error)))
