"""SideBySide: several sources of a run at once in this process, each in an engine of its own, with shared networks."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline import build
from pipeline.config import Settings
from pipeline.errors import SightlineError
from pipeline.loaded_models import Models
from pipeline.models.base import Detector, Embedder, ModelCard, Segmenter
from pipeline.outcome import RunObserver, RunOutcome, SourceOutcome
from pipeline.processing import Job, Processor, ends_run, failed_outcome
from trackers.structures import Detections, FloatArray, Frame, Masks

_log = logging.getLogger(__name__)

_NETWORKS = ("detect", "segment", "embed")  # stages that ask one
_WAIT = 0.1  # seconds; signal handlers run meanwhile, wherever the signal arrived


class SideBySide:
    """Threads that take one source after the other. `stop`, `pause` and `go_on` from any thread.

    They share the networks, which do one thing at a time; a detector that learns from what it sees is loaded anew for
    each. A source that fails does not stop the others.
    """

    def __init__(
        self,
        count: int,
        settings: Settings,
        models: Models,
        observer: RunObserver,
        *,
        processor: Callable[[Models], Processor],
    ) -> None:
        """`count`: sources at once. `processor`: makes one that knows its models in the store already."""
        self._observer = observer
        locks = {stage: threading.Lock() for stage in _NETWORKS}
        self._lanes: list[tuple[Processor, dict[str, _Turns]]] = []
        for _ in range(count):
            own = models
            if models.detector.card.learns:
                own = replace(models, detector=build.detector(settings.detector))
                locks["detect"] = threading.Lock()
            turns = {stage: _Turns(lock) for stage, lock in locks.items()}
            self._lanes.append((processor(_in_turns(own, turns)), turns))
        self._waiting: deque[Job] = deque()
        self._failure: BaseException | None = None
        self._stopped = False

    def stop(self) -> None:
        """End early: what was read is finished and stored. Safe in a signal handler."""
        self._stopped = True
        for processor, _ in self._lanes:
            processor.stop()

    def pause(self) -> None:
        """Read no more until `go_on` or `stop`."""
        for processor, _ in self._lanes:
            processor.pause()

    def go_on(self) -> None:
        """End a pause."""
        for processor, _ in self._lanes:
            processor.go_on()

    def process(self, jobs: Sequence[Job], outcome: RunOutcome) -> None:
        """All of them. Raises StoreError or OutputError if nothing more can be written."""
        self._waiting.extend(jobs)
        threads = [
            threading.Thread(target=self._work, args=(*lane, outcome), name=f"sightline lane {number}")
            for number, lane in enumerate(self._lanes)
        ]
        try:
            for thread in threads:
                thread.start()
            _join(threads)
        except BaseException:  # KeyboardInterrupt in this thread, or no more threads
            self.stop()
            raise
        finally:
            _join(threads)
        if self._failure is not None:
            raise self._failure

    def _work(self, processor: Processor, turns: Mapping[str, _Turns], outcome: RunOutcome) -> None:
        """One source after the other, until there are no more."""
        while not self._stopped:
            try:
                job = self._waiting.popleft()
            except IndexError:
                return
            try:
                done = processor.process(job)
                _leave_out_waiting(done, turns)
                outcome.sources.append(done)
            except BaseException as error:  # noqa: BLE001  what ends the run is re-raised by `process`
                for turn in turns.values():
                    turn.waited = 0.0
                failed = failed_outcome(job, error)
                outcome.sources.append(failed)
                if ends_run(error):
                    self._failure = self._failure or error
                    self.stop()
                self._observer.source_ended(failed)
                if ends_run(error):
                    return
                if not isinstance(error, SightlineError):
                    _log.exception("%s: an error that Sightline does not know; please report it", job.address)


class _Turns:
    """A network's turn among several threads. One instance a thread, with the lock of all of them."""

    def __init__(self, turn: threading.Lock) -> None:
        self._turn = turn
        self.waited = 0.0  # seconds in front of the lock

    def __enter__(self) -> None:
        started = time.perf_counter()
        self._turn.acquire()
        self.waited += time.perf_counter() - started

    def __exit__(self, *_: object) -> None:
        self._turn.release()


@dataclass(frozen=True, slots=True, eq=False)
class _DetectorInTurns:
    """A detector that several threads may ask."""

    detector: Detector
    turns: _Turns

    @property
    def card(self) -> ModelCard:
        """The detector's."""
        return self.detector.card

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """As the detector does."""
        with self.turns:
            return self.detector.detect(frames)


@dataclass(frozen=True, slots=True, eq=False)
class _SegmenterInTurns:
    """A segmenter that several threads may ask."""

    segmenter: Segmenter
    turns: _Turns

    @property
    def card(self) -> ModelCard:
        """The segmenter's."""
        return self.segmenter.card

    def segment(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[Masks]:
        """As the segmenter does."""
        with self.turns:
            return self.segmenter.segment(frames, detections)


@dataclass(frozen=True, slots=True, eq=False)
class _EmbedderInTurns:
    """An embedder that several threads may ask."""

    embedder: Embedder
    turns: _Turns

    @property
    def card(self) -> ModelCard:
        """The embedder's."""
        return self.embedder.card

    def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[FloatArray]:
        """As the embedder does."""
        with self.turns:
            return self.embedder.embed(frames, detections)


def _in_turns(models: Models, turns: Mapping[str, _Turns]) -> Models:
    """The networks for one of the threads. `turns`: by the stage that asks."""
    return Models(
        _DetectorInTurns(models.detector, turns["detect"]),
        None if models.embedder is None else _EmbedderInTurns(models.embedder, turns["embed"]),
        None if models.segmenter is None else _SegmenterInTurns(models.segmenter, turns["segment"]),
    )


def _leave_out_waiting(done: SourceOutcome, turns: Mapping[str, _Turns]) -> None:
    """A stage that waits for a network is not busy."""
    for stage, turn in turns.items():
        if done.report is not None:
            done.report.stages[stage].seconds -= turn.waited
        turn.waited = 0.0


def _join(threads: Sequence[threading.Thread]) -> None:
    """Until those that were started have ended. `Thread.join` with a time-out lets signal handlers run."""
    for thread in threads:
        while thread.is_alive():
            thread.join(_WAIT)
