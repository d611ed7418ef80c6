"""A benchmark of trackers from beginning to end: who takes part, speed, accuracy, and the files that come of it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError, OutputError
from pipeline.evaluation.number_table import write_text
from pipeline.tracker_benchmark.accuracy import Group, entrants, read_group, score
from pipeline.tracker_benchmark.contest import open_contest
from pipeline.tracker_benchmark.plot import write_plot
from pipeline.tracker_benchmark.speed import Trial, measure_speed, turns
from pipeline.tracker_benchmark.summary import Summary, summary_to_dict

FIGURES, PICTURE, TRACKS = "trackers.json", "trackers.png", "tracks"  # in the folder of results

Begun = Callable[[int], None]  # told how many steps there are
Advanced = Callable[[str], None]  # told what a step is about to do


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure, and on whom."""

    trackers: Sequence[str]  # of ours
    pythons: Sequence[str]  # interpreters of environments with others' trackers
    trial: Trial  # without objects: no speed
    data: Sequence[Path]  # folders of sequences; none: no accuracy
    camera_motion: bool  # give it where a sequence has a file of it
    refine: bool  # score ours with hindsight too


def run_benchmark(plan: Plan, out: Path, *, begun: Begun, advanced: Advanced) -> Summary:
    """Measure, and write figures, a picture and all tracks into `out`.

    Raises ConfigError where there is nothing to measure or an interpreter cannot be run, DependencyError where one
    cannot do this work, FormatError for data that are not what they should be, OutputError. All of these come before
    the measuring begins, unless a file is malformed or the disk fills up.
    """
    if not plan.trial.objects and not plan.data:
        raise ConfigError("nothing to measure: name numbers of objects for speed, or --data for accuracy")
    groups = [read_group(folder) for folder in plan.data]
    _require_own_names(groups)
    _make(out)
    with tempfile.TemporaryDirectory(prefix="sightline-benchmark-") as scratch:
        folder = Path(scratch)
        with open_contest(plan.trackers, plan.pythons, folder=folder) as contest:
            results = entrants(contest.contestants, camera_motion=plan.camera_motion, refine=plan.refine)
            results = results if groups else []
            steps = len(results) * sum(len(group.sequences) for group in groups)
            begun(turns(contest.contestants, plan.trial) + steps)
            timings = measure_speed(contest.contestants, plan.trial, folder=folder, advanced=advanced)
            score(results, groups, folder=out / TRACKS, advanced=advanced)
    summary = Summary(plan.trial, timings if plan.trial.objects else [], groups, results, contest.missing)
    write_text(out / FIGURES, json.dumps(summary_to_dict(summary), indent=2) + "\n")
    write_plot(out / PICTURE, summary)
    return summary


def _require_own_names(groups: Sequence[Group]) -> None:
    names = [group.name for group in groups]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two folders of --data are called {name}; results go by that name, so rename one")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}; name another with --out") from error
