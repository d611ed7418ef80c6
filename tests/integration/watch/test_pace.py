"""How soon results are there, and what happens where there is no time for all."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from pipeline.store.states import MediaKind
from pipeline.store.tables import Media, RunSource
from tests.integration.rtsp_server import Mount, RtspServer, looped
from tests.integration.watch.process import ServiceProcess
from tests.promptness import allowed

MOTION = {"detector": {"backend": "motion"}}


def told(service: ServiceProcess, name: str) -> dict[str, Any]:
    """What the service said last of a camera."""
    return dict(service.camera(name).status)


def test_results_are_there_within_two_frames_and_stored_within_a_second(tmp_path: Path, street: Path) -> None:
    with RtspServer({"gate": Mount(street)}) as server:
        service = ServiceProcess(tmp_path, {**MOTION, "cameras": {"gate": {"url": server.url("gate")}}})
        with service:
            service.await_frames(["gate"], more=150)  # the few at the start are slower
            service.end(signal.SIGTERM)
        latency = told(service, "gate")["latency"]
    assert latency["tracked"]["p95"] <= allowed(2 / 10), latency
    assert latency["stored"]["p95"] <= allowed(1.0), latency


def test_where_there_is_no_time_for_all_frames_drop_and_what_comes_is_fresh(tmp_path: Path, shared: Path) -> None:
    """Two cameras give 60 frames a second to a detector that takes 30 ms and more for one."""
    weights = shared / "weights" / "person-vehicle-bike-detection-2003" / "person-vehicle-bike-detection-2003.xml"
    camera: dict[str, Any] = {"size": (480, 270), "fps": 30, "seconds": 120, "first_seconds": 4}
    cameras = {
        name: {"url": str(looped(shared / f"data/videos/{video}.mp4", tmp_path, **camera))}
        for name, video in (("one", "cars"), ("two", "people-walking"))
    }
    settings = {"detector": {"weights": str(weights)}, "service": {"batch": 2}, "cameras": cameras}
    service = ServiceProcess(tmp_path, settings)
    with service:
        service.await_frames(cameras, more=40)
        assert service.end(signal.SIGTERM) < allowed(3)
    for name in cameras:
        status = told(service, name)
        assert status["dropped"]["stale"] > 0, status
        assert status["latency"]["tracked"]["p95"] <= allowed(1.0), status
        assert status["latency"]["stored"]["p95"] <= allowed(2.0), status
    with service.database.read() as connection:
        rows = connection.execute(select(RunSource.frames_read, RunSource.processed, RunSource.dropped)).all()
    assert all(row.frames_read == row.processed + row.dropped and row.dropped > 0 for row in rows)


def test_without_room_nothing_is_recorded_and_everybody_says_so(tmp_path: Path, street: Path) -> None:
    record = {"mode": "always", "segment_seconds": 2, "min_free_bytes": 1 << 60}
    settings = {**MOTION, "record": record, "cameras": {"gate": {"url": str(street), "loop": True}}}
    service = ServiceProcess(tmp_path, settings)
    with service:
        service.await_frames(["gate"])
        service.wait(lambda: "min_free_bytes" in told(service, "gate")["recording"], 15, "nobody says so")
        assert "sightline_recording_disk_full 1.0" in service.http("/metrics").text
        assert service.http("/healthz").status_code == 200
        service.await_frames(["gate"])  # tracks go on
    assert "nothing is recorded until there is more room" in service.said()


def test_recordings_are_entered_and_those_of_a_killed_service_adopted(tmp_path: Path, street: Path) -> None:
    record = {"mode": "always", "segment_seconds": 2, "min_free_bytes": 1}
    settings = {**MOTION, "record": record, "cameras": {"gate": {"url": str(street), "loop": True}}}
    service = ServiceProcess(tmp_path, settings)

    def files() -> list[str]:
        with service.database.read() as connection:
            rows = connection.scalars(select(Media.path).where(Media.kind == MediaKind.SEGMENT).order_by(Media.path))
            return list(rows)

    with service:
        service.await_frames(["gate"])
        assert service.camera("gate").status["recording"] == "on"
        service.wait(lambda: len(files()) >= 2, 15, "nothing is recorded")
        service.end(signal.SIGKILL)
        before = files()
        service.start()
        service.await_frames(["gate"])
        assert "recordings left by a service that was killed" in service.said()
        service.wait(lambda: len(files()) >= len(before) + 2, 15, "nothing more is recorded")
        assert service.end(signal.SIGTERM) < allowed(3)
        media = Path(service.database.engine.url.database or "").parent / "media"
        found = files()
        assert all((media / path).is_file() for path in found)
        with service.database.read() as connection:
            assert connection.scalar(select(func.count(func.distinct(Media.path)))) >= len(found)
    assert len(found) == len(set(found))
