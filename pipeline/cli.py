"""The `sightline` command: one verb, one function."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, ClassVar

import typer

from pipeline import logs
from pipeline.channel import threads_take_turns
from pipeline.error_console import say_error
from pipeline.errors import SightlineError
from pipeline.lazy_verbs import LazyVerbs

BAD_INPUT = 2  # exit code: nothing was done

VERBS = {  # where each is, in the order in which they are shown: module, and function or Typer application in it
    "run": ("process_verbs", "run"),
    "resume": ("process_verbs", "resume"),
    "retrack": ("retrack_verb", "retrack"),
    "follow": ("follow_verb", "follow"),
    "watch": ("watch_verbs", "watch"),
    "cameras": ("watch_verbs", "cameras_app"),
    "probe": ("camera_verbs", "probe"),
    "recordings": ("recording_verbs", "recordings_app"),
    "alerts": ("alert_verbs", "alerts_app"),
    "runs": ("run_verbs", "runs"),
    "export": ("export_verbs", "export"),
    "compare": ("run_verbs", "compare"),
    "delete": ("run_verbs", "delete"),
    "relink": ("run_verbs", "relink"),
    "events": ("event_verbs", "events"),
    "heatmap": ("heat_verbs", "heatmap"),
    "explain": ("explain_verb", "explain"),
    "models": ("model_verbs", "models_app"),
    "track": ("track_verbs", "track"),
    "evaluate": ("evaluate_verbs", "evaluate_app"),
    "benchmark": ("benchmark_verbs", "benchmark_app"),
    "size": ("size_verb", "size"),
    "composite": ("composite_verb", "composite"),
    "train": ("train_verbs", "train_app"),
    "distill": ("distill_verbs", "distill_app"),
    "demo": ("demo_verb", "demo"),
    "doctor": ("doctor_verb", "doctor"),
}


class _Verbs(LazyVerbs):
    places: ClassVar = {name: (f"pipeline.{module}", found) for name, (module, found) in VERBS.items()}


app = typer.Typer(
    cls=_Verbs,
    help="Turn camera streams and video files into a searchable database of tracks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    add_completion=False,
)


def main(words: Sequence[str] | None = None) -> None:
    """Run the command line. Errors Sightline raises on purpose become one line and exit code 2.

    `words`: what follows `sightline`; None: of this process.
    """
    logs.set_up()
    threads_take_turns()
    try:
        app(words)
    except SightlineError as error:
        say_error(error)
        sys.exit(BAD_INPUT)


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"sightline {version('sightline')}")
        raise typer.Exit


@app.callback()
def _before_any_verb(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What comes before the verb."""
