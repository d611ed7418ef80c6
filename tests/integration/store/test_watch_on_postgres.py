"""A whole service on a PostgreSQL server."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from pipeline.errors import StoreError
from pipeline.sources.feed import CameraState
from pipeline.store.database import open_database
from pipeline.store.states import CameraWish, RunStatus
from pipeline.store.tables import Camera, DetectionChunk
from pipeline.watch.patience import may_pass
from tests.integration.rtsp_server import looped
from tests.integration.watch.process import ServiceProcess, nothing_left
from tests.promptness import allowed, promptly


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
            assert service.end(signal.SIGTERM) < allowed(3)
        run = service.run()
        assert run is not None
        assert run.status is RunStatus.STOPPED
        with service.database.read() as connection:
            assert connection.scalar(select(func.count()).select_from(DetectionChunk)) >= 1
        assert [reason for _, _, reason in service.gaps("gate")] == ["paused"]
    assert "s3cret" not in service.said()


def test_a_table_that_is_locked_keeps_a_service_waiting_no_longer_than_it_said(postgres_url: str) -> None:
    """Else its last words would wait for ever, and so would its end."""
    with open_database(postgres_url) as other, open_database(postgres_url, busy_seconds=0.2) as service:
        with other.write() as holder:
            holder.execute(text("LOCK TABLE cameras IN ACCESS EXCLUSIVE MODE"))
            with (
                promptly(2),
                pytest.raises(StoreError) as told,
                service.write("tell how the cameras are doing") as connection,
            ):
                connection.execute(select(Camera.id))
            assert may_pass(told.value)  # it is tried again
        with service.read() as connection:
            assert connection.execute(select(Camera.id)).all() == []
