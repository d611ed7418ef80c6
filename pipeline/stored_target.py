"""StoredTarget: keeps what is followed as a run with one track, in the rows that every other run writes."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self
from uuid import UUID

import numpy as np

from pipeline import build
from pipeline.follow_plan import FollowPlan
from pipeline.following import Following, Step, as_tracks
from pipeline.heart import Heart
from pipeline.processing import one_line, tell_failure
from pipeline.run_record import preview_file
from pipeline.sinks.base import ChunkEnd, Result, Sink
from pipeline.sinks.best_pictures import BestPictures
from pipeline.sinks.database import DatabaseSink
from pipeline.sources.base import Source, microseconds
from pipeline.stages import describe
from pipeline.store.states import RequestedState, RunStatus, SourceStatus
from pipeline.store.writer import RunWriter
from trackers.structures import Detections

_BOX = "target.box"  # in a checkpoint: where the target was


class StoredTarget:
    """Takes every step of a `Following`; leaving it ends the run.

    The run begins with the first step, so that what cannot be followed leaves no trace. Where it goes on, the steps up
    to its checkpoint are made once more, since they are what the target's tracker has learned; they are not written
    again.
    """

    def __init__(self, plan: FollowPlan, following: Following, source: Source) -> None:
        """`source`: where the steps come from, opened with the plan's settings."""
        self._plan = plan
        self._following = following
        self._source = source
        self._writer: RunWriter | None = None
        self._run_source_id: int | None = None
        self._sinks: list[Sink] = []
        self._stack = ExitStack()  # of the run
        self._from = 0  # number of the first picture that is not stored yet
        self._held: Result | None = None  # until it is known whether its chunk goes on
        self._given = True  # whether the next step is the given box itself

    @property
    def run(self) -> UUID | None:
        """Public id; None before the first step."""
        return None if self._writer is None else self._writer.public_id

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is None:
            return
        with self._stack:
            if error is not None:
                self._fail(error)
                return
            try:
                self._finish(self._writer)
            except BaseException as failure:
                self._fail(failure)
                raise

    def take(self, step: Step) -> None:
        """Store one picture's box, as soon as its chunk is whole. Raises StoreError."""
        if self._writer is None:
            self._begin()
        given, self._given = self._given, False
        if step.frame.index < self._from:
            return
        result = self._result(step, given=given)
        chunk = self._plan.settings.store.chunk
        if self._held is not None:
            self._write(ChunkEnd.between(self._held.frame.index, result.frame.index, chunk))
        self._held = result

    def _begin(self) -> None:
        """From here on the store knows of the run, and is told how it ends."""
        plan, source = self._plan, self._source
        writer = self._writer = plan.begin()
        self._stack.enter_context(Heart(writer.heartbeat, self._obey))
        writer.register_model(plan.card)
        embedder_id = None if plan.embedder is None else writer.register_model(plan.embedder.card)
        key = self._run_source_id = writer.add_source(plan.source)
        progress = writer.progress(key)
        writer.add_session(
            key,
            0,
            started_at=microseconds(source.start_at),
            time_offset=source.time_offset,
            time_base=None if source.time_base is None else str(source.time_base),
        )
        store = DatabaseSink(writer, key, source, detect_hash=None, embedder_id=embedder_id, pictures=BestPictures())
        if progress.checkpoint is not None:
            store.restore(progress.checkpoint, progress.counts)
            self._from = progress.checkpoint.next_frame
        self._sinks = [self._stack.enter_context(sink) for sink in (*self._preview(writer), store)]

    def _preview(self, writer: RunWriter) -> list[Sink]:
        if not self._plan.preview:
            return []
        return [build.preview_sink(preview_file(self._plan.media, writer.public_id), self._plan.card.classes)]

    def _result(self, step: Step, *, given: bool) -> Result:
        """As the engine gives it for a tracker of many. A lost target is described by nothing."""
        tracks = as_tracks(step, given=given)
        found = Detections.empty() if step.lost else Detections(tracks.boxes, tracks.scores, tracks.labels)
        (described,) = describe(self._plan.embedder, [step.frame], [found])
        rows = np.full(1, -1) if step.lost else np.zeros(1, np.int64)
        return Result(step.frame, described, replace(tracks, rows=rows))

    def _write(self, end: ChunkEnd) -> None:
        assert self._held is not None, "there is a step to write"
        state = None if end is ChunkEnd.NONE else {_BOX: self._held.tracks.boxes}
        for sink in self._sinks:
            sink.write(replace(self._held, state=state, end=end))
        self._held = None

    def _finish(self, writer: RunWriter) -> None:
        following = self._following
        if self._held is not None:
            chunk, last = self._plan.settings.store.chunk, self._held.frame.index
            self._write(ChunkEnd.at_stop(last, chunk) if following.stopped else ChunkEnd.WHOLE)
        status, message = SourceStatus.STOPPED if following.stopped else SourceStatus.FINISHED, None
        if following.damage is not None:
            status, message = SourceStatus.DAMAGED, one_line(following.damage)
        assert self._run_source_id is not None, "the run has begun"
        writer.finish_source(self._run_source_id, status, error=message)
        writer.finish_run(RunStatus.STOPPED if following.stopped else RunStatus.FINISHED)

    def _fail(self, error: BaseException) -> None:
        writer, key = self._writer, self._run_source_id
        assert writer is not None, "the run has begun"
        if key is not None:
            tell_failure(error, lambda said: writer.finish_source(key, SourceStatus.FAILED, error=said))
        tell_failure(error, lambda said: writer.finish_run(RunStatus.FAILED, error=said))

    def _obey(self, wanted: RequestedState) -> None:
        """Do what somebody asked for in the store. Called by the heart's thread."""
        assert self._writer is not None, "it has a heart"
        match wanted:
            case RequestedState.STOP:
                self._following.stop()
            case RequestedState.PAUSE:
                self._following.pause()
                self._writer.set_status(RunStatus.PAUSED)
            case RequestedState.RUN:
                self._following.go_on()
                self._writer.set_status(RunStatus.RUNNING)
