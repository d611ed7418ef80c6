"""What the `sightline` command does to measure itself beside others: benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.pipeline_benchmark_verb import benchmark_pipeline
from pipeline.progress_line import steps
from pipeline.target_benchmark_verb import benchmark_targets
from pipeline.tracker_names import TrackerName

benchmark_app = typer.Typer(help="Measure whole runs and trackers, ours and other people's.", no_args_is_help=True)

_NONE = "none"


@benchmark_app.callback()
def benchmark() -> None:
    """Measure whole runs and trackers, ours and other people's."""


@benchmark_app.command("trackers")
def benchmark_trackers(
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Folder of MOTChallenge sequences, for accuracy; may be given several times."),
    ] = None,
    tracker: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Which of ours; may be given several times. [default: all]"),
    ] = None,
    objects: Annotated[
        str, typer.Option(metavar="N,N,...", help="Speed with so many objects in a frame; `none` for no speed.")
    ] = "10,50,100,300,1000",
    frames: Annotated[int, typer.Option(min=1, max=10_000, help="Frames of a round of timing.")] = 40,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Rounds; what counts is their median.")] = 5,
    features: Annotated[
        int, typer.Option(min=0, max=4096, help="Length of features, for trackers that use them; 0: none of these.")
    ] = 128,
    gmc: Annotated[
        bool, typer.Option("--gmc", help="Give the camera motion of gmc.txt to all that can use it.")
    ] = False,
    refine: Annotated[bool, typer.Option("--refine", help="Score ours with hindsight too.")] = False,
    peer_python: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Python of an environment with other people's trackers (trackers, ultralytics, boxmot, norfair, "
            "deep-sort-realtime); may be given several times.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where figures, picture and tracks are written.")] = Path(
        "benchmark"
    ),
) -> None:
    """Speed and accuracy of trackers on the same detections, ours beside others: a table, a picture and JSON.

    Speed is measured on a simulated crowd, all trackers in turns, with one thread each. Others run with their own
    default settings, in a process of their own environment, which is not changed.

    Example: `sightline benchmark trackers --peer-python peers/bin/python --data data/mot17 --gmc`
    """
    from pipeline.tracker_benchmark.benchmark import FIGURES, PICTURE, Plan, run_benchmark
    from pipeline.tracker_benchmark.speed import Trial
    from pipeline.tracker_benchmark.summary import accuracy_table, notes, speed_table

    known = get_args(TrackerName)
    for name in tracker or []:
        if name not in known:
            raise ConfigError(f"there is no tracker {name!r}; known: {', '.join(known)}")
    plan = Plan(
        trackers=[name for name in known if not tracker or name in tracker],
        pythons=peer_python or [],
        trial=Trial(read_counts(objects), frames, rounds, features),
        data=data or [],
        camera_motion=gmc,
        refine=refine,
    )
    console = Console()
    with steps(console, "asking who is there") as (counted, begun):
        summary = run_benchmark(plan, out, begun=counted, advanced=begun)
    if summary.timings:
        console.print(speed_table(summary))
    if summary.groups:
        console.print(accuracy_table(summary))
    for line in [*notes(summary), f"figures   {out / FIGURES}", f"picture   {out / PICTURE}"]:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


benchmark_app.command("targets")(benchmark_targets)
benchmark_app.command("pipeline")(benchmark_pipeline)


def read_counts(text: str) -> list[int]:
    """`10,50` as [10, 50], rising and each once; `none` as []. ConfigError for anything else."""
    if text.strip() == _NONE:
        return []
    try:
        counts = sorted({int(part) for part in text.split(",")})
    except ValueError as error:
        raise ConfigError(f"--objects {text}: write numbers of objects as 10,50,100, or {_NONE}") from error
    if counts[0] < 1 or counts[-1] > 10_000:
        raise ConfigError(f"--objects {text}: each must lie between 1 and 10000")
    return counts
