"""What a training shows in a terminal: a progress bar while an epoch goes, a line when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

_LEFT_OUT = ("epoch", "seconds")  # of a row: they stand in words


class TrainDisplay:
    """A bar over the steps of an epoch; without a terminal only a line an epoch."""

    def __init__(self, console: Console, *, epochs: int, silent: bool = False) -> None:
        """`epochs`: in all. `silent`: another process speaks."""
        self._console, self._epochs, self._silent = console, epochs, silent
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, style="bold"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}", markup=False),
            TimeRemainingColumn(),
            console=console,
            disable=silent or not console.is_terminal,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        if not self._silent:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def epoch_began(self, epoch: int, steps: int) -> None:
        """Start the bar anew. `epoch`: from 1."""
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(f"epoch {epoch} of {self._epochs}", total=steps, loss="")

    def stepped(self, loss: float) -> None:
        """Move it."""
        if self._task is not None:
            self._progress.update(self._task, advance=1, loss=f"loss {loss:.4g}")

    def epoch_ended(self, row: Mapping[str, float]) -> None:
        """Say what came out. What is no number was not measured."""
        figures = [f"{name} {value:.4g}" for name, value in row.items() if name not in _LEFT_OUT and value == value]
        self.say(f"epoch {row['epoch']:.0f}/{self._epochs}  {'  '.join(figures)}  {row['seconds']:.0f} s")
