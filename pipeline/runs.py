"""The life of a run: open everything, process source after source, and say in the store how it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from uuid import UUID

from sqlalchemy.engine import make_url

from pipeline import build
from pipeline.config import Settings, digest
from pipeline.engine import Engine, Stream
from pipeline.errors import ConfigError, DamagedSourceError
from pipeline.models.base import Detector, Embedder
from pipeline.report import EngineReport
from pipeline.sinks.base import Sink
from pipeline.sinks.database import DatabaseSink
from pipeline.sinks.part_file import PartFile
from pipeline.sources.base import Source, microseconds
from pipeline.store.database import Database, open_database
from pipeline.store.records import RunRecord, SourceRecord
from pipeline.store.states import RunStatus, SourceStatus
from pipeline.store.writer import RunWriter

NAME = "{name}"  # in an output path: stands for the source's name without suffix


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files that are wanted beside the database."""

    mot: Path | None = None
    csv: Path | None = None
    video: Path | None = None

    def of(self, source: Source) -> Outputs:
        """The paths for one source."""
        stem = Path(source.name).stem

        def place(path: Path | None) -> Path | None:
            return None if path is None else Path(str(path).replace(NAME, stem))

        return Outputs(place(self.mot), place(self.csv), place(self.video))

    @property
    def paths(self) -> list[Path]:
        """Those that are wanted."""
        return [path for path in (self.mot, self.csv, self.video) if path is not None]


@dataclass(frozen=True, slots=True)
class SourceOutcome:
    """How one source ended."""

    name: str
    status: SourceStatus
    report: EngineReport
    outputs: Outputs
    error: str | None = None


@dataclass(slots=True)
class RunOutcome:
    """How a run ended."""

    public_id: UUID
    database: str  # without password
    detector: str  # name and runtime
    embedder: str | None
    sources: list[SourceOutcome] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """Of all sources."""
        return sum(source.report.frames for source in self.sources)

    @property
    def tracks(self) -> int:
        """Of all sources."""
        return sum(source.report.tracks for source in self.sources)

    @property
    def seconds(self) -> float:
        """Wall time spent on the sources."""
        return sum(source.report.seconds for source in self.sources)

    @property
    def damaged(self) -> bool:
        """A source broke off in the middle."""
        return any(source.status is SourceStatus.DAMAGED for source in self.sources)


