"""ServiceState: how a service and its cameras are doing at one moment; what metrics, health and the live table show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import UUID

from pipeline.live_report import BudgetReport, LiveReport, LiveStreamReport, Percentiles
from pipeline.sources.feed import CameraState, FeedStatus
from pipeline.watch.patience import Trouble

NOTHING_YET = Percentiles()
_WAITED_FOR = (CameraState.CONNECTING, CameraState.STALLED, CameraState.RECONNECTING, CameraState.FAILED)


@dataclass(frozen=True, slots=True)
class CameraSnapshot:
    """One camera."""

    public_id: UUID
    name: str
    status: FeedStatus
    fps: float = 0.0  # processed, over the last seconds
    frames: int = 0  # processed
    tracks: int = 0  # confirmed, now
    tracks_in_all: int = 0
    tracked: Percentiles = NOTHING_YET  # from capture to the tracker's word
    stored: Percentiles = NOTHING_YET  # from capture to the commit
    over: bool = False  # for good, and all of it is stored
    looked: int = 0  # frames that the detector looked at
    budget: BudgetReport | None = None  # of all cameras, where the detector has one

    def told(self) -> dict[str, Any]:
        """The document `status` of its row: the fields of FeedStatus and of this, as JSON can hold them."""
        document = asdict(self.status)
        for name in ("state", "since_at", "error"):  # columns of their own
            del document[name]
        document["dropped"] = dict(self.status.dropped)
        return document | {
            "fps_processed": round(self.fps, 3),
            "frames_processed": self.frames,
            "tracks": self.tracks,
            "tracks_in_all": self.tracks_in_all,
            "frames_looked_at": self.looked,
            "budget": None if self.budget is None else asdict(self.budget),
            "latency": {"tracked": asdict(self.tracked), "stored": asdict(self.stored)},
        }


@dataclass(frozen=True, slots=True)
class StageSnapshot:
    """One stage that all cameras share."""

    latency: Percentiles = NOTHING_YET  # how long it is busy with a batch
    waiting: int = 0  # batches in front of it


@dataclass(frozen=True, slots=True)
class DiskSnapshot:
    """Of recordings."""

    free_bytes: int | None = None  # None before the first look
    recorded_bytes: Mapping[str, int] = field(default_factory=dict)  # by camera
    full: bool = False  # recording has stopped for want of room


@dataclass(frozen=True, slots=True)
class ServiceState:
    """All of it."""

    cameras: tuple[CameraSnapshot, ...] = ()
    stages: Mapping[str, StageSnapshot] = field(default_factory=dict)
    hanging: tuple[str, ...] = ()  # stages busy with one batch for too long
    trouble: Trouble | None = None  # why the store takes nothing
    store_retries: int = 0
    alerts_waiting: int = 0
    disk: DiskSnapshot = DiskSnapshot()
    budget: BudgetReport | None = None  # None where the detector has none
    running: bool = False  # from the first camera's start to the end

    def reasons(self) -> list[str]:
        """Why the service is not healthy; empty where it is."""
        found = []
        if not self.running:
            found.append("the service is starting or ending")
        if self.trouble is not None:
            found.append("the store takes nothing")
        found += [f"the stage '{stage}' hangs" for stage in self.hanging]
        states = [camera.status.state for camera in self.cameras]
        if CameraState.LIVE not in states and any(state in _WAITED_FOR for state in states):
            found.append("no camera is live")
        return found


def camera_snapshot(public_id: UUID, name: str, status: FeedStatus, report: LiveStreamReport | None) -> CameraSnapshot:
    """From what the feed and the engine say. `report`: None before the engine has said anything."""
    if report is None:
        return CameraSnapshot(public_id, name, status)
    return CameraSnapshot(
        public_id,
        name,
        status,
        fps=report.fps,
        frames=report.frames,
        tracks=report.tracks_now,
        tracks_in_all=report.tracks,
        tracked=report.to_track,
        stored=report.to_store,
        looked=report.looked,
    )


def failed_snapshot(
    public_id: UUID, name: str, error: str, since: int, *, last: FeedStatus | None = None
) -> CameraSnapshot:
    """Of a camera that cannot be taken up. `since`: microseconds UTC. `last`: what its feed said, where it had one."""
    known = last or FeedStatus(CameraState.FAILED, since)
    now = replace(known, state=CameraState.FAILED, since_at=since, error=error, delivered_fps=0.0, recording="off")
    return CameraSnapshot(public_id, name, now)


def stage_snapshots(report: LiveReport) -> dict[str, StageSnapshot]:
    """By name."""
    return {name: StageSnapshot(stage.busy, stage.queue) for name, stage in report.stages.items()}
