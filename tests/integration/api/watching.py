"""A live run in a store, as a service of this process would keep it: cameras, tracks, events, recordings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import numpy as np

from pipeline.events import EventKind, Events
from pipeline.sources.feed import CameraState
from pipeline.store.camera_rows import CameraTold, Enrolment, add_gap, enrol, take_up, tell_cameras
from pipeline.store.cameras import LIVE, CameraRow, list_cameras
from pipeline.store.database import Database
from pipeline.store.records import RunRecord, SourceRecord
from pipeline.store.segments import add_segment
from pipeline.store.states import CameraOrigin, CameraWish
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import DETECTOR, START, chunk
from trackers.structures import Gap

SECOND = 1_000_000
SETTINGS = {
    "analytics": {"zones": {"lobby": {"polygon": [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]]}}},
}
DOOR = {"start": [0.2, 0.8], "end": [0.8, 0.8], "directions": ["in", "out"]}


@dataclass(frozen=True)
class Watched:
    """A service with the cameras gate, which is live, and yard, which it has not taken up yet."""

    database: Database
    media: Path
    writer: RunWriter
    part: int  # row of run_sources of the gate

    def camera(self, name: str) -> CameraRow:
        with self.database.read() as connection:
            return next(one for one in list_cameras(self.writer.scope, connection) if one.name == name)

    @property
    def source(self) -> UUID:
        found = self.camera("gate").source
        assert found is not None
        return found

    def picture(self, content: bytes) -> None:
        """The newest picture of the gate."""
        path = self.media / "preview" / f"{self.camera('gate').public_id}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def watch(
    database: Database, media: Path, *, film: bytes = b"a minute of video", scale: dict[str, object] | None = None
) -> Watched:
    """Begin it: two tracks in the first two seconds, five events, two minutes of recording and a gap after them.

    `film`: content of the recording's files. `scale`: of the gate.
    """
    writer = RunWriter.begin(database, RunRecord(LIVE, SETTINGS, "settings", "0.1.0"), media_folder=media)
    addresses = {name: f"rtsp://10.0.0.4/{name}" for name in ("gate", "yard")}
    settings = {"gate": {"analytics": {"lines": {"door": DOOR}, "scale": scale or {}}, "secret": "gate"}, "yard": {}}
    enrol(
        database,
        writer.public_id,
        [
            Enrolment(name, uri, {"url": uri, **settings[name]}, CameraOrigin.FILE, CameraWish.RUN)
            for name, uri in addresses.items()
        ],
    )
    writer.register_model(DETECTOR)
    source = SourceRecord("camera", "gate", addresses["gate"], "", width=640, height=480)
    part = writer.add_source(source)
    writer.add_session(part, 0, started_at=START)
    writer.write_chunk(part, replace(chunk(0, 50), events=_events()))
    watched = Watched(database, media, writer, part)
    gate = watched.camera("gate").public_id
    take_up(database, gate, part)
    status = {"fps_processed": 14.5, "dropped": {"stale": 2}, "outages": 1, "recording": "on"}
    told = CameraTold(gate, CameraState.LIVE, START, "it was away", status)
    tell_cameras(database, [told])
    for minute in (0, 1):
        at = START + minute * 60 * SECOND
        path = f"recordings/gate/{at}.mp4"
        (media / path).parent.mkdir(parents=True, exist_ok=True)
        (media / path).write_bytes(film)
        with database.write() as connection:
            add_segment(connection, run_source_id=part, path=path, from_at=at, to_at=at + 60 * SECOND, size=len(film))
    add_gap(database, part, Gap(START + 120 * SECOND, START + 150 * SECOND, "no frame for 5 s"))
    return watched


def _events() -> Events:
    kinds = (EventKind.ENTER, EventKind.CROSS, EventKind.CROSS, EventKind.LEAVE, EventKind.COUNT)
    return Events(
        at=START + np.array([0, 1, 1, 70, 130]) * SECOND,
        ids=np.array([1, 2, 1, 1, 0]),
        labels=np.array([0, 1, 0, 0, -1]),
        rules=("lobby", "door", "door", "lobby", "lobby"),
        kinds=kinds,
        values=np.array([np.nan, np.nan, np.nan, 70.0, 3]),
        directions=("", "in", "out", "", ""),
        points=np.array([[10, 20]] * 4 + [[np.nan, np.nan]], np.float32),
    )
