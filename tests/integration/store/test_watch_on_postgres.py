"""A whole service on a PostgreSQL server."""

from __future__ import annotations

import signal
from pathlib import Path

from sqlalchemy import func, select

from pipeline.sources.feed import CameraState
from pipeline.store.states import CameraWish, RunStatus
from pipeline.store.tables import DetectionChunk
from tests.integration.rtsp_server import looped
from tests.integration.watch.process import ServiceProcess, nothing_left


def test_a_service_on_postgres(tmp_path: Path, shared: Path, postgres_url: str) -> None:
    video = looped(shared / "data/videos/car-detection.mp4", tmp_path, size=(320, 180), fps=10, seconds=120)
    settings = {"detector": {"backend": "motion"}, "cameras": {"gate": {"url": str(video), "loop": True}}}
    service = ServiceProcess(tmp_path, settings, url=postgres_url)
    with service:
        service.await_frames(["gate"])
        service.wish("gate", CameraWish.PAUSE)
        service.await_state("gate", CameraState.PAUSED, 3)
        service.wish("gate", CameraWish.RUN)
        service.await_state("gate", CameraState.LIVE)
        service.await_frames(["gate"])
        with nothing_left(service):
            assert service.end(signal.SIGTERM) < 3
        run = service.run()
        assert run is not None
        assert run.status is RunStatus.STOPPED
        with service.database.read() as connection:
            assert connection.scalar(select(func.count()).select_from(DetectionChunk)) >= 1
        assert [reason for _, _, reason in service.gaps("gate")] == ["paused"]
    assert "s3cret" not in service.said()
