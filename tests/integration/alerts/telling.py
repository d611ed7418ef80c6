"""A camera at which something happens, as often as a test likes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
from sqlalchemy import select

from pipeline.events import EventKind, Events
from pipeline.store.database import Database
from pipeline.store.deliveries import AlertTarget
from pipeline.store.filters import Scope
from pipeline.store.records import RunRecord, SourceRecord
from pipeline.store.tables import Event
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import DETECTOR, START, chunk, some_events


class Camera:
    """A run of one camera; every chunk has ten frames."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        targets: Sequence[AlertTarget],
        *,
        name: str = "gate",
        project: str = "default",
    ) -> None:
        record = RunRecord("live", {}, "settings-1", "0.1.0", project=project)
        self.writer = RunWriter.begin(database, record, media_folder=folder)
        self.writer.alerts = targets
        self.writer.register_model(DETECTOR)
        self._source = self.writer.add_source(SourceRecord("camera", name, f"rtsp://10.0.0.4/{name}", None))
        self._next = 0

    @property
    def scope(self) -> Scope:
        """Of its project."""
        return self.writer.scope

    def happens(self, count: int, *, rule: str = "door", kind: EventKind = EventKind.ENTER) -> None:
        """So many events of one rule and kind, stored in one chunk."""
        self.see(some_events([1] * count, (rule,) * count, (kind,) * count))

    def see(self, events: Events) -> None:
        """Store one chunk with these events."""
        self.writer.write_chunk(self._source, replace(chunk(self._next, self._next + 10), events=events))
        self._next += 10


def crossing() -> Events:
    """An event with everything that one can have."""
    return Events(
        at=np.array([START + 123_456]),
        ids=np.array([2]),
        labels=np.array([1]),
        rules=("kerb",),
        kinds=(EventKind.CROSS,),
        values=np.array([1.5]),
        directions=("in",),
        points=np.array([[12.345, 6.5]], np.float32),
    )


def event_ids(database: Database) -> list[UUID]:
    """Of all events, in the order they were stored."""
    with database.read() as connection:
        return list(connection.scalars(select(Event.public_id).order_by(Event.id)))
