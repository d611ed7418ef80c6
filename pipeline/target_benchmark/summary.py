"""What a benchmark of target trackers has found, for people (tables, a plot) and for programs (a dict for JSON)."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.errors import OutputError
from pipeline.evaluation.absences import LOST_WITHIN, RECOVERED_WITHIN, AbsenceScores, Hiding, pooled
from pipeline.evaluation.sot import OVERLAPS, FollowScores
from pipeline.evaluation.sot_report import mean_result, to_dict
from pipeline.target_benchmark.benchmark import Entrant, TargetSummary
from pipeline.target_benchmark.worker import INSTALL

REFERENCE = "OpenCV CSRT"  # whose speed is 1 where it takes part; else the first peer's
_OWN = "bold green"


def scores_table(summary: TargetSummary) -> Table:
    """A row a tracker, the best success AUC first: means over the clips, each counting alike; ratios in per cent."""
    standard = _reference(summary)
    several = any(one.many is not None for one in summary.entrants)
    caption = None if standard is None else f"x: times as fast as {standard.contestant.name}, median over the clips"
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title="Means over all clips; ratios in %", caption=caption)
    table.add_column("Tracker", no_wrap=True)
    columns = ["AUC", "20 px", "norm.", "robust", "score", "frames/s", *(["x"] if standard else [])]
    for heading in [*columns, *([f"ms, {summary.targets} at once"] if several else [])]:
        table.add_column(heading, justify="right", no_wrap=True)
    for entrant in sorted(summary.entrants, key=lambda one: -_auc(one, summary)):
        mean = _mean(entrant, summary)
        cells = ["-"] * len(columns)
        if mean is not None:
            speed = mean_result(list(entrant.results.values())).told.frames_per_second
            values = (mean.auc, mean.precision_near, mean.normalised_auc, mean.robustness, mean.score_auc)
            ratio = None if standard is None else entrant.times_faster(standard)
            cells = [*map(_percent, values), "-" if speed is None else f"{speed:.0f}"]
            cells += [] if standard is None else ["-" if ratio is None else f"{ratio:.2f}"]
        if several:
            cells.append("-" if entrant.many is None else f"{entrant.many:.1f}")
        table.add_row(Text(entrant.contestant.name), *cells, style=_OWN if entrant.contestant.own else "")
    return table


def clips_table(summary: TargetSummary) -> Table:
    """Success AUC in per cent: a row a tracker, a column a clip."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title="Success AUC in %, clip by clip")
    table.add_column("Tracker", no_wrap=True)
    for name in summary.clips:
        table.add_column(Text(name), justify="right", overflow="fold", min_width=5)
    for entrant in sorted(summary.entrants, key=lambda one: -_auc(one, summary)):
        results = [entrant.results.get(name) for name in summary.clips]
        cells = ["-" if one is None else _percent(one.scores.auc) for one in results]
        table.add_row(Text(entrant.contestant.name), *cells, style=_OWN if entrant.contestant.own else "")
    return table


def absences_table(summary: TargetSummary) -> Table:
    """What happens while targets are away, all clips pooled, in per cent: a row a tracker."""
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title="Targets away for 1 to 3 s; shares in %",
        caption="lost: said in time; back: on the target again (IoU .5) in time, after it was removed and covered;\n"
        "false: lost is said of a visible target; score: is it lower where the overlap is below .1 or nothing is there",
    )
    table.add_column("Tracker", no_wrap=True)
    headings = (f"lost in {LOST_WITHIN:g} s", f"back in {RECOVERED_WITHIN:g} s", *Hiding, "false", "score", "absences")
    for heading in headings:
        table.add_column(str(heading), justify="right", no_wrap=True)
    for entrant in sorted(summary.entrants, key=lambda one: -_recovered(one)):
        cells = ["-"] * len(headings)
        if entrant.absences:
            scores = pooled(list(entrant.absences.values()))
            shares = [scores.lost_in_time, scores.recovered_in_time, *(_back(scores, how) for how in Hiding)]
            cells = [*map(_percent, [*shares, scores.false_lost, scores.score_auc]), str(len(scores.returns))]
        table.add_row(Text(entrant.contestant.name), *cells, style=_OWN if entrant.contestant.own else "")
    return table


def notes(summary: TargetSummary) -> list[str]:
    """What else there is to say: who failed and why, and who did not take part."""
    lines = [f"{one.contestant.name} failed: {one.failure}" for one in summary.entrants if one.failure]
    lines += [f"not measured: {name}; {why}" for name, why in summary.absent.items()]
    lines += [f"not measured: {each.package} ({INSTALL[each.package]}); {each.reason}" for each in summary.missing]
    return lines


