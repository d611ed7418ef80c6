"""What the `sightline` command does with alerts: what waits for whom, sending it now, and trying a receiver out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import ConfigError
from pipeline.run_verbs import INCOMPLETE, DatabaseOption, confirm, opened_store

if TYPE_CHECKING:
    from pipeline.alerts.dispatcher import Receiver
    from pipeline.camera_settings import AlertSettings, WatchSettings
    from pipeline.store.deliveries import Backlog, DeliveryRow

alerts_app = typer.Typer(invoke_without_command=True)

_STYLES = {"waiting": "cyan", "failed": "yellow", "refused": "red", "arrived": "green"}

FileArgument = Annotated[Path, typer.Argument(metavar="CAMERAS.yaml", help="The cameras file with the alerts.")]


@alerts_app.callback()
def alerts(
    context: typer.Context,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only what has not arrived and is on its way.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only what was tried in vain or refused.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show so many, the newest first.")] = 20,
    database: DatabaseOption = None,
) -> None:
    """List events and whom they are told of them, with what became of that.

    waiting: not tried yet. failed: the receiver was away, it is tried again. refused: the receiver would not have it;
    it is tried again seldom, or with `sightline alerts send`. arrived: the receiver said so.

    Example: `sightline alerts --failed`
    """
    if context.invoked_subcommand is not None:
        return
    from pipeline.store.deliveries import DeliveryState, backlogs, list_deliveries

    if waiting and failed:
        raise ConfigError("--waiting and --failed are two different lists; give one of them")
    states = list(DeliveryState)
    if waiting:
        states = [DeliveryState.WAITING, DeliveryState.FAILED]
    if failed:
        states = [DeliveryState.FAILED, DeliveryState.REFUSED]
    with opened_store(database) as (store, scope, _), store.read("list alerts") as connection:
        rows = list_deliveries(scope, connection, states=states, limit=limit)
        left = backlogs(scope, connection)
    console = Console()
    if rows:
        console.print(_table(rows))
    for line in _backlog_lines(left) or ["nothing waits"]:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


@alerts_app.command()
def send(cameras: FileArgument) -> None:
    """Send what waits for the alerts of a cameras file, and what was refused, now; a running service may go on.

    Exit code 0: everything has arrived. 1: something waits still.

    Example: `sightline alerts send cameras.yaml`
    """
    from pipeline.alerts.dispatcher import send_now

    settings = _settings(cameras)
    incomplete = False
    with opened_store(settings.store.database) as (store, scope, _):
        for receiver in _receivers(settings, settings.alerts):
            try:
                report = send_now(store, scope, receiver)
            finally:
                receiver.courier.close()
            left = report.waiting + report.refused
            incomplete |= left > 0
            line = f"{receiver.target}: {report.arrived} arrived, {report.waiting} waiting, {report.refused} refused"
            _say(f"{line}; {report.error}" if report.error else line)
    if incomplete:
        raise typer.Exit(INCOMPLETE)


@alerts_app.command()
def drop(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the alert, as `sightline alerts` shows it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    database: DatabaseOption = None,
) -> None:
    """Forget what waits for an alert, or was refused by it: one that is gone, or has been away for too long.

    Its events stay. Of an alert that a running service still has, later events go out.

    Example: `sightline alerts drop guardroom --yes`
    """
    from pipeline.store.deliveries import backlogs, drop
    from pipeline.store.writer import now_microseconds

    with opened_store(database) as (store, scope, _):
        with store.read("list alerts") as connection:
            left = backlogs(scope, connection)
        if name not in left:
            raise ConfigError(f"nothing waits for an alert '{name}'; something waits for: {', '.join(left) or 'none'}")
        for line in _backlog_lines({name: left[name]}):
            _say(line)
        if not yes:
            confirm("Forget them?", "whether to forget them")
        with store.write("forget alerts") as connection:
            dropped = drop(scope, connection, name, now=now_microseconds())
    _say(f"{name}: {dropped} forgotten")


@alerts_app.command()
def test(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the alert in the cameras file.")],
    cameras: FileArgument,
) -> None:
    """Send one message that is marked as a test (`"test": true`), and say what came back.

    Exit code 0: it has arrived. 1: it has not.

    Example: `sightline alerts test guardroom cameras.yaml`
    """
    from pipeline.alerts.courier import Outcome
    from pipeline.alerts.message import trial_message
    from pipeline.store.public_id import PublicIds
    from pipeline.store.writer import now_microseconds

    settings = _settings(cameras)
    if name not in settings.alerts:
        raise ConfigError(f"{cameras} has no alert '{name}'; it has: {', '.join(settings.alerts) or 'none'}")
    [receiver] = _receivers(settings, {name: settings.alerts[name]})
    try:
        answer = receiver.courier.deliver(trial_message(PublicIds().new(), at=now_microseconds()))
    finally:
        receiver.courier.close()
    _say(f"{name}: {answer.outcome.value}; {answer.said}")
    if answer.outcome is not Outcome.ARRIVED:
        raise typer.Exit(INCOMPLETE)


def _settings(path: Path) -> WatchSettings:
    from pipeline.watch.cameras_file import load_watch_settings

    settings = load_watch_settings(path)
    if not settings.alerts:
        raise ConfigError(f"{path} has no alerts; README's chapter Alerts shows some")
    return settings


def _receivers(settings: WatchSettings, alerts: Mapping[str, AlertSettings]) -> Sequence[Receiver]:
    from pipeline import build
    from pipeline.secrets import Secrets

    file = None if settings.secrets_file is None else Path(settings.secrets_file)
    return build.receivers(alerts, Secrets.read(file, os.environ))


def _table(rows: Sequence[DeliveryRow]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("at (UTC)", "alert", "state"):
        table.add_column(heading, no_wrap=True)
    for heading in ("event", "camera", "rule"):
        table.add_column(heading)
    table.add_column("tries", justify="right", no_wrap=True)
    table.add_column("last error", overflow="fold")
    for row in rows:
        table.add_row(
            datetime.fromtimestamp(row.at / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S"),
            Text(row.target),
            Text(row.state.value, style=_STYLES[row.state.value]),
            row.kind.value,
            Text(row.camera),
            Text(row.rule),
            str(row.attempts),
            Text(row.error or ""),
        )
    return table


def _backlog_lines(left: Mapping[str, Backlog]) -> list[str]:
    return [f"{target}: {one.waiting} waiting, {one.refused} refused" for target, one in sorted(left.items())]


def _say(line: str) -> None:
    Console().print(line, soft_wrap=True, highlight=False, markup=False)
