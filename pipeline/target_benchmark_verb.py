"""What the `sightline` command does to measure target trackers: benchmark targets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline.errors import OutputError
from pipeline.progress_line import steps

FIGURES, PICTURE = "targets.json", "targets.png"  # in the folder of results


def benchmark_targets(
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of clips: NAME/groundtruth.txt and a video or pictures in each.")
    ],
    tracker: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Which of ours; may be given several times. [default: all that can]"),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME.KEY=VALUE", help="Setting of a tracker; may be given several times."),
    ] = None,
    peer_python: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH", help="Python of an environment with opencv-contrib-python; may be given several times."
        ),
    ] = None,
    absences: Annotated[
        bool, typer.Option("--absences", help="Follow targets, too, that are away for 1 to 3 s at times.")
    ] = False,
    absence_clip: Annotated[
        list[str] | None, typer.Option(metavar="CLIP", help="Only in this; may be given several times. [default: all]")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of when targets are away.")] = 0,
    targets: Annotated[int, typer.Option(min=0, max=1000, help="Time so many targets at once, too; 0: do not.")] = 20,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where figures, picture and boxes are written.")] = Path(
        "benchmark"
    ),
) -> None:
    """How well and how fast targets are followed from their first box, ours beside OpenCV's: tables, a plot, JSON.

    All trackers take turns on every clip, with one thread each; others run in a process of their own environment. With
    --absences targets are taken out of the pictures of the same clips, or covered, at times.

    Example: `sightline benchmark targets --data sot --peer-python peers/bin/python --absences`
    """
    from pipeline.evaluation.number_table import write_text
    from pipeline.target_benchmark.benchmark import TargetPlan, run_target_benchmark
    from pipeline.target_benchmark.summary import (
        absences_table,
        clips_table,
        notes,
        scores_table,
        summary_to_dict,
        write_success_plot,
    )

    plan = TargetPlan(
        data=data,
        trackers=tracker or [],
        overrides=settings or [],
        pythons=peer_python or [],
        absences=absences,
        absence_clips=absence_clip or [],
        seed=seed,
        targets=targets,
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made: {error.strerror}; name another with --out") from error
    console = Console()
    with steps(console, "asking who is there") as (counted, begun):
        summary = run_target_benchmark(plan, out, begun=counted, advanced=begun)
    write_text(out / FIGURES, json.dumps(summary_to_dict(summary), indent=2) + "\n")
    write_success_plot(out / PICTURE, summary)
    console.print(scores_table(summary))
    console.print(clips_table(summary))
    if absences:
        console.print(absences_table(summary))
    for line in [*notes(summary), f"figures   {out / FIGURES}", f"picture   {out / PICTURE}"]:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
