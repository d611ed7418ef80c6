"""What the `sightline` command does with files of detections and tracks: track and evaluate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.run_verbs import SetOption
from pipeline.tracker_names import TrackerName

evaluate_app = typer.Typer(help="Score results against ground truth.", no_args_is_help=True)


def track(
    detections: Annotated[Path, typer.Argument(metavar="DET.txt", help="Detections as MOTChallenge text.")],
    sequence: Annotated[Path, typer.Option(metavar="DIR", help="Folder of seqinfo.ini: frame rate and length.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Tracks as MOTChallenge text.")],
    tracker: Annotated[TrackerName, typer.Option(help="Which tracker.")] = "deepsort",
    gmc: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Camera motion, `frame,a,b,tx,c,d,ty` a line.")
    ] = None,
    refine: Annotated[
        bool, typer.Option("--refine", help="Then, with hindsight: link pieces, smooth boxes, fill holes.")
    ] = False,
    settings: SetOption = None,
) -> None:
    """Track detections that are already there: no video, no network.

    Settings are the tracker's, `--set lost_seconds=2` or `--set tracker.lost_seconds=2`, or those of `--refine`:
    `--set refine.fill_seconds=1`.

    Example: `sightline track det.txt --sequence MOT17-09 --tracker bytetrack --out MOT17-09.txt`
    """
    from pipeline import build
    from pipeline.config import load_settings
    from pipeline.track_file import track_file

    if any(one.removeprefix("tracker.").partition("=")[0].strip() == "name" for one in settings or []):
        raise ConfigError("the tracker's name is given by --tracker, not by --set")
    keys = [one if one.startswith(("tracker.", "refine.")) else f"tracker.{one}" for one in settings or []]
    chosen = load_settings(None, [f"tracker.name={json.dumps(tracker)}", *keys])
    if not refine and any(one.startswith("refine.") for one in keys):
        raise ConfigError("settings under refine. change nothing without --refine; add it")
    refiner = build.refiner(chosen.refine) if refine else None
    summary = track_file(
        detections, sequence, build.tracker(chosen.tracker), refiner=refiner, camera_motion=gmc, out=out
    )
    Console().print(
        f"{summary.frames} frames, {summary.tracks} tracks, {summary.rows} boxes in {summary.seconds:.2f} s "
        f"({1000 * summary.seconds / summary.frames:.2f} ms a frame) -> {out}",
        soft_wrap=True,
        highlight=False,
    )


@evaluate_app.command("mot")
def evaluate_mot(
    truth: Annotated[Path, typer.Option(metavar="PATH", help="Ground truth: a file, or a folder of sequences.")],
    tracks: Annotated[Path, typer.Option(metavar="PATH", help="Results: a file, or a folder of SEQUENCE.txt.")],
    benchmark: Annotated[
        Literal["mot15", "mot16", "mot17", "mot20"] | None,
        typer.Option(help="Whose rules.  [default: told by the columns of the ground truth]"),
    ] = None,
    json_out: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")] = None,
) -> None:
    """HOTA, CLEAR and Identity scores of tracks; with two folders for every sequence and COMBINED.

    Example: `sightline evaluate mot --truth data/mot17 --tracks results --benchmark mot17`
    """
    from pipeline.evaluation.benchmark import Benchmark, evaluate_files, evaluate_folders
    from pipeline.evaluation.number_table import write_text
    from pipeline.evaluation.report import to_dict, to_table

    rules = None if benchmark is None else Benchmark(benchmark)
    evaluate = evaluate_folders if truth.is_dir() else evaluate_files
    result = evaluate(truth, tracks, benchmark=rules)
    Console().print(to_table(result))
    if json_out is not None:
        write_text(json_out, json.dumps(to_dict(result), indent=2) + "\n")


@evaluate_app.command("sot")
def evaluate_sot(
    truth: Annotated[
        Path, typer.Option(metavar="PATH", help="Where the target is: a file, or a folder of NAME/groundtruth.txt.")
    ],
    boxes: Annotated[
        Path, typer.Option(metavar="PATH", help="Where the tracker says it is: a file, or a folder of NAME.txt.")
    ],
    json_out: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all figures as JSON.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Curves of success and precision as PNG.")] = None,
) -> None:
    """How well single targets were followed: success (AUC), precision, robustness, and what the score is worth.

    Files have a row a frame. Boxes: `x,y,w,h` or `x,y,w,h,score`, the first row as given to the tracker; `car.txt.json`
    beside `car.txt` may tell `frames_per_second` and `tracker`. Truth: `x,y,w,h`, `frame,x,y,w,h,isLost`, or eight
    numbers of a polygon, whose upright hull counts; NaN, a side of 0 or isLost 1 say that the target is absent.

    The second target of a clip is `NAME/groundtruth.2.txt` and `NAME.2.txt`. MEAN takes each target alike.

    AUC: share of frames with an overlap above 0, .05 .. 1, their mean, 95.2 at best. `20 px`: centre that near.
    `norm.`: centre within 0 .. .5 sizes of the target, mean. `robust`: share before ten frames in a row of overlap
    below .1. `score`: how often a frame that is lost has a lower score than one that is not.

    Example: `sightline evaluate sot --truth otb --boxes results --plot curves.png`
    """
    from pipeline.evaluation.sot_files import evaluate_targets, find_targets
    from pipeline.evaluation.sot_report import curves_plot, to_dict, to_table
    from pipeline.training.whole_file import write_whole

    results = evaluate_targets(find_targets(truth, boxes))
    Console().print(to_table(results))
    if json_out is not None:
        write_whole(json_out, (json.dumps(to_dict(results), indent=2) + "\n").encode())
    if plot is not None:
        write_whole(plot, curves_plot(results))
