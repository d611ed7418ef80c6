"""What every target tracker of a benchmark must be to take part. Needs no Sightline; see peer_process/peer.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class TargetEntry:
    """A target tracker that can be asked for."""

    name: str
    package: str
    version: str
    many: bool  # it follows many targets in one pass


class TargetAdapter(Protocol):
    """A tracker at the beginning of a video."""

    def add(self, picture: Any, boxes: Any) -> None:
        """Learn targets: boxes (k, 4) x1 y1 x2 y2 of a picture (height, width, 3), blue green red."""

    def update(self, picture: Any) -> tuple[Any, Any]:
        """Boxes (k, 4) and scores (k,) in the next picture."""


TargetMaker = Callable[[], TargetAdapter]
