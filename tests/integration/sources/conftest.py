"""Long videos for servers, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.rtsp_server import looped


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def lawn(shared: Path, clips: Path) -> Path:
    """480x360, 15 frames a second."""
    return looped(shared / "data/mot15/PETS09-S2L1/video.mp4", clips, fps=15, seconds=300, first_seconds=20)


@pytest.fixture(scope="session")
def road(shared: Path, clips: Path) -> Path:
    """640x360, 15 frames a second."""
    video = shared / "data/videos/cars.mp4"
    return looped(video, clips, size=(640, 360), fps=15, seconds=300, first_seconds=10)
