"""What a run shows in a terminal: a progress bar while it goes, a table when it is over."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

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

from pipeline.addresses import Addresses
from pipeline.outcome import RunObserver, RunOutcome, SourceOutcome, SourceStart
from pipeline.report import STAGES
from pipeline.store.chunk import CHUNK_FRAMES
from pipeline.store.states import SourceStatus

if TYPE_CHECKING:  # slow to load, and not every command needs them
    from pipeline.demo import DemoReport
    from pipeline.retrack import Retracked
    from pipeline.store.records import AdoptedSource

_STYLES = {
    SourceStatus.FINISHED: "green",
    SourceStatus.DAMAGED: "red",
    SourceStatus.FAILED: "red",
    SourceStatus.STOPPED: "yellow",
}
_RENDERING = "rendering"
_SOURCES = "sources"  # the bar over all of them
_MOST_LINES = 10  # of one kind


class RateColumn(ProgressColumn):
    """Frames a second, lately; nothing for what counts no frames."""

    def render(self, task: Task) -> Text:
        """E.g. "61.3 frames/s"."""
        if task.description == _SOURCES:
            return Text("")
        return Text(f"{task.speed:6.1f} frames/s" if task.speed else "     - frames/s", style="cyan")


class RunDisplay(RunObserver):
    """A progress bar a source, and one for all where there are several. Without a terminal, a line a source."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, style="bold"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TextColumn("{task.fields[found]}", markup=False),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._all: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def sources_known(self, count: int) -> None:
        """Start the bar for all."""
        if count > 1:
            self._all = self._progress.add_task(_SOURCES, total=count, found="")

    def source_opened(self, start: SourceStart) -> None:
        """Start its bar, and say where a resumed one goes on."""
        if not self._console.is_terminal:
            count = "" if start.frames is None else f"{start.frames} frames of "
            line = f"{start.name}: {count}{start.width}x{start.height} at {start.fps:.4g} frames/s, {start.codec}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        for line in resumed_lines(start):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._tasks[start.address] = self._progress.add_task(
            start.name, total=start.frames, completed=start.first_frame, found=""
        )

    def advanced(self, address: str, frames: int, tracks: int) -> None:
        """Move its bar."""
        self._progress.update(self._tasks[address], completed=frames, found=f"{tracks} tracks")

    def source_ended(self, outcome: SourceOutcome) -> None:
        """Take its bar away where there are many; its line stands in the table at the end."""
        task = self._tasks.get(outcome.address)
        if self._all is None:
            return
        self._progress.advance(self._all)
        if task is not None:
            self._progress.update(task, visible=False)
        if outcome.error is not None:
            self._console.print(
                f"{outcome.status.value}: {outcome.error}",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def rendered(self, done: int, total: int) -> None:
        """Move the bar of a scene that is being rendered."""
        if _RENDERING not in self._tasks:
            self._tasks[_RENDERING] = self._progress.add_task("rendering the plaza", total=total, found="")
        self._progress.update(self._tasks[_RENDERING], completed=done)


class RetrackDisplay:
    """A progress bar a source whose detections are tracked again."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, style="bold"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def advanced(self, source: AdoptedSource, frames: int) -> None:
        """Move its bar."""
        key = source.run_source_id
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(source.name, total=source.next_frame)
        self._progress.update(self._tasks[key], completed=frames)


def retrack_table(outcome: Retracked) -> Table:
    """Sources with their tracks before and now."""
    table = Table(title=f"Run {outcome.public_id} tracks run {outcome.parent} again", title_justify="left")
    table.add_column("source")
    for heading in ("frames", "tracks before", "tracks now", "seconds", "frames/s"):
        table.add_column(heading, justify="right")
    for one in outcome.sources:
        rate = one.frames / one.seconds if one.seconds else 0.0
        counts = [str(one.frames), str(one.tracks_before), str(one.tracks)]
        table.add_row(Text(one.name), *counts, f"{one.seconds:.2f}", f"{rate:.0f}")
    return table


def outcome_tables(outcome: RunOutcome) -> list[Table]:
    """Sources with their figures, and where the time went."""
    sources = Table(title=f"Run {outcome.public_id}", title_justify="left")
    for heading, justify in (("source", "left"), ("status", "left"), ("frames", "right"), ("detections", "right")):
        sources.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for heading in ("tracks", "seconds", "frames/s"):
        sources.add_column(heading, justify="right")
    for one in outcome.sources:
        sources.add_row(Text(one.name), Text(one.status.value, style=_STYLES.get(one.status, "")), *_figures(one))
    return [sources, _stage_table(outcome)] if outcome.frames else [sources] if outcome.sources else []


def _figures(one: SourceOutcome) -> list[str]:
    report = one.report
    if report is None:
        return ["", "", "", "", ""]
    rate = report.frames / report.seconds if report.seconds else 0.0
    counts = [str(report.frames), str(report.detections), str(report.tracks)]
    return [*counts, f"{report.seconds:.1f}", f"{rate:.1f}"]


def left_out_lines(addresses: Addresses) -> list[str]:
    """Files of the given folders that will not be looked at."""
    if not addresses.left_out:
        return []
    names = ", ".join(file.name for file in addresses.left_out[:5]) + (" ..." if len(addresses.left_out) > 5 else "")
    return [f"left out, because their names are not those of videos: {names}"]


def resumed_lines(start: SourceStart) -> list[str]:
    """What a resumed source repeats."""
    if not start.first_frame:
        return []
    lines = [
        f"{start.name}: goes on at frame {start.first_frame}; what was done after it, at most {CHUNK_FRAMES} frames, "
        "is processed again"
    ]
    if start.learned_from:
        lines.append(
            f"{start.name}: the detector learns its background again from frames 0 to {start.learned_from - 1}"
        )
    return lines


def outcome_lines(outcome: RunOutcome) -> list[str]:
    """What ran, and where everything is."""
    lines = [f"detector  {outcome.detector}", f"embedder  {outcome.embedder}"]
    if outcome.segmenter != "none":
        lines.insert(1, f"segmenter {outcome.segmenter}")
    lines.append(f"database  {outcome.database}")
    if outcome.public_id is not None:
        lines.append(f"run       {outcome.public_id}")
    written = [path for one in outcome.sources if one.status is not SourceStatus.FAILED for path in one.outputs.paths]
    lines += _few([f"written   {path}" for path in written])
    lines += _few(
        [
            f"note      {one.name} says not when it was taken; its file date was used, or set source.start_at"
            for one in outcome.sources
            if one.start_guessed
        ],
        most=2,
    )
    lines += [line for one in outcome.sources for line in _trouble(one)]
    lines += _few(
        [
            f"skipped   {one.address}: finished before, in run {one.run}; --again does it anyway"
            for one in outcome.skipped
        ]
    )
    return lines


def _trouble(one: SourceOutcome) -> list[str]:
    if one.error is not None:
        return [f"{one.status.value:<8}  {one.error}"]
    if one.damaged:
        return [f"damaged   {one.name}: {one.damaged} packets or frames could not be decoded; the rest is here"]
    return []


def _few(lines: list[str], *, most: int = _MOST_LINES) -> list[str]:
    """The first of many lines that say alike things, and how many more there are."""
    more = len(lines) - most
    return lines if more <= 0 else [*lines[:most], f"          and so for {more} more"]


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
    reports = [one.report for one in outcome.sources if one.report is not None]
    wall = sum(report.seconds for report in reports)
    for name in STAGES:
        stages = [report.stages[name] for report in reports]
        seconds, frames = sum(stage.seconds for stage in stages), sum(stage.frames for stage in stages)
        if frames:
            table.add_row(name, f"{1000 * seconds / frames:.2f}", f"{100 * seconds / wall:.0f} %" if wall else "")
    return table
