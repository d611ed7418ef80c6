"""WorkerPool: the sources of one run shared among processes. One that dies takes only its source with it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import signal
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self
from uuid import UUID

from pipeline.channel import threads_take_turns
from pipeline.config import Settings
from pipeline.errors import OutputError, SightlineError, StoreError
from pipeline.loaded_models import Models
from pipeline.outcome import RunObserver, RunOutcome, SourceOutcome, SourceStart
from pipeline.processing import Job, Processor, one_line
from pipeline.run_record import media_folder, model_keys, require_same_models
from pipeline.store.database import Database, open_database
from pipeline.store.states import SourceStatus
from pipeline.store.writer import Holder, RunWriter

_log = logging.getLogger(__name__)

STOP, PAUSE, GO_ON = "stop", "pause", "go on"  # what a worker is told besides jobs
AUTO = "auto"  # device
_ON = re.compile(r"\S+ (CPU|CUDA)\b.*")  # runtimes of networks
POLL_SECONDS = 0.2  # between two looks for a stop; signal handlers run meanwhile
_TO_ALL = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C and systemd tell every process; the starting one decides


@dataclass(slots=True)
class _Worker:
    """A process, and what it is at."""

    process: BaseProcess
    pipe: Connection
    job: Job | None = None


@dataclass(frozen=True, slots=True)
class _Failed:
    """A source that failed in a worker."""

    error: BaseException
    fatal: bool  # the next source would fare no better: the store or an output cannot be written


@dataclass(frozen=True, slots=True)
class _Unready:
    """A worker that cannot load its networks, and so can do no source."""

    error: BaseException


class WorkerPool:
    """Processes that take one source after the other. `stop`, `pause` and `go_on` from any thread.

    A worker whose process ends by itself (a decoder crashed, memory ran out) is replaced, and its source has failed.
    One that cannot load its networks gives its source back and is done without, as long as there are others.
    Workers end with this process, however it ends.
    """

    def __init__(
        self,
        workers: int,
        settings: Settings,
        writer: RunWriter,
        observer: RunObserver,
        *,
        models: Mapping[str, list[str]],
        preview: Path | None = None,
        begun: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`writer`: of the run, which this process keeps alive in the store. `models`: the run's (`model_keys`).
        `preview`: as for Processor. `begun`: as for Models.
        """
        self._count = workers
        self._settings = _sharing(settings, workers, models)
        self._writer = writer
        self._observer = observer
        self._preview = preview
        self._begun, self._models = dict(begun), dict(models)
        self._context = multiprocessing.get_context("spawn")  # threads and networks do not survive a fork
        self._workers: list[_Worker] = []
        self._waiting: deque[Job] = deque()
        self._stopped = False
        self._paused = False
        self._told_pause = False

    def stop(self) -> None:
        """End early: what was read is finished and stored. Safe in a signal handler."""
        self._stopped = True

    def pause(self) -> None:
        """Read no more until `go_on` or `stop`."""
        self._paused = True

    def go_on(self) -> None:
        """End a pause."""
        self._paused = False

    def __enter__(self) -> Self:
        self._workers = [self._start() for _ in range(self._count)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.pipe.close()  # a worker without a job ends by that, one with a job at once
        for worker in self._workers:
            worker.process.join()

    def process(self, jobs: Sequence[Job], outcome: RunOutcome) -> None:
        """All of them. Raises StoreError or OutputError if nothing more can be written, and what the last worker said
        where none can load the networks.
        """
        self._waiting.extend(jobs)
        told_stop = False
        while True:
            for index, worker in enumerate(self._workers):
                if worker.job is None and self._waiting and not self._stopped:
                    self._workers[index] = self._give(worker, self._waiting.popleft())
            busy = [worker for worker in self._workers if worker.job is not None]
            if not busy:
                return
            if self._stopped and not told_stop:
                told_stop = True
                self._tell(STOP)
            if self._paused != self._told_pause:
                self._told_pause = self._paused
                self._tell(PAUSE if self._paused else GO_ON)
            for pipe in wait([worker.pipe for worker in busy], POLL_SECONDS):
                self._hear(next(worker for worker in busy if worker.pipe is pipe), outcome)

    def _give(self, worker: _Worker, job: Job) -> _Worker:
        if not worker.process.is_alive():
            worker.pipe.close()
            worker = self._start()
        with suppress(OSError):  # it ended just now: it is heard to be lost
            worker.pipe.send(job)
            if self._told_pause:  # a worker that takes a dead one's place has not heard of it
                worker.pipe.send(PAUSE)
        worker.job = job
        return worker

    def _hear(self, worker: _Worker, outcome: RunOutcome) -> None:
        """One message of a worker that is at a job."""
        assert worker.job is not None, "only workers at a job are heard"
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):  # the second in the middle of a message
            worker.process.join()
            self._lost(worker, worker.job, outcome)
            return
        match message:
            case SourceStart():
                self._observer.source_opened(message)
            case (int(frames), int(tracks)):
                self._observer.advanced(worker.job.address, frames, tracks)
            case SourceOutcome():
                outcome.sources.append(message)
                self._observer.source_ended(message)
                worker.job = None
            case _Failed(error=error, fatal=fatal):
                if fatal:
                    raise error
                self._failed(worker.job, one_line(error), outcome)
                worker.job = None
            case _Unready(error=error):
                self._retire(worker, worker.job, error)

    def _retire(self, worker: _Worker, job: Job, error: BaseException) -> None:
        """Go on without it; its source is for the others. Raises the error where there are none."""
        self._workers.remove(worker)
        worker.pipe.close()  # it ends by that
        worker.process.join()
        if not self._workers:
            raise error
        self._waiting.appendleft(job)
        _log.warning("one worker less, %d go on: %s", len(self._workers), one_line(error))

    def _lost(self, worker: _Worker, job: Job, outcome: RunOutcome) -> None:
        """The process is gone in the middle of a source."""
        code = worker.process.exitcode or 0
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        message = f"{Path(job.address).name}: the process that read it ended with {how}; the same command does it again"
        self._writer.finish_source(job.run_source_id, SourceStatus.FAILED, error=message)
        worker.job = None
        self._failed(job, message, outcome)

    def _failed(self, job: Job, message: str, outcome: RunOutcome) -> None:
        failed = SourceOutcome(job.address, Path(job.address).name, SourceStatus.FAILED, job.outputs, error=message)
        outcome.sources.append(failed)
        self._observer.source_ended(failed)

    def _tell(self, word: str) -> None:
        for worker in self._workers:
            if worker.job is not None:
                with suppress(OSError):  # it has ended, and will be heard to be lost
                    worker.pipe.send(word)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_work,
            args=(theirs, self._settings, self._writer.public_id, self._writer.holder, self._preview),
            kwargs={"begun": self._begun, "keys": self._models},
            name="sightline worker",
        )
        resource_tracker.ensure_running()  # its start would let the signals through again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _TO_ALL)  # the worker inherits it: deaf from its first moment
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        return _Worker(process, ours)


