"""The process that reads one connection of a camera, and ends with it. Whatever FFmpeg does in it hurts nobody else."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle

import av
from av.error import EOFError as EndOfFile
from av.error import FFmpegError

from pipeline.sources.backlog import Backlog
from pipeline.sources.camera_address import Kind, kind_of
from pipeline.sources.hardware import choose, label
from pipeline.sources.ledger import Count, Ledger
from pipeline.sources.live_clock import LiveClock
from pipeline.sources.packet_source import Arrival, Pace, PacketSource, now, utc_offset
from pipeline.sources.picture import Orientation, to_bgr
from pipeline.sources.publisher import Publisher
from pipeline.sources.reading import (
    LossError,
    LossKind,
    Lost,
    NewRing,
    Opened,
    ReadOrder,
    RecordNow,
    Stop,
    Told,
)
from pipeline.sources.ring import Ring
from pipeline.sources.shared_block import SharedBlock
from pipeline.sources.stream_opening import OpenStream, open_stream
from pipeline.sources.stream_recording import StreamRecording
from pipeline.sources.webcam import Webcam
from trackers.structures import ImageArray

_PR_SET_PDEATHSIG = 1


def main(parent: Connection) -> None:
    """Of the process. The order, a pipe to write to and the ledger come through `parent`."""
    _end_with_parent()
    for ignored in (signal.SIGINT, signal.SIGTERM):  # meant for the parent, which says what is to happen
        signal.signal(ignored, signal.SIG_IGN)
    order: ReadOrder = parent.recv()
    wake, ledger = recv_handle(parent), Ledger(SharedBlock(recv_handle(parent)))
    os.set_blocking(wake, False)
    reader = Reader(order, ledger, parent, wake)
    threading.Thread(target=reader.listen, daemon=True).start()
    lost = reader.run()
    with suppress(OSError):  # nobody is there to hear it
        parent.send(lost)


class Reader:
    """Reads until the connection is over or all is to end."""

    def __init__(self, order: ReadOrder, ledger: Ledger, parent: Connection, wake: int) -> None:
        self._order = order
        self._ledger = ledger
        self._parent = parent
        self._stopping = threading.Event()
        self._clock = LiveClock(session=order.session, after=order.after, after_at=order.after_at, offset=utc_offset)
        self._publisher = Publisher(
            ledger,
            self._clock,
            every=order.every,
            max_fps=order.max_fps,
            announce=self._announce,
            wake=wake,
            stopping=self._stopping,
        )
        self._recording = StreamRecording(order, self._tell)
        self._pace = Pace(self._clock, self._stopping, self._publisher.show_life)
        self._patient = order.every and kind_of(order.address) is Kind.FILE  # a file waits for who reads it
        self._orientation: Orientation | None = None

    def run(self) -> Lost:
        """Returns why it is over."""
        try:
            if kind_of(self._order.address) is Kind.DEVICE:
                self._read_webcam()
            else:
                self._read_stream()
        except LossError as error:
            return error.lost
        except Exception as error:  # noqa: BLE001  a text of FFmpeg may hold the address, so only its place is told
            place = traceback.extract_tb(error.__traceback__)[-1]
            return Lost(
                LossKind.BROKEN, f"reading failed with {type(error).__name__} in {place.name} (line {place.lineno})"
            )
        finally:
            self._publisher.close()
        return Lost(LossKind.ENDED, "stopped" if self._stopping.is_set() else "the file is through")

    def listen(self) -> None:
        """Follow the parent's words, in a thread of its own. Ends the process with the parent."""
        while True:
            try:
                told = self._parent.recv()
            except (EOFError, OSError):
                os._exit(1)
            match told:
                case Stop():
                    self._stopping.set()
                case RecordNow(on):
                    self._recording.want(on)

    def _tell(self, told: Told) -> None:
        self._parent.send(told)

    def _announce(self, ring: Ring) -> None:
        self._tell(NewRing(ring.width, ring.height))
        send_handle(self._parent, ring.fd, os.getppid())

    def _read_webcam(self) -> None:
        webcam = Webcam(self._order.address)
        try:
            self._tell(webcam.told())
            webcam.read(self._clock, self._publisher, self._stopping)
        finally:
            webcam.close()

    def _read_stream(self) -> None:
        is_file = kind_of(self._order.address) is Kind.FILE
        choice = choose(self._order.hardware)
        told = False
        while True:
            opened = open_stream(self._order, choice.accelerator)
            try:
                if not told:
                    self._tell(
                        _describe(opened.stream, *label(choice, self._order.hardware, opened.stream.codec_context))
                    )
                    told = True
                self._read_packets(opened)
            finally:
                self._recording.close()
                opened.close()
            if self._stopping.is_set() or (is_file and not self._order.loop):
                return
            if not is_file:
                raise LossError(LossKind.BROKEN, "the camera ended the stream")

    def _read_packets(self, opened: OpenStream) -> None:
        self._recording.begin(opened.stream)
        backlog = Backlog()
        for arrival in PacketSource(opened, self._order, self._clock):
            if self._stopping.is_set():
                return
            self._ledger[Count.BYTES] += arrival.packet.size
            if arrival.packet.size:
                self._recording.take(arrival)
            if not opened.paced and not self._order.every and backlog.is_stale(arrival, self._clock):
                self._ledger[Count.SKIPPED] += 1
                continue
            for picture in self._decode(arrival):
                if arrival.stale and not self._order.every:
                    self._ledger[Count.SKIPPED] += 1
                elif not self._take(picture, arrival, paced=opened.paced):
                    return

    def _decode(self, arrival: Arrival) -> list[av.VideoFrame]:
        """Nothing where it cannot be decoded, which is counted."""
        damaged = bool(arrival.packet.is_corrupt)
        try:
            pictures = list(arrival.packet.decode())
        except EndOfFile:
            pictures = []
        except FFmpegError:
            pictures, damaged = [], True
        self._ledger[Count.DAMAGED] += damaged + sum(bool(picture.is_corrupt) for picture in pictures)
        return pictures

    def _take(self, picture: av.VideoFrame, arrival: Arrival, *, paced: bool) -> bool:
        """Publish a picture when it is due. Returns False where all is to end."""
        pts = arrival.pts if picture.pts is None else picture.pts
        if paced and not self._pace.wait(pts):
            return False
        arrived = now() if paced else arrival.at
        if self._patient and pts is not None:
            arrived = self._clock.expected(pts)
        stamp = self._publisher.publish(
            lambda: self._convert(picture),
            size=(picture.width, picture.height),
            pts=pts,
            arrived=arrived,
            waited=paced or arrival.waited,
            patient=self._patient,
        )
        self._recording.align(stamp)
        return not self._stopping.is_set()

    def _convert(self, picture: av.VideoFrame) -> ImageArray:
        if self._orientation is None:
            self._orientation = Orientation.of(picture)
        return self._orientation.apply(to_bgr(picture))


def _describe(stream: av.VideoStream, decoder: str, note: str) -> Opened:
    rate = stream.average_rate or stream.guessed_rate
    return Opened(stream.codec_context.name, float(rate) if rate else None, decoder, note)


def _end_with_parent() -> None:
    """The system kills this process with the one that started it; another one notices by its pipe."""
    if sys.platform == "linux":
        started_by = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != started_by:
            os._exit(1)
