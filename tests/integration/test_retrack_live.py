"""Runs over cameras are tracked again: outages, new sizes and each camera's own settings count as they did live."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from pipeline import build
from pipeline.camera_settings import check_camera
from pipeline.config import Settings
from pipeline.errors import StoreError
from pipeline.live_engine import LiveEngine, LiveStream
from pipeline.retrack import Retrack, retrack_settings
from pipeline.sinks.database import DatabaseSink
from pipeline.sources.base import microseconds
from pipeline.sources.feed import CameraState
from pipeline.store.camera_rows import Enrolment, add_gap, enrol
from pipeline.store.database import Database, open_database
from pipeline.store.filters import scope_of
from pipeline.store.records import PROJECT, RunRecord, SourceRecord
from pipeline.store.rows import RunDetail
from pipeline.store.run_queries import find_run, run_detail
from pipeline.store.states import CameraOrigin, CameraWish, RunStatus, SourceStatus
from pipeline.store.writer import RunWriter
from pipeline.watch.feeds import FeedCounts
from tests.fakes import START, FakeFeed
from tests.integration.stored import reading
from tests.integration.test_live_memory import Looks, Passing
from tests.promptness import allowed, until
from trackers.structures import Frame, Gap

FPS = 10.0
FRAMES = 240
SESSION = 60  # frames of a connection
AWAY = (0.4, 30.0, 0.35)  # seconds without pictures after each connection but the last
CAMERAS: dict[str, dict[str, Any]] = {
    "gate": {},
    "yard": {"tracker": {"name": "bytetrack", "new_score": 0.6}},
    "wall": {"analytics": {"lines": {"kerb": {"start": (0.5, 0), "end": (0.5, 1)}}}},
}


class Going(FakeFeed):
    """People walk by at 10 frames a second; the camera goes away three times, and `wall` comes back larger once."""

    def start(self, fresh: object) -> None:
        super().start(fresh)  # type: ignore[arg-type]
        self.state = CameraState.LIVE
        self._fresh()

    def take(self) -> Frame | None:
        if self.taken == FRAMES:
            self.state = CameraState.ENDED
            return None
        index, session = self.taken, self.taken // SESSION
        seconds = index / FPS + sum(AWAY[:session])
        at = microseconds(START) + round(seconds * 1e6) + 7_000 * session  # the computer's clock was corrected
        first = session > 0 and index % SESSION == 0
        before = at - 7_000 - round((1 / FPS + AWAY[session - 1]) * 1e6)
        gap = Gap(before, at, "the network was away") if first else None
        larger = self.name == "wall" and session >= 2
        shape = (240, 320, 3) if larger else (120, 160, 3)
        self.taken += 1
        self.read = self.taken
        return Frame(np.full(shape, index % 200, np.uint8), index, seconds, at, session=session + 1, gap=gap)


@dataclass(frozen=True)
class Watched:
    """A store with a live run."""

    database: Database
    file: Path


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of three cameras, followed live to their end. Not to be changed: `watched` is a copy for one test."""
    file = tmp_path_factory.mktemp("followed") / "runs.db"
    with open_database(file) as database:
        follow(database, file, parent=None)
    return file


@pytest.fixture
def watched(followed: Path, tmp_path: Path) -> Iterator[Watched]:
    file = shutil.copy(followed, tmp_path / "runs.db")
    with open_database(file) as database:
        yield Watched(database, file)


def follow(database: Database, file: Path, *, parent: UUID | None) -> None:
    """`parent`: public id of the service's run before."""
    settings = Settings.model_validate({"store": {"database": str(file)}})
    kept = settings.model_dump(mode="json", exclude={"store": {"database"}})
    detector, looks = Passing(every=11), Looks()
    record = RunRecord("live", kept | {"cameras": {}, "record": {}}, "hash", "0", parent=parent)
    writer = RunWriter.begin(database, record, media_folder=file.parent / "media")
    writer.register_model(detector.card)
    embedder = writer.register_model(looks.card)
    told = {name: {"url": f"rtsp://10.0.0.1/{name}"} | values for name, values in CAMERAS.items()}
    rows = [Enrolment(name, values["url"], values, CameraOrigin.FILE, CameraWish.RUN) for name, values in told.items()]
    enrol(database, writer.public_id, rows)
    failed: list[Exception] = []
    engine = LiveEngine(detector, embedder=looks, stream_failed=lambda _, error: failed.append(error))
    keys = []
    for number, (name, values) in enumerate(told.items()):
        feed, own = Going(name, policy="batch"), check_camera(name, values)
        keys.append(writer.add_source(SourceRecord("camera", name, feed.uri, None)))
        sink = DatabaseSink(writer, keys[-1], FeedCounts(feed), detect_hash="d", embedder_id=embedder)
        analyst = build.analyst(own.analytics, detector.card.classes)
        tracker = build.tracker(own.tracker or settings.tracker)
        engine.add(LiveStream(number, feed, tracker, [sink], analyst=analyst))
    thread = threading.Thread(target=engine.run)
    thread.start()
    try:
        until(lambda: not engine.report().streams, 30, "not all streams have ended")
    finally:
        engine.stop()
        thread.join(allowed(10))
    assert failed == []
    end = microseconds(START) + 10**9
    add_gap(database, keys[0], Gap(end, end + 1, "away at the end"))
    for key in keys:
        writer.finish_source(key, SourceStatus.FINISHED)
    writer.finish_run(RunStatus.STOPPED)


