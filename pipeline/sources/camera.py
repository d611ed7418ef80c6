"""Camera: a stream that is read by a process of its own, watched, replaced whenever it fails, and never given up."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from random import Random

from pipeline.secrets import Secret
from pipeline.sources.backoff import Backoff
from pipeline.sources.camera_address import shown, with_secret
from pipeline.sources.camera_counts import CameraCounts
from pipeline.sources.feed import CameraState, DropReason, FeedStatus
from pipeline.sources.frame_taker import FrameTaker
from pipeline.sources.ledger import Count
from pipeline.sources.outage_guard import OutageGuard
from pipeline.sources.reader_process import ReaderProcess
from pipeline.sources.reading import LossKind, Lost, Opened, ReadOrder, Recorded, Recording, RecordOrder, Told
from pipeline.sources.recorder import Segment
from pipeline.sources.ring import Ring
from trackers.structures import Frame, Gap

_log = logging.getLogger(__name__)

BACKOFF_MOST = 10.0  # seconds between attempts
STABLE_SECONDS = 3.0  # a connection that lived so long begins with the first pause again
REFUSED_FIRST, REFUSED_MOST = 5.0, 30.0  # seconds: of a wrong password a camera soon has enough
KILL_MARGIN = 0.5  # seconds after which a reader that should have noticed a stall itself is killed
FINISH_SECONDS = 0.3  # for a reader to say good-bye to the camera and to complete a recording
CLOSE_SECONDS = 0.95
_LOOK = 1.0  # seconds between looks where nothing happens


class Camera:
    """Implements `pipeline.sources.feed.Feed`.

    A thread of its own starts a reading process, looks after it, and replaces it when the connection is lost, when no
    frame came for `stall_seconds`, or when it died; after a pause that doubles up to 10 s, and not together with all
    others (OutageGuard). What the camera itself refuses (password, path) is tried again every half minute.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        guard: OutageGuard,
        secret: Secret | None = None,
        transport: str = "auto",
        hardware: str = "auto",
        every: bool = False,
        max_fps: float | None = None,
        open_seconds: float = 10.0,
        stall_seconds: float = 5.0,
        backoff_seconds: float = 0.5,
        loop: bool = False,
        record: RecordOrder | None = None,
        on_segment: Callable[[Segment], None] | None = None,
        paused: bool = False,
        random: Random | None = None,
    ) -> None:
        """See `CameraSettings`. `every`: policy batch. Raises SourceError for an address that cannot be one."""
        self.name = name
        self.uri = shown(url)
        self._order = ReadOrder(
            name,
            with_secret(url, secret),
            self.uri,
            transport="tcp" if transport == "auto" else transport,
            hardware=hardware,
            every=every,
            max_fps=max_fps,
            open_seconds=open_seconds,
            stall_seconds=stall_seconds,
            loop=loop,
            record=record,
        )
        self._guard = guard
        self._on_segment = on_segment
        random = Random() if random is None else random  # noqa: S311  no secret
        self._backoff = Backoff(backoff_seconds, cap=BACKOFF_MOST, random=random)
        self._refused = Backoff(REFUSED_FIRST, cap=REFUSED_MOST, random=random)
        self._fresh: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._supervise, name=f"camera {name}", daemon=True)
        self._poke, self._poked = os.pipe()[::-1]
        for end in (self._poke, self._poked):
            os.set_blocking(end, False)
        self._closing = False
        self._paused = paused
        self._closed = False
        self._frames = threading.Lock()  # guards the taker
        self._taker = FrameTaker(every)
        self._facts = threading.RLock()  # guards all below
        self._counts = CameraCounts()
        self._process: ReaderProcess | None = None
        self._started_at = _utc()
        self._missing: set[str] = set()  # what keeps pictures away: "outage", "paused"
        self._status = FeedStatus(CameraState.PAUSED if paused else CameraState.CONNECTING, self._started_at)

    def start(self, fresh: Callable[[], None]) -> None:
        """See Feed."""
        self._fresh = fresh
        self._started_at = _utc()
        self._set(self._status.state)
        self._thread.start()

    def take(self) -> Frame | None:
        """See Feed."""
        with self._frames:
            return None if self._closed or self._paused else self._taker.take()

    def status(self) -> FeedStatus:
        """See Feed."""
        with self._frames:
            taken, dropped = self._taker.taken, dict(self._taker.dropped)
        with self._facts:
            counts = self._counts
            dropped[DropReason.STALE] += counts[Count.SKIPPED]
            return replace(
                self._status,
                frames_read=counts[Count.FRAMES],
                frames_taken=taken,
                dropped=dropped,
                repaired=counts[Count.REPAIRED],
                damaged=counts[Count.DAMAGED],
                bytes_read=counts[Count.BYTES],
                last_frame_at=counts.last_at,
                delivered_fps=counts.rate(time.monotonic()),
            )

    def pause(self) -> None:
        """See Feed. The connection ends, too."""
        with self._frames:
            self._paused = True
            self._taker.discard(DropReason.PAUSED)
        self._wake()

    def go_on(self) -> None:
        """See Feed."""
        self._paused = False
        self._wake()

    @property
    def reader_pid(self) -> int | None:
        """The reading process of now, for whoever measures it; None while there is none."""
        with self._facts:
            return None if self._process is None else self._process.pid

    def record(self, on: bool) -> None:
        """Go on or pause with recording, e.g. while the disk is full. Nothing where none is wanted."""
        with self._facts:
            self._order = replace(self._order, recording=on)
            if self._process is not None:
                self._process.record(on)

    def close(self) -> Gap | None:
        """See Feed."""
        self._closing = True
        self._wake()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
        with self._frames:
            if self._closed:
                return None
            self._closed = True
            gap = self._taker.close(_utc())
            if not self._thread.is_alive():
                os.close(self._poke)
                os.close(self._poked)
        self._set(CameraState.ENDED)
        return gap

    # The rest runs in the camera's thread.

    def _supervise(self) -> None:
        while not self._closing:
            if self._paused:
                self._miss("paused", "paused")
                self._set(CameraState.PAUSED)
                self._sleep(None, until=lambda: not self._paused)
            elif self._may_connect():
                lost = self._connection()
                self._guard.done(self.name)
                if lost is not None:
                    self._recover(lost)
        self._guard.done(self.name)

    def _may_connect(self) -> bool:
        if self._status.state not in (CameraState.FAILED, CameraState.RECONNECTING):
            self._set(CameraState.CONNECTING if not self._status.connections else CameraState.RECONNECTING)
        pause = self._guard.ask(self.name)
        if pause:
            self._sleep(pause)
        return not pause and not self._closing and not self._paused

    def _recover(self, lost: Lost) -> None:
        """Say what happened, and wait before the next attempt."""
        if lost.kind is LossKind.ENDED:
            self._set(CameraState.ENDED)
            self._sleep(None, until=lambda: False)
            return
        self._miss("outage", lost.reason)
        refused = lost.kind is LossKind.REFUSED
        before = self._status
        self._set(CameraState.FAILED if refused else CameraState.RECONNECTING, error=lost.reason)
        if (before.error, before.state) != (self._status.error, self._status.state):
            _log.warning("camera '%s': %s (%s)", self.name, lost.reason, self.uri, extra={"camera": self.name})
        pause = self._refused.next() if refused else self._backoff.next()
        self._sleep(pause + self._spread, until=lambda: self._paused)

    def _connection(self) -> Lost | None:
        """Read until it is over. Returns why; None where somebody wants an end or a pause."""
        counts = self._counts
        order = replace(self._order, session=counts.session, after=counts.capture, after_at=counts.at)
        try:
            process = ReaderProcess(order)
        except OSError as error:
            return Lost(LossKind.BROKEN, f"no reading process can be started: {error.strerror}")
        with self._facts:
            self._process = process
            counts.begin(process.ledger)
        watch = _Watch(self, process)
        try:
            lost = watch.follow()
        finally:
            patient = watch.lost is not None or self._closing or self._paused
            process.stop(seconds=FINISH_SECONDS if patient else 0.0)
            for told in process.told():
                self._hear(told)
            with self._facts:
                counts.end()
                self._process = None
                process.close()
                if self._status.recording == "on":
                    self._status = replace(self._status, recording="off")
        self._spread = self._guard.lost() if watch.live_since is not None and lost is not None else 0.0
        if watch.live_since is not None and time.monotonic() - watch.live_since >= STABLE_SECONDS:
            self._backoff.reset()
            self._refused.reset()
        return lost

    _spread = 0.0  # seconds to wait on top of the pause, as others were lost, too

    def _hear(self, told: Told | Ring) -> None:
        match told:
            case Ring():
                with self._frames:
                    self._taker.connected(told)
                with self._facts:
                    self._status = replace(self._status, width=told.width, height=told.height)
            case Opened():
                if told.note and told.decoder != self._status.decoder:
                    _log.warning(
                        "camera '%s' is decoded by software: %s", self.name, told.note, extra={"camera": self.name}
                    )
                with self._facts:
                    self._status = replace(self._status, codec=told.codec, fps=told.fps, decoder=told.decoder)
            case Recorded(segment):
                if self._on_segment is not None:
                    self._on_segment(segment)
            case Recording(state):
                if state not in ("on", "off"):
                    _log.error("camera '%s': %s", self.name, state, extra={"camera": self.name})
                with self._facts:
                    self._status = replace(self._status, recording=state)

    def _came_alive(self) -> None:
        self._guard.done(self.name)
        if self._status.state is not CameraState.CONNECTING:
            _log.info("camera '%s' is back", self.name, extra={"camera": self.name})
        with self._facts:
            self._missing.clear()
            self._status = replace(self._status, connections=self._status.connections + 1)
        self._set(CameraState.LIVE)

    def _frames_came(self) -> None:
        with self._facts:
            self._counts.sample(time.monotonic())
        with self._frames:
            waiting = self._taker.waiting
        if waiting:
            self._fresh()

    def _miss(self, what: str, reason: str) -> None:
        """Pictures stay away from now on; told once, until there are some again."""
        if what in self._missing:
            return
        self._missing.add(what)
        with self._frames:
            self._taker.lost(reason, since=self._started_at)
        if what == "outage":
            with self._facts:
                self._status = replace(self._status, outages=self._status.outages + 1)

    def _set(self, state: CameraState, *, error: str | None = None) -> None:
        with self._facts:
            since = self._status.since_at if state is self._status.state else _utc()
            error = self._status.error if error is None else error
            self._status = replace(self._status, state=state, since_at=since, error=error)

    def _sleep(self, seconds: float | None, *, until: Callable[[], bool] = lambda: False) -> None:
        """Until the time is over, `until` holds, or the camera is closed."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self._closing and not until():
            left = _LOOK if end is None else end - time.monotonic()
            if left <= 0:
                return
            wait([self._poked], min(left, _LOOK))
            self._hush()

    def _wake(self) -> None:
        with self._frames, suppress(BlockingIOError):  # it is awake
            if not self._closed:
                os.write(self._poke, b"\0")

    def _hush(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._poked, 4096)


class _Watch:
    """Looks after one reading process, from its start until the connection is over."""

    def __init__(self, camera: Camera, process: ReaderProcess) -> None:
        self._camera = camera
        self._process = process
        self._order = camera._order
        self.lost: Lost | None = None  # as the process itself said
        self.live_since: float | None = None  # monotonic seconds
        self._deadline = time.monotonic() + self._order.open_seconds + KILL_MARGIN

    def follow(self) -> Lost | None:
        """Returns why it is over; None where the camera is to pause or end."""
        camera, process = self._camera, self._process
        while not camera._closing and not camera._paused:
            left = self._deadline - time.monotonic()
            if left <= 0:
                return self._stalled()
            wait([*process.watched, camera._poked], min(left, _LOOK))  # type: ignore[list-item]
            camera._hush()
            alive = process.alive  # asked before, so that its last words are heard
            self._hear()
            if process.frames_came():
                self._frame_came()
            if self.lost is not None:
                return self.lost
            if not alive:
                return Lost(LossKind.BROKEN, "the reading process died")
        return None

    def _hear(self) -> None:
        for told in self._process.told():
            match told:
                case Lost():
                    self.lost = told
                case Opened():
                    longest = max(self._order.open_seconds, self._order.stall_seconds)  # the first key picture may take
                    self._deadline = time.monotonic() + longest + KILL_MARGIN
                    self._camera._hear(told)
                case _:
                    self._camera._hear(told)

    def _frame_came(self) -> None:
        now = time.monotonic()
        self._deadline = now + self._order.stall_seconds + KILL_MARGIN
        if self.live_since is None:
            self.live_since = now
            self._camera._came_alive()
        self._camera._frames_came()

    def _stalled(self) -> Lost:
        self._camera._set(CameraState.STALLED)
        order = self._order
        if self.live_since is not None:
            return Lost(LossKind.BROKEN, f"no frame for {order.stall_seconds:g} s")
        return Lost(LossKind.BROKEN, f"no picture within {order.open_seconds:g} s")


def _utc() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000
