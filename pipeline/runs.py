"""The life of a run: open everything, process source after source, and say in the store how it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pipeline import build
from pipeline.config import Settings, digest
from pipeline.engine import Engine, Stream
from pipeline.errors import DamagedSourceError, SightlineError
from pipeline.models.base import Detector, Embedder
from pipeline.outcome import RunObserver, RunOutcome, SourceOutcome
from pipeline.outputs import Outputs, check_outputs
from pipeline.sinks.base import Sink
from pipeline.sinks.database import DatabaseSink
from pipeline.sources.base import DECODING, Source, StartOrigin, microseconds
from pipeline.store.database import open_database
from pipeline.store.engines import read_address
from pipeline.store.records import RunRecord, SourceRecord
from pipeline.store.states import RunStatus, SourceStatus
from pipeline.store.writer import RunWriter

WHERE_AND_HOW = {"weights", "device", "threads"}  # settings of a model that its card tells better: content, runtime


class Run:
    """One run over some sources, in this process. `execute` once; `stop` from a signal handler."""

    def __init__(
        self,
        addresses: Sequence[str],
        settings: Settings,
        *,
        outputs: Outputs | None = None,
        observer: RunObserver | None = None,
    ) -> None:
        by_place = {Path(address).resolve(): address for address in reversed(addresses)}
        self._addresses = list(reversed(by_place.values()))  # the same source twice is one source
        self._settings = settings
        self._outputs = outputs or Outputs()
        self._observer = observer or RunObserver()
        self._stop: Callable[[], None] | None = None
        self.stopped = False  # by `stop`
        self.outcome: RunOutcome | None = None  # once the store knows of the run; grows source by source

    def stop(self) -> None:
        """End early: what was read is finished and stored."""
        self.stopped = True
        if self._stop is not None:
            self._stop()

    def execute(self) -> RunOutcome:
        """Process every source to its end.

        Everything is tried out before anything is written, so that bad input leaves no trace. A damaged source is an
        outcome; every other failure is raised, after the store has been told.
        """
        settings = self._settings
        check_outputs(self._outputs, self._addresses, _inputs(settings))
        records = []
        for address in self._addresses:
            with build.source(address, settings.source) as source:  # it opens and gives a first frame
                records.append(_source_record(source))
        detector = build.detector(settings.detector)
        embedder = build.embedder(settings.embedder)
        build.tracker(settings.tracker)
        with open_database(settings.store.database) as database:
            record = _record(settings, detector, embedder, self._outputs)
            writer = RunWriter.begin(database, record, media_folder=media_folder(settings))
            outcome = RunOutcome(writer.public_id, database.name, _described(detector), _described(embedder))
            work = _Work(settings, writer, detector, embedder, outcome)
            self.outcome = outcome
            try:
                for record_of_source in records:  # all are known from the start, pending
                    writer.add_source(record_of_source)
                for address in self._addresses:
                    if self.stopped:
                        break
                    self._process(address, work)
            except BaseException as error:
                _tell_failure(error, lambda message: writer.finish_run(RunStatus.FAILED, error=message))
                raise
            writer.finish_run(RunStatus.STOPPED if self.stopped else RunStatus.FINISHED)
        return outcome

    def _process(self, address: str, work: _Work) -> None:
        """One source to its end, or to its damage, or until `stop`."""
        outputs = self._outputs.of(address)
        with build.source(address, self._settings.source) as source:
            self._observer.source_opened(source)
            run_source_id = work.add(source)
            sinks = build.file_sinks(
                work.detector.card.classes, mot_out=outputs.mot, csv_out=outputs.csv, video_out=outputs.video
            )
            engine = work.engine(
                source,
                [*sinks, work.store_sink(source, run_source_id)],
                lambda frames, tracks: self._observer.advanced(source, frames, tracks),
            )
            self._stop = engine.stop
            if self.stopped:  # before there was an engine to stop
                engine.stop()
            status, message = SourceStatus.FINISHED, None
            try:
                engine.run()
            except DamagedSourceError as damage:
                status, message = SourceStatus.DAMAGED, _one_line(damage)
            except BaseException as error:
                failed = SourceStatus.FAILED
                _tell_failure(error, lambda message: work.writer.finish_source(run_source_id, failed, error=message))
                work.outcome.sources.append(_source_outcome(source, failed, engine, outputs))
                raise
        if self.stopped and status is SourceStatus.FINISHED:
            status = SourceStatus.STOPPED
        work.writer.finish_source(run_source_id, status, error=message)
        work.outcome.sources.append(_source_outcome(source, status, engine, outputs, message))


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What the sources of a run share."""

    settings: Settings
    writer: RunWriter
    detector: Detector
    embedder: Embedder | None
    outcome: RunOutcome

    def add(self, source: Source) -> int:
        """Tell the store of a source and the models that look at it."""
        self.writer.register_model(self.detector.card)
        run_source_id = self.writer.add_source(_source_record(source))
        self.writer.add_session(
            run_source_id,
            0,
            started_at=microseconds(source.start_at),
            time_offset=source.time_offset,
            time_base=None if source.time_base is None else str(source.time_base),
        )
        return run_source_id

    def store_sink(self, source: Source, run_source_id: int) -> DatabaseSink:
        """The sink into the store."""
        return DatabaseSink(
            self.writer,
            run_source_id,
            source,
            detect_hash=detect_hash(self.settings, source, self.detector, self.embedder),
            embedder_id=None if self.embedder is None else self.writer.register_model(self.embedder.card),
        )

    def engine(self, source: Source, sinks: Sequence[Sink], advanced: Callable[[int, int], None]) -> Engine:
        """The threads from one source to its sinks."""
        settings = self.settings
        return Engine(
            [Stream(source, build.tracker(settings.tracker), sinks)],
            self.detector,
            embedder=self.embedder,
            batch=settings.detector.batch,
            capacity=settings.engine.capacity,
            chunk=settings.store.chunk,
            progress=lambda _, frames, tracks: advanced(frames, tracks),
        )


