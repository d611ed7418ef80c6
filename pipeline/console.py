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

from pipeline.demo import DemoReport
from pipeline.outcome import RunObserver, RunOutcome
from pipeline.sources.base import Source
from pipeline.store.states import SourceStatus

_STYLES = {SourceStatus.FINISHED: "green", SourceStatus.DAMAGED: "red", SourceStatus.STOPPED: "yellow"}
_RENDERING = "rendering"


class RateColumn(ProgressColumn):
    """Frames a second, lately."""

    def render(self, task: Task) -> Text:
        """E.g. "61.3 frames/s"."""
        return Text(f"{task.speed:6.1f} frames/s" if task.speed else "     - frames/s", style="cyan")


class RunDisplay(RunObserver):
    """A progress bar a source: frames, rate, tracks seen, time left. Where there is no terminal, a line a source."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, style="bold"),
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
        if not self._console.is_terminal:
            count = "" if source.frame_count is None else f"{source.frame_count} frames of "
            line = f"{source.name}: {count}{source.width}x{source.height} at {source.fps:.4g} frames/s, {source.codec}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._tasks[source.uri] = self._progress.add_task(source.name, total=source.frame_count, tracks=0)

    def advanced(self, source: Source, frames: int, tracks: int) -> None:
        """Move its bar."""
        self._progress.update(self._tasks[source.uri], completed=frames, tracks=tracks)

    def rendered(self, done: int, total: int) -> None:
        """Move the bar of a scene that is being rendered."""
        if _RENDERING not in self._tasks:
            self._tasks[_RENDERING] = self._progress.add_task("rendering the plaza", total=total, tracks=0)
        self._progress.update(self._tasks[_RENDERING], completed=done)


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
            Text(one.name),
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
    lines = [f"detector  {outcome.detector}", f"embedder  {outcome.embedder}"]
    lines.append(f"database  {outcome.database}")
    for one in outcome.sources:
        lines += [f"written   {path}" for path in one.outputs.paths]
        if one.start_guessed:
            lines.append(
                f"note      {one.name} says not when it was taken; its file date was used, or set source.start_at"
            )
        if one.error is not None:
            lines.append(f"damaged   {one.error}")
        elif one.damaged:
            lines.append(
                f"damaged   {one.name}: {one.damaged} packets or frames could not be decoded; the rest is here"
            )
    return lines


def demo_lines(report: DemoReport) -> list[str]:
    """What was in the scene, how well it was tracked, and where everything is."""
    counts, scores, files = report.counts, report.evaluation.combined, report.files
    frames, seconds = report.outcome.frames, report.outcome.seconds
    return [
        f"scene     {counts.walkers} walkers, {counts.crossings} crossings, {counts.full_occlusions} full occlusions, "
        f"{counts.returns} returns",
        f"tracks    {report.outcome.tracks}, of {counts.walkers} walkers; IDF1 {scores.identity.idf1:.3f}, "
        f"HOTA {scores.hota.hota:.3f} against the truth; {frames / seconds:.1f} frames/s",
        *outcome_lines(report.outcome),
        f"scene     {files.video}",
        f"truth     {files.truth / 'plaza'}",
    ]


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
            table.add_row(name, f"{1000 * seconds / frames:.2f}", f"{100 * seconds / wall:.0f} %" if wall else "")
    return table