class RunObserver:
    """Is told how a run goes on. This one keeps still; the command line's draws a progress bar."""

    def source_opened(self, source: Source) -> None:
        """Work on a source begins."""

    def advanced(self, source: Source, frames: int, tracks: int) -> None:
        """So many frames are done and so many tracks were seen. Called from a thread of the engine."""


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
        self._addresses = list(dict.fromkeys(addresses))  # the same source twice is one source
        self._settings = settings
        self._outputs = outputs or Outputs()
        self._observer = observer or RunObserver()
        self._stop: Callable[[], None] | None = None
        self.stopped = False  # by `stop`
        for path in self._outputs.paths:
            if len(self._addresses) > 1 and NAME not in str(path):
                raise ConfigError(f"{path} would be written for {len(self._addresses)} sources; put {NAME} in its name")

    def stop(self) -> None:
        """End early: what was read is finished and stored."""
        self.stopped = True
        if self._stop is not None:
            self._stop()

    def execute(self) -> RunOutcome:
        """Process every source to its end.

        Everything is opened before anything is written, so that bad input leaves no trace. A damaged source is an
        outcome; every other failure is raised as a SightlineError, after the store has been told.
        """
        settings = self._settings
        with ExitStack() as opened:
            sources = [opened.enter_context(build.source(one, settings.source)) for one in self._addresses]
            detector = build.detector(settings.detector)
            embedder = build.embedder(settings.embedder, min_score=settings.describe_from)
            work = [(source, self._file_sinks(source, detector)) for source in sources]
            database = opened.enter_context(open_database(settings.store.database))
            writer = RunWriter.begin(database, _record(settings), media_folder=media_folder(settings))
            outcome = _outcome(writer, database, detector, embedder)
            try:
                writer.register_model(detector.card)
                embedder_id = None if embedder is None else writer.register_model(embedder.card)
                for source, sinks in work:
                    if self.stopped:
                        break
                    self._observer.source_opened(source)
                    outcome.sources.append(self._process(writer, source, sinks, detector, embedder, embedder_id))
            except BaseException as error:
                writer.finish_run(RunStatus.FAILED, error=_one_line(error))
                raise
            writer.finish_run(RunStatus.STOPPED if self.stopped else RunStatus.FINISHED)
        return outcome

    def _file_sinks(self, source: Source, detector: Detector) -> list[Sink]:
        """Made, and tried out: what cannot be written is refused before the store hears of the run."""
        wanted = self._outputs.of(source)
        for path in wanted.paths:
            PartFile(path).check()
        return build.file_sinks(detector.card.classes, mot_out=wanted.mot, csv_out=wanted.csv, video_out=wanted.video)

    def _process(
        self,
        writer: RunWriter,
        source: Source,
        sinks: list[Sink],
        detector: Detector,
        embedder: Embedder | None,
        embedder_id: int | None,
    ) -> SourceOutcome:
        settings = self._settings
        run_source_id = writer.add_source(_source_record(source))
        writer.add_session(run_source_id, 0, started_at=microseconds(source.start_at))
        store = DatabaseSink(
            writer,
            run_source_id,
            source,
            detect_hash=detect_hash(settings, detector, embedder),
            embedder_id=embedder_id,
        )
        engine = Engine(
            [Stream(source, build.tracker(settings.tracker), [*sinks, store])],
            detector,
            embedder=embedder,
            batch=settings.detector.batch,
            capacity=settings.engine.capacity,
            chunk=settings.store.chunk,
            progress=lambda _, frames, tracks: self._observer.advanced(source, frames, tracks),
        )
        self._stop = engine.stop
        status, message = SourceStatus.FINISHED, None
        try:
            engine.run()
        except DamagedSourceError as damage:
            status, message = SourceStatus.DAMAGED, _one_line(damage)
        except BaseException as error:
            writer.finish_source(run_source_id, SourceStatus.FAILED, error=_one_line(error))
            raise
        if self.stopped and status is SourceStatus.FINISHED:
            status = SourceStatus.STOPPED
        writer.finish_source(run_source_id, status, error=message)
        return SourceOutcome(source.name, status, engine.report, self._outputs.of(source), message)


def media_folder(settings: Settings) -> Path:
    """Where crops go: as set, else beside the SQLite file, else runs/media."""
    if settings.store.media is not None:
        return settings.store.media
    address = settings.store.database
    if "://" not in address:
        return Path(address).parent / "media"
    url = make_url(address)
    if url.get_backend_name() == "sqlite" and url.database:
        return Path(url.database).parent / "media"
    return Path("runs") / "media"


def detect_hash(settings: Settings, detector: Detector, embedder: Embedder | None) -> str:
    """Key of everything that decides a source's raw detections and their features."""
    cards = [card for card in (detector.card, embedder.card if embedder else None) if card is not None]
    values = {
        "settings": settings.digest("detector", "embedder"),
        "describe_from": settings.describe_from,
        "models": [[card.name, card.version, card.sha256, card.runtime] for card in cards],
    }
    return digest(values)


def _record(settings: Settings) -> RunRecord:
    """The database's address stays out: it may hold a password, and it decides no result."""
    values = settings.model_dump(mode="json", exclude={"store": {"database", "media"}, "engine": True})
    return RunRecord("files", values, digest(values), version("sightline"))


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


def _outcome(writer: RunWriter, database: Database, detector: Detector, embedder: Embedder | None) -> RunOutcome:
    described = [f"{one.card.name} ({one.card.runtime})" if one else None for one in (detector, embedder)]
    return RunOutcome(writer.public_id, database.name, described[0] or "", described[1])


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
