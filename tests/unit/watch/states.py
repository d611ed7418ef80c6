"""States of a made-up service."""

from __future__ import annotations

from uuid import UUID

from pipeline.live_report import Percentiles
from pipeline.sources.feed import CameraState, FeedStatus
from pipeline.watch.state import CameraSnapshot, DiskSnapshot, ServiceState, StageSnapshot


def camera(name: str, state: CameraState = CameraState.LIVE) -> CameraSnapshot:
    """One that has read 100 frames, of which 7 were stale."""
    status = FeedStatus(
        state,
        1_700_000_000_000_000,
        error="it was away",
        frames_read=100,
        frames_taken=93,
        dropped={"stale": 7},
        connections=2,
        outages=1,
        delivered_fps=10.0,
        recording="on",
    )
    tracked, stored = Percentiles(0.01, 0.05, 0.09), Percentiles(0.3, 0.6, 0.7)
    return CameraSnapshot(UUID(int=1), name, status, 9.3, 93, 2, 5, tracked, stored)


def service(*cameras: CameraSnapshot) -> ServiceState:
    """A healthy one."""
    stages = {"detect": StageSnapshot(Percentiles(0.02, 0.03, 0.04), 1), "write": StageSnapshot()}
    disk = DiskSnapshot(5_000, {"gate": 300})
    return ServiceState(cameras, stages, store_retries=4, alerts_waiting=6, disk=disk, running=True)
