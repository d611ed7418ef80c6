"""LearningDisplay: what the training of an embedder shows in a terminal."""

from __future__ import annotations

import time
from collections.abc import Mapping

from pipeline.train_display import TrainDisplay


class LearningDisplay:
    """Tells a display how a training goes (see `learning.Watcher`)."""

    def __init__(self, display: TrainDisplay) -> None:
        self._display = display
        self._epoch = self._steps = 0
        self._since = time.perf_counter()

    def began(self, *, epoch: int, epochs: int, steps: int) -> None:  # noqa: ARG002  (the display knows how many)
        """See Watcher."""
        self._epoch, self._steps = epoch, steps
        self._next()

    def stepped(self, loss: float) -> None:
        """See Watcher."""
        self._display.stepped(loss)

    def finished_epoch(self, row: Mapping[str, float]) -> None:
        """See Watcher."""
        self._display.epoch_ended({**row, "seconds": time.perf_counter() - self._since})
        self._epoch = int(row["epoch"])
        self._next()

    def _next(self) -> None:
        self._since = time.perf_counter()
        self._display.epoch_began(self._epoch + 1, self._steps)
