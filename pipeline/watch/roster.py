"""Roster: the cameras of a service, taken up, paused, changed and let go as their rows in the store ask for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import UUID

from pipeline import build
from pipeline.camera_settings import CameraSettings, RecordSettings, WatchSettings, check_camera
from pipeline.errors import BusyError, ConfigError, SightlineError, StoreError
from pipeline.live_engine import LiveEngine, LiveStream
from pipeline.live_report import LiveReport, LiveStreamReport
from pipeline.models.base import Detector, Embedder
from pipeline.rule_settings import AnalyticsSettings
from pipeline.run_record import camera_detect_hash, preview_file
from pipeline.secrets import Secrets
from pipeline.sinks.best_pictures import BestPictures
from pipeline.sinks.database import DatabaseSink
from pipeline.sources.feed import CameraState, Feed
from pipeline.sources.outage_guard import OutageGuard
from pipeline.sources.recorder import Segment
from pipeline.store.camera_rows import CameraTold, add_gap, last_seen, take_up
from pipeline.store.cameras import CameraRow
from pipeline.store.database import Database
from pipeline.store.records import SourceRecord
from pipeline.store.rules import RuleRow, living_rules
from pipeline.store.segments import CAMERA
from pipeline.store.states import CameraWish, SourceStatus
from pipeline.store.writer import RunWriter, now_microseconds
from pipeline.watch.feeds import FeedCounts, RecordingFeed
from pipeline.watch.patience import Patience, PatientWriter
from pipeline.watch.state import CameraSnapshot, camera_snapshot, failed_snapshot
from trackers.structures import Gap

_log = logging.getLogger(__name__)

AGAIN_SECONDS = 5.0  # after a failure of a camera's own tracker or sinks, until it is taken up again
AWAY = "Sightline was not running"


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """What all cameras of a service have in common."""

    settings: WatchSettings
    secrets: Secrets
    database: Database
    writer: RunWriter
    patience: Patience
    detector: Detector
    embedder: Embedder | None
    embedder_id: int | None
    media_folder: Path
    segments: Callable[[int, Segment], None]  # is told of a complete file of a run_source
    shorten: Callable[[Feed], Feed] = lambda feed: feed  # what becomes of a feed before it is used


@dataclass(slots=True, eq=False)
class _Member:
    """A camera that was taken up, or cannot be."""

    row: CameraRow
    number: int
    feed: Feed | None = None  # None while it cannot be taken up
    run_source_id: int | None = None
    settings: CameraSettings | None = None
    rules: tuple[UUID, ...] = ()  # drawn ones, that are being watched
    paused: bool = False
    through: bool = False  # a file that was read to its end
    report: LiveStreamReport | None = None  # the engine's last word
    error: str = ""  # why there is no feed
    failed_at: int = 0  # microseconds UTC
    again: float = field(default=float("inf"))  # monotonic seconds: to be tried anew


class Roster:
    """Keeps engine and rows alike. `follow` is called by one thread, the others by any."""

    def __init__(self, engine: LiveEngine, means: Means) -> None:
        self._engine = engine
        self._means = means
        self._guard = OutageGuard()
        self._members: dict[UUID, _Member] = {}  # replaced as a whole, so that others may read it
        self._numbers = 0
        self._broken: dict[int, str] = {}  # streams that the engine gave up, and why
        self._lock = threading.Lock()  # of the above
        self._all_paused = False

    def pause_all(self) -> None:
        """As if each camera were paused, whatever is wanted of it."""
        self._all_paused = True
        self._steer_all()

    def go_on_all(self) -> None:
        """End that."""
        self._all_paused = False
        self._steer_all()

    def through(self, number: int) -> None:
        """The feed of a stream has ended by itself, and all of it is stored."""
        for member in self._members.values():
            member.through = member.through or member.number == number

    def broke(self, number: int, error: Exception) -> None:
        """The engine has given up a stream, for a failure of its own."""
        with self._lock:
            self._broken[number] = f"{type(error).__name__}: {' '.join(str(error).split())}"
        _log.error("a camera's results cannot be used: %s", error, exc_info=error)

    def follow(self, rows: list[CameraRow]) -> list[CameraTold]:
        """Do what is wanted of each camera. Returns the last word of those that are gone. Raises StoreError."""
        told = []
        with self._lock:
            broken, self._broken = self._broken, {}
        for member in self._members.values():
            if member.number in broken and member.feed is not None:
                self._fail(member, broken[member.number])
        for row in rows:
            known = self._members.get(row.public_id)
            if row.wanted is CameraWish.REMOVE:
                told.append(self._let_go(row, known))
                continue
            waits = known is not None and (known.feed is not None or time.monotonic() < known.again)
            member = known if waits and known is not None else self._take_up(row)
            member.row = row
            self._steer(member)
            if member.feed is not None and not member.through:
                self._watch_rules(member)
        return told

    def record(self, may: Mapping[str, bool]) -> None:
        """Which cameras may record, by name; those that are not named go on as they are."""
        for member in self._members.values():
            if isinstance(member.feed, RecordingFeed) and member.row.name in may:
                member.feed.record(may[member.row.name])

    def policies(self) -> dict[str, RecordSettings]:
        """How the recordings of each camera are kept, by name."""
        otherwise = self._means.settings.record
        return {
            member.row.name: (member.settings.record or otherwise)
            for member in self._members.values()
            if member.settings is not None
        }

    def snapshot(self, report: LiveReport) -> tuple[CameraSnapshot, ...]:
        """How each camera is doing, by name."""
        found = [_snapshot(member, report) for member in self._members.values()]
        return tuple(sorted(found, key=lambda one: one.name))

    def finish(self) -> None:
        """Say in the store how each source ended; the engine has let them go. Raises StoreError."""
        for member in self._members.values():
            if member.feed is None or member.run_source_id is None:
                continue
            status = SourceStatus.FINISHED if member.through else SourceStatus.STOPPED
            self._means.writer.finish_source(member.run_source_id, status)

    def _take_up(self, row: CameraRow) -> _Member:
        """Begin with a camera; what stands in the way is its state. Raises StoreError."""
        self._numbers += 1
        member = _Member(row, self._numbers)
        try:
            settings = check_camera(row.name, row.settings)
            secret = None if settings.secret is None else self._means.secrets.find(settings.secret)
            key = self._means.writer.add_source(
                SourceRecord(CAMERA, row.name, row.uri_redacted, None, secret_ref=settings.secret)
            )
            take_up(self._means.database, row.public_id, key)
            member.settings, member.run_source_id = settings, key
            member.paused = self._all_paused or row.wanted is CameraWish.PAUSE
            feed = self._means.shorten(
                build.camera(
                    row.name,
                    settings.model_copy(update={"enabled": not member.paused}),
                    settings.record or self._means.settings.record,
                    secret=secret,
                    guard=self._guard,
                    media_folder=self._means.media_folder,
                    on_segment=lambda segment: self._means.segments(key, segment),
                )
            )
            self._engine.add(self._stream(member, feed, key))
            member.feed = feed
        except (StoreError, BusyError):
            raise
        except SightlineError as error:
            self._fail(member, " ".join(str(error).split()), again=float("inf"))
        self._members = {**self._members, row.public_id: member}
        return member

    def _stream(self, member: _Member, feed: Feed, key: int) -> LiveStream:
        means, settings = self._means, member.settings
        assert settings is not None, "it was checked"
        sink = DatabaseSink(
            PatientWriter(means.writer, means.database, means.patience),
            key,
            FeedCounts(feed),
            detect_hash=camera_detect_hash(means.settings, means.detector, means.embedder),
            embedder_id=means.embedder_id,
            pictures=BestPictures(),
        )
        checkpoint = means.writer.checkpoint(key)
        if checkpoint is not None:  # the run had this camera before
            sink.follow(checkpoint)
        else:
            self._tell_absence(key)
        classes = means.detector.card.classes
        preview = build.camera_preview(preview_file(means.media_folder, member.row.public_id), classes)
        labels = None if settings.keep is None else _labels(settings.keep, classes)
        tracker = build.tracker(settings.tracker or means.settings.tracker)
        analyst = build.analyst(self._analytics(settings), classes)
        return LiveStream(member.number, feed, tracker, [preview, sink], analyst=analyst, labels=labels)

    def _analytics(self, settings: CameraSettings) -> AnalyticsSettings:
        """A camera's own zones and lines; where it says nothing of them, those of the service."""
        own = "analytics" in settings.model_fields_set
        return settings.analytics if own else self._means.settings.analytics

    def _tell_absence(self, key: int) -> None:
        """The time since an earlier service last had this camera is a gap."""
        with self._means.database.read("look when a camera was last seen") as connection:
            seen = last_seen(connection, key)
        if seen is not None:
            add_gap(self._means.database, key, Gap(seen, now_microseconds(), AWAY))

    def _watch_rules(self, member: _Member) -> None:
        """Watch what is drawn and set, where that has changed."""
        settings, source = member.settings, member.row.source
        if settings is None or source is None:
            return
        scope = self._means.writer.scope
        with self._means.database.read("read what is drawn") as connection:
            drawn = living_rules(scope, connection, source)
        keys = tuple(rule.public_id for rule in drawn)
        if keys == member.rules:
            return
        member.rules = keys
        self._set_rules(member, settings, drawn)

    def _set_rules(self, member: _Member, settings: CameraSettings, drawn: list[RuleRow]) -> None:
        try:
            merged = build.merged(self._analytics(settings), drawn)
            analyst = build.analyst(merged, self._means.detector.card.classes)
        except ConfigError as error:
            _log.error("camera '%s': %s", member.row.name, error, extra={"camera": member.row.name})
            return
        self._engine.set_analyst(member.number, analyst)

    def _steer_all(self) -> None:
        for member in self._members.values():
            self._steer(member)

    def _steer(self, member: _Member) -> None:
        """Pause it or let it go on."""
        if member.feed is None or member.through:
            return
        wanted = self._all_paused or member.row.wanted is CameraWish.PAUSE
        if wanted is not member.paused:
            member.paused = wanted
            (member.feed.pause if wanted else member.feed.go_on)()

    def _let_go(self, row: CameraRow, member: _Member | None) -> CameraTold:
        """End a camera that was taken away. Others go on meanwhile. Raises StoreError."""
        status: dict[str, object] = {}
        if member is not None:
            if member.feed is not None:
                self._engine.remove(member.number)
                status = CameraSnapshot(row.public_id, row.name, member.feed.status()).told()
            if member.run_source_id is not None:
                self._means.writer.finish_source(member.run_source_id, SourceStatus.STOPPED)
            self._members = {key: one for key, one in self._members.items() if key != row.public_id}
            _log.info("camera '%s' was taken away", row.name, extra={"camera": row.name})
        return CameraTold(row.public_id, CameraState.ENDED, now_microseconds(), "", status)

    def _fail(self, member: _Member, error: str, *, again: float | None = None) -> None:
        member.feed = None
        member.error, member.failed_at = error, now_microseconds()
        member.again = time.monotonic() + AGAIN_SECONDS if again is None else again
        _log.error("camera '%s': %s", member.row.name, error, extra={"camera": member.row.name})


def _snapshot(member: _Member, report: LiveReport) -> CameraSnapshot:
    row = member.row
    if member.feed is None:
        return failed_snapshot(row.public_id, row.name, member.error, member.failed_at)
    member.report = report.streams.get(member.number, member.report)
    return replace(camera_snapshot(row.public_id, row.name, member.feed.status(), member.report), over=member.through)


def _labels(keep: Sequence[str], classes: Sequence[str]) -> frozenset[int]:
    """Indices of the named classes. Raises ConfigError for one that the detector does not know."""
    if unknown := sorted(set(keep) - set(classes)):
        raise ConfigError(f"keep: the detector knows no {', '.join(unknown)}; it knows {', '.join(classes)}")
    return frozenset(classes.index(name) for name in keep)
