"""What each stage of the default tracker is worth: its scores, and those without one stage at a time.

    python -m tests.benchmarks.tracking_ablation [--data DIR] [--stage NAME ...] [--features DIR] [--json FILE]
    python -m tests.benchmarks.tracking_ablation --tried
    python -m tests.benchmarks.tracking_ablation --every 8 --set overlap_limit=0.9
    python -m tests.benchmarks.tracking_ablation --leave-one-out

Boxes alone by default; with `--features` the sequences that have a video are tracked with features, too, which are kept
in that folder. `--tried` switches on, one at a time, what can be set and is off by default. Nothing here passes or
fails. docs/tracking.md has the figures and what they mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipeline.evaluation.scores import Scores, combine
from tests.benchmarks.tracking_choice import leave_one_out
from tests.benchmarks.tracking_clips import SHARED, ClipSet, box_sets, look_sets, thin
from trackers.calibration import ScoreCalibration
from trackers.deepsort import DeepSort

AS_SAID = ((0.0, 1.0), (0.0, 1.0))  # a score taken at its word
DEFAULT = "default"
_MODEL = DeepSort().table.model


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the tracker, and what makes it do nothing; or one that does nothing, and what makes it work."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    motion: bool = True  # of the camera
    looks: bool = True
    of_looks: bool = False  # without features there is nothing to switch off


STAGES = (
    Stage(DEFAULT),
    Stage("calibration", {"calibration": ScoreCalibration(known=AS_SAID)}),  # known maps learn nothing: one for all
    Stage("camera", motion=False),
    Stage("weak", {"weak_score": 1.0}),
    Stage("height", {"height_weight": 0.0}),
    Stage("sizes", {"model": replace(_MODEL, drift_std=(0.274,) * 4, acceleration_std=(0.5,) * 4)}),
    Stage("noise", {"model": replace(_MODEL, measurement_std=(0.05,) * 4)}),
    Stage("steady", {"lost_growth": 1.0}),
    Stage("lost", {"lost_seconds": 0.0, "shadowed_lost_seconds": 0.0}),
    Stage("cover", {"covered_share": 2.0}),  # no share of a box is that large: nothing is hidden
    Stage("shadow", {"shadow_seconds": 0.0}),
    Stage("patience", {"shadowed_lost_seconds": 0.0}),
    Stage("duplicates", {"duplicate_overlap": 1.0}),
    Stage("probation", {"confirm_seconds": 0.0}),
    Stage("looks", looks=False, of_looks=True),
    Stage("cascade", {"appearance_limit": 0.0}, of_looks=True),
    Stage("mean", {"mean_weight": 0.0}, of_looks=True),
    Stage("recognition", {"recognition_limit": 0.0}, of_looks=True),
    Stage("apart", {"swap_margin": 2.0}, of_looks=True),
)
TRIED = (
    Stage(DEFAULT),
    Stage("noise by score", {"noise_by_score": 0.5}),
    Stage("score difference", {"score_weight": 0.1}),
    Stage("last box", {"recovery_seconds": 1.0}),
    Stage("motion in looks", {"motion_weight": 0.02}, of_looks=True),
)


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One stage's scores, by the set's name."""

    stage: str
    scores: dict[str, Scores]


def measure(stages: Sequence[Stage], sets: Sequence[ClipSet], console: Console) -> list[Row]:
    """Track every clip without each stage in turn."""
    rows = []
    for stage in stages:
        scores = {}
        for group in sets:
            kinds = {"motion": stage.motion, "looks": stage.looks}
            with console.status(f"without {stage.name}: {group.name}"):
                scores[group.name] = combine([clip.score(DeepSort(**stage.settings), **kinds) for clip in group.clips])
        rows.append(Row(stage.name, scores))
    return rows


def table(rows: Sequence[Row], *, title: str, what: str) -> Table:
    """HOTA / IDF1 in per cent, and what they are more or less than the first row's. `what`: "with" or "without"."""
    names = list(rows[0].scores)
    shown = Table(title=title)
    for heading in (what, *names):
        shown.add_column(heading, no_wrap=True)
    first = {name: _figures(rows[0].scores[name]) for name in names}
    shown.add_row("(default)", *(f"{hota:.1f} / {idf1:.1f}" for hota, idf1 in first.values()))
    for row in rows[1:]:
        cells = []
        for name in names:
            hota, idf1 = _figures(row.scores[name])
            cells.append(f"{hota:.1f} / {idf1:.1f} ({hota - first[name][0]:+.1f} / {idf1 - first[name][1]:+.1f})")
        shown.add_row(row.stage, *cells)
    return shown


def main(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder of mot17-val and mot15.")] = SHARED / "data",
    stage: Annotated[list[str] | None, typer.Option(help="Only these; may be repeated.")] = None,
    features: Annotated[Path | None, typer.Option(metavar="DIR", help="Measure with looks, too.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Give trackers every so many-th frame, at its time.")] = 1,
    tried: Annotated[bool, typer.Option("--tried", help="Instead: with each stage that is off by default.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Instead: with these numbers, together.")
    ] = None,
    leave: Annotated[bool, typer.Option("--leave-one-out", help="Choose settings without each sequence.")] = False,
    json_out: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures.")] = None,
) -> None:
    """Measure and print."""
    console = Console(width=200)
    sets = [_thinned(group, every) for group in box_sets(data)]
    if leave:
        found: dict[str, Any] = leave_one_out(sets, console)
    else:
        chosen = [STAGES[0], _as_set(settings)] if settings else _chosen(TRIED if tried else STAGES, stage)
        tables = {"boxes": measure([one for one in chosen if not one.of_looks], sets, console)}
        if features is not None:
            tables["looks"] = measure(chosen, list(look_sets(data, features)), console)
        for kind, rows in tables.items():
            title = f"HOTA / IDF1, {kind}, COMBINED, and the difference to the first row"
            console.print(table(rows, title=title, what="with" if tried or settings else "without"))
        found = {kind: {row.stage: _to_dict(row) for row in rows} for kind, rows in tables.items()}
    if json_out is not None:
        json_out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _chosen(stages: Sequence[Stage], names: Sequence[str] | None) -> list[Stage]:
    """The default and those of these names, all for none."""
    known = {one.name: one for one in stages}
    if unknown := set(names or ()) - set(known):
        raise typer.BadParameter(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [one for one in stages if not names or one.name in (DEFAULT, *names)]


def _as_set(settings: Sequence[str]) -> Stage:
    """The default with other numbers."""
    pairs = [one.partition("=") for one in settings]
    return Stage(", ".join(settings), {name: float(number) for name, _, number in pairs})


def _thinned(group: ClipSet, every: int) -> ClipSet:
    return group if every == 1 else replace(group, clips=tuple(thin(clip, every) for clip in group.clips))


def _figures(scores: Scores) -> tuple[float, float]:
    return 100 * scores.hota.hota, 100 * scores.identity.idf1


def _to_dict(row: Row) -> dict[str, dict[str, float]]:
    return {
        name: {"HOTA": scores.hota.hota, "IDF1": scores.identity.idf1, "MOTA": scores.clear.mota}
        for name, scores in row.scores.items()
    }


if __name__ == "__main__":
    typer.run(main)