def last_run(database: Database) -> RunDetail:
    with database.read() as connection:
        scope = scope_of(connection, [PROJECT])
        found = run_detail(scope, connection, find_run(scope, connection, "last"))
    assert found is not None
    return found


def retrack(watched: Watched, *overrides: str, refined: bool = False) -> None:
    """Track the last run again."""
    run = last_run(watched.database)
    settings = retrack_settings(run, str(watched.file), overrides)
    changed = {one.partition(".")[0] for one in overrides}
    outcome = Retrack(watched.database, run, settings, refined=refined, changed=changed).execute()
    assert [source.frames for source in outcome.sources] == [FRAMES] * len(CAMERAS)


def rows(watched: Watched, run: int) -> dict[str, list[tuple[Any, ...]]]:
    """What a run left, by natural keys."""
    queries = {
        "tracks": "s.name, t.local_id, t.class_id, t.score_max, t.first_at, t.last_at, t.count FROM tracks t",
        "sessions": "s.name, t.n, t.started_at, t.width, t.height FROM sessions t",
        "gaps": "s.name, t.from_at, t.to_at, t.reason FROM gaps t",
        "events": "s.name, t.at, t.rule, t.kind, t.direction, t.x, t.y FROM events t",
        "observations": "s.name, k.local_id, t.at, t.frame, t.det_row, t.x1, t.y1, t.x2, t.y2, t.evidence, t.score"
        " FROM observations t JOIN tracks k ON k.id = t.track_id",
        "embeddings": "s.name, k.local_id, t.kind, t.at, t.vector FROM embeddings t JOIN tracks k ON k.id = t.track_id",
    }
    joined = (
        "JOIN run_sources r ON r.id = {}.run_source_id JOIN sources s ON s.id = r.source_id WHERE r.run_id = ? "
        "ORDER BY 1, 2, 3, 4"
    )
    with reading(watched.file) as connection, closing(connection.cursor()) as cursor:
        return {
            name: cursor.execute(
                f"SELECT {query} {joined.format('k' if name == 'embeddings' else 't')}", (run,)
            ).fetchall()
            for name, query in queries.items()
        }


def test_the_same_settings_give_the_live_result(watched: Watched) -> None:
    live = rows(watched, 1)
    assert len(live["gaps"]) == 3 * len(CAMERAS) + 1
    assert len({row[3] for row in live["sessions"] if row[0] == "wall"}) == 2
    assert len(live["events"]) >= 10
    assert len(live["tracks"]) > 60
    retrack(watched)
    assert rows(watched, 2) == live
    retrack(watched)  # also from the run that was tracked again, which stores no detections of its own
    assert rows(watched, 3) == live


def test_a_service_that_succeeds_another_has_its_own_detections(watched: Watched) -> None:
    follow(watched.database, watched.file, parent=last_run(watched.database).run.public_id)
    with watched.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM detection_chunks WHERE run_source_id <= 3")  # of the first
    retrack(watched)
    assert rows(watched, 3) == rows(watched, 2)


def test_what_is_set_now_counts_for_all_cameras(watched: Watched) -> None:
    retrack(watched, "tracker.name=bytetrack", "tracker.new_score=0.6")
    live, again = rows(watched, 1), rows(watched, 2)

    def of(name: str, found: dict[str, list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
        return [row for row in found["observations"] if row[0] == name]

    assert of("yard", again) == of("yard", live)
    assert of("gate", again) != of("gate", live)
    assert of("gate", again) == [("gate", *row[1:]) for row in of("yard", live)]  # all cameras see the same people
    retrack(watched)
    assert rows(watched, 3)["observations"] == again["observations"]


def test_hindsight_fills_nothing_across_an_outage(watched: Watched) -> None:
    retrack(watched, "refine.link_seconds=60", "refine.fill_seconds=60", refined=True)
    found = rows(watched, 2)
    assert found["gaps"] == rows(watched, 1)["gaps"]
    for name in CAMERAS:
        gaps = [(row[1], row[2]) for row in found["gaps"] if row[0] == name]
        seen = np.array([row[2] for row in found["observations"] if row[0] == name])
        assert not any(((begin < seen) & (seen < end)).any() for begin, end in gaps)
    sizes = {"wall": 2 * SESSION}  # no track goes on in the larger picture
    for name, change in sizes.items():
        by_track: dict[int, list[int]] = {}
        for row in found["observations"]:
            if row[0] == name:
                by_track.setdefault(row[1], []).append(row[3])
        assert by_track
        assert not any(min(frames) < change <= max(frames) for frames in by_track.values())
        assert all(before < after for frames in by_track.values() for before, after in pairwise(frames))


def test_detections_that_went_with_their_run(watched: Watched) -> None:
    retrack(watched)
    with watched.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM detection_chunks")
    with pytest.raises(StoreError, match="detections from frame 0 on are not stored"):
        retrack(watched)
