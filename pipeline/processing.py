"""Processor: takes the sources of a run through the engine, each from where the store says it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline import build
from pipeline.backfill import BACKFILL
from pipeline.config import Settings, SourceSettings
from pipeline.engine import Engine, Stream
from pipeline.errors import DamagedSourceError, OutputError, SightlineError, StoreError
from pipeline.events import Tally
from pipeline.loaded_models import Models
from pipeline.models.base import USUAL_SHAPE
from pipeline.outcome import RunObserver, SourceOutcome, SourceStart
from pipeline.outputs import Outputs
from pipeline.rule_settings import AnalyticsSettings
from pipeline.run_record import detect_hash, preview_file
from pipeline.schedule import SCHEDULE
from pipeline.sinks.base import Sink
from pipeline.sinks.best_pictures import BestPictures
from pipeline.sinks.database import PREFIX, DatabaseSink
from pipeline.sinks.past import FileSink, Past
from pipeline.sources.base import Source, StartOrigin, microseconds
from pipeline.stages import ANALYTICS
from pipeline.store.database import Database
from pipeline.store.event_queries import tally_events
from pipeline.store.records import SourceProgress
from pipeline.store.run_tracks import machine_tracks
from pipeline.store.states import SourceStatus
from pipeline.store.tracked_boxes import TrackedBoxes
from pipeline.store.writer import RunWriter
from pipeline.tracker_settings import waits_for_looks
from trackers.structures import State

_log = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Job:
    """A source of a run that is to be processed."""

    address: str
    run_source_id: int
    outputs: Outputs
    # of the settings, and what was drawn for it
    analytics: AnalyticsSettings = field(default_factory=AnalyticsSettings)
    shape: tuple[int, int] = USUAL_SHAPE  # height and width of its pictures, as far as they are known


class Processor:
    """Processes one source after the other in this process. `stop`, `pause` and `go_on` from any thread."""

    def __init__(
        self,
        database: Database,
        writer: RunWriter,
        settings: Settings,
        models: Models,
        *,
        observer: RunObserver,
        preview: Path | None = None,
    ) -> None:
        """`preview`: where the newest annotated picture is to be found while it runs."""
        self._database = database
        self._writer = writer
        self._settings = settings
        self._models = models
        self._observer = observer
        self._preview = preview
        self._engine: Engine | None = None
        self._paused = False
        self._embedder_id: int | None = None
        self.stopped = False

    def register_models(self) -> None:
        """Tell the store which networks look at the sources."""
        self._writer.register_model(self._models.detector.card)
        if self._models.segmenter is not None:
            self._writer.register_model(self._models.segmenter.card)
        if self._models.embedder is not None:
            self._embedder_id = self._writer.register_model(self._models.embedder.card)

    def with_models(self, models: Models) -> Processor:
        """Another one of the same run, for another thread; the store knows its networks as it knows these."""
        other = Processor(
            self._database, self._writer, self._settings, models, observer=self._observer, preview=self._preview
        )
        other._embedder_id = self._embedder_id
        return other

    def stop(self) -> None:
        """End early: what was read is finished and stored. Safe in a signal handler."""
        self.stopped = True
        if self._engine is not None:
            self._engine.stop()

    def pause(self) -> None:
        """Read no more until `go_on` or `stop`."""
        self._paused = True
        if self._engine is not None:
            self._engine.pause()

    def go_on(self) -> None:
        """End a pause."""
        self._paused = False
        if self._engine is not None:
            self._engine.go_on()

    def process(self, job: Job) -> SourceOutcome:
        """One source to its end, or to its damage, or until `stop`.

        Damage is an outcome; every other failure is raised, after the store has been told.
        """
        progress = self._writer.progress(job.run_source_id)
        try:
            return self._process(job, progress)
        except BaseException as error:
            failed = SourceStatus.FAILED
            tell_failure(error, lambda said: self._writer.finish_source(job.run_source_id, failed, error=said))
            raise

    def _process(self, job: Job, progress: SourceProgress) -> SourceOutcome:
        first_frame = 0 if progress.checkpoint is None else progress.checkpoint.next_frame
        with self._open(job, progress, first_frame) as source:
            learned_from = first_frame if self._models.detector.card.learns else 0
            self._observer.source_opened(_start(job, source, self._settings.source, first_frame, learned_from))
            self._add_session(job, source)
            engine = self._engine_for(job, source, progress)
            self._engine = engine
            if self._paused:
                engine.pause()
            if self.stopped:  # before there was an engine to stop
                engine.stop()
            status, message = SourceStatus.FINISHED, None
            try:
                engine.run()
            except DamagedSourceError as damage:
                status, message = SourceStatus.DAMAGED, one_line(damage)
            finally:
                self._engine = None
        if engine.report.stopped and status is SourceStatus.FINISHED:
            status = SourceStatus.STOPPED
        self._writer.finish_source(job.run_source_id, status, error=message)
        outcome = SourceOutcome(
            job.address,
            source.name,
            status,
            job.outputs,
            engine.report,
            first_frame,
            source.damaged,
            start_guessed=source.start_origin is StartOrigin.FILE,
            error=message,
        )
        self._observer.source_ended(outcome)
        return outcome

    def _open(self, job: Job, progress: SourceProgress, first_frame: int) -> Source:
        """At the frame to go on with; a detector that learns sees all before it once more.

        A source that began is read with the clock it began with, whatever its file's date is now.
        """
        settings = self._settings.source
        if progress.started_at is not None:
            start_at = _EPOCH + timedelta(microseconds=progress.started_at)
            settings = settings.model_copy(update={"start_at": start_at})
        if self._models.detector.card.learns:
            first_frame = 0
        elif settings.max_frames is not None:  # one that was interrupted after its last frame gives that one again
            first_frame = min(first_frame, settings.max_frames - 1)
        return build.source(job.address, settings, first_frame=first_frame)

    def _add_session(self, job: Job, source: Source) -> None:
        self._writer.add_session(
            job.run_source_id,
            0,
            started_at=microseconds(source.start_at),
            time_offset=source.time_offset,
            time_base=None if source.time_base is None else str(source.time_base),
        )

    def _engine_for(self, job: Job, source: Source, progress: SourceProgress) -> Engine:
        """The threads from one source to its sinks, all as they were at the checkpoint."""
        settings, models, checkpoint = self._settings, self._models, progress.checkpoint
        tracker = build.tracker(settings.tracker)
        analyst = build.analyst(job.analytics, models.detector.card.classes)
        files = self._file_sinks(job)
        store = DatabaseSink(
            self._writer,
            job.run_source_id,
            source,
            detect_hash=detect_hash(settings, source, models.detector, models.embedder, segmenter=models.segmenter),
            embedder_id=self._embedder_id,
            pictures=BestPictures(),
        )
        first_frame = 0
        if checkpoint is not None:
            first_frame = checkpoint.next_frame
            others = (PREFIX, ANALYTICS, SCHEDULE, BACKFILL)
            store.restore(checkpoint, progress.counts)  # refuses a checkpoint that others could not read
            tracker.from_arrays({key: value for key, value in checkpoint.state.items() if not key.startswith(others)})
            if analyst is not None:
                analyst.from_arrays(_after(ANALYTICS, checkpoint.state))
            for sink in files:
                sink.resume(
                    Past(
                        first_frame,
                        progress.counts.processed,
                        self._stored(job, first_frame),
                        lambda: self._counted(job),
                    )
                )
        sinks: list[Sink] = [*files, *self._preview_sinks(job), store]
        done_before = progress.counts.processed
        judge = build.judge(settings.detector)  # decides with a lag of batches, so that they are of one size everywhere
        if judge is not None and waits_for_looks(settings.tracker):
            _log.warning("the tracks say when to look, so that no frame waits for a look: between=line is flow here")
        return Engine(
            [Stream(source, tracker, sinks, first_frame, analyst, None if checkpoint is None else checkpoint.state)],
            models.detector,
            segmenter=models.segmenter,
            embedder=models.embedder,
            asks=build.asks(settings, segmenter=models.segmenter, embedder=models.embedder),
            batch=settings.detector.batch if judge else max(settings.detector.batch, models.detector.card.at_once),
            capacity=settings.engine.capacity,
            chunk=settings.store.chunk,
            schedule=build.schedule(settings.detector),
            judge=judge,
            lines=waits_for_looks(settings.tracker) and judge is None,
            progress=lambda _, frames, tracks: self._observer.advanced(job.address, done_before + frames, tracks),
        )

    def _file_sinks(self, job: Job) -> list[FileSink]:
        return build.file_sinks(
            self._models.detector.card.classes,
            mot_out=job.outputs.mot,
            csv_out=job.outputs.csv,
            video_out=job.outputs.video,
            owner=self._writer.public_id.hex[-12:],
            analytics=job.analytics,
        )

    def _preview_sinks(self, job: Job) -> list[Sink]:
        if self._preview is None:
            return []
        place = preview_file(self._preview, self._writer.public_id)
        classes, counted = self._models.detector.card.classes, self._counted(job)
        return [build.preview_sink(place, classes, analytics=job.analytics, before=counted)]

    def _counted(self, job: Job) -> Tally:
        """Events stored so far."""
        with self._database.read("read what was counted before") as connection:
            return tally_events(self._writer.scope, connection, job.run_source_id)

    def _stored(self, job: Job, end_frame: int) -> Callable[[], Iterator[TrackedBoxes]]:
        def blocks() -> Iterator[TrackedBoxes]:
            with self._database.read("read what was tracked before") as connection:
                tracks = machine_tracks(self._writer.scope, connection, job.run_source_id)
                yield from tracks.blocks(end_frame=end_frame)

        return blocks


def _after(prefix: str, state: State) -> State:
    """The arrays whose names begin so, without it."""
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


def _start(job: Job, source: Source, settings: SourceSettings, first_frame: int, learned_from: int) -> SourceStart:
    left = source.frame_count
    frames = None
    if left is not None:  # counts from where the source was opened
        frames = left if learned_from else left + first_frame
    if settings.max_frames is not None:
        frames = settings.max_frames if frames is None else min(frames, settings.max_frames)
    return SourceStart(
        job.address,
        source.name,
        source.width,
        source.height,
        source.fps,
        source.codec,
        frames,
        first_frame,
        learned_from,
    )


def tell_failure(error: BaseException, tell: Callable[[str], None]) -> None:
    """Tell the store of an error; what stands in the way of that is told with the error."""
    try:
        tell(one_line(error))
    except SightlineError as second:
        error.add_note(f"the store could not be told of it: {second}")


def ends_run(error: BaseException) -> bool:
    """Whether the next source would fare no better, or nobody is to try it."""
    return isinstance(error, (StoreError, OutputError)) or not isinstance(error, Exception)


def failed_outcome(job: Job, error: BaseException, *, alone: bool = False) -> SourceOutcome:
    """Of a source that failed. What ends the run, or befalls its only one (`alone`), is told by who gets the error."""
    told = None if alone or ends_run(error) else one_line(error)
    return SourceOutcome(job.address, Path(job.address).name, SourceStatus.FAILED, job.outputs, error=told)


def one_line(error: BaseException) -> str:
    """An error's message, or its kind where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
