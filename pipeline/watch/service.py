"""Watch: a service over cameras, from its first look at the settings to the last chunk that is stored."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from uuid import UUID

from pipeline import build
from pipeline.alerts.dispatcher import Dispatcher
from pipeline.camera_settings import WatchSettings
from pipeline.errors import ConfigError, SourceError, StoreError
from pipeline.heart import Heart
from pipeline.live_engine import LiveEngine
from pipeline.loaded_models import Models
from pipeline.outputs import Outputs
from pipeline.processing import tell_failure
from pipeline.recordings import adopt_orphans
from pipeline.run_record import media_folder, run_record
from pipeline.secrets import Secrets
from pipeline.sources.feed import Feed
from pipeline.sources.outage_guard import OutageGuard
from pipeline.store.camera_rows import enrol, retire_earlier
from pipeline.store.cameras import LIVE
from pipeline.store.database import Database, open_database
from pipeline.store.filters import Scope, project_scope
from pipeline.store.states import RequestedState, RunStatus
from pipeline.store.writer import RunWriter
from pipeline.watch.http_server import HttpServer
from pipeline.watch.metrics import metrics_text
from pipeline.watch.patience import Patience, may_pass
from pipeline.watch.recordings import RecordingKeeper, SegmentQueue
from pipeline.watch.roster import Roster
from pipeline.watch.state import ServiceState, stage_snapshots
from pipeline.watch.streams import Means
from pipeline.watch.succession import MADE_BY, WATCH, enrolments, take_over
from pipeline.watch.supervisor import Supervisor

BEAT_SECONDS = 0.5  # between two looks at what is wanted of the run
LAST_TRIES = 1.2  # seconds after a stop in which a store that takes nothing is tried again
BUSY_SECONDS = 1.0  # the service waits no longer for a lock or a server at once: Patience does

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What is not in the settings."""

    made_by: str = WATCH  # or RUN
    public_id: UUID | None = None  # of the new run, where it was given out before
    password: str | None = None  # before metrics, where others get in
    over: Callable[[ServiceState], bool] = lambda _: False  # the service ends by itself when it is
    shorten: Callable[[Feed], Feed] = lambda feed: feed  # what becomes of each camera's feed


