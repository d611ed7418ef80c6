"""What the `sightline` command does with sources and runs that go on: run, resume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer
from rich.console import Console

from pipeline import watch_verbs
from pipeline.error_console import error_console, say_error
from pipeline.errors import ConfigError, OutputError, SightlineError
from pipeline.redaction import redact
from pipeline.run_verbs import INCOMPLETE, DatabaseOption, RunArgument, SetOption
from pipeline.stopping import INTERRUPTED, stopping

if TYPE_CHECKING:
    from pipeline.run_report import RunClock
    from pipeline.runs import Run

WorkersOption = Annotated[int, typer.Option(min=1, max=256, help="Processes that share the sources.")]
StreamsOption = Annotated[
    int, typer.Option(min=1, max=256, help="Sources at once in one process: they share the networks, and its memory.")
]
ReportOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="What was done and how long each stage took, as JSON.")
]
PreviewOption = Annotated[bool, typer.Option("--preview", help="Keep the newest annotated picture for the page.")]


def run(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="Videos, folders, patterns ('day/**/*.mp4'), lists (@files.txt), or cameras."
        ),
    ],
    config: Annotated[
        str, typer.Option(help="YAML file, or the name of one in configs/ (default, fast, motion, people).")
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
    report: ReportOption = None,
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
    from pipeline.run_report import RunClock, check_report
    from pipeline.runs import Run

    overrides = list(settings or [])
    if database is not None:
        overrides.append(f"store.database={json.dumps(database)}")
    if max_frames is not None:
        overrides.append(f"source.max_frames={max_frames}")
    if policy != "auto":
        overrides.append(f"source.policy={policy}")
    _refuse_both(workers, streams)
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
    unreported = _reported(work, clock, report)
    _conclude(console, work, failure or unreported, database=database)


def resume(
    run: RunArgument,
    database: DatabaseOption = None,
    workers: WorkersOption = 1,
    streams: StreamsOption = 1,
    without_video: Annotated[
        bool, typer.Option("--without-video", help="Leave the annotated video out, where its parts are lost.")
    ] = False,
    preview: PreviewOption = False,
    report: ReportOption = None,
) -> None:
    """Go on with a run that was stopped, failed or killed, as if nothing had happened.

    It repeats at most the frames since its last checkpoint (100). A changed file, model or version is refused. A report
    tells of what was done from there on.

    Example: `sightline resume last`
    """
    from pipeline.config import StoreSettings
    from pipeline.console import RunDisplay
    from pipeline.run_record import inputs, stored_outputs, stored_settings
    from pipeline.run_report import RunClock, check_report
    from pipeline.runs import Run
    from pipeline.store.run_kinds import FOLLOW
    from pipeline.stored_runs import find_stored_run

    _refuse_both(workers, streams)
    address = database or StoreSettings().database
    console = Console()
    found = find_stored_run(address, run)
    if found.run.kind == FOLLOW:
        from pipeline.follow_verb import resume_following

        if workers > 1 or streams > 1 or report or without_video:
            raise ConfigError(
                f"run {found.run.public_id} follows one target; --workers, --streams, --report and --without-video are "
                "for runs that detect"
            )
        resume_following(found, address, preview=preview)
        return
    with RunDisplay(console) as display:
        clock = RunClock(display)
        work = Run.resumed(
            found,
            address,
            observer=clock,
            workers=workers,
            streams=streams,
            without_video=without_video,
            preview=preview,
        )
        if report is not None:
            kept, sources = found.run.settings, [source.uri_redacted for source in found.sources]
            check_report(report, stored_outputs(kept), sources, inputs(stored_settings(kept, address)))
        failure = _execute(work)
    unreported = _reported(work, clock, report)
    _conclude(console, work, failure or unreported, database=database)


def _refuse_both(workers: int, streams: int) -> None:
    if workers > 1 and streams > 1:
        raise ConfigError("--workers takes several processes and --streams a single one; give one of them")


def _execute(work: Run) -> SightlineError | None:
    """Execute a run. A failure after it began is returned, since there is something to show; an earlier one raised."""
    with stopping(work, error_console().print):
        try:
            work.execute()
        except SightlineError as error:
            if work.outcome is None:
                raise
            return error
    return None


def _reported(work: Run, clock: RunClock, report: Path | None) -> OutputError | None:
    """Write what an executed run did, if that is wanted. Where that fails, the error is returned."""
    from pipeline.run_report import write_report

    if report is None or work.outcome is None:
        return None
    try:
        write_report(report, work.outcome, clock)
    except OutputError as error:
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
        say_error(failure)
        raise typer.Exit(INCOMPLETE)
    if work.stopped:
        raise typer.Exit(INTERRUPTED)
    if outcome.incomplete:
        raise typer.Exit(INCOMPLETE)
