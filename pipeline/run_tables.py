"""Stored runs in a terminal: a table of them, and two of them side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.compare import Compared, Comparison, Figures
from pipeline.evaluation.scores import Scores
from pipeline.store.liveness import ShownStatus, shown_status
from pipeline.store.rows import RunDetail
from pipeline.store.run_queries import short_id

_STYLES = {
    ShownStatus.RUNNING: "cyan",
    ShownStatus.FINISHED: "green",
    ShownStatus.STOPPED: "yellow",
    ShownStatus.PAUSED: "yellow",
    ShownStatus.INTERRUPTED: "red",
    ShownStatus.FAILED: "red",
}
_SCORES: tuple[tuple[str, Callable[[Scores], str]], ...] = (
    ("HOTA", lambda scores: f"{100 * scores.hota.hota:.1f}"),
    ("MOTA", lambda scores: f"{100 * scores.clear.mota:.1f}"),
    ("IDF1", lambda scores: f"{100 * scores.identity.idf1:.1f}"),
    ("switches", lambda scores: str(scores.clear.idsw)),
)


def runs_table(runs: Sequence[RunDetail], *, now: int) -> Table:
    """A row a run, in the order given. `now`: microseconds UTC."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("run", "status", "started (UTC)"):
        table.add_column(heading, no_wrap=True)
    table.add_column("sources")
    for heading in ("frames", "tracks", "frames/s"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("settings")
    for detail in runs:
        told = run_to_dict(detail, now=now)
        status = shown_status(detail.run, now)
        rate = told["frames_per_second"]
        table.add_row(
            short_id(detail.run.public_id),
            Text(status.value, style=_STYLES.get(status, "")),
            _minute(detail.run.created_at),
            Text(_names([source.name for source in detail.sources]), no_wrap=True, overflow="ellipsis"),
            str(told["frames"]),
            str(told["tracks"]),
            "" if rate is None else f"{rate:.1f}",
            Text(told["settings_name"], no_wrap=True, overflow="ellipsis"),
        )
    return table


def run_to_dict(detail: RunDetail, *, now: int) -> dict[str, Any]:
    """A run as JSON can hold it. `now`: microseconds UTC."""
    run = detail.run
    frames = sum(source.processed for source in detail.sources)
    seconds = ((run.finished_at or run.heartbeat_at or run.created_at) - run.created_at) / 1e6
    return {
        "id": str(run.public_id),
        "short_id": short_id(run.public_id),
        "kind": run.kind,
        "status": shown_status(run, now).value,
        "error": run.error,
        "created_at": _iso(run.created_at),
        "finished_at": None if run.finished_at is None else _iso(run.finished_at),
        "parent": None if run.parent is None else str(run.parent),
        "settings_name": settings_name(detail),
        "frames": frames,
        "tracks": sum(source.tracks for source in detail.sources),
        "frames_per_second": frames / seconds if seconds > 0 and frames else None,
        "sources": [
            {
                "id": str(source.public_id),
                "name": source.name,
                "uri": source.uri_redacted,
                "status": source.status.value,
                "error": source.error,
                "frames": source.processed,
                "tracks": source.tracks,
            }
            for source in detail.sources
        ],
    }


def settings_name(detail: RunDetail) -> str:
    """What tells runs apart at a glance: the models and the tracker."""
    models = {model.task: model.name for model in detail.models}
    tracker = detail.run.settings.get("tracker", {})
    name = tracker.get("name") if isinstance(tracker, dict) else None
    return " + ".join(str(part) for part in (models.get("detect"), models.get("embed"), name) if part)


def comparison_tables(comparison: Comparison) -> list[Table]:
    """What each run found, how they score, and which settings differ; tables without a row are left out."""
    tables = [_figures_table(comparison), _scores_table(comparison), _settings_table(comparison)]
    return [table for table in tables if table.row_count]


def comparison_lines(comparison: Comparison) -> list[str]:
    """What the tables cannot say."""
    lines = []
    if comparison.total.identical:
        lines.append("The tracks of both runs are identical.")
    if any(one.agreement is None for one in comparison.sources):
        lines.append("There are too many tracks to score the runs against each other.")
    for run, names in (("first", comparison.only_a), ("second", comparison.only_b)):
        if names:
            lines.append(f"Only the {run} run has read {', '.join(names)}; not compared.")
    return lines


def _rows(comparison: Comparison) -> list[Compared]:
    """The total only where there is something to add up."""
    return [*comparison.sources, *([comparison.total] if len(comparison.sources) > 1 else [])]


def _figures_table(comparison: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="What was found", title_justify="left")
    table.add_column("source")
    table.add_column("run", no_wrap=True)
    for heading in ("tracks", "boxes", "mean s", "mean boxes", "interruptions"):
        table.add_column(heading, justify="right", no_wrap=True)
    for compared in _rows(comparison):
        for name, run, figures in (
            (compared.name, comparison.a, compared.a),
            ("", comparison.b, compared.b),
        ):
            table.add_row(Text(name), short_id(run), *_cells(figures))
    return table


def _cells(figures: Figures) -> list[str]:
    return [
        str(figures.tracks),
        str(figures.observations),
        f"{figures.mean_seconds:.2f}",
        f"{figures.mean_observations:.1f}",
        str(figures.interruptions),
    ]


def _scores_table(comparison: Comparison) -> Table:
    first, second = short_id(comparison.a), short_id(comparison.b)
    table = Table(box=box.SIMPLE_HEAD, title="Scores; ratios in %", title_justify="left")
    table.add_column("source")
    table.add_column("what is scored", no_wrap=True)
    for name, _ in _SCORES:
        table.add_column(name, justify="right", no_wrap=True)
    for compared in _rows(comparison):
        for what, scores in (
            (f"{second} against {first}", compared.agreement),
            (f"{first} against the truth", compared.truth_a),
            (f"{second} against the truth", compared.truth_b),
        ):
            if scores is not None:
                table.add_row(Text(compared.name), what, *(shown(scores) for _, shown in _SCORES))
    return table


def _settings_table(comparison: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Settings that differ", title_justify="left")
    for heading in ("setting", short_id(comparison.a), short_id(comparison.b)):
        table.add_column(heading)
    for changed in comparison.settings:
        table.add_row(Text(changed.path), Text(_shown(changed.a)), Text(_shown(changed.b)))
    return table


def _shown(value: Any) -> str:
    return "-" if value is None else str(value)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _minute(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).strftime("%Y-%m-%d %H:%M")


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1e6, UTC).isoformat(timespec="seconds")
