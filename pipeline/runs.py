"""The life of a run: plan it or go on with it, process its sources, and say in the store how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol
from uuid import UUID

from pipeline import build
from pipeline.addresses import each_once
from pipeline.batch import WorkerPool
from pipeline.config import Settings
from pipeline.errors import SightlineError, StoreError
from pipeline.heart import Heart
from pipeline.loaded_models import Models
from pipeline.models.base import USUAL_SHAPE, Detector, Embedder, Segmenter
from pipeline.outcome import RunObserver, RunOutcome, SourceOutcome
from pipeline.outputs import Outputs, check_outputs
from pipeline.processing import Job, Processor, ends_run, failed_outcome, one_line, tell_failure
from pipeline.rule_settings import AnalyticsSettings, DrawnRule
from pipeline.run_plan import Seen, drawn_rules, first_shape, look_at, refuse_unreadable, without_finished
from pipeline.run_record import (
    inputs,
    media_folder,
    model_keys,
    run_record,
    stored_arithmetic,
    stored_drawn,
    stored_outputs,
    stored_settings,
    with_drawn,
)
from pipeline.side_by_side import SideBySide
from pipeline.store.database import Database, open_database
from pipeline.store.filters import project_scope, scope_of
from pipeline.store.records import PROJECT, RunRecord
from pipeline.store.rows import RunDetail
from pipeline.store.run_queries import run_detail
from pipeline.store.states import RequestedState, RunStatus, SourceStatus
from pipeline.store.writer import RunWriter
from pipeline.stored_runs import (
    arithmetic_begun,
    as_settled,
    last_over,
    refuse_changes,
    refuse_resume,
    unfinished,
)

_log = logging.getLogger(__name__)


class Work(Protocol):
    """Who processes the sources: a Processor in this process, or a WorkerPool."""

    def stop(self) -> None: ...

    def pause(self) -> None: ...

    def go_on(self) -> None: ...


class Run:
    """One run over some sources. `execute` once; `stop` from a signal handler."""

    def __init__(
        self,
        addresses: Sequence[str],
        settings: Settings,
        *,
        outputs: Outputs | None = None,
        observer: RunObserver | None = None,
        workers: int = 1,
        streams: int = 1,
        again: bool = False,
        public_id: UUID | None = None,
        preview: bool = False,
    ) -> None:
        """`workers`: processes that share the sources; 1: this one alone. `streams`: sources at once, where this
        process is alone. `again`: also what was finished before.

        `public_id`: of the new run, where it was given out before. `preview`: keep the newest annotated picture in
        the media folder while it goes on.
        """
        self._addresses = each_once(addresses)
        self._settings = settings
        self._outputs = outputs or Outputs()
        self._observer = observer or RunObserver()
        self._workers = workers
        self._streams = streams
        self._again = again
        self._public_id = public_id
        self._preview = preview
        self._resumed: UUID | None = None
        self._drawn: dict[str, list[DrawnRule]] = {}  # zones and lines of a run that goes on, by address
        self._begun: dict[str, str] = {}  # arithmetic in which a run began that goes on, by section of the settings
        self._analytics: dict[str, AnalyticsSettings] = {}  # of sources for which some were drawn, by address
        self._work: Work | None = None
        self._paused = False
        self.stopped = False  # by `stop`
        self.outcome: RunOutcome | None = None  # once the store knows of the run; grows source by source

    @classmethod
    def resumed(
        cls,
        run: RunDetail,
        database: str,
        *,
        observer: RunObserver | None = None,
        workers: int = 1,
        streams: int = 1,
        without_video: bool = False,
        preview: bool = False,
    ) -> Run:
        """A run that ended early, with the settings it began with. `database`: its address.

        `without_video`: leave the annotated video out. Raises ConfigError if it cannot go on.
        """
        refuse_resume(run)
        outputs = stored_outputs(run.run.settings)
        found = cls(
            unfinished(run),
            stored_settings(run.run.settings, database),
            outputs=Outputs(outputs.mot, outputs.csv, None if without_video else outputs.video),
            observer=observer,
            workers=workers,
            streams=streams,
            preview=preview,
        )
        found._resumed = run.run.public_id
        found._drawn = stored_drawn(run.run.settings)
        found._begun = stored_arithmetic(run.run.settings)
        return found

    def resume_last(self) -> bool:
        """Make this run go on with the last one over the same sources, where that one ended early.

        Returns False, and begins anew, where there is none. Raises ConfigError if it had other settings or outputs.
        """
        settings = self._settings
        with open_database(settings.store.database) as database:
            last = last_over(database, {str(Path(address).resolve()) for address in self._addresses})
        if last is None:
            return False
        refuse_resume(last)
        self._resumed = last.run.public_id
        stored = stored_settings(last.run.settings, settings.store.database)
        self._settings = as_settled(settings, stored)
        self._drawn = stored_drawn(last.run.settings)
        self._begun = arithmetic_begun(settings, stored, last.run.settings)
        self._addresses = unfinished(last)
        return True

    def stop(self) -> None:
        """End early: what was read is finished and stored."""
        self.stopped = True
        if self._work is not None:
            self._work.stop()

    def execute(self) -> RunOutcome:
        """Process every source to its end.

        Everything is tried out before anything is written, so that bad input leaves no trace. A source that is
        damaged or fails is an outcome where there are others; every other failure is raised, after the store has
        been told.
        """
        settings = self._settings
        check_outputs(self._outputs, self._addresses, inputs(settings))
        seen = look_at(self._addresses, settings.source)
        if self._resumed is None:  # one that goes on may have done all that can be read
            refuse_unreadable(seen)
            settings = Models.settled(settings)
        models = Models.load_for_files(settings, first_shape(seen), begun=self._begun)
        settings = self._settings = models.completed(settings)
        record = run_record(settings, models.detector, models.embedder, self._outputs, segmenter=models.segmenter)
        with open_database(settings.store.database) as database:
            outcome = RunOutcome(None, database.name, _described(models.detector), _described(models.embedder))
            outcome.segmenter = _described(models.segmenter)
            scope = project_scope(database)
            drawn = drawn_rules(database, scope, seen) if self._resumed is None else self._drawn
            self._analytics = {place: build.merged(settings.analytics, rules) for place, rules in drawn.items()}
            for analytics in (settings.analytics, *self._analytics.values()):
                build.analyst(analytics, models.detector.card.classes)  # what is wrong with a rule is told now
            record = with_drawn(record, drawn)
            if self._resumed is None and not self._again:
                seen, outcome.skipped = without_finished(
                    database, scope, seen, settings_hash=record.settings_hash, outputs=self._outputs, drawn=drawn
                )
                if not seen:
                    self.outcome = outcome
                    return outcome
            writer = self._begin(database, record, seen)
            outcome.public_id = writer.public_id
            self.outcome = outcome
            with Heart(writer.heartbeat, lambda wanted: self._obey(wanted, writer)):
                started = time.perf_counter()
                try:
                    self._work_on(seen, database, writer, models, outcome)
                except BaseException as error:
                    tell_failure(error, lambda said: writer.finish_run(RunStatus.FAILED, error=said))
                    raise
                finally:
                    outcome.seconds = time.perf_counter() - started
            writer.finish_run(RunStatus.STOPPED if self.stopped else RunStatus.FINISHED, error=_summary(outcome))
        return outcome

    def _begin(self, database: Database, record: RunRecord, seen: Sequence[Seen]) -> RunWriter:
        """In the store: a new run, or the one that goes on."""
        media = media_folder(self._settings)
        if self._resumed is None:
            return RunWriter.begin(database, record, media_folder=media, public_id=self._public_id)
        with database.read("find the run") as connection:
            run = run_detail(scope_of(connection, [PROJECT]), connection, self._resumed)
        if run is None:
            raise StoreError(f"the run {self._resumed} was deleted")
        refuse_resume(run)
        refuse_changes(run, record, seen)
        return RunWriter.resume(database, self._resumed, beaten_at=run.run.heartbeat_at, media_folder=media)

    def _work_on(
        self, seen: Sequence[Seen], database: Database, writer: RunWriter, models: Models, outcome: RunOutcome
    ) -> None:
        """All sources are known from the start, pending; those that can be read are processed."""
        jobs: list[Job] = []
        keys = iter(writer.add_sources([one.record for one in seen if one.record is not None]))
        for one in seen:
            outputs = self._outputs.of(one.address)
            key = None if one.record is None else next(keys)
            if one.error is not None:
                message = one_line(one.error)
                if key is not None:
                    writer.finish_source(key, SourceStatus.FAILED, error=message)
                outcome.sources.append(
                    SourceOutcome(one.address, one.name, SourceStatus.FAILED, outputs, error=message)
                )
            elif key is not None and one.record is not None:
                analytics = self._analytics.get(one.record.uri_redacted, self._settings.analytics)
                jobs.append(Job(one.address, key, outputs, analytics, one.shape or USUAL_SHAPE))
        self._observer.sources_known(len(jobs))
        preview = media_folder(self._settings) if self._preview else None
        processor = Processor(database, writer, self._settings, models, observer=self._observer, preview=preview)
        processor.register_models()
        if min(self._workers, len(jobs)) > 1:
            with WorkerPool(
                min(self._workers, len(jobs)),
                self._settings,
                writer,
                self._observer,
                models=model_keys(*models.cards),
                preview=preview,
                begun=self._begun,
            ) as pool:
                self._take_on(pool)
                pool.process(jobs, outcome)
            return
        if min(self._streams, len(jobs)) > 1:
            together = SideBySide(
                min(self._streams, len(jobs)), self._settings, models, self._observer, processor=processor.with_models
            )
            self._take_on(together)
            together.process(jobs, outcome)
            return
        self._take_on(processor)
        self._process(processor, jobs, outcome, alone=len(seen) == 1)

    def _take_on(self, work: Work) -> None:
        """What was asked for before there was somebody to do it is done now."""
        self._work = work
        if self._paused:
            work.pause()
        if self.stopped:
            work.stop()

    def _process(self, processor: Processor, jobs: Sequence[Job], outcome: RunOutcome, *, alone: bool) -> None:
        """One source after the other. `alone`: the failure of the only source is the run's."""
        for job in jobs:
            if self.stopped:
                return
            try:
                outcome.sources.append(processor.process(job))
            except Exception as error:
                failed = failed_outcome(job, error, alone=alone)
                outcome.sources.append(failed)
                if alone or ends_run(error):
                    raise
                if not isinstance(error, SightlineError):
                    _log.exception("%s: an error that Sightline does not know; please report it", job.address)
                self._observer.source_ended(failed)

    def _obey(self, wanted: RequestedState, writer: RunWriter) -> None:
        """Do what somebody asked for in the store. Called by the heart's thread."""
        match wanted:
            case RequestedState.STOP:
                self.stop()
            case RequestedState.PAUSE:
                self._paused = True
                if self._work is not None:
                    self._work.pause()
                writer.set_status(RunStatus.PAUSED)
            case RequestedState.RUN:
                self._paused = False
                if self._work is not None:
                    self._work.go_on()
                writer.set_status(RunStatus.RUNNING)


def _described(model: Detector | Segmenter | Embedder | None) -> str:
    return "none" if model is None else f"{model.card.name} ({model.card.runtime})"


def _summary(outcome: RunOutcome) -> str | None:
    """What to tell of a run of which some sources failed."""
    failed = [one for one in outcome.sources if one.status is SourceStatus.FAILED]
    if not failed:
        return None
    names = ", ".join(one.name for one in failed[:5]) + (" ..." if len(failed) > 5 else "")
    return f"{len(failed)} of {len(outcome.sources)} sources failed: {names}"
