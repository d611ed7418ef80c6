"""What the `sightline` command does to measure whole runs: benchmark pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline.errors import ConfigError, OutputError
from pipeline.progress_line import steps
from pipeline.run_verbs import SetOption

FIGURES, PICTURE = "pipeline.json", "pipeline.png"  # in the folder of results


def benchmark_pipeline(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE...", help="Videos. Streams are copies of them; all else goes by the first."),
    ],
    config: Annotated[str, typer.Option(help="YAML file, or the name of one in configs/.")] = "default",
    settings: SetOption = None,
    streams: Annotated[
        str, typer.Option(metavar="N,N,...", help="So many at once; one alone is always measured.")
    ] = "1",
    rounds: Annotated[int, typer.Option(min=1, max=100, help="Rounds; what counts is their median.")] = 3,
    max_frames: Annotated[int | None, typer.Option(min=3, help="Only so many frames of each source.")] = None,
    peer_weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also ultralytics' own `track`, with ByteTrack and this model (.pt, .onnx)."),
    ] = None,
    peer_python: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", help="Python of an environment with ultralytics and lap for it.  [default: this one]"
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="MOTChallenge sequence or gt.txt of the first source: HOTA and IDF1."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where figures and picture are written.")] = Path(
        "benchmark"
    ),
) -> None:
    """Frames/s, time by stage, processor time, memory and start-up of whole runs: tables, a plot, JSON.

    Every run is a process of its own with a new database. All take turns, round by round, since the speed of a machine
    drifts: ratios are what counts.

    Example: `sightline benchmark pipeline street.mp4 --streams 1,4,16 --peer-weights yolov8n.pt`
    """
    from pipeline.evaluation.number_table import write_text
    from pipeline.pipeline_benchmark.benchmark import Peer, PipelinePlan, run_pipeline_benchmark
    from pipeline.pipeline_benchmark.plot import write_plot
    from pipeline.pipeline_benchmark.summary import notes, runs_table, stages_table, summary_to_dict

    if peer_python is not None and peer_weights is None:
        raise ConfigError("--peer-python needs --peer-weights: the model that ultralytics is to run")
    plan = PipelinePlan(
        sources=sources,
        config=config,
        settings=settings or [],
        streams=read_streams(streams),
        rounds=rounds,
        max_frames=max_frames,
        peer=None if peer_weights is None else Peer(peer_weights, peer_python),
        truth=truth,
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made: {error.strerror}; name another with --out") from error
    console = Console()
    with steps(console, "looking at what there is to measure") as (counted, begun):
        measured = run_pipeline_benchmark(plan, begun=counted, advanced=begun)
    write_text(out / FIGURES, json.dumps(summary_to_dict(plan, measured), indent=2) + "\n")
    write_plot(out / PICTURE, measured)
    console.print(runs_table(plan, measured))
    console.print(stages_table(measured))
    for line in [*notes(plan, measured), f"figures   {out / FIGURES}", f"picture   {out / PICTURE}"]:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def read_streams(text: str) -> list[int]:
    """`4,16` as [1, 4, 16]: rising, each once, one always among them. ConfigError for anything else."""
    try:
        counts = sorted({1, *(int(part) for part in text.split(","))})
    except ValueError as error:
        raise ConfigError(f"--streams {text}: write numbers of streams as 1,4,16") from error
    if counts[0] < 1 or counts[-1] > 256:
        raise ConfigError(f"--streams {text}: each must lie between 1 and 256")
    return counts