class Watch:
    """One live run. `execute` once; `stop` from a signal handler."""

    def __init__(
        self,
        settings: WatchSettings,
        secrets: Secrets,
        *,
        options: WatchOptions | None = None,
        began: Callable[[Watch], None] = lambda _: None,
    ) -> None:
        """`began`: is called once the run is in the store and its cameras are about to be taken up."""
        self._settings = settings
        self._secrets = secrets
        self._options = options or WatchOptions()
        self._began = began
        self._patience = Patience()
        self._segments = SegmentQueue()
        self._engine: LiveEngine | None = None
        self._roster: Roster | None = None
        self._keeper: RecordingKeeper | None = None
        self._writer: RunWriter | None = None
        self._supervisor: Supervisor | None = None
        self._wanted = RequestedState.RUN
        self._failure: Exception | None = None
        self.stopped = False  # by `stop`

    @property
    def public_id(self) -> UUID | None:
        """Of the run, once it has begun."""
        return None if self._writer is None else self._writer.public_id

    def stop(self) -> None:
        """End: what was taken is finished and stored. Safe in a signal handler: it takes no lock."""
        self.stopped = True
        self._patience.end(LAST_TRIES)
        if self._engine is not None:
            self._engine.stop()

    def state(self) -> ServiceState:
        """How it is doing. From any thread."""
        engine, roster = self._engine, self._roster
        state = ServiceState(
            trouble=self._patience.trouble,
            store_retries=self._patience.retries,
            alerts_waiting=0 if self._supervisor is None else self._supervisor.alerts_waiting,
        )
        if engine is None or roster is None:
            return state
        report = engine.report()
        return replace(
            state,
            cameras=roster.snapshot(report),
            stages=stage_snapshots(report),
            hanging=report.hanging,
            budget=report.budget,
            disk=state.disk if self._keeper is None else self._keeper.disk,
            running=not self.stopped,
        )

    def execute(self) -> None:
        """Run until `stop`, until somebody asks for the end in the store, or until it is over by itself.

        What can be wrong with the settings is told before anything is written. Raises the first failure of what all
        cameras share, after the store has been told.
        """
        settings = self._settings
        self._check_cameras()
        receivers = build.receivers(settings.alerts, self._secrets)
        with ExitStack() as stack:
            if settings.service.listen:
                stack.enter_context(self._http_server())
            settings = Models.settled(settings)
            models = Models.load(settings)
            settings = self._settings = models.completed(settings)
            insist = self._patience.insist
            database = stack.enter_context(
                insist(lambda: open_database(settings.store.database, busy_seconds=BUSY_SECONDS))
            )
            if self.stopped:
                return
            writer = insist(lambda: self._begin(database, models))
            self._writer = writer
            try:
                means = insist(lambda: self._means(database, writer, models))
                with Dispatcher(database, writer.scope, receivers) as dispatcher:
                    self._work(means, dispatcher if receivers else None)
            except BaseException as error:
                tell_failure(error, lambda said: writer.finish_run(RunStatus.FAILED, error=said))
                raise
            insist(lambda: writer.finish_run(RunStatus.STOPPED if self.stopped else RunStatus.FINISHED))

    def _begin(self, database: Database, models: Models) -> RunWriter:
        """The run in the store, with its cameras. Raises ConfigError where another service is at work."""
        settings, made_by = self._settings, self._options.made_by
        media = media_folder(settings).absolute()
        scope = project_scope(database)
        parent = None if scope is None else take_over(database, scope)
        cameras = enrolments(database, scope or Scope(()), settings.cameras, made_by=made_by)
        if scope is not None:
            adopt_orphans(database, media, [camera.name for camera in cameras])
        record = run_record(settings, models.detector, models.embedder, Outputs(), segmenter=models.segmenter)
        record = replace(record, kind=LIVE, settings={**record.settings, MADE_BY: made_by}, parent=parent)
        writer = RunWriter.begin(database, record, media_folder=media, public_id=self._options.public_id)
        self._patience.insist(lambda: enrol(database, writer.public_id, cameras))
        if others := self._patience.insist(lambda: retire_earlier(database, writer.public_id)):
            _log.warning("%d services that were started at the same moment are told to end", others)
        return writer

    def _means(self, database: Database, writer: RunWriter, models: Models) -> Means:
        """What all cameras have in common; the store knows the models then."""
        writer.alerts = build.alert_targets(self._settings.alerts)
        writer.register_model(models.detector.card)
        if models.segmenter is not None:
            writer.register_model(models.segmenter.card)
        embedder_id = None if models.embedder is None else writer.register_model(models.embedder.card)
        return Means(
            settings=self._settings,
            secrets=self._secrets,
            database=database,
            writer=writer,
            patience=self._patience,
            detector=models.detector,
            segmenter=models.segmenter,
            embedder=models.embedder,
            embedder_id=embedder_id,
            media_folder=media_folder(self._settings).absolute(),
            segments=self._segments.put,
            shorten=self._options.shorten,
        )

    def _work(self, means: Means, dispatcher: Dispatcher | None) -> None:
        """From the first camera to the last."""
        service = self._settings.service
        budget = build.budget(self._settings.detector, means.detector)
        roster: Roster
        engine = LiveEngine(
            means.detector,
            segmenter=means.segmenter,
            embedder=means.embedder,
            asks=build.asks(self._settings, segmenter=means.segmenter, embedder=means.embedder),
            batch=service.batch,
            max_wait=service.max_wait_ms / 1000,
            store_seconds=service.store_seconds,
            chunk=self._settings.store.chunk,
            schedule=build.schedule(self._settings.detector, budget),
            judge=build.judge(self._settings.detector),
            budget=budget,
            hang_seconds=service.hang_seconds,
            stream_failed=lambda number, error: roster.broke(number, error),
            stream_ended=lambda number: roster.through(number),
        )
        roster = Roster(engine, means)
        self._roster, self._engine = roster, engine
        supervisor = Supervisor(
            means, roster, self.state, dispatcher=dispatcher, looked=self._looked, failed=self._break
        )
        self._supervisor = supervisor
        keeper = RecordingKeeper(means.database, means.media_folder, roster, self._segments, self._patience)
        self._keeper = keeper
        with keeper, Heart(self._beat(means.writer), self._obey, seconds=BEAT_SECONDS):
            self._began(self)
            try:
                with supervisor:
                    if self.stopped:  # before there was an engine to stop
                        engine.stop()
                    engine.run()
            finally:
                self._finish_sources(roster)
        if self._failure is not None:
            raise self._failure

    def _http_server(self) -> HttpServer:
        return HttpServer(
            self._settings.service.listen,
            metrics=metrics_text(self.state),
            reasons=lambda: self.state().reasons(),
            password=self._options.password,
        )

    def _check_cameras(self) -> None:
        """Build each once, without starting it. Raises ConfigError for an address or a secret that cannot be."""
        settings, guard = self._settings, OutageGuard()
        for name, camera in settings.cameras.items():
            try:
                secret = None if camera.secret is None else self._secrets.find(camera.secret)
                build.camera(
                    name,
                    camera,
                    settings.record,
                    secret=secret,
                    guard=guard,
                    media_folder=media_folder(settings),
                    on_segment=lambda _: None,
                ).close()
            except (ConfigError, SourceError) as error:
                raise ConfigError(f"camera '{name}': {error}") from error

    # The rest runs in threads of the service.

    def _beat(self, writer: RunWriter) -> Callable[[], RequestedState]:
        def beat() -> RequestedState:
            try:
                self._wanted = writer.heartbeat()
                self._patience.went_well()
            except StoreError as error:  # said with the others, and not at every beat
                if may_pass(error):
                    self._patience.note(error)
                else:  # the run was deleted, or another service has taken over
                    self._break(error)
            return self._wanted

        return beat

    def _obey(self, wanted: RequestedState) -> None:
        """Do what somebody asked for in the store."""
        assert self._roster is not None
        assert self._writer is not None
        match wanted:
            case RequestedState.STOP:
                _log.info("somebody asked the service to stop")
                self.stop()
            case RequestedState.PAUSE:
                self._roster.pause_all()
                self._writer.set_status(RunStatus.PAUSED)
            case RequestedState.RUN:
                self._roster.go_on_all()
                self._writer.set_status(RunStatus.RUNNING)

    def _looked(self, state: ServiceState) -> None:
        if self._options.over(state) and self._engine is not None:
            self._engine.stop()

    def _break(self, error: Exception) -> None:
        """End the service, which raises the error."""
        self._failure = self._failure or error
        assert self._engine is not None
        self._engine.stop()

    def _finish_sources(self, roster: Roster) -> None:
        try:
            self._patience.insist(roster.finish)
        except StoreError as error:  # the run's end is told, too, and fails likewise
            _log.error("the store could not be told how the cameras ended: %s", error)


def all_ended(state: ServiceState) -> bool:
    """Whether there were cameras and each is over."""
    return bool(state.cameras) and all(camera.over for camera in state.cameras)
