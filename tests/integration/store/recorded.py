"""A store with two cameras whose recordings tests make up: rows, and small files that stand for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlalchemy import insert, select

from pipeline.events import EventKind
from pipeline.store.database import Database
from pipeline.store.filters import Scope, scope_of
from pipeline.store.public_id import PublicIds
from pipeline.store.segments import SegmentRow, add_segment, segments
from pipeline.store.tables import Event, Media, Run, RunSource
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import DETECTOR, RUN, START, VIDEO, chunk

SECOND = 1_000_000
MINUTE = 60 * SECOND
GATE = replace(VIDEO, kind="camera", name="gate", uri_redacted="rtsp://gate/", fingerprint="", width=None, height=None)
YARD = replace(GATE, name="yard", uri_redacted="rtsp://yard/")


@dataclass
class RecordedStore:
    """Cameras gate and yard; gate has seen tracks 1 and 2 in the first two seconds after START."""

    database: Database
    media: Path
    gate: int  # rows of run_sources
    yard: int
    writer: RunWriter

    @property
    def scope(self) -> Scope:
        with self.database.read() as connection:
            return scope_of(connection, ["default"])

    def add(self, minute: float, *, part: int | None = None, size: int = 100, protected: bool = False) -> str:
        """A segment of a minute that begins so many minutes after START. Returns its path."""
        part = self.gate if part is None else part
        at = START + round(minute * MINUTE)
        path = f"recordings/{part}/day/{at}.mp4"
        file = self.media / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
        with self.database.write() as connection:
            add_segment(connection, run_source_id=part, path=path, from_at=at, to_at=at + MINUTE, size=size)
            if protected:
                connection.execute(Media.__table__.update().where(Media.path == path).values(protected=True))
        return path

    def add_event(self, minute: float, *, part: int | None = None) -> None:
        """Something happens so many minutes after START."""
        row = {
            "public_id": PublicIds().new(),
            "run_source_id": self.gate if part is None else part,
            "at": START + round(minute * MINUTE),
            "rule": "door",
            "kind": EventKind.CROSS,
        }
        with self.database.write() as connection:
            connection.execute(insert(Event), [row])

    def rows(self, camera: str = "gate") -> list[SegmentRow]:
        with self.database.read() as connection:
            return segments(self.scope, connection, camera=camera)

    def minutes(self, camera: str = "gate") -> list[float]:
        """When the segments begin that are left, in minutes after START; each has its file."""
        rows = self.rows(camera)
        assert all((self.media / row.path).is_file() for row in rows)
        return [(row.from_at - START) / MINUTE for row in rows]

    def files(self) -> set[str]:
        found = (self.media / "recordings").rglob("*.mp4")
        return {path.relative_to(self.media).as_posix() for path in found}


def fill(database: Database, media: Path) -> RecordedStore:
    """Write the run of the two cameras."""
    writer = RunWriter.begin(database, replace(RUN, kind="live"), media_folder=media)
    writer.register_model(DETECTOR)
    gate, yard = writer.add_sources([GATE, YARD])
    for part in (gate, yard):
        writer.add_session(part, 0, started_at=START)
    writer.write_chunk(gate, chunk(0, 50))
    return RecordedStore(database, media, gate, yard, writer)


def another_run(store: RecordedStore, *, seconds: Sequence[int] = (0,)) -> int:
    """The service was started again: gate's row of run_sources in the new run. `seconds`: its sessions, after START."""
    writer = RunWriter.begin(store.database, replace(RUN, kind="live"), media_folder=store.media)
    part = writer.add_source(GATE)
    for number, second in enumerate(seconds):
        writer.add_session(part, number, started_at=START + second * SECOND)
    with store.database.read() as connection:
        query = select(RunSource.id).join(Run, Run.id == RunSource.run_id).where(Run.public_id == writer.public_id)
        assert connection.scalar(query) == part
    return part


def minutes(count: int) -> list[float]:
    """0, 1, 2, ..."""
    return np.arange(float(count)).tolist()
