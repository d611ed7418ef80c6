"""Whether walkers keep their ids over full occlusions, crossings of look-alikes, and absences, by what holds tracks.

    python -m tests.benchmarks.occlusion_suite [--seeds 4] [--hold NAME ...] [--set KEY=VALUE ...] [--json FILE]

Rendered scenes (pipeline/synthetic/hidden_scenes.py); boxes of the truth with noise and misses, features of the bundled
embedder (tests/hidden_walkers.py). Settings are those of the default but for `--set tracker...`. Nothing here passes or
fails. docs/tracking.md has the figures.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pipeline import build
from pipeline.config import Settings, load_settings
from pipeline.synthetic.hidden_scenes import Disappearance, hidden_scenes
from pipeline.tracker_settings import Held
from tests.hidden_walkers import AS_SAID, Event, events, see, unmasked

TIMES = (0.5, 1.0, 2.0, 3.0)  # seconds hidden


def main(
    seeds: Annotated[int, typer.Option(min=1, help="Scenes of each kind and time.")] = 4,
    hold: Annotated[list[str] | None, typer.Option(help="What holds tracks.  [default: all]")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE")] = None,
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE")] = None,
) -> None:
    """Shares of kept ids."""
    given = [*(settings or []), f"tracker.calibration={AS_SAID}"]
    chosen = {name: load_settings("default", [*given, f"tracker.hold={name}"]) for name in hold or get_args(Held)}
    found = measure(chosen, seeds)
    console = Console(width=160)
    console.print(table(found))
    if out is not None:
        kept = {
            name: [[one.disappearance, one.seconds, one.truly, one.kept] for row in rows.values() for one in row]
            for name, rows in found.items()
        }
        out.write_text(json.dumps(kept, indent=1), encoding="utf-8")


def measure(chosen: dict[str, Settings], seeds: int) -> dict[str, dict[tuple[Disappearance, float], list[Event]]]:
    """Events by what holds tracks, kind and time; all see the same scenes."""
    found: dict[str, dict[tuple[Disappearance, float], list[Event]]] = {name: defaultdict(list) for name in chosen}
    embedder = build.embedder(next(iter(chosen.values())).embedder)
    scenes = hidden_scenes(TIMES, seeds=seeds)
    for scene in track(scenes, total=len(Disappearance) * len(TIMES) * seeds, description="scenes", transient=True):
        seen = unmasked(see(scene, embedder))
        for name, one in chosen.items():
            for event in events(seen, build.tracker(one.tracker)):
                found[name][event.disappearance, event.seconds].append(event)
    return found


def table(found: dict[str, dict[tuple[Disappearance, float], list[Event]]]) -> Table:
    """Ids kept of those hidden."""
    shown = Table(title="ids kept / times hidden")
    shown.add_column("hold")
    for disappearance in Disappearance:
        for seconds in TIMES:
            shown.add_column(f"{disappearance} {seconds:g} s", justify="right")
    shown.add_column("up to 1 s", justify="right")
    shown.add_column("3 s", justify="right")
    for name, rows in found.items():
        cells = [_share(rows[disappearance, seconds]) for disappearance in Disappearance for seconds in TIMES]
        short = [one for (_, seconds), row in rows.items() if seconds <= 1 for one in row]
        long = [one for (_, seconds), row in rows.items() if seconds == TIMES[-1] for one in row]
        shown.add_row(name, *cells, _percent(short), _percent(long))
    return shown


def _share(rows: list[Event]) -> str:
    return f"{sum(one.kept for one in rows)}/{len(rows)}"


def _percent(rows: list[Event]) -> str:
    return f"{100 * sum(one.kept for one in rows) / max(len(rows), 1):.0f} %"


if __name__ == "__main__":
    typer.run(main)
