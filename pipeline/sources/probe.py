"""Looking at a camera for some seconds: what it sends, how fast, and whether that is what it says."""

from __future__ import annotations

import time
from dataclasses import dataclass
from multiprocessing.connection import wait

from pipeline.errors import SourceError
from pipeline.redaction import redact
from pipeline.secrets import Secret
from pipeline.sources.camera_address import Kind, kind_of, shown, with_secret, without_secret
from pipeline.sources.frame_taker import FrameTaker
from pipeline.sources.ledger import Count
from pipeline.sources.reader_process import ReaderProcess
from pipeline.sources.reading import LossKind, Lost, Opened, ReadOrder
from pipeline.sources.ring import Ring
from trackers.structures import Frame, ImageArray

_MARGIN = 0.5  # seconds that a reader has to notice a time-out itself
_FINISH_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Probe:
    """What was seen of a camera."""

    uri: str  # without credentials
    codec: str
    width: int  # pixels
    height: int
    transport: str  # "tcp", "udp", "http", "file", "device"
    decoder: str
    declared_fps: float | None
    delivered_fps: float | None  # None: a single frame came
    first_frame_seconds: float  # from the first attempt to connect until the first picture was here
    seconds: float  # that were looked at
    frames: int
    repaired: int  # time stamps
    damaged: int  # packets or frames
    bits_per_second: float
    ended: str  # why the connection was over before the time; "" where it was not
    image: ImageArray  # (height, width, 3) blue green red: the last picture


def probe(
    address: str,
    *,
    secret: Secret | None = None,
    transport: str = "auto",
    hardware: str = "auto",
    seconds: float = 5.0,
    open_seconds: float = 10.0,
) -> Probe:
    """Connect once and look for so many seconds after the first picture.

    `address` may hold user and password, whatever letters they have. Raises SourceError, which holds neither, where no
    picture comes.
    """
    url, written = without_secret(address)
    uri = shown(url)
    order = ReadOrder(
        name="probe",
        address=with_secret(url, secret or written),
        shown=uri,
        transport="tcp" if transport == "auto" else transport,
        hardware=hardware,
        open_seconds=open_seconds,
        stall_seconds=max(5.0, seconds),
    )
    look = _Look(order)
    try:
        look.follow(seconds)
    finally:
        look.close()
    if look.opened is None or look.first is None:
        raise SourceError(f"{redact(uri)}: {look.reason}")
    return look.found(uri, "tcp" if transport == "auto" else transport)


class _Look:
    """One connection, followed for a while."""

    def __init__(self, order: ReadOrder) -> None:
        self._order = order
        self._began = time.monotonic()
        try:
            self._process = ReaderProcess(order)
        except OSError as error:
            raise SourceError(f"no reading process can be started: {error.strerror or error}") from error
        self._taker = FrameTaker(every=False)
        self.opened: Opened | None = None
        self.first: float | None = None  # when the first frame was here, monotonic seconds
        self._bytes_at_first = 0
        self._frames_at_first = 0
        self._last = 0.0
        self._frame: Frame | None = None
        self.reason = ""

    def follow(self, seconds: float) -> None:
        """Until `seconds` after the first frame, or until it is over."""
        end = self._began + self._order.open_seconds + _MARGIN
        while not self.reason:
            left = end - time.monotonic()
            if left <= 0:
                if self.first is None:
                    self.reason = f"no picture came within {time.monotonic() - self._began:.0f} s; check the address"
                return
            wait(self._process.watched, left)  # type: ignore[arg-type]
            alive = self._process.alive
            if self._hear():
                end = max(end, time.monotonic() + self._order.open_seconds + _MARGIN)
            if self._process.frames_came() and self._take():
                end = time.monotonic() + seconds
            if not alive and not self.reason:
                self.reason = "the reading process died"

    def found(self, uri: str, transport: str) -> Probe:
        """What was seen."""
        assert self.opened is not None
        assert self._frame is not None
        assert self.first is not None
        ledger, seconds = self._process.ledger, self._last - self.first
        frames = ledger[Count.FRAMES] - self._frames_at_first
        kind = kind_of(self._order.address)
        return Probe(
            uri=uri,
            codec=self.opened.codec,
            width=self._frame.width,
            height=self._frame.height,
            transport=transport if kind is Kind.RTSP else kind.value,
            decoder=self.opened.decoder,
            declared_fps=self.opened.fps,
            delivered_fps=frames / seconds if frames > 0 and seconds > 0 else None,
            first_frame_seconds=self.first - self._began,
            seconds=seconds,
            frames=ledger[Count.FRAMES],
            repaired=ledger[Count.REPAIRED],
            damaged=ledger[Count.DAMAGED],
            bits_per_second=8 * (ledger[Count.BYTES] - self._bytes_at_first) / seconds if seconds > 0 else 0.0,
            ended=self.reason,
            image=self._frame.image,
        )

    def close(self) -> None:
        """End the connection. The counts stay."""
        self._process.stop(seconds=_FINISH_SECONDS)
        self._taker.close(0)
        self._process.close()

    def _hear(self) -> bool:
        """Whether the connection has just been made."""
        opened = False
        for told in self._process.told():
            match told:
                case Ring():
                    self._taker.connected(told)
                case Opened():
                    self.opened, opened = told, True
                case Lost(kind, reason):
                    self.reason = (
                        "the stream holds no picture" if kind is LossKind.ENDED and self.first is None else reason
                    )
        return opened

    def _take(self) -> bool:
        """Whether this was the first frame."""
        frame = self._taker.take()
        if frame is None:
            return False
        self._frame, self._last = frame, time.monotonic()
        if self.first is not None:
            return False
        self.first = self._last
        ledger = self._process.ledger
        self._frames_at_first, self._bytes_at_first = ledger[Count.FRAMES], ledger[Count.BYTES]
        return True
