"""What all tests share: where the real material is, and what a missing part means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def unavailable(reason: str) -> None:
    """Skip with the reason; where everything is required (CI), fail instead."""
    if os.environ.get("SIGHTLINE_REQUIRE_ALL") == "1":
        pytest.fail(f"required here, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real videos, ground truth and weights (`SIGHTLINE_SHARED`, default ../shared)."""
    folder = Path(os.environ.get("SIGHTLINE_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        unavailable(f"no real material in {folder}; set SIGHTLINE_SHARED to the folder that holds data/ and weights/")
    return folder
