"""A service runs for months: its memory does not grow with frames, tracks or reconnects."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from sqlalchemy import event, func, select

from pipeline.live_engine import LiveEngine, LiveStream
from pipeline.models.base import ModelCard
from pipeline.sinks.best_pictures import BestPictures
from pipeline.sinks.database import DatabaseSink
from pipeline.sources.base import microseconds
from pipeline.sources.feed import CameraState
from pipeline.store import tables
from pipeline.store.database import Database, open_database
from pipeline.store.records import RunRecord, SourceRecord
from pipeline.store.writer import RunWriter
from pipeline.watch.feeds import FeedCounts
from tests.fakes import START, FakeDetector, FakeFeed
from tests.promptness import allowed
from trackers.bytetrack import ByteTrack
from trackers.deepsort import DeepSort
from trackers.structures import Detections, FloatArray, Frame, Gap

STREAMS = 4
FPS = 10.0
AWAY = 30.0  # seconds that a camera is away, each time
LIFE = 20  # frames that somebody is seen
DIMENSION = 64
GROWTH = 0.05  # share by which memory may grow after the first third


class Script(FakeFeed):
    """Makes each frame when it is asked for: somebody new every few frames, a new connection now and then."""

    def __init__(self, mark: int, *, frames: int, reconnects: int) -> None:
        super().__init__(f"camera {mark}", mark=mark, policy="batch", width=160, height=120)
        self._count, self._each = frames, -(-frames // (reconnects + 1))
        self.state = CameraState.LIVE

    def start(self, fresh: object) -> None:
        super().start(fresh)  # type: ignore[arg-type]
        self._fresh()

    def take(self) -> Frame | None:
        if self.taken == self._count:
            self.state = CameraState.ENDED
            return None
        session, index = self.taken // self._each, self.taken
        seconds = index / FPS + session * AWAY
        at = microseconds(START) + round(seconds * 1e6)
        first = session > 0 and index % self._each == 0
        gap = Gap(at - round(AWAY * 1e6), at, "the network was away") if first else None
        image = np.full((self.height, self.width, 3), index % 200, np.uint8)
        self.taken += 1
        self.repaired, self.damaged, self.read = index // 7, index // 9, 2 * self.taken
        self.dropped["stale"] = self.taken
        return Frame(image, index, seconds, at, session=session, gap=gap)


class Passing(FakeDetector):
    """People who come one after the other, each seen for LIFE frames. Keeps nothing."""

    def __init__(self, every: int) -> None:
        super().__init__()
        self._every = every

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [self._people(frame.index) for frame in frames]

    def _people(self, index: int) -> Detections:
        newest = index // self._every
        people = np.arange(max(0, (index - LIFE) // self._every + 1), newest + 1)
        age = index - people * self._every
        left, top = 4.0 + 5.0 * age, 4.0 + 22.0 * (people % 5)
        boxes = np.stack([left, top, left + 20, top + 20], axis=1).astype(np.float32)
        return Detections(boxes, np.full(len(people), 0.9, np.float32), np.zeros(len(people), np.int64))


class Looks:
    """Everybody looks like what is at their height."""

    card = ModelCard("looks", "embed", "1", "b" * 64, "none", None, dimension=DIMENSION)

    def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[FloatArray]:
        return [
            np.eye(DIMENSION, dtype=np.float32)[found.boxes[:, 1].astype(int) // 22 % DIMENSION] for found in detections
        ]


def run_through(
    database: Database, folder: Path, *, frames: int, tracks: int, reconnects: int, parts: int = 60
) -> list[float]:
    """The engine over all of it. Returns memory in MB at each of so many parts of the way."""
    detector, looks = Passing(every=max(1, frames // tracks)), Looks()
    writer = RunWriter.begin(database, RunRecord("live", {}, "hash", "0"), media_folder=folder / "media")
    writer.register_model(detector.card)
    embedder = writer.register_model(looks.card)
    failed: list[Exception] = []
    engine = LiveEngine(detector, embedder=looks, stream_failed=lambda _, error: failed.append(error))
    feeds = [Script(number, frames=frames // STREAMS, reconnects=reconnects // STREAMS) for number in range(STREAMS)]
    for number, feed in enumerate(feeds):
        key = writer.add_source(SourceRecord("camera", feed.name, feed.uri, None))
        sink = DatabaseSink(
            writer, key, FeedCounts(feed), detect_hash="d", embedder_id=embedder, pictures=BestPictures()
        )
        engine.add(LiveStream(number, feed, DeepSort() if number % 2 else ByteTrack(), [sink]))
    thread = threading.Thread(target=engine.run)
    thread.start()
    memory: list[float] = []
    process = psutil.Process()
    while thread.is_alive() and engine.report().streams:
        if sum(feed.taken for feed in feeds) >= (len(memory) + 1) * frames / parts:
            gc.collect()
            memory.append(process.memory_info().rss / 1e6)
        time.sleep(0.02)
    engine.stop()
    thread.join(allowed(10))
    assert not failed
    assert [feed.taken for feed in feeds] == [frames // STREAMS] * STREAMS
    return memory


def check(database: Database, memory: list[float], *, frames: int, tracks: int, reconnects: int) -> None:
    with database.read() as connection:
        stored = connection.scalar(select(func.count()).select_from(tables.Track))
        gaps = connection.scalar(select(func.count()).select_from(tables.Gap))
        counts = connection.execute(
            select(func.sum(tables.RunSource.processed), func.sum(tables.RunSource.dropped))
        ).one()
        sessions = connection.scalar(select(func.count()).select_from(tables.Session))
    assert stored is not None
    assert stored >= tracks * 0.95  # somebody who comes just before an outage may not be believed
    assert gaps == reconnects
    assert sessions == reconnects + STREAMS
    assert tuple(counts) == (frames, frames)
    settled = memory[len(memory) // 3 :]
    assert max(settled) <= settled[0] * (1 + GROWTH), [round(megabytes) for megabytes in memory]
    assert min(settled) >= settled[0] * (1 - GROWTH), [round(megabytes) for megabytes in memory]


def keep_cache_small(database: Database) -> None:
    """SQLite's cache of pages grows to its limit with the file; a low one lets other growth be seen."""

    def limit(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA cache_size = -2000")

    event.listen(database.engine, "connect", limit)
    database.engine.dispose()  # connections opened from here on are told


@pytest.mark.parametrize(
    ("frames", "tracks", "reconnects"),
    [
        pytest.param(600, 160, 4, id="short"),
        pytest.param(60_000, 10_000, 200, id="60,000 frames", marks=[pytest.mark.long, pytest.mark.timeout(1200)]),
    ],
)
def test_memory_stays_flat(tmp_path: Path, frames: int, tracks: int, reconnects: int) -> None:
    with open_database(tmp_path / "runs.db") as database:
        keep_cache_small(database)
        asked = {"frames": frames, "tracks": tracks, "reconnects": reconnects}
        memory = run_through(database, tmp_path, **asked, parts=min(60, frames // 40))
        check(database, memory, **asked)
