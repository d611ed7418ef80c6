"""A benchmark of trackers for people (tables) and for programs (a dict that goes into JSON)."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.evaluation.report import scores_to_dict, to_dict
from pipeline.peer_process.worker import Missing
from pipeline.tracker_benchmark.accuracy import Group, Result
from pipeline.tracker_benchmark.contest import INSTALL
from pipeline.tracker_benchmark.speed import WARM_UP, Timing, Trial, ratios, reference

# Whose speed is 1 where it takes part; else the first peer's
REFERENCE = ("roboflow ByteTrack", "ultralytics ByteTrack")
REFERENCE_WITH_FEATURES = ("ultralytics BoT-SORT + features", "boxmot BoT-SORT + features")
_SCORES = ("HOTA", "IDF1", "MOTA")
_OWN = "bold green"


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """Everything that was measured."""

    trial: Trial
    timings: Sequence[Timing]  # none: speed was not asked for
    groups: Sequence[Group]
    results: Sequence[Result]
    missing: Sequence[Missing]

    def reference(self, *, features: bool) -> Timing | None:
        """Whose speed is 1, among trackers with or without features; None where there is no peer."""
        return reference(self.timings, features=features, preferred=REFERENCE_WITH_FEATURES if features else REFERENCE)

    def times_as_fast(self, timing: Timing, objects: int) -> float | None:
        """How many times as fast a tracker is as the reference of its kind; None where unknown."""
        standard = self.reference(features=timing.contestant.entry.features)
        return None if standard is None else timing.times_faster(standard, objects)


def speed_table(summary: Summary) -> Table:
    """Milliseconds a frame, and how many times as fast as the reference: a row a tracker, the fastest first."""
    standards = [summary.reference(features=features) for features in (False, True)]
    names = [standard.contestant.name for standard in standards if standard is not None]
    table = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title="Milliseconds a frame, by the number of objects in it",
        caption=f"x: times as fast as {' and '.join(names)}" if names else None,
    )
    table.add_column("Tracker", no_wrap=True)
    for count in summary.trial.objects:
        table.add_column(str(count), justify="right", no_wrap=True)
    for features in (False, True):
        kind = [each for each in summary.timings if each.contestant.entry.features is features]
        for timing in sorted(kind, key=_slowness):
            cells = [_speed_cell(summary, timing, count) for count in summary.trial.objects]
            table.add_row(Text(timing.contestant.name), *cells, style=_OWN if timing.contestant.own else "")
        table.add_section()
    return table


def accuracy_table(summary: Summary) -> Table:
    """COMBINED scores in per cent: a row a tracker, the best HOTA of the first group first."""
    table = Table(box=box.SIMPLE_HEAD, title=" / ".join(_SCORES) + " in %, all sequences pooled")
    table.add_column("Tracker", no_wrap=True)
    for group in summary.groups:
        table.add_column(group.name, justify="right", no_wrap=True)
    for result in sorted(summary.results, key=lambda one: _badness(one, summary.groups)):
        cells = [_score_cell(result, group) for group in summary.groups]
        label = result.label + (" + gmc" if result.moved else "")
        table.add_row(Text(label), *cells, style=_OWN if result.contestant.own else "")
    return table


def notes(summary: Summary) -> list[str]:
    """What else there is to say: who failed and why, and what is not installed."""
    lines = [f"{each.contestant.name} failed: {each.failure}" for each in summary.timings if each.failure]
    lines += [f"{one.label} failed on {name}: {why}" for one in summary.results for name, why in one.failures.items()]
    lines += [f"not measured: {each.package} ({INSTALL[each.package]}); {each.reason}" for each in summary.missing]
    return lines


def summary_to_dict(summary: Summary) -> dict[str, Any]:
    """All figures: speed by tracker and number of objects, every ratio of ours to a peer, scores of every sequence."""
    trial = summary.trial
    return {
        "machine": {"processor": _processor(), "python": platform.python_version(), "numpy": np.__version__},
        "speed": {
            "frames": trial.frames,
            "warm_up": WARM_UP,
            "features": trial.dimension,
            "trackers": [_speed_to_dict(summary, each) for each in summary.timings],
            "times_as_fast": ratios(summary.timings, trial.objects),
        },
        "accuracy": [_result_to_dict(result) for result in summary.results],
        "missing": [
            {"package": each.package, "install": INSTALL[each.package], "reason": each.reason}
            for each in summary.missing
        ],
    }


def _speed_to_dict(summary: Summary, timing: Timing) -> dict[str, Any]:
    entry = timing.contestant.entry
    standard = summary.reference(features=entry.features)
    return {
        "tracker": entry.name,
        "package": entry.package,
        "version": entry.version,
        "own": timing.contestant.own,
        "features": entry.features,
        "milliseconds": {str(count): timing.milliseconds(count) for count in timing.rounds},
        "rounds": {str(count): rounds for count, rounds in timing.rounds.items()},
        "reference": None if standard is None else standard.contestant.name,
        "times_as_fast_as_reference": {
            str(count): ratio for count in timing.rounds if (ratio := summary.times_as_fast(timing, count)) is not None
        },
        "failure": timing.failure,
    }


def _result_to_dict(result: Result) -> dict[str, Any]:
    entry = result.contestant.entry
    return {
        "tracker": entry.name,
        "package": entry.package,
        "version": entry.version,
        "own": result.contestant.own,
        "refined": result.refined,
        "camera_motion": result.moved,
        "groups": {name: to_dict(evaluation) for name, evaluation in result.groups.items()},
        "failures": result.failures,
    }


def _speed_cell(summary: Summary, timing: Timing, objects: int) -> str:
    milliseconds = timing.milliseconds(objects)
    if milliseconds is None:
        return "-"
    ratio = summary.times_as_fast(timing, objects)
    number = f"{milliseconds:.2f}" if milliseconds < 10 else f"{milliseconds:.0f}"
    return number if ratio is None else f"{number} (x{ratio:.2g})" if ratio < 10 else f"{number} (x{ratio:.0f})"


def _score_cell(result: Result, group: Group) -> str:
    evaluation = result.groups.get(group.name)
    if evaluation is None:
        return "-"
    scores = scores_to_dict(evaluation.combined)
    return " / ".join(f"{100 * scores[name]:.1f}" for name in _SCORES)


def _slowness(timing: Timing) -> float:
    """At the most objects a tracker was timed with; those that never were come last."""
    times = [milliseconds for count in timing.rounds if (milliseconds := timing.milliseconds(count)) is not None]
    return times[-1] if times else float("inf")


def _badness(result: Result, groups: Sequence[Group]) -> float:
    evaluation = result.groups.get(groups[0].name)
    return float("inf") if evaluation is None else -evaluation.combined.hota.hota


def _processor() -> str:
    return f"{platform.processor() or platform.machine()}, {platform.system()}"