def media_folder(settings: Settings) -> Path:
    """Where crops go: as set, else beside the SQLite file, else runs/media."""
    if settings.store.media is not None:
        return settings.store.media
    database = database_file(settings)
    return Path("runs") / "media" if database is None else database.parent / "media"


def database_file(settings: Settings) -> Path | None:
    """The SQLite file, None for a server. Raises StoreError for an address that is none."""
    address = read_address(settings.store.database)
    return Path(address.database) if address.get_backend_name() == "sqlite" and address.database else None


def detect_hash(settings: Settings, source: Source, detector: Detector, embedder: Embedder | None) -> str:
    """Key of everything but the source's content that decides its raw detections and their features."""
    values = {
        "decoding": DECODING,
        "rate": source.fps if source.time_base is None else None,  # pictures have no times of their own
        "detector": settings.detector.model_dump(mode="json", exclude=WHERE_AND_HOW),
        "embedder": settings.embedder.model_dump(mode="json", exclude=WHERE_AND_HOW),
        "models": _model_keys(detector, embedder),
    }
    return digest(values)


def _record(settings: Settings, detector: Detector, embedder: Embedder | None, outputs: Outputs) -> RunRecord:
    """What is kept of the settings, and the hash of what decides results.

    The database's address stays out: it may hold a password. Models count by their content, not by their path.
    """
    kept = settings.model_dump(mode="json", exclude={"store": {"database", "media"}})
    deciding = settings.model_dump(
        mode="json",
        exclude={"engine": True, "store": {"database", "media"}, "detector": WHERE_AND_HOW, "embedder": WHERE_AND_HOW},
    )
    wanted = {"mot": outputs.mot, "csv": outputs.csv, "video": outputs.video}
    kept["outputs"] = {name: str(path.resolve()) for name, path in wanted.items() if path is not None}
    hashed = digest(deciding | {"models": _model_keys(detector, embedder)})
    return RunRecord("files", kept, hashed, version("sightline"))


def _model_keys(detector: Detector, embedder: Embedder | None) -> list[list[str]]:
    cards = [one.card for one in (detector, embedder) if one is not None]
    return [[card.name, card.version, card.sha256, card.runtime] for card in cards]


def _inputs(settings: Settings) -> dict[Path, str]:
    """Files that no output may overwrite, and what they are."""
    files = {}
    for section, weights in (("detector", settings.detector.weights), ("embedder", settings.embedder.weights)):
        if weights is not None:
            files[Path(weights)] = f"{section}.weights"
            files[Path(weights).with_suffix(".bin")] = f"{section}.weights"
    if (database := database_file(settings)) is not None:
        for suffix in ("", "-wal", "-shm"):
            files[Path(f"{database}{suffix}")] = "the database"
    return files


def _source_record(source: Source) -> SourceRecord:
    return SourceRecord(
        kind=source.kind,
        name=source.name,
        uri_redacted=source.uri,
        fingerprint=source.fingerprint,
        start_at=microseconds(source.start_at),
        width=source.width,
        height=source.height,
        fps=source.fps,
        frames=source.frame_count,
        duration=source.duration,
    )


def _source_outcome(
    source: Source, status: SourceStatus, engine: Engine, outputs: Outputs, error: str | None = None
) -> SourceOutcome:
    guessed = source.start_origin is StartOrigin.FILE
    return SourceOutcome(source.name, status, engine.report, outputs, source.damaged, guessed, error)


def _described(model: Detector | Embedder | None) -> str:
    return "none" if model is None else f"{model.card.name} ({model.card.runtime})"


def _tell_failure(error: BaseException, tell: Callable[[str], None]) -> None:
    """Tell the store of an error; what stands in the way of that is told with the error."""
    try:
        tell(_one_line(error))
    except SightlineError as second:
        error.add_note(f"the store could not be told of it: {second}")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
