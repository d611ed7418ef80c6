"""Settings -> video files, folders of pictures, cameras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.camera_settings import CameraSettings, RecordSettings
from pipeline.config import SourceSettings
from pipeline.errors import SourceError
from pipeline.redaction import redact
from pipeline.secrets import Secret
from pipeline.sources.base import Source

if TYPE_CHECKING:
    from pipeline.sources.camera import Camera
    from pipeline.sources.outage_guard import OutageGuard
    from pipeline.sources.probe import Probe
    from pipeline.sources.recorder import Segment


def source(address: str, settings: SourceSettings, *, first_frame: int = 0) -> Source:
    """Open what a command line names: a video file or a folder of pictures. Raises SourceError.

    `first_frame`: index of the first to give; below `max_frames` where that is set.
    """
    if "://" in address:
        raise SourceError(f"{redact(address)}: a camera is no file; give a video file or a folder of pictures")
    path = Path(address)
    left = None if settings.max_frames is None else settings.max_frames - first_frame
    if path.exists() and not path.is_file() and not path.is_dir():
        raise SourceError(f"{address} is a device or a pipe; give a video file or a folder of pictures")
    if path.is_dir():
        from pipeline.sources.images import ImageFolder

        return ImageFolder(path, fps=settings.fps, start_at=settings.start_at, max_frames=left, first_frame=first_frame)
    from pipeline.sources.files import VideoFile

    return VideoFile(path, start_at=settings.start_at, max_frames=left, first_frame=first_frame)


def camera(
    name: str,
    settings: CameraSettings,
    record: RecordSettings,
    *,
    secret: Secret | None,
    guard: OutageGuard,
    media_folder: Path,
    on_segment: Callable[[Segment], None],
) -> Camera:
    """A camera, not yet started; paused where it is not enabled. Raises SourceError for an address that is none.

    `record`: of the service, unless the camera has its own. `guard`: one for all cameras. `on_segment`: called by a
    thread of the camera with every recorded segment that is complete.
    """
    from pipeline.sources.camera import Camera
    from pipeline.sources.reading import RecordOrder

    recording = settings.record or record
    order = None
    if recording.mode != "off":
        order = RecordOrder(media_folder, recording.segment_seconds, recording.segment_bytes)
    same = ("transport", "hardware", "max_fps", "open_seconds", "stall_seconds", "backoff_seconds", "loop")
    return Camera(
        name,
        settings.url,
        secret=secret,
        guard=guard,
        every=settings.policy == "batch",
        record=order,
        on_segment=on_segment,
        paused=not settings.enabled,
        **settings.model_dump(include=set(same)),
    )


def probe(
    address: str, *, secret: Secret | None, transport: str = "auto", hardware: str = "auto", seconds: float = 5.0
) -> Probe:
    """Look at a camera for so many seconds. Raises SourceError where no picture comes."""
    from pipeline.sources.probe import probe as look

    return look(address, secret=secret, transport=transport, hardware=hardware, seconds=seconds)
