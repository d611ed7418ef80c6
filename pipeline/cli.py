"""The `sightline` command: one verb, one function."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer
from rich.console import Console
from rich.text import Text

from pipeline import (
    camera_verbs,
    evaluate_verbs,
    event_verbs,
    export_verbs,
    heat_verbs,
    logs,
    run_verbs,
    track_verbs,
    watch_verbs,
)
from pipeline.alert_verbs import alerts_app
from pipeline.benchmark_verbs import benchmark_app
from pipeline.composite_verb import composite
from pipeline.distill_verbs import distill_app
from pipeline.errors import ConfigError, OutputError, SightlineError
from pipeline.explain_verb import explain
from pipeline.follow_verb import follow, resume_following
from pipeline.model_verbs import models_app
from pipeline.recording_verbs import recordings_app
from pipeline.redaction import redact
from pipeline.run_verbs import DatabaseOption, RunArgument, SetOption
from pipeline.size_verb import size
from pipeline.stopping import INTERRUPTED, Stoppable, stopping
from pipeline.tracker_names import TrackerName
from pipeline.train_verbs import train_app

if TYPE_CHECKING:
    from pipeline.runs import Run

BAD_INPUT = 2  # exit code: nothing was done
INCOMPLETE = 1  # exit code: something was done, but not all

app = typer.Typer(
    help="Turn camera streams and video files into a searchable database of tracks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    add_completion=False,
)
app.add_typer(alerts_app, name="alerts")
app.add_typer(recordings_app, name="recordings")
app.add_typer(distill_app, name="distill")
app.add_typer(train_app, name="train")
app.add_typer(models_app, name="models")
app.command()(composite)
app.command()(explain)
app.command()(follow)
app.command()(size)

WorkersOption = Annotated[int, typer.Option(min=1, max=256, help="Processes that share the sources.")]
StreamsOption = Annotated[
    int, typer.Option(min=1, max=256, help="Sources at once in one process: they share the networks, and its memory.")
]
PreviewOption = Annotated[bool, typer.Option("--preview", help="Keep the newest annotated picture for the page.")]


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line. Errors Sightline raises on purpose become one line and exit code 2.

    `words`: what follows `sightline`; None: of this process.
    """
    logs.set_up()
    try:
        app(words)
    except SightlineError as error:
        _say_error(error)
        sys.exit(BAD_INPUT)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"sightline {version('sightline')}")
        raise typer.Exit


