"""What a detector's training tells others: where it keeps what it has reached, who watches it, how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class TrainingFiles(Protocol):
    """Where a training keeps what it has reached (folder.py)."""

    def save(self, state: dict[str, Any], row: dict[str, float] | None = None) -> None:
        """All that is needed to go on after an epoch, and its row of the log."""

    def write_bytes(self, name: str, content: bytes) -> None:
        """A file, whole or not at all."""


class TrainingObserver(Protocol):
    """Is told how a training goes."""

    def epoch_began(self, epoch: int, steps: int) -> None:
        """`epoch`: from 1."""

    def stepped(self, loss: float) -> None:
        """After every batch."""

    def epoch_ended(self, row: dict[str, float]) -> None:
        """`row`: of the log."""


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """How a training ended."""

    epochs: int  # that are done, earlier parts of the training included
    best_epoch: int  # from 1; 0: none was scored
    best_score: float  # AP50-95 on the validation pictures
    stopped: bool  # by the user; it can go on
