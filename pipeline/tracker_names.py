"""The trackers there are, by the names that settings and commands know them by."""

from __future__ import annotations

from typing import Literal

TrackerName = Literal["sort", "bytetrack", "ocsort", "deepsort"]
TargetName = Literal[
    "mosse", "correlation", "siamese", "mdnet", "flow", "auto"
]  # of those that are shown what to follow
