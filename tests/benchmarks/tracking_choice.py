"""Whether the default tracker's settings fit these sequences only: each is scored with what the others chose.

Of some settings around the defaults, those are chosen that have the best mean HOTA of all sequences but one, and that
one is tracked with them. What it loses against the settings chosen by all is what its part in the choice was worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from pipeline.evaluation.scores import Scores, combine
from tests.benchmarks.tracking_clips import ClipSet
from trackers.calibration import ScoreCalibration
from trackers.deepsort import DeepSort
from trackers.structures import FloatArray


@dataclass(frozen=True, slots=True)
class Choice:
    """Settings that might have been the defaults."""

    name: str
    changes: Mapping[str, float]  # what is added to a setting
    noise: float = 1.0  # factor on the deviation of a measurement

    def tracker(self) -> DeepSort:
        """A new one."""
        usual = DeepSort()
        x, y, width, height = (self.noise * std for std in usual.table.model.measurement_std)
        model = replace(usual.table.model, measurement_std=(x, y, width, height))
        values = {setting: getattr(usual, setting) + change for setting, change in self.changes.items()}
        return DeepSort(calibration=ScoreCalibration(), model=model, **values)


CHOICES = (
    Choice("defaults", {}),
    Choice("scores - 0.1", {"strong_score": -0.1, "new_score": -0.1}),
    Choice("scores - 0.05", {"strong_score": -0.05, "new_score": -0.05}),
    Choice("scores + 0.05", {"strong_score": 0.05, "new_score": 0.05}),
    Choice("scores + 0.1", {"strong_score": 0.1, "new_score": 0.1}),
    Choice("overlap - 0.05", {"overlap_limit": -0.05}),
    Choice("overlap + 0.05", {"overlap_limit": 0.05}),
    Choice("noise x 0.7", {}, noise=0.7),
    Choice("noise x 1.4", {}, noise=1.4),
    Choice("lost - 0.4 s", {"lost_seconds": -0.4}),
    Choice("lost + 0.5 s", {"lost_seconds": 0.5}),
    Choice("lost + 1 s", {"lost_seconds": 1.0}),
)


def leave_one_out(sets: Sequence[ClipSet], console: Console) -> dict[str, Any]:
    """Print, and return as a dictionary, each choice's scores and what every sequence gets from the others' choice."""
    clips = [clip for group in sets for clip in group.clips]
    scores: list[list[Scores]] = []  # by choice, then clip
    for choice in CHOICES:
        with console.status(choice.name):
            scores.append([clip.score(choice.tracker()) for clip in clips])
    sequences = sorted({clip.sequence for clip in clips})
    member = np.array([[clip.sequence == name for clip in clips] for name in sequences])
    hota = 100 * np.array([[one.hota.hota for one in row] for row in scores])
    means = hota @ member.T / member.sum(axis=1)  # (choices, sequences): over a sequence's detectors
    of_all = int(means.mean(axis=1).argmax())
    of_others = _best_without(means)
    console.print(_sequence_table(sequences, means, of_all, of_others))
    rows = member.argmax(axis=0)  # each clip's sequence
    groups, begin = {}, 0
    for group in sets:
        own = range(begin, begin + len(group.clips))
        begin = own.stop
        picks = {
            "defaults": [scores[0][clip] for clip in own],
            "chosen by all": [scores[of_all][clip] for clip in own],
            "chosen by the others": [scores[of_others[rows[clip]]][clip] for clip in own],
        }
        groups[group.name] = {name: 100 * combine(picked).hota.hota for name, picked in picks.items()}
    console.print(_group_table(groups))
    return {
        "choices": {
            choice.name: dict(zip(sequences, row, strict=True))
            for choice, row in zip(CHOICES, means.tolist(), strict=True)
        },
        "chosen by all": CHOICES[of_all].name,
        "chosen by the others": {name: CHOICES[i].name for name, i in zip(sequences, of_others, strict=True)},
        "sets": groups,
    }


def _best_without(means: FloatArray) -> list[int]:
    """The choice with the best mean of all sequences but each one (n,). `means`: (choices, n)."""
    others = (means.sum(axis=1, keepdims=True) - means) / (means.shape[1] - 1)
    return [int(choice) for choice in others.argmax(axis=0)]


def _sequence_table(sequences: Sequence[str], means: FloatArray, of_all: int, of_others: Sequence[int]) -> Table:
    table = Table(title="HOTA, mean of a sequence's detectors")
    for heading in ("sequence", "others choose", "with it", f"all choose {CHOICES[of_all].name}", "defaults", "loss"):
        table.add_column(heading)
    gained, meant = means[of_others, np.arange(len(sequences))], means[of_all]
    for name, picked, own, best, usual in zip(sequences, of_others, gained, meant, means[0], strict=True):
        table.add_row(name, CHOICES[picked].name, *_cells(own, best, usual))
    table.add_row("mean", "", *_cells(gained.mean(), meant.mean(), means[0].mean()))
    every = (f"{choice.name} {mean:.2f}" for choice, mean in zip(CHOICES, means.mean(axis=1), strict=True))
    table.caption = f"mean of all sequences: {', '.join(every)}"
    return table


def _cells(own: float, best: float, usual: float) -> tuple[str, ...]:
    return f"{own:.2f}", f"{best:.2f}", f"{usual:.2f}", f"{best - own:+.2f}"


def _group_table(groups: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title="HOTA, COMBINED")
    kinds = list(next(iter(groups.values())))
    for heading in ("set", *kinds):
        table.add_column(heading)
    for name, scores in groups.items():
        table.add_row(name, *(f"{scores[kind]:.2f}" for kind in kinds))
    return table
