"""Real models and videos by name, and one long run that several tests look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.integration.command import Finished, sightline
from tests.integration.page.browsing import launched

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PERSON_2004 = "person-vehicle-bike-detection-2004"
REID_0288 = "person-reidentification-retail-0288"
REAL_FRAMES = 150  # two chunks, the last one short


@dataclass(frozen=True)
class RealRun:
    """The first REAL_FRAMES of PETS09-S2L1 through the command line."""

    folder: Path  # holds runs/, tracks.txt, tracks.csv, tracks.mp4
    done: Finished


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One for all tests of a file."""
    with launched() as browser:
        yield browser


@pytest.fixture(scope="session")
def pets(shared: Path) -> Path:
    """A sequence with video and ground truth: people on a lawn, 795 frames."""
    return shared / "data" / "mot15" / "PETS09-S2L1"


@pytest.fixture(scope="session")
def people(shared: Path) -> list[str]:
    """Options for `--config people` with a small detector and a small embedder."""
    weights = shared / "weights"
    return [
        *("--config", "people"),
        *("--set", f"detector.weights={weights / PERSON_2004 / PERSON_2004}.xml"),
        *("--set", f"embedder.weights={weights / REID_0288 / REID_0288}.xml"),
        *("--set", "detector.precision=f32", "--set", "embedder.precision=f32"),  # scores that hold everywhere
    ]


@pytest.fixture(scope="session")
def exact() -> list[str]:
    """Options with which networks compute alike from process to process, whatever the machine."""
    return ["--set", "detector.precision=f32", "--set", "embedder.precision=f32"]


@pytest.fixture(scope="session")
def real_run(pets: Path, people: list[str], tmp_path_factory: pytest.TempPathFactory) -> RealRun:
    """With every output."""
    folder = tmp_path_factory.mktemp("pets")
    outputs = ["--mot-out", "tracks.txt", "--csv-out", "tracks.csv", "--video-out", "tracks.mp4"]
    outputs += ["--max-frames", str(REAL_FRAMES)]
    done = sightline("run", pets / "video.mp4", *people, *outputs, folder=folder, seconds=600)
    assert done.code == 0, done.err
    return RealRun(folder, done)
