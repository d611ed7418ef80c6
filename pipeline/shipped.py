"""Where the files that come with Sightline lie."""

from __future__ import annotations

import sys
from pathlib import Path


def config_folders() -> list[Path]:
    """Where the shipped configs lie: beside the packages, or under the environment's share folder once installed."""
    return [Path(__file__).parent.parent / "configs", Path(sys.prefix) / "share" / "sightline" / "configs"]
