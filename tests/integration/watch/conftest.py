"""Videos that play as cameras do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.rtsp_server import looped

SMALL = (320, 180)


@pytest.fixture(scope="session")
def street(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cars, small and slow, so that two cores have time for several cameras: 10 minutes at 10 frames a second."""
    folder = tmp_path_factory.mktemp("street")
    return looped(shared / "data" / "videos" / "car-detection.mp4", folder, size=SMALL, fps=10, seconds=600)


@pytest.fixture(scope="session")
def alley(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People, likewise."""
    folder = tmp_path_factory.mktemp("alley")
    video = shared / "data" / "videos" / "one-by-one-person-detection.mp4"
    return looped(video, folder, size=SMALL, fps=10, seconds=600)
