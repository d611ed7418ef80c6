"""Engine and rows kept alike: cameras that end by themselves, fail, or are taken away. The cameras are made up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import update

from pipeline.camera_settings import WatchSettings
from pipeline.live_engine import LiveEngine
from pipeline.rule_settings import RuleKind
from pipeline.secrets import Secrets
from pipeline.section import parse
from pipeline.sources.feed import CameraState, Feed
from pipeline.store.camera_rows import CameraTold, Enrolment, enrol, tell_cameras
from pipeline.store.cameras import LIVE, CameraRow, list_cameras, set_wish
from pipeline.store.database import Database, open_database
from pipeline.store.records import RunRecord
from pipeline.store.rules import add_rule
from pipeline.store.states import CameraOrigin, CameraWish, RequestedState, RunStatus
from pipeline.store.tables import Run
from pipeline.store.writer import RunWriter
from pipeline.watch.patience import Patience
from pipeline.watch.roster import Roster
from pipeline.watch.state import CameraSnapshot
from pipeline.watch.streams import Means
from pipeline.watch.succession import take_over
from tests.fakes import FakeDetector, FakeFeed
from tests.promptness import until

LINE: dict[str, Any] = {"start": [0.1, 0.5], "end": [0.9, 0.5]}


@dataclass
class Kept:
    """A roster over one camera, `gate`, as a service has it; `look` is what its supervisor does."""

    database: Database
    writer: RunWriter
    engine: LiveEngine
    roster: Roster
    feeds: list[FakeFeed]

    def rows(self) -> list[CameraRow]:
        with self.database.read() as connection:
            return list_cameras(self.writer.scope, connection, run=self.writer.public_id)

    def look(self) -> tuple[CameraSnapshot, ...]:
        gone = self.roster.follow(self.rows())
        tell_cameras(self.database, gone)
        return self.roster.snapshot(self.engine.report())


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """At work, before its first look."""
    settings = parse({"detector": {"backend": "motion"}}, WatchSettings)
    feeds: list[FakeFeed] = []

    def replaced(feed: Feed) -> Feed:
        feed.close()
        feeds.append(FakeFeed(feed.name))
        return feeds[-1]

    with open_database(tmp_path / "watch.db") as database:
        writer = RunWriter.begin(database, RunRecord(LIVE, {}, "settings", "1"), media_folder=tmp_path / "media")
        url = "rtsp://127.0.0.1:9/gate"
        enrol(database, writer.public_id, [Enrolment("gate", url, {"url": url}, CameraOrigin.ADDED, CameraWish.RUN)])
        detector = FakeDetector()
        writer.register_model(detector.card)
        means = Means(
            settings=settings,
            secrets=Secrets({}, {}),
            database=database,
            writer=writer,
            patience=Patience(),
            detector=detector,
            segmenter=None,
            embedder=None,
            embedder_id=None,
            media_folder=tmp_path / "media",
            segments=lambda _key, _segment: None,
            shorten=replaced,
        )
        roster: Roster
        engine = LiveEngine(
            detector,
            stream_failed=lambda number, error: roster.broke(number, error),
            stream_ended=lambda number: roster.through(number),
        )
        roster = Roster(engine, means)
        thread = Thread(target=engine.run)
        thread.start()
        try:
            yield Kept(database, writer, engine, roster, feeds)
        finally:
            engine.stop()
            thread.join()


def test_a_file_that_is_through_is_forgotten_when_it_is_taken_away(kept: Kept) -> None:
    (before,) = kept.look()
    kept.feeds[0].push()
    until(lambda: kept.feeds[0].taken == 1)
    kept.feeds[0].state = CameraState.ENDED
    kept.feeds[0].push()
    kept.feeds[0].state = CameraState.ENDED
    until(lambda: kept.look()[0].over)
    (told,) = kept.look()
    tell_cameras(kept.database, [CameraTold(told.public_id, told.status.state, 0, "", told.told())])
    set_wish(kept.database, kept.writer.scope, before.public_id, CameraWish.REMOVE)
    assert kept.rows() == []  # ended and taken away: nobody sees it any more
    assert kept.look() == ()  # else metrics would tell of two cameras of one name once it is added again
    assert kept.roster.policies() == {}


def test_rules_of_a_stream_that_has_just_ended_are_no_error(kept: Kept) -> None:
    kept.look()
    (row,) = kept.rows()
    assert row.source is not None
    kept.look()
    add_rule(kept.database, kept.writer.scope, row.source, "door", RuleKind.LINE, LINE)
    kept.engine.remove(1)  # as if it had failed between two looks, before the roster is told
    assert len(kept.look()) == 1


def test_a_camera_that_failed_keeps_its_counters(kept: Kept) -> None:
    kept.look()
    kept.feeds[0].push()
    until(lambda: kept.feeds[0].taken == 1)
    kept.roster.broke(1, RuntimeError("its tracker broke"))
    (told,) = kept.look()
    assert (told.status.state, told.status.frames_read) == (CameraState.FAILED, 1)
    assert "its tracker broke" in told.status.error


@pytest.mark.parametrize("status", list(RunStatus))
def test_a_service_that_told_no_end_is_told_to_end_should_it_come_back(kept: Kept, status: RunStatus) -> None:
    """This process stands for it: nobody else beats."""
    kept.writer.set_status(status)
    with kept.database.write() as connection:
        connection.execute(update(Run).values(heartbeat_at=1))  # silent for years
    assert take_over(kept.database, kept.writer.scope, silent_seconds=0.1) == kept.writer.public_id
    unfinished = status in (RunStatus.RUNNING, RunStatus.PAUSED)
    assert kept.writer.heartbeat() is (RequestedState.STOP if unfinished else RequestedState.RUN)


def test_how_it_was_outlives_the_engine(kept: Kept) -> None:
    """What `sightline cameras` shows after the end is what it showed before."""
    kept.look()
    for _ in range(4):
        kept.feeds[0].push()
        until(lambda: kept.feeds[0].status().frames_taken == kept.feeds[0].read)
    until(lambda: kept.look()[0].stored.count == 4)
    (before,) = kept.look()
    assert before.tracked.p95 > 0
    kept.engine.stop()
    until(lambda: not kept.engine.report().streams)
    (after,) = kept.look()
    assert (after.frames, after.tracks_in_all, after.tracks) == (before.frames, before.tracks_in_all, before.tracks)
    assert (after.tracked, after.stored) == (before.tracked, before.stored)