class _Reporter(RunObserver):
    """Sends what is observed in a worker to the process that started it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def source_opened(self, start: SourceStart) -> None:
        self._pipe.send(start)

    def advanced(self, address: str, frames: int, tracks: int) -> None:  # noqa: ARG002  a worker has one source at a time
        self._pipe.send((frames, tracks))


class _Inbox:
    """Hears the starting process in a thread of its own, so that a stop reaches a worker that is at a job."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._jobs: deque[Job] = deque()
        self._arrived = threading.Event()
        self._processor: Processor | None = None
        self._said = ""  # the last word that was no job
        self._busy = False
        threading.Thread(target=self._listen, name="sightline inbox", daemon=True).start()

    def attend(self, processor: Processor) -> None:
        """Pass on to it what is said besides jobs, also what was said while its networks were loaded."""
        self._processor = processor
        self._obey()

    def next(self) -> Job:
        """The next job. The process ends instead when there will be none."""
        self._busy = False
        self._arrived.wait()
        self._arrived.clear()
        self._busy = True
        return self._jobs.popleft()

    def _listen(self) -> None:
        while True:
            try:
                said: Any = self._pipe.recv()
            except (
                EOFError,
                OSError,
            ):  # nobody is there any more: as if killed, and as safe; idle, there is no more to do
                os._exit(1 if self._busy else 0)
            if isinstance(said, Job):
                self._jobs.append(said)
                self._arrived.set()
            else:
                self._said = said
                self._obey()

    def _obey(self) -> None:
        if self._processor is None:
            return
        if self._said == STOP:
            self._processor.stop()
        elif self._said == PAUSE:
            self._processor.pause()
        elif self._said == GO_ON:
            self._processor.go_on()


