"""Camera: a stream that is read by a process of its own, watched, replaced whenever it fails, and never given up."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import wait
from random import Random

from pipeline.secrets import Secret
from pipeline.sources.attempts import Attempts
from pipeline.sources.bell import Bell
from pipeline.sources.camera_address import shown, with_secret
from pipeline.sources.camera_facts import CameraFacts, utc_now
from pipeline.sources.feed import CameraState, DropReason, FeedStatus
from pipeline.sources.frame_taker import FrameTaker
from pipeline.sources.hardware import after_nothing
from pipeline.sources.outage_guard import OutageGuard
from pipeline.sources.reader_process import ReaderProcess
from pipeline.sources.reader_watch import ReaderWatch
from pipeline.sources.reading import LossKind, Lost, Opened, ReadOrder, Recorded, Recording, RecordOrder, Told
from pipeline.sources.recorder import Segment
from pipeline.sources.ring import Ring
from trackers.structures import Frame, Gap

_log = logging.getLogger(__name__)

FINISH_SECONDS = 0.3  # for a reader to say good-bye to the camera and to complete a recording
CLOSE_SECONDS = 0.95
_LOOK = 1.0  # seconds between looks where nothing happens
_NEW = (CameraState.CONNECTING, CameraState.PAUSED)


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
        stable_seconds: float = 3.0,
        loop: bool = False,
        record: RecordOrder | None = None,
        on_segment: Callable[[Segment], None] | None = None,
        paused: bool = False,
        random: Random | None = None,
    ) -> None:
        """See `CameraSettings`. `every`: policy batch. Raises SourceError for an address that cannot be one.

        `stable_seconds`: after a connection that lived so long, the next attempt is made after the first pause again.
        """
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
        self._attempts = Attempts(backoff_seconds, stable_seconds=stable_seconds, guard=guard, random=random)
        self._fresh: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._supervise, name=f"camera {name}", daemon=True)
        self._bell = Bell()  # somebody wants something of the thread
        self._closing = False
        self._paused = paused
        self._frames = threading.Lock()  # guards the taker and the two below
        self._closed = False
        self._supervised = False  # the thread runs
        self._taker = FrameTaker(every)
        self._facts = CameraFacts(CameraState.PAUSED if paused else CameraState.CONNECTING)
        self._reading = threading.Lock()  # guards the process and the order
        self._process: ReaderProcess | None = None
        self._decoder = ""  # of the present connection, once it has opened
        self._started_at = utc_now()
        self._missing: set[str] = set()  # what keeps pictures away: "outage", "paused"

    def start(self, fresh: Callable[[], None]) -> None:
        """See Feed."""
        self._fresh = fresh
        self._started_at = utc_now()
        with self._frames:
            if self._closed:
                return
            self._bell.open()
            self._supervised = True
        try:
            self._thread.start()
        except RuntimeError:  # the system gives no thread
            self._bell.close()
            self._supervised = False
            raise

    def take(self) -> Frame | None:
        """See Feed."""
        with self._frames:
            return None if self._closed or self._paused else self._taker.take()

    def status(self) -> FeedStatus:
        """See Feed."""
        with self._frames:
            taken, dropped = self._taker.taken, dict(self._taker.dropped)
        return self._facts.status(taken=taken, dropped=dropped)

    def pause(self) -> None:
        """See Feed. The connection ends, too."""
        with self._frames:
            self._paused = True
            self._taker.discard(DropReason.PAUSED)
        self._bell.ring()

    def go_on(self) -> None:
        """See Feed."""
        self._paused = False
        self._bell.ring()

    @property
    def reader_pid(self) -> int | None:
        """The reading process of now, for whoever measures it; None while there is none."""
        with self._reading:
            return None if self._process is None else self._process.pid

    def record(self, on: bool) -> None:
        """Go on or pause with recording, e.g. while the disk is full. Nothing where none is wanted."""
        with self._reading:
            self._order = replace(self._order, recording=on)
            if self._process is not None:
                self._process.record(on)

    def close(self) -> Gap | None:
        """See Feed."""
        self._closing = True
        self._bell.ring()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_SECONDS)
        with self._frames:
            if self._closed:
                return None
            self._closed = True
            gap = self._taker.close(utc_now())
            self._hang_up()
        self._facts.set(CameraState.ENDED)
        return gap

    # The rest runs in the camera's thread.

    def _supervise(self) -> None:
        try:
            while not self._closing:
                if self._paused:
                    self._rest()
                else:
                    self._attempt()
        finally:
            with self._frames:
                self._supervised = False
                self._hang_up()

    def _rest(self) -> None:
        """Until the pause is over."""
        with self._frames:  # what came until the connection was ended
            self._taker.discard(DropReason.PAUSED)
        self._miss("paused", "paused")
        self._facts.set(CameraState.PAUSED)
        self._sleep(None, until=lambda: not self._paused)

    def _attempt(self) -> None:
        """Connect when it is this camera's turn, read until that is over, and wait before the next attempt."""
        try:
            lost = self._connection() if self._may_connect() else None
        except Exception as error:  # noqa: BLE001  whatever it is, the camera is not given up
            _log.exception("camera '%s': its supervision failed", self.name, extra={"camera": self.name})
            lost = Lost(LossKind.BROKEN, f"supervision failed with {type(error).__name__}; see the log")
        finally:
            self._guard.done(self.name)
        if lost is not None:
            self._recover(lost)
        elif not self._closing:  # it was paused, though perhaps it is to go on by now
            self._rest()

    def _may_connect(self) -> bool:
        """Wait for a turn. False where somebody wants an end or a pause meanwhile."""
        if self._facts.state in _NEW:
            self._facts.set(CameraState.RECONNECTING if self._facts.was_live else CameraState.CONNECTING)
        while self._is_wanted():
            pause = self._guard.ask(self.name)
            if not pause:
                return True
            self._sleep(pause, until=lambda: self._paused)
        return False

    def _is_wanted(self) -> bool:
        self._bell.hush()
        return not self._closing and not self._paused

    def _recover(self, lost: Lost) -> None:
        """Say what happened, and wait before the next attempt."""
        if lost.kind is LossKind.ENDED:
            self._facts.set(CameraState.ENDED)
            self._sleep(None)
            return
        self._miss("outage", lost.reason)
        refused = lost.kind is LossKind.REFUSED
        before = self._facts.error, self._facts.state
        self._facts.set(CameraState.FAILED if refused else CameraState.RECONNECTING, error=lost.reason)
        if before != (self._facts.error, self._facts.state):
            _log.warning("camera '%s': %s (%s)", self.name, lost.reason, self.uri, extra={"camera": self.name})
        self._sleep(self._attempts.pause(lost.kind), until=lambda: self._paused)

    def _connection(self) -> Lost | None:
        """Read until it is over. Returns why; None where somebody wants an end or a pause."""
        session, after, after_at = self._facts.past
        with self._reading:
            order = replace(self._order, session=session, after=after, after_at=after_at)
            try:
                process = self._process = ReaderProcess(order)
            except OSError as error:
                return Lost(LossKind.BROKEN, f"no reading process can be started: {error.strerror or error}")
        self._facts.begin(process.ledger)
        self._decoder = ""
        watch = ReaderWatch(
            process,
            open_seconds=order.open_seconds,
            stall_seconds=order.stall_seconds,
            hear=self._hear,
            frames_came=self._frames_came,
        )
        try:
            lost = watch.follow(self._is_wanted, self._bell)
            if watch.stalled:
                self._facts.set(CameraState.STALLED)
        finally:
            try:
                process.stop(seconds=0.0 if watch.stalled else FINISH_SECONDS)
                watch.hear()
            finally:
                self._facts.end()
                with self._reading:
                    self._process = None
                    process.close()
        lived = None if watch.live_since is None else time.monotonic() - watch.live_since
        self._attempts.over(lived, by_us=lost is None)
        if lived is None and lost is not None:
            self._distrust_hardware()
        return lost

    def _distrust_hardware(self) -> None:
        """The connection opened, perhaps, but gave no picture."""
        with self._reading:
            wish = after_nothing(self._order.hardware, self._decoder)
            if wish == self._order.hardware:
                return
            self._order = replace(self._order, hardware=wish)
        said = "camera '%s': %s gave no picture; from now on it is decoded by software"
        _log.warning(said, self.name, self._decoder, extra={"camera": self.name})

    def _hear(self, told: Told | Ring) -> None:
        match told:
            case Ring():
                self._take_from(told)
            case Opened():
                self._decoder = told.decoder
                if told.note and told.decoder != self._facts.decoder:
                    _log.warning("camera '%s': %s", self.name, told.decoder, extra={"camera": self.name})
                self._facts.opened(told)
            case Recorded(segment):
                self._tell_segment(segment)
            case Recording(state):
                if state not in ("on", "off"):
                    _log.error("camera '%s': %s", self.name, state, extra={"camera": self.name})
                self._facts.recording(state)

    def _take_from(self, ring: Ring) -> None:
        with self._frames:
            if self._closed:
                ring.close()
            else:
                self._taker.connected(ring)
                self._facts.sized(ring)

    def _tell_segment(self, segment: Segment) -> None:
        try:
            if self._on_segment is not None:
                self._on_segment(segment)
        except Exception:  # noqa: BLE001  reading does not depend on who listens
            _log.exception(
                "camera '%s': segment %s was not noted", self.name, segment.path, extra={"camera": self.name}
            )

    def _frames_came(self, first: bool) -> None:
        if first:
            self._guard.done(self.name)
            if "outage" in self._missing:
                _log.warning("camera '%s' is back", self.name, extra={"camera": self.name})
            self._missing.clear()
            self._facts.connected()
            self._facts.set(CameraState.LIVE)
        self._facts.frames_came()
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
            self._facts.lost()

    def _sleep(self, seconds: float | None, *, until: Callable[[], bool] = lambda: False) -> None:
        """Until the time is over, `until` holds, or the camera is closed."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self._closing and not until():
            left = _LOOK if end is None else end - time.monotonic()
            if left <= 0:
                return
            wait([self._bell.fileno()], min(left, _LOOK))
            self._bell.hush()

    def _hang_up(self) -> None:
        """With the frames' lock. Whoever is the last does it: the thread, or who closes the camera."""
        if self._closed and not self._supervised:
            self._bell.close()