def summary_to_dict(summary: TargetSummary) -> dict[str, Any]:
    """All figures: scores of every clip, speeds and their ratios, every absence."""
    peers = [one for one in summary.entrants if not one.contestant.own]
    return {
        "machine": {
            "processor": f"{platform.processor() or platform.machine()}, {platform.system()}",
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "trackers": [
            {
                "tracker": one.contestant.name,
                "package": one.contestant.entry.package,
                "version": one.contestant.entry.version,
                "own": one.contestant.own,
                "failure": one.failure,
                "clips": to_dict(list(one.results.values())) if one.results else None,
                "score": _worth(one.plain),
                "absences": _absences(one.absences),
                "many": {"targets": summary.targets, "milliseconds": one.many} if one.many is not None else None,
                "times_as_fast": {
                    peer.contestant.name: ratio for peer in peers if (ratio := one.times_faster(peer)) is not None
                },
            }
            for one in summary.entrants
        ],
        "missing": [{"package": one.package, "reason": one.reason} for one in summary.missing],
        "absent": summary.absent,
    }


def write_success_plot(path: Path, summary: TargetSummary) -> None:
    """Write a PNG: share of the frames over the overlap, a line a tracker, mean of the clips. OutputError."""
    figure = Figure(figsize=(7.5, 5.2), layout="constrained", dpi=130)
    axes = figure.subplots()
    for entrant in sorted(summary.entrants, key=lambda one: -_auc(one, summary)):
        mean = _mean(entrant, summary)
        if mean is not None:
            own = entrant.contestant.own
            label = f"{mean.auc:.3f} {entrant.contestant.name}"
            axes.plot(
                OVERLAPS, mean.success, label=label, linewidth=2.2 if own else 1.3, linestyle="-" if own else "--"
            )
    axes.set(title="Success (AUC)", xlabel="overlap above", ylabel="share of frames", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(color="#dddddd", linewidth=0.6)
    if axes.lines:
        axes.legend(fontsize=8, loc="lower left")
    try:
        FigureCanvasAgg(figure).print_png(path)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; check the folder and the disk") from error


def _worth(scores: Mapping[str, AbsenceScores]) -> dict[str, Any] | None:
    """AUC of the score over the frames of all clips, and with each clip left out."""
    if not scores:
        return None
    return {
        "auc": pooled(list(scores.values())).score_auc,
        "auc_without": {
            name: pooled(rest).score_auc
            for name in scores
            if (rest := [one for other, one in scores.items() if other != name])
        },
    }


def _absences(scores: Mapping[str, AbsenceScores]) -> dict[str, Any] | None:
    if not scores:
        return None
    every = pooled(list(scores.values()))
    return {
        "absences": len(every.returns),
        "lost_in_time": every.lost_in_time,
        "recovered_in_time": every.recovered_in_time,
        "false_lost": every.false_lost,
        "told_lost": every.told_lost,
        "score": _worth(scores),
        "clips": {name: [_return(each) for each in one.returns] for name, one in scores.items()},
    }


def _return(one: Any) -> dict[str, Any]:
    absence = one.absence
    frames = {"how": str(absence.how), "begin": absence.begin, "end": absence.end}
    return {**frames, "lost_after": one.lost_after, "recovered_after": one.recovered_after}


def _back(scores: AbsenceScores, how: Hiding) -> float | None:
    """Share that came back in time of the absences of one kind; None without one."""
    those: Sequence[bool] = [one.recovered_in_time for one in scores.returns if one.absence.how is how]
    return float(np.mean(those)) if those else None


def _reference(summary: TargetSummary) -> Entrant | None:
    peers = [one for one in summary.entrants if not one.contestant.own and one.seconds]
    return next((one for one in peers if one.contestant.name == REFERENCE), peers[0] if peers else None)


def _mean(entrant: Entrant, summary: TargetSummary) -> FollowScores | None:
    """Over all clips; None where it has not followed each."""
    if len(entrant.results) < len(summary.clips):
        return None
    return mean_result(list(entrant.results.values())).scores


def _auc(entrant: Entrant, summary: TargetSummary) -> float:
    mean = _mean(entrant, summary)
    return -1.0 if mean is None else mean.auc


def _recovered(entrant: Entrant) -> float:
    return pooled(list(entrant.absences.values())).recovered_in_time if entrant.absences else -1.0


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