def _work(
    pipe: Connection,
    settings: Settings,
    run: UUID,
    holder: Holder,
    preview: Path | None,
    *,
    begun: dict[str, str],
    keys: dict[str, list[str]],
) -> None:
    """A worker process. `holder`: the one that started it, and keeps the run alive unless another has taken it over.

    `keys`: of the models that it must have.
    """
    for number in _TO_ALL:
        signal.signal(number, signal.SIG_IGN)
    threads_take_turns()
    inbox = _Inbox(pipe)
    with open_database(settings.store.database) as database:
        writer = RunWriter.attach(database, run, media_folder=media_folder(settings), holder=holder)
        processor: Processor | None = None
        while True:
            job = inbox.next()
            try:
                if processor is None:
                    processor = _processor(database, writer, settings, job, pipe, preview, begun=begun, keys=keys)
                    inbox.attend(processor)
                pipe.send(processor.process(job))
            except Exception as error:  # noqa: BLE001  sent to the process that decides
                if not isinstance(error, SightlineError):
                    _log.exception("%s: an error that Sightline does not know; please report it", job.address)
                fatal = isinstance(error, (StoreError, OutputError))
                told = _sendable(error)
                pipe.send(_Unready(told) if processor is None and not fatal else _Failed(told, fatal))


def _processor(
    database: Database,
    writer: RunWriter,
    settings: Settings,
    job: Job,
    pipe: Connection,
    preview: Path | None,
    *,
    begun: dict[str, str],
    keys: dict[str, list[str]],
) -> Processor:
    """With networks loaded for the pictures of its first job; arguments as of `_work`."""
    models = Models.load_for_files(settings, job.shape, begun=begun)
    require_same_models(keys, model_keys(*models.cards))
    processor = Processor(database, writer, settings, models, observer=_Reporter(pipe), preview=preview)
    processor.register_models()
    return processor


def _sharing(settings: Settings, workers: int, models: Mapping[str, list[str]]) -> Settings:
    """What the workers are given: each its share of the processors, and the device that the run's networks are on.

    Networks that choose their threads by themselves would each take all cores. One that finds the card full, where the
    run did not, is not to compute elsewhere.
    """
    threads = max(1, (os.cpu_count() or 1) // workers)
    sections = {"detect": "detector", "segment": "segmenter", "embed": "embedder"}
    shared = {}
    for task, name in sections.items():
        section = getattr(settings, name)
        told = {"threads": section.threads or threads}
        on = _ON.fullmatch(models[task][-1]) if task in models else None  # their runtime is told last
        if section.device == AUTO and on is not None:
            told["device"] = on[1]
        shared[name] = section.model_copy(update=told)
    return settings.model_copy(update=shared)


def _sendable(error: Exception) -> Exception:
    """An error of ours travels as it is; others may not survive the way."""
    return error if isinstance(error, SightlineError) else RuntimeError(f"{type(error).__name__}: {error}")