@app.callback()
def _before_any_verb(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What comes before the verb."""


@app.command()
def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="Videos, folders, patterns ('day/**/*.mp4'), lists (@files.txt), or cameras."
        ),
    ],
    config: Annotated[
        str, typer.Option(help="YAML file, or the name of one in configs/ (default, motion, people).")
    ] = "default",
    settings: SetOption = None,
    database: DatabaseOption = None,
    video_out: Annotated[Path | None, typer.Option(metavar="FILE", help="Annotated H.264 video (.mp4, .mkv).")] = None,
    mot_out: Annotated[Path | None, typer.Option(metavar="FILE", help="Tracks as MOTChallenge text.")] = None,
    csv_out: Annotated[Path | None, typer.Option(metavar="FILE", help="Tracks as CSV with a header.")] = None,
    max_frames: Annotated[int | None, typer.Option(min=1, help="Stop after so many frames of each source.")] = None,
    workers: WorkersOption = 1,
    streams: StreamsOption = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the last run over these sources, if it ended early.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Process also what was finished before with these settings.")
    ] = False,
    policy: Annotated[
        Literal["auto", "batch", "live"],
        typer.Option(
            help="batch: every frame in order. live: the freshest, at the pace it comes. auto: live for cameras."
        ),
    ] = "auto",
    secret: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of cameras: SIGHTLINE_SECRET_NAME=user:password.")
    ] = None,
    preview: PreviewOption = False,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What was done and how long each stage took, as JSON.")
    ] = None,
    run_id: Annotated[UUID | None, typer.Option(hidden=True, help="Public id of the new run.")] = None,
) -> None:
    """Detect and track everything in videos, or of cameras (rtsp://...) until Ctrl-C, and store it.

    With several sources, put `{name}` into the names of output files: it becomes each source's name. A source that
    cannot be read does not stop the others. What was finished before with the same content, settings and models is
    left out.

    Example: `sightline run street.mp4 --config people --set detector.weights=yolox_nano.onnx --video-out out.mp4`

    Exit code 0: all done. 1: not all could be done, what came before is stored. 2: bad input, nothing was done.
    """
    from pipeline.addresses import expand
    from pipeline.config import load_settings
    from pipeline.console import RunDisplay, left_out_lines
    from pipeline.outputs import Outputs
    from pipeline.run_record import inputs
    from pipeline.run_report import RunClock, check_report, write_report
    from pipeline.runs import Run

    overrides = list(settings or [])
    if database is not None:
        overrides.append(f"store.database={json.dumps(database)}")
    if max_frames is not None:
        overrides.append(f"source.max_frames={max_frames}")
    if policy != "auto":
        overrides.append(f"source.policy={policy}")
    if workers > 1 and streams > 1:
        raise ConfigError("--workers takes several processes and --streams a single one; give one of them")
    if resume and again:
        raise ConfigError("--resume goes on with a run and --again begins a new one; give one of them")
    console = Console()
    addresses = expand(sources)
    chosen = load_settings(config, overrides)
    if chosen.source.policy == "live" or any(map(watch_verbs.is_stream, addresses.sources)):
        watch_verbs.refuse_mixture(addresses.sources, live=chosen.source.policy == "live")
        if video_out or mot_out or csv_out or resume or again or workers > 1 or streams > 1 or report:
            raise ConfigError(
                "--video-out, --mot-out, --csv-out, --workers, --streams, --resume, --again and --report are for "
                "files; of cameras `sightline export` writes the tracks, and `sightline watch` can record"
            )
        stopped = watch_verbs.watch_streams(
            addresses.sources, chosen, secret=secret, max_frames=max_frames, public_id=run_id
        )
        if stopped:
            raise typer.Exit(INTERRUPTED)
        return
    if secret is not None:
        raise ConfigError("--secret is for cameras; files need none")
    for line in left_out_lines(addresses):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    outputs = Outputs(mot=mot_out, csv=csv_out, video=video_out)
    if report is not None:
        check_report(report, outputs, addresses.sources, inputs(chosen))
    with RunDisplay(console) as display:
        clock = RunClock(display)
        work = Run(
            addresses.sources,
            chosen,
            outputs=outputs,
            observer=clock,
            workers=workers,
            streams=streams,
            again=again,
            public_id=run_id,
            preview=preview,
        )
        if resume and not work.resume_last():
            console.print("no run over these sources ended early; a new one begins", highlight=False)
        failure = _execute(work)
    if report is not None and work.outcome is not None:
        try:
            write_report(report, work.outcome, clock)
        except OutputError as error:
            failure = failure or error
    _conclude(console, work, failure, database=database)


@app.command()
def resume(
    run: RunArgument,
    database: DatabaseOption = None,
    workers: WorkersOption = 1,
    without_video: Annotated[
        bool, typer.Option("--without-video", help="Leave the annotated video out, where its parts are lost.")
    ] = False,
    preview: PreviewOption = False,
) -> None:
    """Go on with a run that was stopped, failed or killed, as if nothing had happened.

    It repeats at most the frames since its last checkpoint (100). A changed file, model or version is refused.

    Example: `sightline resume last`
    """
    from pipeline.config import StoreSettings
    from pipeline.console import RunDisplay
    from pipeline.runs import Run, find_stored_run
    from pipeline.store.run_kinds import FOLLOW

    address = database or StoreSettings().database
    console = Console()
    found = find_stored_run(address, run)
    if found.run.kind == FOLLOW:
        resume_following(found, address, preview=preview)
        return
    with RunDisplay(console) as display:
        work = Run.resumed(
            found,
            address,
            observer=display,
            workers=workers,
            without_video=without_video,
            preview=preview,
        )
        failure = _execute(work)
    _conclude(console, work, failure, database=database)


@app.command()
def retrack(
    run: RunArgument,
    tracker: Annotated[TrackerName | None, typer.Option(help="Another tracker, with its own defaults.")] = None,
    settings: SetOption = None,
    refine: Annotated[
        bool, typer.Option("--refine", help="Link, smooth and complete the tracks with hindsight (settings: refine).")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Track a run's stored detections again, into a run of its own: no video is read, no network runs.

    `sightline compare` shows what changed.

    Example: `sightline retrack last --set tracker.lost_seconds=2 --refine`
    """
    from pipeline.config import StoreSettings
    from pipeline.console import RetrackDisplay, retrack_table
    from pipeline.retrack import Retrack, changed_sections, retrack_settings
    from pipeline.runs import find_stored_run
    from pipeline.store.database import open_database
    from pipeline.tracker_settings import needs_pictures

    address = database or StoreSettings().database
    parent = find_stored_run(address, run)
    overrides = list(settings or [])
    if tracker is not None:
        overrides.insert(0, f"tracker.name={tracker}")
    chosen = retrack_settings(parent, address, overrides)
    console = Console()
    with open_database(address) as store, RetrackDisplay(console) as display:
        changed = changed_sections(overrides)
        work = Retrack(store, parent, chosen, refined=refine, changed=changed, advanced=display.advanced)
        with _stopping(work):
            outcome = work.execute()
    console.print(retrack_table(outcome))
    if needs_pictures(chosen.tracker):
        console.print("held      nothing: stored detections have no pictures", highlight=False)
    console.print(f"compare   sightline compare {outcome.parent} {outcome.public_id}", soft_wrap=True, highlight=False)
    if outcome.stopped:
        raise typer.Exit(INTERRUPTED)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything is written.")] = Path("demo"),
    seconds: Annotated[float, typer.Option(min=5, max=3600, help="Length of the scene.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Another number, another scene.")] = 7,
) -> None:
    """Render a busy plaza, track its people, and score the result against the exact truth.

    Example: `sightline demo --out demo`
    """
    from pipeline.console import RunDisplay, demo_lines, outcome_tables
    from pipeline.demo import run_demo
    from pipeline.evaluation.report import to_table

    console = Console()
    with RunDisplay(console) as display:
        report = run_demo(
            out, seconds=seconds, seed=seed, observer=display, rendered=display.rendered, stopping=_stopping
        )
    if report is None:
        raise typer.Exit(INTERRUPTED)
    for table in (*outcome_tables(report.outcome), to_table(report.evaluation)):
        console.print(table)
    for line in demo_lines(report):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


@app.command()
def doctor(
    database: Annotated[str, typer.Option(metavar="URL", help="The database to look at.")] = "runs/sightline.db",
) -> None:
    """Say what works here, what is missing, and how to get it. Changes nothing.

    Example: `sightline doctor --database postgresql://sightline@db/sightline`
    """
    from pipeline.doctor import examine, to_table

    findings = examine(database)
    Console().print(to_table(findings))
    if any(finding.bad for finding in findings):
        raise typer.Exit(INCOMPLETE)


app.command()(track_verbs.track)
app.add_typer(evaluate_verbs.evaluate_app, name="evaluate")
app.add_typer(benchmark_app, name="benchmark")
app.command()(event_verbs.events)
app.command()(heat_verbs.heatmap)
app.command()(camera_verbs.probe)
app.command()(watch_verbs.watch)
app.add_typer(watch_verbs.cameras_app, name="cameras")
for verb in (run_verbs.runs, export_verbs.export, run_verbs.compare, run_verbs.delete, run_verbs.relink):
    app.command()(verb)


def _stopping(work: Stoppable) -> AbstractContextManager[None]:
    """The first Ctrl-C or SIGTERM lets the run finish what it has read; a second one ends the process."""
    return stopping(work, _err().print)


def _execute(work: Run) -> SightlineError | None:
    """Execute a run. A failure after it began is returned, since there is something to show; an earlier one raised."""
    with _stopping(work):
        try:
            work.execute()
        except SightlineError as error:
            if work.outcome is None:
                raise
            return error
    return None


def _conclude(console: Console, work: Run, failure: SightlineError | None, *, database: str | None) -> None:
    """Show how a run ended, and end with the exit code that says it. `database`: as it was given."""
    from pipeline.console import outcome_lines, outcome_tables

    outcome = work.outcome
    assert outcome is not None, "a run that did not fail has begun"
    for table in outcome_tables(outcome):
        console.print(table)
    for line in outcome_lines(outcome):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if outcome.public_id is not None and (failure is not None or work.stopped):
        place = "" if database is None else f" --database {redact(database)}"
        console.print(f"go on with: sightline resume {outcome.public_id}{place}", highlight=False, soft_wrap=True)
    if failure is not None:
        _say_error(failure)
        raise typer.Exit(INCOMPLETE)
    if work.stopped:
        raise typer.Exit(INTERRUPTED)
    if outcome.incomplete:
        raise typer.Exit(INCOMPLETE)


def _say_error(error: SightlineError) -> None:
    line = Text.assemble(("error: ", "bold red"), " ".join(str(error).split()))
    _err().print(line, soft_wrap=True)


def _err() -> Console:
    return Console(stderr=True)
