"""A service over cameras: steered while it runs, killed, started again. The cameras are files that play."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from pipeline.sources.feed import CameraState
from pipeline.store.states import CameraOrigin, CameraWish, RequestedState, RunStatus, SourceStatus
from pipeline.store.tables import Observation, Run, RunSource, Track
from tests.integration.command import call_main, sightline
from tests.integration.watch.process import ServiceProcess, nothing_left
from tests.promptness import allowed, promptly

MOTION = {"detector": {"backend": "motion"}}


def settings(**cameras: Path | dict[str, Any]) -> dict[str, Any]:
    """A cameras file over videos that play again and again."""
    values = {name: one if isinstance(one, dict) else {"url": str(one), "loop": True} for name, one in cameras.items()}
    return {**MOTION, "cameras": values}


@pytest.fixture
def service(tmp_path: Path, street: Path) -> ServiceProcess:
    """One camera; not started."""
    return ServiceProcess(tmp_path, settings(gate=street))


def test_cameras_come_pause_and_go_while_the_others_keep_their_ids(
    service: ServiceProcess, street: Path, alley: Path
) -> None:
    with service:
        service.await_state("gate", CameraState.LIVE)
        service.add("alley", {"url": str(alley), "loop": True})
        service.await_state("alley", CameraState.LIVE)
        service.await_frames(["gate", "alley"])
        service.wish("alley", CameraWish.PAUSE)
        service.await_state("alley", CameraState.PAUSED, 3)
        service.await_frames(["gate"])  # what was under way is through
        still = service.frames("alley")
        service.await_frames(["gate"], more=10)
        assert service.frames("alley") == still
        service.wish("alley", CameraWish.RUN)
        service.await_state("alley", CameraState.LIVE)
        service.await_frames(["alley"])
        service.wish("alley", CameraWish.REMOVE)
        service.wait(lambda: "alley" not in service.cameras(), 5, "alley is still there")
        service.add("alley", {"url": str(alley), "loop": True})  # the same again: the run counts on
        service.await_state("alley", CameraState.LIVE)
        service.await_frames(["gate", "alley"])
        gate = service.camera("gate")
        assert gate.status["connections"] == 1
        assert gate.status["outages"] == 0
        assert service.end(signal.SIGTERM) < allowed(3)
        assert service.process.returncode == 0
    last = service.camera("gate").status  # how it was is to be seen after the end, too
    assert last["frames_processed"] >= gate.status["frames_processed"]
    assert last["latency"]["tracked"]["p95"] > 0
    assert last["latency"]["stored"]["p95"] > 0
    assert service.gaps("gate") == []
    reasons = [reason for _, _, reason in service.gaps("alley")]
    assert len(reasons) == 2, reasons  # the pause, and while it was away
    with service.database.read() as connection:
        rows = connection.execute(select(RunSource.status, RunSource.processed).order_by(RunSource.id)).all()
        assert [row.status for row in rows] == [SourceStatus.STOPPED] * 2
        assert all(row.processed > 0 for row in rows)
        twice = select(Track.run_source_id, Track.local_id).group_by(Track.run_source_id, Track.local_id)
        assert not connection.execute(twice.having(func.count() > 1)).all()
        assert connection.scalar(select(Run.status)) is RunStatus.STOPPED


def test_the_page_pauses_and_stops_the_service(service: ServiceProcess) -> None:
    from sqlalchemy import update

    def ask(wanted: RequestedState) -> None:
        with service.database.write() as connection:
            connection.execute(update(Run).values(requested_state=wanted))

    with service:
        service.await_frames(["gate"])
        ask(RequestedState.PAUSE)
        service.await_state("gate", CameraState.PAUSED, 3)
        ask(RequestedState.RUN)
        service.await_state("gate", CameraState.LIVE)
        with nothing_left(service), promptly(3):
            ask(RequestedState.STOP)
            service.process.wait(allowed(20))
        assert service.process.returncode == 0
    run = service.run()
    assert run is not None
    assert run.status is RunStatus.STOPPED


def test_after_a_kill_the_next_service_goes_on_with_what_was_added_and_wished(
    service: ServiceProcess, alley: Path
) -> None:
    with service:
        service.await_frames(["gate"])
        service.add("alley", {"url": str(alley), "loop": True})
        service.await_frames_of_new("alley")
        service.wish("gate", CameraWish.PAUSE)
        service.await_state("gate", CameraState.PAUSED, 3)
        first = service.run()
        with nothing_left(service):
            service.end(signal.SIGKILL)
        time.sleep(1)
        service.start()
        second = service.run()
        assert first is not None
        assert second is not None
        assert second.parent == first.public_id
        assert service.camera("gate").wanted is CameraWish.PAUSE
        assert service.camera("alley").origin is CameraOrigin.ADDED
        service.await_frames_of_new("alley")
        assert service.end(signal.SIGINT) < allowed(3)
    (_, _, reason), *others = [gap for gap in service.gaps("alley") if gap[2] == "Sightline was not running"]
    assert reason
    assert not others
    with service.database.read() as connection:
        rows = connection.execute(select(func.count()).select_from(Observation)).scalar_one()
        keys = select(Observation.run_source_id, Observation.frame, Observation.track_id).distinct()
        assert rows == connection.execute(select(func.count()).select_from(keys.subquery())).scalar_one()


def test_there_is_only_one_service_on_a_store(service: ServiceProcess) -> None:
    with service:
        service.await_state("gate", CameraState.LIVE)
        done = sightline("watch", service.file, "--listen", "", "--database", service.url, folder=service.folder)
        assert done.code == 1  # whoever supervises it, tries again: the other may be about to end
        assert "a service is at work already" in done.err
        assert service.process.poll() is None


def test_metrics_health_and_the_table_say_how_it_is(service: ServiceProcess) -> None:
    with service:
        service.await_frames(["gate"])
        assert service.http("/healthz").json() == {"status": "ok", "reasons": []}
        text = service.http("/metrics").text
        assert 'sightline_camera_state{camera="gate",state="live"} 1.0' in text
        assert str(service.folder) not in text
        shown = call_main("cameras", "--database", service.url, folder=service.folder)
        assert "gate" in shown.out
        assert "live" in shown.out
        assert "not running" not in shown.out
        service.wish("gate", CameraWish.PAUSE)
        service.await_state("gate", CameraState.PAUSED, 3)
        assert service.http("/healthz").status_code == 200
    dead = call_main("cameras", "--database", service.url, folder=service.folder)
    assert "the service is not running (interrupted)" in dead.out


def test_a_store_that_is_locked_at_the_start_is_waited_for(service: ServiceProcess) -> None:
    import sqlite3
    import threading

    service.database.close()  # it is there now
    other = sqlite3.connect(service.url, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")

    def release() -> None:
        try:
            service.wait(lambda: "tried again each second" in service.said(), 20, "it does not say that it waits")
        finally:
            other.execute("ROLLBACK")

    released = threading.Thread(target=release)
    released.start()
    with service:
        service.await_state("gate", CameraState.LIVE)
        assert "tried again each second" in service.said()
    released.join()
    other.close()


def test_what_is_wrong_is_told_before_anything_is_written(tmp_path: Path, street: Path) -> None:
    for values, message in (
        ({"url": "rtsp://10.0.0.4/x", "secret": "gate"}, "camera 'gate': there is no secret 'gate'"),
        ({"url": "ftp://10.0.0.4/x"}, "camera 'gate': ftp://10.0.0.4/x"),
    ):
        service = ServiceProcess(tmp_path, settings(gate=values))
        done = call_main("watch", service.file, "--listen", "", folder=tmp_path)
        assert done.code == 2
        assert message in " ".join(done.err.split())
    service = ServiceProcess(tmp_path, settings(gate=street))
    done = call_main("watch", service.file, "--listen", "0.0.0.0:9464", folder=tmp_path)
    assert done.code == 2
    assert "SIGHTLINE_PASSWORD" in done.err
    assert {path.name for path in tmp_path.iterdir()} == {"cameras.yaml"}


def test_a_locked_store_is_waited_for_and_nothing_is_lost_but_what_is_counted(service: ServiceProcess) -> None:
    import sqlite3

    with service:
        service.await_frames(["gate"])
        other = sqlite3.connect(service.url, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        service.wait(lambda: service.http("/healthz").status_code == 503, 10, "nobody says that the store is locked")
        assert "the store takes nothing" in service.http("/healthz").json()["reasons"]
        time.sleep(1)
        other.execute("ROLLBACK")
        other.close()
        service.wait(lambda: service.http("/healthz").status_code == 200, 10, "it does not recover")
        service.await_frames(["gate"])
        assert service.end(signal.SIGTERM) < allowed(3)
    assert "tried again each second" in service.said()
    with service.database.read() as connection:
        row = connection.execute(select(RunSource.frames_read, RunSource.processed, RunSource.dropped)).one()
        assert row.frames_read == row.processed + row.dropped
    assert service.gaps("gate") == []
