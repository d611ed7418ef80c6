"""Roster: the cameras of a service, taken up, paused, changed and let go as their rows in the store ask for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from pipeline import build
from pipeline.camera_settings import CameraSettings, RecordSettings, check_camera
from pipeline.errors import BusyError, HangError, SightlineError, StoreError
from pipeline.live_engine import LiveEngine
from pipeline.live_report import LiveReport, LiveStreamReport
from pipeline.sources.feed import CameraState, Feed, FeedStatus
from pipeline.sources.outage_guard import OutageGuard
from pipeline.store.camera_rows import CameraTold, take_up
from pipeline.store.cameras import CameraRow
from pipeline.store.records import SourceRecord
from pipeline.store.rules import RuleRow, living_rules
from pipeline.store.segments import CAMERA
from pipeline.store.states import CameraWish, SourceStatus
from pipeline.store.writer import now_microseconds
from pipeline.watch.feeds import RecordingFeed
from pipeline.watch.state import CameraSnapshot, camera_snapshot, failed_snapshot
from pipeline.watch.streams import Means, analytics_of, camera_stream

_log = logging.getLogger(__name__)

AGAIN_SECONDS = 5.0  # after a failure of a camera's own tracker or sinks, until it is taken up again


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
    no_room: str = ""  # why it is not recorded at present
    last: FeedStatus | None = None  # of the feed that there was
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
        told: list[CameraTold] = []
        with self._lock:
            broken, self._broken = self._broken, {}
        for member in self._members.values():
            if member.number in broken and member.feed is not None:
                self._fail(member, broken[member.number])
        for row in rows:
            known = self._members.get(row.public_id)
            if row.wanted is CameraWish.REMOVE:
                told += self._let_go(row, known)
                continue
            waits = known is not None and (known.feed is not None or time.monotonic() < known.again)
            member = known if waits and known is not None else self._take_up(row)
            member.row = row
            self._steer(member)
            if member.feed is not None and not member.through:
                self._watch_rules(member)
        listed = {row.public_id for row in rows}
        for key in self._members.keys() - listed:  # it had ended before it was taken away: its row is gone at once
            told += self._let_go(self._members[key].row, self._members[key])
        return told

    def record(self, no_room: Mapping[str, str]) -> None:
        """Why cameras may not record, by name, "" where they may; those that are not named go on as they are."""
        for member in self._members.values():
            if isinstance(member.feed, RecordingFeed) and member.row.name in no_room:
                member.no_room = no_room[member.row.name] if self._records(member) else ""
                member.feed.record(not no_room[member.row.name])

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
            self._means.writer.finish_source(member.run_source_id, _end_of(member))

    def _records(self, member: _Member) -> bool:
        """Whether it is wanted that the camera is recorded."""
        own = None if member.settings is None else member.settings.record
        return (own or self._means.settings.record).mode != "off"

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
            self._engine.add(camera_stream(self._means, row, settings, feed, number=member.number, key=key))
            member.feed = feed
        except (StoreError, BusyError):
            raise
        except SightlineError as error:
            self._fail(member, " ".join(str(error).split()), again=float("inf"))
        self._members = {**self._members, row.public_id: member}
        return member

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
        """One that cannot be keeps none of the others from being watched."""
        classes = self._means.detector.card.classes
        merged, wrong = build.merged_possible(analytics_of(self._means, settings), drawn, classes)
        for problem in wrong:
            _log.error("camera '%s': %s", member.row.name, problem, extra={"camera": member.row.name})
        analyst = build.analyst(merged, classes)
        try:
            self._engine.set_analyst(member.number, analyst)
        except KeyError:  # the stream has ended since: `through` or `broke` is about to tell, or has told
            _log.info("camera '%s' ended before its zones and lines were watched", member.row.name)

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

    def _let_go(self, row: CameraRow, member: _Member | None) -> list[CameraTold]:
        """End a camera that was taken away; no word of it where that takes too long. Raises StoreError."""
        status: dict[str, object] = {}
        if member is not None:
            if member.feed is not None:
                try:
                    self._engine.remove(member.number)
                except HangError as error:  # the store takes nothing, say: asked again with the next look
                    _log.warning("camera '%s' is still being taken away: %s", row.name, error)
                    return []
                status = CameraSnapshot(row.public_id, row.name, member.feed.status()).told()
            if member.run_source_id is not None:
                self._means.writer.finish_source(member.run_source_id, _end_of(member))
            self._members = {key: one for key, one in self._members.items() if key != row.public_id}
            _log.info("camera '%s' was taken away", row.name, extra={"camera": row.name})
        return [CameraTold(row.public_id, CameraState.ENDED, now_microseconds(), "", status)]

    def _fail(self, member: _Member, error: str, *, again: float | None = None) -> None:
        if member.feed is not None:
            member.last = member.feed.status()
        member.feed = None
        member.error, member.failed_at = error, now_microseconds()
        member.again = time.monotonic() + AGAIN_SECONDS if again is None else again
        _log.error("camera '%s': %s", member.row.name, error, extra={"camera": member.row.name})


def _end_of(member: _Member) -> SourceStatus:
    return SourceStatus.FINISHED if member.through else SourceStatus.STOPPED


def _snapshot(member: _Member, report: LiveReport) -> CameraSnapshot:
    row = member.row
    if member.feed is None:
        return failed_snapshot(row.public_id, row.name, member.error, member.failed_at, last=member.last)
    member.report = report.streams.get(member.number, member.report)
    status = member.feed.status()
    if member.no_room:
        status = replace(status, recording=member.no_room)
    snapshot = camera_snapshot(row.public_id, row.name, status, member.report)
    return replace(snapshot, over=member.through, budget=report.budget)
