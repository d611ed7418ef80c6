"""What a run shows in a terminal: a progress bar while it goes, a table when it is over."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from pipeline.runs import RunObserver, RunOutcome
from pipeline.sources.base import Source
from pipeline.store.states import SourceStatus

_STYLES = {SourceStatus.FINISHED: "green", SourceStatus.DAMAGED: "red", SourceStatus.STOPPED: "yellow"}


class RateColumn(ProgressColumn):
    """Frames a second, lately."""

    def render(self, task: Task) -> Text:
        """E.g. "61.3 frames/s"."""
        return Text(f"{task.speed:6.1f} frames/s" if task.speed else "     – frames/s", style="cyan")


class RunDisplay(RunObserver):
    """A progress bar a source: frames, rate, tracks seen, time left. On a terminal only; elsewhere it keeps still."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TextColumn("{task.fields[tracks]} tracks"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def source_opened(self, source: Source) -> None:
        """Start its bar."""
        self._tasks[source.uri] = self._progress.add_task(source.name, total=source.frame_count, tracks=0)

    def advanced(self, source: Source, frames: int, tracks: int) -> None:
        """Move its bar."""
        self._progress.update(self._tasks[source.uri], completed=frames, tracks=tracks)


def outcome_tables(outcome: RunOutcome) -> list[Table]:
    """Sources with their figures, and where the time went."""
    sources = Table(title=f"Run {outcome.public_id}", title_justify="left")
    for heading, justify in (("source", "left"), ("status", "left"), ("frames", "right"), ("detections", "right")):
        sources.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for heading in ("tracks", "seconds", "frames/s"):
        sources.add_column(heading, justify="right")
    for one in outcome.sources:
        report = one.report
        rate = report.frames / report.seconds if report.seconds else 0.0
        sources.add_row(
            one.name,
            Text(one.status.value, style=_STYLES.get(one.status, "")),
            str(report.frames),
            str(report.detections),
            str(report.tracks),
            f"{report.seconds:.1f}",
            f"{rate:.1f}",
        )
    return [sources, _stage_table(outcome)]


def outcome_lines(outcome: RunOutcome) -> list[str]:
    """What ran, and where everything is."""
    lines = [f"detector  {outcome.detector}", f"embedder  {outcome.embedder or 'none'}"]
    lines.append(f"database  {outcome.database}")
    for one in outcome.sources:
        lines += [f"written   {path}" for path in one.outputs.paths]
        if one.error is not None:
            lines.append(f"damaged   {one.error}")
    return lines


def _stage_table(outcome: RunOutcome) -> Table:
    table = Table(title="Time by stage (stages overlap)", title_justify="left")
    table.add_column("stage")
    table.add_column("ms a frame", justify="right")
    table.add_column("share of wall time", justify="right")
    wall = sum(one.report.seconds for one in outcome.sources)
    for name in outcome.sources[0].report.stages if outcome.sources else ():
        stages = [one.report.stages[name] for one in outcome.sources]
        seconds, frames = sum(stage.seconds for stage in stages), sum(stage.frames for stage in stages)
        if frames:
            table.add_row(name, f"{1000 * seconds / frames:.2f}", f"{100 * seconds / wall:.0f} %" if wall else "–")
    return table
