"""What pages ask of a service and what it tells them, in both databases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import select

from pipeline.errors import ConfigError, StoreError
from pipeline.sources.feed import CameraState
from pipeline.store.camera_rows import (
    CameraTold,
    Enrolment,
    add_gap,
    enrol,
    last_seen,
    retire,
    retire_earlier,
    take_up,
    tell_cameras,
)
from pipeline.store.cameras import (
    LIVE,
    CameraRow,
    add_camera,
    camera_named,
    find_camera,
    list_cameras,
    newest_live_run,
    set_wish,
)
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.records import RunRecord, SourceRecord
from pipeline.store.states import CameraOrigin, CameraWish, RequestedState, RunStatus
from pipeline.store.tables import Gap
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import RUN, START, STEP
from trackers.structures import Gap as Outage

GATE = {"url": "rtsp://10.0.0.4/stream"}
YARD = {"url": "rtsp://10.0.0.5/stream", "secret": "yard"}
NOWHERE = Scope(())


def service(database: Database, folder: Path, *, cameras: Sequence[str] = ("gate",)) -> RunWriter:
    """A live run of this process."""
    record = RunRecord(LIVE, {}, "settings", "0.1.0")
    writer = RunWriter.begin(database, record, media_folder=folder / "media")
    file, run = CameraOrigin.FILE, CameraWish.RUN
    enrol(
        database,
        writer.public_id,
        [Enrolment(name, f"rtsp://10.0.0.4/{name}", {"url": f"rtsp://10.0.0.4/{name}"}, file, run) for name in cameras],
    )
    return writer


def cameras_of(database: Database, writer: RunWriter) -> list[CameraRow]:
    with database.read() as connection:
        return list_cameras(writer.scope, connection)


def read_gaps(database: Database) -> list[tuple[int, int, str]]:
    with database.read() as connection:
        return [tuple(row) for row in connection.execute(select(Gap.from_at, Gap.to_at, Gap.reason).order_by(Gap.id))]


def test_without_a_service_there_are_no_cameras(database: Database, tmp_path: Path) -> None:
    files = RunWriter.begin(database, RUN, media_folder=tmp_path)
    with database.read() as connection:
        assert newest_live_run(files.scope, connection) is None
        assert list_cameras(files.scope, connection) == []
        assert list_cameras(files.scope, connection, run=files.public_id) == []
        assert find_camera(files.scope, connection, uuid4()) is None
        with pytest.raises(StoreError, match="there are: none"):
            camera_named(files.scope, connection, "gate")
    with pytest.raises(StoreError, match=r"no service .*sightline watch"):
        add_camera(database, files.scope, files.public_id, "gate", GATE)


def test_cameras_stand_by_name_with_what_the_service_told(database: Database, tmp_path: Path) -> None:
    writer = service(database, tmp_path, cameras=("yard", "gate"))
    gate, yard = cameras_of(database, writer)
    assert (gate.name, yard.name) == ("gate", "yard")
    assert (gate.state, gate.wanted, gate.origin) == (CameraState.CONNECTING, CameraWish.RUN, CameraOrigin.FILE)
    assert (gate.run, gate.source, gate.run_source_id, gate.error) == (writer.public_id, None, None, None)
    key = writer.add_source(SourceRecord("camera", "gate", "rtsp://10.0.0.4/gate", None))
    take_up(database, gate.public_id, key)
    told = CameraTold(
        gate.public_id, CameraState.LIVE, START, "it was away", {"frames_read": 7, "dropped": {"stale": 2}}
    )
    tell_cameras(database, [told])
    gate, untouched = cameras_of(database, writer)
    assert untouched == yard
    assert (gate.state, gate.since_at, gate.error) == (CameraState.LIVE, START, "it was away")
    assert gate.status == {"frames_read": 7, "dropped": {"stale": 2}}
    assert gate.run_source_id == key
    assert gate.source is not None
    assert gate.updated_at >= yard.updated_at
    with database.read() as connection:
        assert camera_named(writer.scope, connection, "gate") == gate
        assert find_camera(writer.scope, connection, gate.public_id) == gate


def test_nothing_is_seen_from_another_project(database: Database, tmp_path: Path) -> None:
    writer = service(database, tmp_path)
    (gate,) = cameras_of(database, writer)
    with database.read() as connection:
        assert newest_live_run(NOWHERE, connection) is None
        assert list_cameras(NOWHERE, connection) == []
        assert list_cameras(NOWHERE, connection, run=writer.public_id) == []
        assert find_camera(NOWHERE, connection, gate.public_id) is None
    with pytest.raises(StoreError, match="no camera"):
        set_wish(database, NOWHERE, gate.public_id, CameraWish.PAUSE)
    with pytest.raises(StoreError, match="no service"):
        add_camera(database, NOWHERE, writer.public_id, "yard", YARD)


def test_a_camera_is_added_paused_and_taken_away(database: Database, tmp_path: Path) -> None:
    writer = service(database, tmp_path)
    yard = add_camera(database, writer.scope, writer.public_id, "yard", YARD)
    paused = add_camera(database, writer.scope, writer.public_id, "alley", {"url": "/dev/video0", "enabled": False})
    by_name = {camera.name: camera for camera in cameras_of(database, writer)}
    assert by_name["yard"].public_id == yard
    assert by_name["yard"].settings == YARD
    assert by_name["yard"].origin is CameraOrigin.ADDED
    assert by_name["alley"].wanted is CameraWish.PAUSE
    for wanted in (CameraWish.PAUSE, CameraWish.RUN, CameraWish.REMOVE):
        set_wish(database, writer.scope, yard, wanted)
        with database.read() as connection:
            found = find_camera(writer.scope, connection, yard)
        assert found is not None
        assert found.wanted is wanted
    with pytest.raises(StoreError, match="taken away"):
        set_wish(database, writer.scope, yard, CameraWish.RUN)
    with pytest.raises(ConfigError, match="just being taken away"):
        add_camera(database, writer.scope, writer.public_id, "yard", YARD)
    tell_cameras(database, [CameraTold(yard, CameraState.ENDED, START, "", {})])
    tell_cameras(database, [])
    assert [camera.public_id for camera in cameras_of(database, writer)] == [paused, by_name["gate"].public_id]
    again = add_camera(database, writer.scope, writer.public_id, "yard", YARD)
    assert again != yard
    assert again in {camera.public_id for camera in cameras_of(database, writer)}


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("gate", YARD, "there is a camera 'gate' already"),
        ("other", {"url": "rtsp://10.0.0.4/gate"}, "'gate' has the address"),
        ("other", {"url": "rtsp://admin:pa@ss@10.0.0.4/x"}, r"rtsp://\*\*\*@10.0.0.4/x holds a password"),
    ],
    ids=["name", "address", "password"],
)
def test_what_cannot_be_added(
    database: Database, tmp_path: Path, name: str, values: dict[str, str], message: str
) -> None:
    writer = service(database, tmp_path)
    with pytest.raises(ConfigError, match=message):
        add_camera(database, writer.scope, writer.public_id, name, values)
    assert len(cameras_of(database, writer)) == 1


def test_nobody_is_asked_where_the_service_has_ended(database: Database, tmp_path: Path) -> None:
    writer = service(database, tmp_path)
    (gate,) = cameras_of(database, writer)
    writer.finish_run(RunStatus.STOPPED)
    with pytest.raises(StoreError, match="no service is at work"):
        add_camera(database, writer.scope, writer.public_id, "yard", YARD)
    with pytest.raises(StoreError, match="no service is at work"):
        set_wish(database, writer.scope, gate.public_id, CameraWish.PAUSE)
    assert cameras_of(database, writer) == [gate]


def test_the_newest_service_is_meant(database: Database, tmp_path: Path) -> None:
    before = service(database, tmp_path, cameras=("gate", "yard"))
    now = service(database, tmp_path, cameras=("gate",))
    assert [camera.run for camera in cameras_of(database, now)] == [now.public_id]
    with database.read() as connection:
        newest = newest_live_run(now.scope, connection)
        assert newest is not None
        assert newest.public_id == now.public_id
        assert len(list_cameras(now.scope, connection, run=before.public_id)) == 2
    retire(database, before.public_id)
    assert before.heartbeat() is RequestedState.STOP
    assert now.heartbeat() is RequestedState.RUN


def test_of_services_started_at_the_same_moment_one_stays(database: Database, tmp_path: Path) -> None:
    first, ended, second = (service(database, tmp_path) for _ in range(3))
    ended.finish_run(RunStatus.FINISHED)
    assert retire_earlier(database, first.public_id) == 0
    assert retire_earlier(database, second.public_id) == 1
    assert retire_earlier(database, second.public_id) == 0
    assert [one.heartbeat() for one in (first, ended, second)] == [
        RequestedState.STOP,
        RequestedState.RUN,
        RequestedState.RUN,
    ]


def test_enrolling_twice_adds_nothing(database: Database, tmp_path: Path) -> None:
    writer = service(database, tmp_path)
    before = cameras_of(database, writer)
    enrol(database, writer.public_id, [Enrolment("gate", "rtsp://x/y", {}, CameraOrigin.ADDED, CameraWish.PAUSE)])
    enrol(database, writer.public_id, [])
    assert cameras_of(database, writer) == before


def test_a_gap_is_written_once(database: Database, tmp_path: Path) -> None:
    writer = service(database, tmp_path)
    key = writer.add_source(SourceRecord("camera", "gate", "rtsp://10.0.0.4/gate", None))
    for _ in range(2):
        add_gap(database, key, Outage(START, START + STEP, "no answer"))
    add_gap(database, key, Outage(START + STEP, START, "the clock was put back"))
    assert read_gaps(database) == [
        (START, START + STEP, "no answer"),
        (START + STEP, START + STEP, "the clock was put back"),
    ]


def test_when_a_camera_was_last_seen_by_an_earlier_service(database: Database, tmp_path: Path) -> None:
    """Its last frame, or the end of the outage after it; a run that never had it tells nothing."""
    keys = []
    for _ in range(3):
        writer = service(database, tmp_path)
        keys.append(writer.add_source(SourceRecord("camera", "gate", "rtsp://10.0.0.4/gate", None)))
        (gate,) = cameras_of(database, writer)
        take_up(database, gate.public_id, keys[-1])
        if len(keys) == 1:
            told = CameraTold(gate.public_id, CameraState.LIVE, START, "", {"last_frame_at": START + STEP})
            tell_cameras(database, [told])
    with database.read() as connection:
        assert last_seen(connection, keys[0]) is None
        assert last_seen(connection, keys[2]) == START + STEP
    add_gap(database, keys[0], Outage(START + STEP, START + 9 * STEP, "no answer"))
    with database.read() as connection:
        assert last_seen(connection, keys[2]) == START + 9 * STEP
