"""LiveEngine: cameras that come and go, through one detector. What it has no time for, the cameras drop."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.asks import ALWAYS, Asks
from pipeline.channel import Cancelled, Channel
from pipeline.errors import BusyError, ContentError, HangError, StoreError
from pipeline.events import Analyst
from pipeline.live.intake import Intake
from pipeline.live.lane import Batch, Item, Lane, LiveStream
from pipeline.live.networks import LiveNetworks
from pipeline.live.storing import CLOSING, Storing
from pipeline.live_report import LIVE_STAGES, LiveReport, StageMeter
from pipeline.models.base import Detector, Embedder, Segmenter
from pipeline.schedule import Judge, MakeSchedule, every_nth
from pipeline.scheduling.budget import Budget
from pipeline.sinks.base import Result
from pipeline.stages import rounds
from trackers.structures import Frame, Gap

IN_FLIGHT = 2  # batches between the cameras and the sinks
FRONT_SECONDS = 1.0  # after a stop, for detector, embedder and trackers to finish what they have
STOP_SECONDS = 2.0  # after a stop, for everything
FRONT = ("detect", "embed", "track")
SIGNAL_INTERVAL = 0.05  # seconds; the waiting thread runs signal handlers this often

__all__ = ["LiveEngine", "LiveStream"]


def now_microseconds() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


class LiveEngine:
    """Takes frames from feeds when the detector is free, so that each is as fresh as can be.

    A batch holds up to `batch` frames, fewer where the networks are slow, of whichever streams have waited longest. At
    most IN_FLIGHT batches are on their way; meanwhile feeds keep their freshest frame, or all of them, as their policy
    says. Each stream has its own tracker, and its failures are its own. A frame on which a network fails is left out
    and counted; one that fails on everything ends the engine, and so does a store that cannot be written.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        segmenter: Segmenter | None = None,
        embedder: Embedder | None = None,
        asks: Asks = ALWAYS,
        batch: int = 4,
        max_wait: float = 0.01,
        store_seconds: float = 0.5,
        chunk: int = 100,
        schedule: MakeSchedule | None = None,
        judge: Judge | None = None,
        budget: Budget | None = None,
        hang_seconds: float = 30.0,
        stream_failed: Callable[[int, Exception], None],
        stream_ended: Callable[[int], None] | None = None,
        clock: Callable[[], int] = now_microseconds,
    ) -> None:
        """`asks`: which of segmenter and embedder look only where a tracker is unsure; they are asked right before the
        trackers take the frames.

        `max_wait`: seconds that a batch waits to fill. `store_seconds`: results are stored at least so often.

        `chunk`: frames of one. `schedule`: which frames of a stream the detector looks at, None: all. `judge`: what
        tells it of the tracks, where it needs to know. `budget`: is told what looks cost, and chooses the size of the
        input where the detector has several.
        `hang_seconds`: a stage busy with one batch for longer is said to hang. `stream_failed`, `stream_ended`:
        are told of a stream whose sinks have been left, after a failure of its own or the end of its feed;
        called from a thread of the engine, where `remove` must not be called. `clock`: microseconds UTC.
        """
        if batch < 1 or chunk < 1 or max_wait < 0 or store_seconds <= 0 or hang_seconds <= 0:
            raise ValueError("a live engine needs a frame a batch, a frame a chunk, and times above 0")
        self._asks = asks
        self._hang_seconds = hang_seconds
        self._stream_failed = stream_failed
        self._stream_ended = stream_ended
        self._clock = clock
        self._intake = Intake(max_wait=max_wait, give_up=self._give_up)
        self._schedule, self._judge, self._budget = schedule or every_nth(1), judge, budget
        self._storing = Storing(chunk=chunk, store_seconds=store_seconds, clock=clock, give_up=self._give_up)
        self._permits = Channel[int](IN_FLIGHT)
        self._detected = Channel[Batch](IN_FLIGHT)
        self._embedded = Channel[Batch](IN_FLIGHT)
        self._results = Channel[tuple[Lane, Result | None]](4 * batch)  # None: the lane's last one was before
        self._meters = {name: StageMeter(name) for name in LIVE_STAGES}
        self._networks = LiveNetworks(
            detector,
            segmenter=segmenter,
            embedder=embedder,
            asks=asks,
            batch=batch,
            budget=budget,
            meters=self._meters,
            cameras=lambda: len(self._intake.lanes),
            give_up=self._give_up,
        )
        self._batches: Counter[int] = Counter()
        self._lock = threading.Lock()  # of the lanes; a signal handler takes none
        self._failure: BaseException | None = None
        self._started_at: float | None = None
        self._running = False
        self._stopped = False
        self._ended = False

    def add(self, stream: LiveStream) -> None:
        """Take a stream in, before `run` or while it runs: its sinks are entered and its feed is started.

        Raises what a sink raises, ValueError for a number that is taken, BusyError while the engine ends.
        """
        lane = Lane(stream, self._schedule(0), self._judge)
        with lane.sinks:
            for sink in stream.sinks:
                lane.sinks.enter_context(sink)
            with self._lock:
                if self._stopped or self._ended:
                    raise BusyError(f"{lane.name} cannot be added: the engine is stopping")
                if stream.number in self._intake.lanes:
                    raise ValueError(f"there is already a stream {stream.number}")
                self._intake.lanes = self._intake.lanes | {stream.number: lane}
            try:
                stream.feed.start(lambda: self._intake.offer(lane))
            except BaseException:
                self._forget([lane])
                raise
            lane.sinks = lane.sinks.pop_all()
        if lane.closed.is_set():  # the engine ended meanwhile
            stream.feed.close()

    def remove(self, number: int) -> None:
        """End a stream: its feed is closed, what was taken of it is finished and stored, its sinks are left.

        Waits for that. Does nothing where there is no such stream (any more). Raises HangError where it takes longer
        than `hang_seconds`.
        """
        lane = self._intake.lanes.get(number)
        if lane is None:
            return
        self._close_soon(lane)
        if not self._running:
            self._leave([lane])
        if not lane.over.wait(self._hang_seconds):
            hanging = ", ".join(self._hanging(0.0)) or "nothing is busy"
            raise HangError(f"{lane.name} did not end within {self._hang_seconds:g} s; {hanging}")

    def set_analyst(self, number: int, analyst: Analyst | None) -> None:
        """Watch other zones and lines of a stream from its next frame on. Ids go on. KeyError for an unknown number."""
        self._intake.lanes[number].follower.analyst = analyst

    def run(self) -> None:
        """Work until `stop`. Call once.

        The first failure of a shared stage is raised as itself, after all streams have been left. Where a stage does
        not come back from its work within STOP_SECONDS after a stop, raises HangError; its thread is left behind.
        """
        self._started_at = time.monotonic()
        self._running = True
        threads = {
            name: threading.Thread(target=self._guard, args=(name, work), name=f"sightline {name}", daemon=True)
            for name, work in (
                ("write", self._write),
                ("track", self._track),
                ("embed", self._embed),
                ("detect", self._detect),
            )
        }
        for thread in threads.values():
            thread.start()
        try:
            while not self._stopped and self._failure is None:
                time.sleep(SIGNAL_INTERVAL)
        except BaseException as error:  # noqa: BLE001 (KeyboardInterrupt, or what a handler raises; raised below)
            self._fail(error)
        hung = self._finish(threads)
        if self._failure is not None:
            for line in hung:
                self._failure.add_note(line)
            raise self._failure
        if hung:
            raise HangError("; ".join(hung))

    def stop(self) -> None:
        """End: everything taken is finished and stored. Safe in a signal handler: it takes no lock."""
        self._stopped = True
        self._intake.wake()

    def report(self) -> LiveReport:
        """How it is doing now. From any thread."""
        queues = {
            "detect": self._intake.waiting,
            "segment": 0,  # the thread of `embed` does it, or that of `track`
            "embed": self._detected.waiting,
            "track": self._embedded.waiting,
            "write": self._results.waiting,
        }
        return LiveReport(
            seconds=0.0 if self._started_at is None else time.monotonic() - self._started_at,
            streams={number: lane.meter.report() for number, lane in self._intake.lanes.items()},
            stages={name: meter.report(queues[name]) for name, meter in self._meters.items()},
            batches=dict(self._batches),
            hanging=self._hanging(self._hang_seconds),
            budget=None if self._budget is None else self._budget.choice,
        )

    def _hanging(self, after: float) -> tuple[str, ...]:
        return tuple(stuck for meter in self._meters.values() if (stuck := meter.stuck(after)))

    def _stuck(self, stage: str) -> list[str]:
        """What the thread of a stage is busy with, in words."""
        shared = (
            {"embed": (), "track": ("segment", "embed", "track")} if self._asks else {"embed": ("segment", "embed")}
        )
        return [stuck for name in shared.get(stage, (stage,)) if (stuck := self._meters[name].stuck(0.0))]

    def _guard(self, name: str, work: Callable[[], None]) -> None:
        """Run one stage; its failure ends all others."""
        try:
            work()
        except Cancelled:
            return
        except BaseException as error:  # noqa: BLE001 (re-raised by `run`)
            error.add_note(f"in stage '{name}' of the live engine")
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self._failure is None:
                self._failure = error
        self._cancel_front()

    def _cancel_front(self) -> None:
        channels: tuple[Channel[int] | Channel[Batch], ...] = (self._permits, self._detected, self._embedded)
        for channel in channels:
            channel.cancel()
        self._intake.wake()

    def _over(self) -> bool:
        return self._stopped or self._failure is not None

    def _finish(self, threads: dict[str, threading.Thread]) -> list[str]:
        """End everything in order. Returns what does not come back, in words."""
        began = time.monotonic()
        with self._lock:
            self._ended = True
            lanes = list(self._intake.lanes.values())
        for lane in lanes:
            self._close_soon(lane)
        front = [threads[name] for name in FRONT]
        _join(front, until=began + FRONT_SECONDS)
        hung = [stuck for name in FRONT if threads[name].is_alive() for stuck in self._stuck(name)]
        if hung:
            self._cancel_front()
        else:  # what still runs waits for the sinks
            _join(front, until=began + STOP_SECONDS)
        self._results.close()
        _join([threads["write"]], until=began + STOP_SECONDS)
        if threads["write"].is_alive():
            hung.append(self._meters["write"].stuck(0.0) or "write")
        _join([lane.closer for lane in lanes if lane.closer is not None], until=began + STOP_SECONDS)
        self._running = False
        return [f"{one} does not come back, so the last frames are lost" for one in hung]

    def _close_soon(self, lane: Lane) -> None:
        """Close the feed in a thread of its own, as that may take a second; then let the lane leave."""

        def close() -> None:
            try:
                lane.gap = lane.stream.feed.close()
            except Exception as error:  # noqa: BLE001 (told as the stream's)
                lane.failure = lane.failure or error
            lane.closed.set()
            self._intake.offer(lane)

        with self._lock:
            lane.leaving = True
            if lane.closer is not None:
                return
            lane.leave_by = time.monotonic() + CLOSING
            lane.closer = threading.Thread(target=close, name=f"sightline close {lane.name}", daemon=True)
            lane.closer.start()

    def _give_up(self, lane: Lane, error: Exception) -> None:
        """End a stream for a reason of its own."""
        lane.failure = lane.failure or error
        self._close_soon(lane)

    def _forget(self, lanes: Sequence[Lane]) -> None:
        with self._lock:
            self._intake.lanes = {n: lane for n, lane in self._intake.lanes.items() if lane not in lanes}

    def _leave(self, lanes: Sequence[Lane]) -> None:
        """Leave the sinks of streams that end, and tell whoever wants to know."""
        self._storing.leave(lanes, self._failure)
        self._forget(lanes)
        for lane in lanes:
            lane.over.set()
            error, number = lane.failure, lane.stream.number
            if isinstance(error, StoreError) and not isinstance(error, ContentError):
                self._fail(error)
            elif error is not None:
                self._stream_failed(number, error)
            elif lane.draining and self._stream_ended is not None:
                self._stream_ended(number)

    def _detect(self) -> None:
        while True:
            self._permits.put(0)
            batch = self._intake.take(self._over, self._networks.most())
            if batch is None:
                break
            for lane in batch.leavers:
                self._close_soon(lane)
                self._networks.forget(lane.stream.number)
            if batch.items:
                self._batches[len(batch.items)] += 1
                items = [replace(item, looked=item.lane.wants(item.frame)) for item in batch.items]
                batch = replace(batch, items=self._networks.look(items))
            self._detected.put(batch)
        self._detected.close()

    def _embed(self) -> None:
        for batch in self._detected:
            self._embedded.put(batch if self._asks else replace(batch, items=self._networks.examine(batch.items)))
        self._embedded.close()

    def _track(self) -> None:
        for batch in self._embedded:
            for items in rounds(batch.items, _number) if self._asks else [batch.items]:
                if self._asks:
                    items = self._networks.examine([asked for item in items for asked in self._asked(item)])
                for item in items:
                    if item.lane.failure is None:
                        self._follow(item)
            for lane in batch.leavers:
                self._results.put((lane, None))
            self._permits.get()

    def _asked(self, item: Item) -> list[Item]:
        """The item with its tracker's doubts; nothing where the stream is given up."""
        if item.lane.failure is not None:
            return []
        if not item.looked:
            return [item]
        try:
            with self._meters["track"].busy(0, item.lane.name):
                doubts = item.lane.follower.doubts(_told(item.lane, item.frame), item.detections)
        except Exception as error:  # noqa: BLE001 (told as the stream's)
            self._give_up(item.lane, error)
            return []
        return [replace(item, doubts=doubts)]

    def _follow(self, item: Item) -> None:
        lane, frame = item.lane, _told(item.lane, item.frame)
        try:
            with self._meters["track"].busy(1, lane.name):
                tracks, events = lane.follower.update(frame, item.detections if item.looked else None)
        except Exception as error:  # noqa: BLE001 (told as the stream's)
            self._give_up(lane, error)
            return
        lane.tracked(frame, tracks, looked=item.looked)
        lane.last = (frame.index, frame.at)
        lane.meter.to_track.add((self._clock() - frame.at) / 1e6)
        lane.meter.tracked(tracks, len(item.detections), len(events), looked=item.looked)
        self._results.put((lane, Result(frame, item.detections, tracks, events=events, looked=item.looked)))

    def _write(self) -> None:
        try:
            self._write_results()
        except BaseException as error:
            self._results.cancel()
            self._fail(error)
            raise
        finally:
            with self._meters["write"].busy(0, "leaving the sinks"):
                self._leave(list(self._intake.lanes.values()))

    def _write_results(self) -> None:
        meter, storing = self._meters["write"], self._storing
        while True:
            due = storing.seconds_until_due()
            if due <= 0:
                with meter.busy(0, "storing what was gathered"):
                    storing.cut_due()
            if not self._results.wait(due):
                continue
            entry = self._results.get()
            if entry is None:
                return
            lane, result = entry
            with meter.busy(int(result is not None), lane.name):
                if result is None:
                    self._leave([lane])
                else:
                    storing.write(lane, result)


def _told(lane: Lane, frame: Frame) -> Frame:
    """The frame, which says so where frames before it were left out."""
    if lane.last is None or frame.gap is not None or frame.index == lane.last[0] + 1:
        return frame
    missing = frame.index - lane.last[0] - 1
    return replace(frame, gap=Gap(lane.last[1], frame.at, f"{missing} frames could not be processed"))


def _number(item: Item) -> int:
    return item.lane.stream.number


def _join(threads: Sequence[threading.Thread], *, until: float) -> None:
    """Wait for threads to end, until then (monotonic seconds). Signal handlers run meanwhile."""
    while any(thread.is_alive() for thread in threads) and time.monotonic() < until:
        time.sleep(0.005)
    for thread in threads:
        if not thread.is_alive():
            thread.join()
